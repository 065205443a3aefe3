"""The port between a notebook's document and its storage: a file, a browser tab or a live room.

A writer never merges. It writes a document over exactly the version that it was built on, or raises
:class:`WriteConflict` if the notebook changed; the caller then applies its operations to the new
version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from analyst_kernel.notebook.document.operations import Document, Operation


@dataclass(frozen=True, slots=True)
class NotebookVersion:
    """A notebook as it was read or written; the stamp is opaque except to its writer."""

    document: Document
    stamp: object


@dataclass(frozen=True, slots=True)
class Written:
    """A write; ``saved`` is whether it is in the file now, or only after a user's next save."""

    stamp: object
    saved: bool


class WriteConflict(Exception):
    """Nothing was written, as the notebook changed; ``reading`` is its version now, if known."""

    def __init__(self, reading: NotebookVersion | None = None) -> None:
        super().__init__("the notebook changed")
        self.reading = reading


class WriterUnavailable(Exception):
    """The one that must write the notebook cannot be reached now; try again later."""


class Writer(Protocol):
    """The storage of one notebook. One call at a time."""

    @property
    def path(self) -> Path:
        """Absolute path of the notebook, as named."""
        ...

    @property
    def retry_delay(self) -> float | None:
        """Seconds that a record waits for its write; ``None`` to wait for its end."""
        ...

    async def read(self, base: NotebookVersion | None) -> NotebookVersion | None:
        """Return the notebook as it is now: ``base`` itself if it did not change.

        Returns None if the notebook is gone.

        Raises:
            WriterUnavailable: The one that has it open cannot be reached.
            NotebookError: It cannot be read.
        """
        ...

    async def write(self, document: Document, base: NotebookVersion | None) -> Written:
        """Write ``document``, which was built on ``base`` (``None`` if there was no notebook).

        Raises:
            WriteConflict: The notebook is not ``base`` any more; nothing was written.
            WriterUnavailable: The one that has it open cannot be reached; it may not be written.
            NotebookError: It cannot be written; the old version stays.
        """
        ...

    async def saved(self) -> Document | None:
        """Return the saved notebook; None if it is gone or is that of the last call."""
        ...

    async def in_hand(self, base: NotebookVersion | None) -> bool:
        """Return whether a browser holds ``base`` and will save it without another write."""
        ...

    async def discard(self, base: NotebookVersion | None) -> None:
        """Remove the file if it is still ``base`` and is not open anywhere."""
        ...


class WordsOfUser(Protocol):
    """Tells what this user's analyses wrote into a notebook from what anybody may have written."""

    def mark(self, text: str) -> str:
        """Return the mark to keep beside a text of this user; blocks."""
        ...

    def is_own(self, text: str, mark: str) -> bool:
        """Return whether the mark shows that the text is this user's; blocks."""
        ...


class OperationStore(Protocol):
    """Stores operations until they were seen in the saved notebook, so that a crash loses none."""

    async def keep(self, operations: Sequence[Operation]) -> None:
        """Store operations durably; a newer version of one takes its place."""
        ...

    async def forget(self, operations: Sequence[Operation]) -> None:
        """Drop exactly these operations; a newer version of one stays."""
        ...

    async def pending(self) -> tuple[Operation, ...]:
        """Return the stored operations, in the order to apply."""
        ...
