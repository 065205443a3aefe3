"""One running question for each notebook, across processes: a command beside a server, say.

The lock is one of the system's on a small file in the user's Jupyter data folder, so it ends with
the process that holds it, however that ends, and nothing is left beside the notebook. Whoever gets
it takes in what the others did.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.manual.actions import forget_run
from analyst_kernel.agent.rebuild import join_runs, number_of, recall
from analyst_kernel.agent.remember import show_ledger
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.ids import RunId

_PAUSE = 0.1
_FOLDER = "at-work"


@dataclass(frozen=True, slots=True)
class WorkElsewhere:
    """What works on a notebook: the process, and what kind of program it is."""

    pid: int
    program: str


def waiting_text(other: WorkElsewhere) -> str:
    """Return the sentence for a user whose command waits."""
    who = f"{other.program} (process {other.pid})" if other.pid else "Another program"
    return (
        f"{who} works on this notebook. This waits until that has ended; stop the one or the other "
        "if you do not want to wait."
    )


class NotebookLock:
    """The lock of one notebook at a time, by its real path."""

    def __init__(self, folder: Path) -> None:
        """Keep the files of locks below ``folder``."""
        self._folder = folder / _FOLDER

    @asynccontextmanager
    async def held(
        self, notebook: str, on_wait: Callable[[WorkElsewhere], None]
    ) -> AsyncIterator[None]:
        """Hold the lock of a notebook; ``on_wait`` is called once if that has to wait.

        Cancelling ends the wait. Where the system has no such locks, or the folder cannot be used,
        nothing is locked.
        """
        path = self._path(notebook)
        handle: int | None = None
        waits = False
        while True:
            try:
                handle = await asyncio.to_thread(_try, path)
                break
            except _HeldElsewhere as held:
                if not waits:
                    waits = True
                    on_wait(held.by)
                await asyncio.sleep(_PAUSE)
        try:
            yield
        finally:
            if handle is not None:
                _release(path, handle)

    def _path(self, notebook: str) -> Path:
        name = hashlib.sha256(os.fsencode(os.path.realpath(notebook))).hexdigest()[:32]
        return self._folder / f"{name}.lock"


class _HeldElsewhere(Exception):
    def __init__(self, by: WorkElsewhere) -> None:
        super().__init__(waiting_text(by))
        self.by = by


def _try(path: Path) -> int | None:
    """Return the open file that holds the lock, or None if nothing can be locked here."""
    try:
        import fcntl
    except ModuleNotFoundError:
        return None
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, flags, 0o600)
        except OSError:
            return None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _HeldElsewhere(_holder(handle)) from None
            except OSError:  # a file system without locks
                os.close(handle)
                return None
            # Its last holder removes the file; then another one stands there, or none.
            if _is_same(path, handle):
                note = json.dumps({"pid": os.getpid(), "program": _program()})
                os.ftruncate(handle, 0)
                os.pwrite(handle, note.encode(), 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _release(path: Path, handle: int) -> None:
    with suppress(OSError):
        if _is_same(path, handle):
            path.unlink()
    os.close(handle)


def _is_same(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except OSError:
        return False


def _holder(handle: int) -> WorkElsewhere:
    with suppress(OSError, ValueError, TypeError, KeyError):
        noted = json.loads(os.pread(handle, 1000, 0))
        return WorkElsewhere(int(noted["pid"]), str(noted["program"])[:60])
    return WorkElsewhere(0, "")


def _program() -> str:
    if "jupyter_server" in sys.modules:
        return "A Jupyter server"
    return "The command analyst" if Path(sys.argv[0]).stem == "analyst" else "A Python program"


async def take_in_others(
    deps: AgentDeps, memory: Memory, book: StoredNotebook, catalog: LocalCatalog
) -> tuple[RunId, ...]:
    """Take in what others did to the notebook: runs that they asked or undid, the ledger.

    Returns:
        Those runs; none where the notebook cannot be used, which the run itself reports.
    """
    try:
        await book.refresh()
    except NotebookError:
        return ()
    others = [run for run in book.runs if number_of(run) > memory.runs]
    undone = [earlier.run for earlier in memory.earlier if earlier.run in book.undone_runs]
    for run in undone:
        forget_run(memory, run, ())
    if others:
        names = [dataset.name for dataset in catalog.datasets]
        join_runs(memory, recall(book.restore(), names), others)
    memory.runs = max(memory.runs, number_of(book.next_run) - 1)
    ledger = await asyncio.to_thread(book.ledger)
    if ledger != memory.ledger:
        memory.ledger = ledger
        show_ledger(deps, memory)
    return (*others, *undone)
