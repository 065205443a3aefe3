"""Makes a branch of a saved notebook: its file, its grants, and the check that its state comes.

Needs no model and no server; both of them, and the command line, build on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.replay import CellReplayed, Replay
from analyst_kernel.grants import GrantStore, GrantStoreError
from analyst_kernel.kernel.manager import KernelHost
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.notebook import branch as cutting
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.read import cells_to_replay
from analyst_kernel.notebook.export.export import read
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.notebook.storage.output_dir import files_of
from analyst_kernel.notebook.verify.verify import CellCheck
from analyst_kernel.protocol.errors import DataError, InputError
from analyst_kernel.protocol.ids import AnalysisId, CellId, new_analysis_id
from analyst_kernel.protocol.sandbox import SandboxLevel

CELL_SECONDS = 600.0
"""How long one cell of a replay may take."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch's notebook as it was written.

    Attributes:
        analysis: Its id.
        path: Where it lies.
        cell: The last cell it took over.
        document: What it holds.
        to_run: How many cells make its state.
    """

    analysis: AnalysisId
    path: Path
    cell: CellId
    document: Document
    to_run: int


@dataclass(frozen=True, slots=True)
class BranchReport:
    """A branch, and what became of each cell when it ran again."""

    branch: Branch
    checks: tuple[CellCheck, ...]

    @property
    def troubles(self) -> tuple[CellCheck, ...]:
        """Cells that no longer reproduce."""
        return tuple(check for check in self.checks if is_trouble(check))


def trouble_text(check: CellCheck) -> str:
    """Tell the user of a cell that no longer reproduces."""
    what = " ".join((check.detail or check.verdict).split())
    shown = what if len(what) <= 300 else f"{what[:300]} …"
    return (
        f"Cell {check.cell} no longer reproduces: {shown}. The branch stays usable; look at that "
        "cell before you rely on what follows from it."
    )


def is_trouble(check: CellCheck) -> bool:
    """Say whether a cell no longer reproduces; one that could not be compared is no trouble."""
    return check.verdict in ("differs", "error")


async def make_branch(
    parent: str | os.PathLike[str],
    *,
    at: str,
    to: str | os.PathLike[str],
    grants: GrantStore | None = None,
    data: Sequence[str | os.PathLike[str]] = (),
) -> Branch:
    """Write the notebook of a branch and give it the parent's grants. No code runs.

    Data paths in the cells are rewritten where the branch lies in another folder. Cancelled or
    failed, nothing is left behind.

    Args:
        parent: A saved notebook; not changed.
        at: The last cell to take over.
        to: Where to write it; a name that is taken gets a number.
        grants: The store of grants; the user's own by default.
        data: What the user grants besides.

    Raises:
        InputError: There is no such cell, or the store of grants cannot be used.
        DataError: There is no such data.
        NotebookError: The parent cannot be read, or the branch not be written.
    """
    for path in data:
        if not os.path.exists(path):
            raise DataError(f"There is no file or folder {path}.", "Check the path.")
    made: list[Branch] = []

    def work() -> None:
        try:
            store = grants if grants is not None else GrantStore()
            made.append(_written(parent, CellId(at), to))
            _grant(store, str(notebook_path(parent)), str(made[0].path), data)
        except GrantStoreError as error:
            raise InputError(str(error)) from error

    try:
        await finish_despite_cancel(asyncio.to_thread(work), reraise=True)
    except BaseException:
        for branch in made:
            await finish_despite_cancel(discard(branch, grants))
        raise
    return made[0]


async def discard(branch: Branch, grants: GrantStore | None = None) -> None:
    """Remove a branch that nobody has seen yet: its notebook, its files, its grants."""

    def work() -> None:
        with contextlib.suppress(FileNotFoundError):
            branch.path.unlink()
        # Its name was only chosen because no such folder was there.
        shutil.rmtree(files_of(branch.path), ignore_errors=True)
        with contextlib.suppress(GrantStoreError):
            (grants if grants is not None else GrantStore()).forget(str(branch.path))

    await asyncio.to_thread(work)


async def check_branch(
    branch: Branch,
    *,
    sandbox: SandboxLevel = "restricted",
    on_check: Callable[[CellCheck, int, int], None] | None = None,
    host: KernelHost | None = None,
) -> BranchReport:
    """Bring a fresh kernel to the branch's state; compare each cell that runs with what is saved.

    Args:
        branch: Which.
        sandbox: The level below which nothing runs.
        on_check: Called with each cell's result, how many there were so far, and how many there
            are.
        host: Who starts the kernel.

    Raises:
        SandboxError, KernelError: No fresh kernel; nothing was compared.
    """
    checks: list[CellCheck] = []

    async def judge(arrived: CellReplayed) -> None:
        check = await judged(branch.document, branch.path, arrived)
        checks.append(check)
        if on_check is not None:
            on_check(check, arrived.number, arrived.of)

    cells = cells_to_replay(branch.document)
    if not cells:
        return BranchReport(branch, ())
    kernel = KernelSession(notebook=str(branch.path), require=sandbox, host=host)
    await kernel.start()
    try:
        await Replay().bring(kernel, cells, timeout=CELL_SECONDS, on_cell=judge)
    finally:
        await kernel.stop()
    return BranchReport(branch, tuple(checks))


async def branch_notebook(
    parent: str | os.PathLike[str],
    *,
    at: str,
    to: str | os.PathLike[str],
    data: Sequence[str | os.PathLike[str]] = (),
    sandbox: SandboxLevel = "restricted",
    on_made: Callable[[Branch], None] | None = None,
    on_check: Callable[[CellCheck, int, int], None] | None = None,
) -> BranchReport:
    """Make a branch and check that its state comes: :func:`make_branch`, :func:`check_branch`.

    A branch with a cell that no longer reproduces is kept. Cancelled, or without a kernel, nothing
    is left behind. ``on_made`` is called when the notebook is there and nothing has run yet.
    """
    branch = await make_branch(parent, at=at, to=to, data=data)
    try:
        if on_made is not None:
            on_made(branch)
        return await check_branch(branch, sandbox=sandbox, on_check=on_check)
    except BaseException:
        await finish_despite_cancel(discard(branch))
        raise


async def judged(document: Document, path: Path, arrived: CellReplayed) -> CellCheck:
    """Say whether a cell whose state arrived gives what the notebook ``path`` holds of it."""
    return await cutting.judged(document, arrived.cell.cell, arrived.execution, path=path)


def _written(parent: str | os.PathLike[str], cell: CellId, to: str | os.PathLike[str]) -> Branch:
    source, target = notebook_path(parent), notebook_path(to)
    document = read(source)
    old, new = Path(os.path.realpath(source)).parent, Path(os.path.realpath(target.parent))
    analysis = new_analysis_id()
    try:
        relative = Path(os.path.relpath(os.path.realpath(source), new)).as_posix()
    except ValueError:  # another drive
        relative = source.as_posix()
    cut = cutting.branched(
        document,
        cell,
        analysis=analysis,
        notebook=relative,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    whole = cutting.moved(cut, old, new)
    path = cutting.write(whole, target)
    return Branch(analysis, path, cell, whole, len(cells_to_replay(whole)))


def _grant(
    store: GrantStore, parent: str, path: str, data: Sequence[str | os.PathLike[str]]
) -> None:
    store.copy(parent, path)
    for item in data:
        store.record(path, os.fspath(item), "folder" if os.path.isdir(item) else "file")
