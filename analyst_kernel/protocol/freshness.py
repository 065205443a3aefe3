"""Data that changed since it was answered from, and what computing the answers again shows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.event_base import EventBase
from analyst_kernel.protocol.ids import CellId, RunId

NumberState = Literal["moved", "same", "gone", "unproven"]
"""What became of a number of an answer: it has another value, or the same; none can be computed
any more; or no cell ever showed it."""


class DataChange(Record):
    """A dataset that is another one than when questions were answered from it.

    Attributes:
        dataset: Its name.
        sentence: What happened to it.
        runs: The questions whose answers rest on it.
    """

    dataset: str
    sentence: str
    runs: tuple[RunId, ...]


class NumberMove(Record):
    """One number of an answer, computed again.

    Attributes:
        text: As written in the answer.
        start, end: Character offsets in the answer, end exclusive.
        cell: The cell that shows it; null if none ever did.
        state: What became of it.
        before, after: The values that the cell showed and shows now, in the unit of the text and
            with its sense: what "fell by 3.2" says is −1.5 after a rise.
        now: The number as the answer would write it now; empty if it cannot be computed.
        change: ``after`` less ``before``.
        percent: The change in percent of ``before``; null if that is zero.
        reason: Why it cannot be computed, in a sentence.
    """

    text: str
    start: int
    end: int
    cell: CellId | None
    state: NumberState
    before: float | None = None
    after: float | None = None
    now: str = ""
    change: float | None = None
    percent: float | None = None
    reason: str = ""


class AnswerOutcome(Record):
    """What computing an answer again shows; the answer itself stays as it was given.

    Attributes:
        run: The question.
        question: As it was asked.
        numbers: Each number of the answer, in order.
        turned: What the answer says that no longer holds, a sentence each.
        summary: All of it in one sentence.
    """

    run: RunId
    question: str
    numbers: tuple[NumberMove, ...] = ()
    turned: tuple[str, ...] = ()
    summary: str = ""


class RefreshReport(Record):
    """What a refresh found.

    Attributes:
        at: ISO time, UTC.
        answers: Each answer of the analysis, in order.
        problems: What no longer fits the data, or could not be noticed; a sentence each.
        failed: The cells that failed and did not before, and why.
    """

    at: str
    answers: tuple[AnswerOutcome, ...] = ()
    problems: tuple[str, ...] = ()
    failed: dict[CellId, str] = Field(default_factory=dict)


class DataChangesNoticed(EventBase):
    """Datasets are other ones than those that answers rest on; the event has all such changes."""

    type: Literal["data_changes_noticed"] = "data_changes_noticed"
    changes: tuple[DataChange, ...]


class RefreshStarted(EventBase):
    """The analysis began to run again on the data as they are now; ``cells`` will run."""

    type: Literal["refresh_started"] = "refresh_started"
    cells: int


class CellRefreshed(EventBase):
    """One cell of a refresh ran; ``place`` counts from 1, ``failure`` says why it failed."""

    type: Literal["cell_refreshed"] = "cell_refreshed"
    cell: CellId
    place: int
    failure: str = ""


class RefreshFinished(EventBase):
    """The refresh ended; ``reason`` says why it has no result, and then nothing changed.

    ``problems`` are sentences about what no longer fits the data.
    """

    type: Literal["refresh_finished"] = "refresh_finished"
    answers: tuple[AnswerOutcome, ...] = ()
    problems: tuple[str, ...] = ()
    reason: str = ""
