"""What every event has."""

from __future__ import annotations

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.ids import AnalysisId, RunId


class EventBase(Record):
    """The fields that every event has.

    Attributes:
        run: The run that it belongs to; null if it belongs to the analysis itself.
        number: Position in the analysis's event log, from 1; 0 before it is recorded.
        at: Seconds since the epoch; 0 before it is recorded.
        type: The tag that its class fixes.
    """

    analysis: AnalysisId
    run: RunId | None = None
    number: int = 0
    at: float = 0.0
    type: str
