"""What a user does by hand between two questions, as the core is told of it. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import CellError, Outcome, Output


@dataclass(frozen=True, slots=True)
class CellChange:
    """One code cell that is not as the analysis last saw it.

    Attributes:
        kind: ``ran`` where only its outputs are others.
        cell: Its id.
        iteration: The iteration that it was, with its run; 0 where it was none.
        run: See ``iteration``.
        before: Its text as last seen; ``None`` where that is not known.
        now: Its text; empty where it is deleted.
        ran: Whether ``outputs`` are of a run since it was last seen.
        outputs: As saved.
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
class HeardRun:
    """Code that the user ran in the living kernel, as the kernel published it.

    Attributes:
        code: What ran.
        outcome: ``ok`` or ``error``.
        outputs: Final, sanitised and capped.
        error: Set unless ``ok``.
        seconds: From busy to idle.
        execution_count: The kernel's counter.
        cell: The cell of the notebook that has exactly this text, where there is one.
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
    """What became of a run's cells when it was undone; ``kept`` ones are the user's now."""

    removed: tuple[CellId, ...]
    kept: tuple[CellId, ...]
