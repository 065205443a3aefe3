"""An event on its way to browsers, and how streamed pieces of one thing are joined. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from analyst_kernel.protocol.events import (
    Event,
    OutputProduced,
    TextStreamed,
    ThinkingStreamed,
    ToolInputStreamed,
)
from analyst_kernel.protocol.outputs import StreamOutput

_Prose = TextStreamed | ThinkingStreamed | ToolInputStreamed


@dataclass(frozen=True, slots=True)
class Told:
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
    def of(cls, event: Event, first: int | None = None) -> Told:
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


def join_all(tellings: list[Told]) -> list[Told]:
    """Join neighbours wherever that is possible."""
    out: list[Told] = []
    run: list[Told] = []
    for told in tellings:
        if run and told.is_stream and _same_stream(run[-1].event, told.event):
            run.append(told)
            continue
        out += _closed(run)
        run = [told]
    return out + _closed(run)


def _same_stream(left: Event, right: Event) -> bool:
    return joined(left, right) is not None


def _closed(run: list[Told]) -> list[Told]:
    if len(run) < 2:
        return run
    event = run[0].event
    for told in run[1:]:
        more = joined(event, told.event)
        assert more is not None
        event = more
    return [Told.of(event, run[0].first)]
