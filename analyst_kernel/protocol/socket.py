"""The frames of the browser's socket: commands in, events and their bookkeeping out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.commands import Command
from analyst_kernel.protocol.events import Event
from analyst_kernel.protocol.ids import AnalysisId, CellId
from analyst_kernel.protocol.live import (
    NotebookChangedFrame,
    ReadNotebookFrame,
    WriteNotebookFrame,
)


class AnalysisSummary(Record):
    """One analysis in a list.

    Attributes:
        id: Which one.
        title: As shown; made from the first question.
        notebook: Path below the server's root folder; ``None`` where it lies outside.
        notebook_path: Absolute path.
        created, updated: Seconds since the epoch.
        state: ``waiting`` is for the user; ``failed`` where the last run failed.
        model, is_ai: The model that the next question goes to.
        questions: How many were asked.
        last_event: Number of the newest event.
        parent: The analysis it branched from.
        parent_cell: The last cell that it took over from there.
    """

    id: AnalysisId
    title: str
    notebook: str | None
    notebook_path: str
    created: float
    updated: float
    state: Literal["idle", "running", "waiting", "failed"]
    model: str
    is_ai: bool
    questions: int
    last_event: int
    parent: AnalysisId | None = None
    parent_cell: CellId | None = None


class ClientFrame(Record):
    """A command from a browser tab; ``id`` is the tab's own count, echoed in the reply."""

    id: int
    command: Command


class EventFrame(Record):
    """An event of an analysis that the tab subscribed to."""

    type: Literal["event"] = "event"
    event: Event


class AcceptedFrame(Record):
    """The command was taken."""

    type: Literal["accepted"] = "accepted"
    id: int


class RefusedFrame(Record):
    """The command was not taken; ``id`` is null where the frame could not be read at all."""

    type: Literal["refused"] = "refused"
    id: int | None
    message: str
    remedy: str = ""


class CaughtUpFrame(Record):
    """The replay asked for has reached the newest event."""

    type: Literal["caught_up"] = "caught_up"
    analysis: AnalysisId
    last: int


class AnalysisChangedFrame(Record):
    """An analysis appeared or changed in the list."""

    type: Literal["analysis_changed"] = "analysis_changed"
    summary: AnalysisSummary


class AnalysisRemovedFrame(Record):
    """An analysis is gone from the list."""

    type: Literal["analysis_removed"] = "analysis_removed"
    analysis: AnalysisId


ServerFrame = Annotated[
    EventFrame
    | AcceptedFrame
    | RefusedFrame
    | CaughtUpFrame
    | AnalysisChangedFrame
    | AnalysisRemovedFrame
    | WriteNotebookFrame
    | ReadNotebookFrame
    | NotebookChangedFrame,
    Field(discriminator="type"),
]

SERVER_FRAME: TypeAdapter[ServerFrame] = TypeAdapter(ServerFrame)
"""Reads and writes any frame to a browser."""
