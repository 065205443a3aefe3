"""Joins streamed pieces of one text or output, so that fewer events travel to browsers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from analyst_kernel.protocol.events import (
    Event,
    IterationFinished,
    IterationStarted,
    ModelCalled,
    ModelReplied,
    ModelRetried,
    OutputProduced,
    OutputsCleared,
    RunFinished,
    TextStreamed,
    ThinkingStreamed,
    ToolInputStreamed,
)
from analyst_kernel.protocol.outputs import StreamOutput

_Streamed = TextStreamed | ThinkingStreamed | ToolInputStreamed


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """An event with its JSON, encoded once for all tabs.

    ``first`` is the number of the first piece that is joined into it.
    """

    event: Event
    json: str
    first: int

    @classmethod
    def of(cls, event: Event, first: int | None = None) -> EncodedEvent:
        """Encode an event."""
        return cls(event, event.model_dump_json(), event.number if first is None else first)

    @property
    def number(self) -> int:
        """The event's number."""
        return self.event.number

    @property
    def is_stream(self) -> bool:
        """Return whether a later event holds all of its content, so that it may be dropped."""
        return isinstance(self.event, _Streamed | OutputProduced)


def joined(left: Event, right: Event) -> Event | None:
    """Join two consecutive pieces of one stream under the later number; None if they are not such.

    Applying the result has the same effect as applying both.
    """
    if left.analysis != right.analysis or left.run != right.run:
        return None
    if isinstance(left, OutputProduced) and isinstance(right, OutputProduced):
        same = left.cell == right.cell and left.index == right.index
        return _outputs(left, right) if same else None
    if (
        isinstance(left, _Streamed)
        and isinstance(right, _Streamed)
        and _stream_of(left) == _stream_of(right)
    ):
        return right.model_copy(update={"text": left.text + right.text})
    return None


def _stream_of(event: _Streamed) -> tuple[str, int, str]:
    tool_call = event.tool_call if isinstance(event, ToolInputStreamed) else ""
    return event.type, event.call, tool_call


def _outputs(left: OutputProduced, right: OutputProduced) -> OutputProduced | None:
    """Join two outputs: one that replaces drops the earlier one, text that appends is added."""
    if not right.append:
        return None if left.append else right
    before, after = left.output, right.output
    if not isinstance(before, StreamOutput) or not isinstance(after, StreamOutput):
        return None
    if before.name != after.name:
        return None
    output = after.model_copy(update={"text": before.text + after.text})
    return right.model_copy(update={"output": output, "append": left.append})


def join_all(batch: list[EncodedEvent]) -> list[EncodedEvent]:
    """Join consecutive events wherever that is possible."""
    runs: list[list[EncodedEvent]] = []
    for piece in batch:
        if runs and piece.is_stream and joined(runs[-1][-1].event, piece.event) is not None:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [run[0] if len(run) == 1 else _joined_run(run) for run in runs]


def _joined_run(run: list[EncodedEvent]) -> EncodedEvent:
    event = run[0].event
    for piece in run[1:]:
        more = joined(event, piece.event)
        assert more is not None
        event = more
    return EncodedEvent.of(event, run[0].first)


_MOST = 4_000


class LiveTail:
    """Streamed pieces of the current model call and of the current cell, oldest first."""

    def __init__(self) -> None:
        self._call: list[EncodedEvent] = []
        self._cell: list[EncodedEvent] = []

    def add(self, encoded: EncodedEvent) -> list[EncodedEvent]:
        """Take the next event.

        Returns:
            What must be journalled before the event because it ends the stream: the text of a
            model call. The outputs of a cell are in the event itself.
        """
        kept: list[EncodedEvent] = []
        event: Event = encoded.event
        match event:
            case TextStreamed() | ThinkingStreamed() | ToolInputStreamed():
                self._call = _bounded([*self._call, encoded])
            case OutputProduced():
                self._cell = _bounded([*self._cell, encoded])
            case ModelReplied() | RunFinished():
                kept = _by_kind(self._call)
                self._call = []
                if isinstance(event, RunFinished):
                    self._cell = []
            case ModelCalled() | ModelRetried():
                self._call = []
            case IterationStarted() | IterationFinished() | OutputsCleared():
                self._cell = []
            case _:
                pass
        return kept

    def after(self, number: int) -> list[EncodedEvent]:
        """Return the pieces after ``number``, without one of which the tab has a part."""
        pieces = sorted([*self._call, *self._cell], key=lambda piece: piece.number)
        return [piece for piece in pieces if piece.first > number]


def _bounded(pieces: list[EncodedEvent]) -> list[EncodedEvent]:
    """Join the older half if there are too many."""
    if len(pieces) <= _MOST:
        return pieces
    half = _MOST // 2
    return join_all(pieces[:half]) + pieces[half:]


def _by_kind(pieces: list[EncodedEvent]) -> list[EncodedEvent]:
    """Join all text, and all thinking, each under the number of its last piece."""
    thinking = join_all([t for t in pieces if isinstance(t.event, ThinkingStreamed)])
    text = join_all([t for t in pieces if isinstance(t.event, TextStreamed)])
    return sorted([*thinking, *text], key=lambda piece: piece.number)
