"""The frames of the browser's socket: commands in; events, replies and list changes out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.commands import Command
from analyst_kernel.protocol.events import Event
from analyst_kernel.protocol.ids import AnalysisId, CellId
from analyst_kernel.protocol.live import NotebookChangedFrame, ReadNotebookFrame, WriteNotebookFrame


class AnalysisSummary(Record):
    """One analysis in a list.

    Attributes:
        id: The analysis's id.
        title: As shown; made from the first question.
        notebook: Path below the server's root folder, or null if it is outside.
        notebook_path: Absolute path.
        created, updated: Seconds since the epoch.
        state: ``waiting`` means for the user; ``failed`` means that the last run failed.
        model, is_ai: The model of the next question.
        questions: How many were asked.
        last_event: Number of the newest event.
        parent: The analysis that it branched from.
        parent_cell: The last cell of the parent that is part of the branch.
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
    """A command from a browser tab; ``id`` is counted by the tab and repeated in the reply."""

    id: int
    command: Command


class EventFrame(Record):
    """An event of an analysis to which the tab has subscribed."""

    type: Literal["event"] = "event"
    event: Event


class AcceptedFrame(Record):
    """The command was accepted."""

    type: Literal["accepted"] = "accepted"
    id: int


class RefusedFrame(Record):
    """The command was refused; ``id`` is null if the frame could not be read at all."""

    type: Literal["refused"] = "refused"
    id: int | None
    message: str
    remedy: str = ""


class CaughtUpFrame(Record):
    """The replay of past events has reached the newest event."""

    type: Literal["caught_up"] = "caught_up"
    analysis: AnalysisId
    last: int


class AnalysisChangedFrame(Record):
    """An analysis was added to the list, or changed."""

    type: Literal["analysis_changed"] = "analysis_changed"
    summary: AnalysisSummary


class AnalysisRemovedFrame(Record):
    """An analysis was removed from the list."""

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
