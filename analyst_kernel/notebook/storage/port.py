"""The seam between a notebook's document and where it is kept: a file, a browser, a live room.

A writer never merges. It writes a document over exactly the one that it was built on, or says that
the notebook is another one by now; whoever holds the operations then builds on that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analyst_kernel.notebook.document.operations import Document, Operation


@dataclass(frozen=True, slots=True)
class Reading:
    """A notebook as it was read or written.

    Attributes:
        document: All of it.
        stamp: Tells this version from every other; only its writer understands it.
    """

    document: Document
    stamp: object


@dataclass(frozen=True, slots=True)
class Written:
    """A write that was taken.

    Attributes:
        stamp: Of the version that it made.
        saved: Whether it is in the file; else it lands with somebody's next save.
    """

    stamp: object
    saved: bool


class WriteConflict(Exception):
    """The notebook is not the one that was built on; nothing was written.

    Attributes:
        reading: What it is now, where the writer learned it.
    """

    def __init__(self, reading: Reading | None = None) -> None:
        """Take what the notebook is now, if that is known."""
        super().__init__("the notebook changed")
        self.reading = reading


class WriterUnavailable(Exception):
    """Whoever must write the notebook cannot be reached now; it is to be tried again later."""


class Writer(Protocol):
    """Where one notebook is kept. One call at a time."""

    @property
    def path(self) -> Path:
        """Absolute path of the notebook, as named."""
        ...

    @property
    def retry_delay(self) -> float | None:
        """How long a record waits for its write, seconds; ``None``: to its end."""
        ...

    async def read(self, base: Reading | None) -> Reading | None:
        """Return the notebook as it stands: ``base`` itself where it is that; ``None``: gone.

        Raises:
            WriterUnavailable: Whoever has it cannot be asked.
            NotebookError: It cannot be read.
        """
        ...

    async def write(self, document: Document, base: Reading | None) -> Written:
        """Write ``document``, which was built on ``base`` (``None``: on no notebook).

        Raises:
            WriteConflict: It is not ``base`` any more; nothing was written.
            WriterUnavailable: Whoever has it cannot be reached; nothing is known to be written.
            NotebookError: It cannot be written; what was there stays.
        """
        ...

    async def saved(self) -> Document | None:
        """Return the saved notebook; ``None`` where it is as it was at the last look, or gone."""
        ...

    async def in_hand(self, base: Reading | None) -> bool:
        """Say whether somebody holds ``base`` and will save it without being told again."""
        ...

    async def discard(self, base: Reading | None) -> None:
        """Remove the file if it is still ``base`` and nobody has it open."""
        ...


class OperationStore(Protocol):
    """Keeps what is to be written until it was seen in the saved notebook; survives a crash."""

    async def keep(self, operations: Sequence[Operation]) -> None:
        """Keep operations, durably; a newer version of a kept one takes its place."""
        ...

    async def forget(self, operations: Sequence[Operation]) -> None:
        """Forget exactly these; one that was replaced meanwhile stays."""
        ...

    async def outstanding(self) -> tuple[Operation, ...]:
        """Return what is kept, in the order to apply."""
        ...
