"""Makes a branch of a saved notebook: its file, its grants, and the check that it reproduces.

Needs neither a model nor a server. The command line, the Python API and the server build on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel._trees import remove_tree
from analyst_kernel.agent.replay import CellReplayed, replay_cells
from analyst_kernel.analysis.privacy import PrivacyStore
from analyst_kernel.analysis.verify import CELL_SECONDS, check_exists
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.grants import GrantStore, GrantStoreError
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.notebook import branch as cutting
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.read import analysis_of, cells_to_replay
from analyst_kernel.notebook.export.export import read
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.notebook.storage.output_dir import files_of
from analyst_kernel.notebook.verify.verify import CellCheck
from analyst_kernel.protocol.ids import AnalysisId, CellId, new_analysis_id
from analyst_kernel.protocol.sandbox import SandboxLevel


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch's notebook as it was written.

    Attributes:
        cell: The last cell that it took over.
        to_run: How many cells must run to give a kernel its state.
    """

    analysis: AnalysisId
    path: Path
    cell: CellId
    document: Document
    to_run: int


def trouble_text(check: CellCheck) -> str:
    """Return the notice about a cell that no longer reproduces."""
    what = " ".join((check.detail or check.verdict).split())
    shown = what if len(what) <= 300 else f"{what[:300]} …"
    return (
        f"Cell {check.cell} no longer reproduces: {shown}. The branch stays usable; look at that "
        "cell before you rely on what follows from it."
    )


def is_trouble(check: CellCheck) -> bool:
    """Return whether a cell no longer reproduces; one that could not be compared does not count."""
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

    Data paths in the cells are rewritten if the branch is saved in another folder. When this is
    cancelled or fails, nothing is left behind.

    The branch takes over the cells of ``parent``, which is not changed, up to the cell ``at``. If
    the name ``to`` is taken, it gets a number. ``grants`` is the user's own store by default;
    ``data`` is granted in addition.

    Raises:
        InputError: There is no such cell, or the store of grants cannot be used.
        DataError: There is no such file or folder.
        NotebookError: The parent cannot be read, or the branch cannot be written.
    """
    check_exists(data)
    made: list[Branch] = []

    def work() -> None:
        store = grants if grants is not None else GrantStore()
        made.append(_written(parent, CellId(at), to))
        path, analysis = str(made[0].path), made[0].analysis
        before = analysis_of(read(notebook_path(parent)))
        if before is not None:
            folder = store.path.parent
            PrivacyStore(folder, analysis).follow(PrivacyStore(folder, before))
        store.copy(str(notebook_path(parent)), path, analysis=analysis)
        store.record_all(path, data, analysis=analysis)

    try:
        await finish_despite_cancel(asyncio.to_thread(work), reraise=True)
    except BaseException:
        for branch in made:
            await finish_despite_cancel(discard(branch, grants))
        raise
    return made[0]


async def discard(branch: Branch, grants: GrantStore | None = None) -> None:
    """Remove a branch that was not used yet: its notebook, its files, its grants."""

    def work() -> None:
        with contextlib.suppress(FileNotFoundError):
            branch.path.unlink()
        # The branch got its name because no such folder existed, so all in it is the branch's own.
        remove_tree(files_of(branch.path))
        with contextlib.suppress(GrantStoreError):
            (grants if grants is not None else GrantStore()).forget(str(branch.path))

    await asyncio.to_thread(work)


async def restore_and_compare(
    restore: Callable[..., Awaitable[object]],
    document: Document,
    path: str | os.PathLike[str],
    on_check: Callable[[CellCheck, int, int], None] | None = None,
) -> tuple[CellCheck, ...]:
    """Bring a kernel to the state of a notebook and compare each cell with its saved outputs.

    ``restore`` runs the cells in the kernel and awaits its ``on_cell`` after each one. ``on_check``
    is called with each cell's result, how many there were so far, and how many there are.
    """
    checks: list[CellCheck] = []
    reader = FileReader()

    async def compare(arrived: CellReplayed) -> None:
        check = await cutting.judged(
            document,
            arrived.cell.cell,
            arrived.execution,
            path=Path(path),
            pictures=reader.picture_difference,
        )
        checks.append(check)
        if on_check is not None:
            on_check(check, arrived.number, arrived.of)

    await restore(on_cell=compare)
    return tuple(checks)


async def branch_notebook(
    parent: str | os.PathLike[str],
    *,
    at: str,
    to: str | os.PathLike[str],
    data: Sequence[str | os.PathLike[str]] = (),
    sandbox: SandboxLevel = "restricted",
    on_made: Callable[[Branch], None] | None = None,
    on_check: Callable[[CellCheck, int, int], None] | None = None,
) -> tuple[Branch, tuple[CellCheck, ...]]:
    """Make a branch, and return it with each cell's result in a fresh kernel of its own.

    A branch with a cell that no longer reproduces is kept. When cancelled, or when no kernel
    starts, nothing is left behind.

    The first arguments are those of :func:`make_branch`. ``on_made`` is called when the notebook is
    written and nothing has run yet, ``on_check`` as for :func:`restore_and_compare`.

    Raises:
        SandboxError, KernelError: No kernel started; nothing was compared.
    """
    branch = await make_branch(parent, at=at, to=to, data=data)
    try:
        if on_made is not None:
            on_made(branch)
        cells = cells_to_replay(branch.document)
        if not cells:
            return branch, ()
        kernel = KernelSession(notebook=str(branch.path), require=sandbox)
        restore = partial(replay_cells, kernel, cells, timeout=CELL_SECONDS)
        await kernel.start()
        try:
            checks = await restore_and_compare(restore, branch.document, branch.path, on_check)
        finally:
            await kernel.stop()
        return branch, checks
    except BaseException:
        await finish_despite_cancel(discard(branch))
        raise


def _written(parent: str | os.PathLike[str], cell: CellId, to: str | os.PathLike[str]) -> Branch:
    source, target = notebook_path(parent), notebook_path(to)
    document = read(source)
    old, new = Path(os.path.realpath(source)).parent, Path(os.path.realpath(target.parent))
    analysis = new_analysis_id()
    try:
        relative = Path(os.path.relpath(os.path.realpath(source), new)).as_posix()
    except ValueError:  # another drive
        relative = source.as_posix()
    created = datetime.now(UTC).isoformat(timespec="seconds")
    cut = cutting.branched(document, cell, analysis=analysis, notebook=relative, created=created)
    whole = cutting.moved(cut, old, new)
    path = cutting.write(whole, target)
    return Branch(analysis, path, cell, whole, len(cells_to_replay(whole)))
