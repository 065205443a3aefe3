"""An event on its way to browsers, and how streamed pieces of one thing are joined. Pure."""

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

_Prose = TextStreamed | ThinkingStreamed | ToolInputStreamed


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """An event with its JSON, written once for all tabs.

    Attributes:
        event: The event.
        json: The same as JSON text.
        first: Number of the first piece joined into it.
    """

    event: Event
    json: str
    first: int

    @classmethod
    def of(cls, event: Event, first: int | None = None) -> EncodedEvent:
        """Write the event down."""
        return cls(event, event.model_dump_json(), event.number if first is None else first)

    @property
    def number(self) -> int:
        """The event's number."""
        return self.event.number

    @property
    def is_stream(self) -> bool:
        """Whether a later event holds all that it says, so that it may be dropped."""
        return isinstance(self.event, _Prose | OutputProduced)


def joined(left: Event, right: Event) -> Event | None:
    """Join two consecutive pieces of one stream, with the later number; ``None`` if they are not.

    Whoever applies the result is where they would be after applying both.
    """
    if left.analysis != right.analysis or left.run != right.run:
        return None
    if isinstance(left, OutputProduced) and isinstance(right, OutputProduced):
        same = left.cell == right.cell and left.index == right.index
        return _outputs(left, right) if same else None
    if (
        isinstance(left, _Prose)
        and isinstance(right, _Prose)
        and _stream_of(left) == _stream_of(right)
    ):
        return right.model_copy(update={"text": left.text + right.text})
    return None


def _stream_of(event: TextStreamed | ThinkingStreamed | ToolInputStreamed) -> tuple[str, int, str]:
    tool_call = event.tool_call if isinstance(event, ToolInputStreamed) else ""
    return event.type, event.call, tool_call


def _outputs(left: OutputProduced, right: OutputProduced) -> OutputProduced | None:
    """An output that replaces makes the one before it void; text that continues is put behind."""
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
    """Join neighbours wherever that is possible."""
    out: list[EncodedEvent] = []
    run: list[EncodedEvent] = []
    for told in batch:
        if run and told.is_stream and _same_stream(run[-1].event, told.event):
            run.append(told)
            continue
        out += _closed(run)
        run = [told]
    return out + _closed(run)


def _same_stream(left: Event, right: Event) -> bool:
    return joined(left, right) is not None


def _closed(run: list[EncodedEvent]) -> list[EncodedEvent]:
    if len(run) < 2:
        return run
    event = run[0].event
    for told in run[1:]:
        more = joined(event, told.event)
        assert more is not None
        event = more
    return [EncodedEvent.of(event, run[0].first)]


_MOST = 4_000


class LiveTail:
    """Pieces of the model call and of the cell at work, oldest first."""

    def __init__(self) -> None:
        """Start empty."""
        self._call: list[EncodedEvent] = []
        self._cell: list[EncodedEvent] = []

    def add(self, told: EncodedEvent) -> list[EncodedEvent]:
        """Take the next event.

        Returns:
            What must be kept of streams that it ends, to be journalled before it: the prose of a
            model call. A cell's outputs are in the event itself.
        """
        kept: list[EncodedEvent] = []
        event: Event = told.event
        match event:
            case TextStreamed() | ThinkingStreamed() | ToolInputStreamed():
                self._call = _bounded([*self._call, told])
            case OutputProduced():
                self._cell = _bounded([*self._cell, told])
            case ModelReplied() | RunFinished():
                kept = [t for t in _by_kind(self._call) if not _is_input(t)]
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
        """Return the pieces after ``number``; one that was seen in part only is left out."""
        pieces = sorted([*self._call, *self._cell], key=lambda told: told.number)
        return [told for told in pieces if told.first > number]


def _bounded(pieces: list[EncodedEvent]) -> list[EncodedEvent]:
    """Join the older half when there are too many."""
    if len(pieces) <= _MOST:
        return pieces
    half = _MOST // 2
    return join_all(pieces[:half]) + pieces[half:]


def _by_kind(pieces: list[EncodedEvent]) -> list[EncodedEvent]:
    """Join all prose, and all thinking, each at the number of its last piece."""
    thinking = join_all([t for t in pieces if isinstance(t.event, ThinkingStreamed)])
    text = join_all([t for t in pieces if isinstance(t.event, TextStreamed)])
    return sorted([*thinking, *text], key=lambda told: told.number)


def _is_input(told: EncodedEvent) -> bool:
    return isinstance(told.event, ToolInputStreamed)
