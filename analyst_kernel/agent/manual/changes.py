"""Records of what the user does in the notebook between two questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import CellError, Outcome, Output


@dataclass(frozen=True, slots=True)
class CellChange:
    """A code cell that differs from what the analysis last read.

    Attributes:
        kind: ``ran`` if only the outputs differ.
        iteration: The number of the iteration that wrote the cell; 0 if the user wrote it.
        before: The source as last read, or None if it is not known.
        now: The source now; empty if the cell is deleted.
        ran: Whether the cell was run since it was last read, so that ``outputs`` are new.
    """

    kind: Literal["edited", "added", "deleted", "ran"]
    cell: CellId
    iteration: int = 0
    run: RunId | None = None
    before: str | None = None
    now: str = ""
    ran: bool = False
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class UserExecution:
    """Code that the user ran in the analysis's kernel, with its final, sanitised outputs.

    ``cell`` is the cell of the notebook whose source is exactly this code, if there is one.
    """

    code: str
    outcome: Outcome
    outputs: tuple[Output, ...] = ()
    error: CellError | None = None
    seconds: float = 0.0
    execution_count: int | None = None
    cell: CellId | None = None


@dataclass(frozen=True, slots=True)
class RemovedRun:
    """The cells of a run that was undone; those in ``kept`` stay because the user edited them."""

    removed: tuple[CellId, ...]
    kept: tuple[CellId, ...]
