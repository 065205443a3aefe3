"""The pure fold: what a kernel publishes during one cell becomes the cell's outputs.

``fold(state, message, limits)`` gives the next state and the changes to show; ``finish`` gives the
final outputs. Sizes are capped while folding, so a flood of output cannot grow memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.messages import (
    ClearMsg,
    DisplayMsg,
    DroppedMsg,
    ErrorMsg,
    ExecuteInputMsg,
    IgnoredMsg,
    IopubMsg,
    ResultMsg,
    StatusMsg,
    StreamMsg,
    UpdateDisplayMsg,
)
from analyst_kernel.kernel.outputs.sanitise import (
    Notice,
    OutputLimits,
    sanitise_bundle,
    sanitise_error,
)
from analyst_kernel.kernel.outputs.terminal import TextBuffer
from analyst_kernel.protocol.outputs import (
    DisplayOutput,
    ErrorOutput,
    Output,
    ResultOutput,
    StreamOutput,
)

_NOTICES = 30
_ERRORS_ON_TOP = 10


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """Consecutive writes to one stream."""

    name: Literal["stdout", "stderr"]
    buffer: TextBuffer


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """A display or a result, already sanitised."""

    output: DisplayOutput | ResultOutput
    size: int
    display_id: str | None


Entry: TypeAlias = StreamEntry | BundleEntry | ErrorOutput


@dataclass(frozen=True, slots=True)
class OutputState:
    """A cell's outputs so far.

    Attributes:
        entries: In the order of the notebook.
        clearing: A ``clear_output(wait=True)`` waits for the next output.
        left_out: Outputs beyond the cap.
        left_out_last: The stream that was left out last, so that its next piece is not counted.
        size: Bytes of all bundles.
        notices: What was cut or dropped.
        execution_count: The kernel's counter for this cell.
        error: The newest error.
    """

    entries: tuple[Entry, ...] = ()
    clearing: bool = False
    left_out: int = 0
    left_out_last: str = ""
    size: int = 0
    notices: tuple[Notice, ...] = ()
    execution_count: int | None = None
    error: ErrorOutput | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The final outputs, the changes that lead to them, and all notices."""

    outputs: tuple[Output, ...]
    changes: tuple[OutputChange, ...]
    notices: tuple[Notice, ...]


Step: TypeAlias = tuple[OutputState, tuple[OutputChange, ...]]


def fold(state: OutputState, message: IopubMsg, limits: OutputLimits) -> Step:
    """Return the state after ``message`` and the changes to show."""
    match message:
        case StreamMsg():
            counts = message.text != ""
            return _with_clear(state, lambda base: _stream(base, message, limits), counts)
        case DisplayMsg() | ResultMsg():
            return _with_clear(state, lambda base: _bundle(base, message, limits))
        case ErrorMsg():
            return _with_clear(state, lambda base: _error(base, message, limits))
        case DroppedMsg():
            return _with_clear(state, lambda base: _dropped(base, message, limits))
        case UpdateDisplayMsg():
            return _update(state, message, limits)
        case ClearMsg(wait=True):
            return replace(state, clearing=True), ()
        case ClearMsg():
            return _cleared(state)
        case ExecuteInputMsg():
            return replace(state, execution_count=message.execution_count), ()
        case IgnoredMsg(msg_type="comm_open"):
            notice = "An interactive widget was left out: only its text is kept."
            return _noted(state, (("comm_dropped", notice),)), ()
        case StatusMsg() | IgnoredMsg():
            return state, ()
        case _:
            assert_never(message)


def finish(state: OutputState) -> Finished:
    """Return the final outputs, with every cut reported in them and in the notices."""
    outputs: list[Output] = []
    changes: list[OutputChange] = []
    for index, entry in enumerate(state.entries):
        output, gone = _shown(entry)
        outputs.append(output)
        if gone and isinstance(entry, StreamEntry):
            changes.append(OutputChange(index, output))
            state = _noted(state, (("stream_cut", f"{gone} of {entry.name} were left out."),))
    if state.left_out:
        more = f"{state.left_out:,} further outputs"
        marker = StreamOutput(name="stderr", text=f"… {more} omitted …\n")
        changes.append(OutputChange(len(outputs), marker))
        outputs.append(marker)
        state = _noted(state, (("outputs_left_out", f"{more} of the cell were left out."),))
    return Finished(tuple(outputs), tuple(changes), state.notices)


def _with_clear(
    state: OutputState, then: Callable[[OutputState], Step], counts: bool = True
) -> Step:
    """Carry out a waiting clear before a new output, in one step."""
    if not (state.clearing and counts):
        return then(state)
    base, cleared = _cleared(state)
    after, changes = then(base)
    return after, (*cleared, *changes)


def _cleared(state: OutputState) -> Step:
    empty = replace(state, entries=(), clearing=False, left_out=0, left_out_last="", size=0)
    return empty, (OutputChange(0, None),)


def _stream(state: OutputState, message: StreamMsg, limits: OutputLimits) -> Step:
    if not message.text:
        return state, ()
    text = message.text
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    last = state.entries[-1] if state.entries else None
    if isinstance(last, StreamEntry) and last.name == message.name and not state.left_out:
        index, buffer = len(state.entries) - 1, last.buffer
    elif len(state.entries) < limits.outputs:
        index, buffer = len(state.entries), TextBuffer(limits.stream_chars)
    else:
        return _left_out(state, message.name), ()
    if buffer.cut and message.omitted[1]:
        after, appended = buffer.skip(*message.omitted), True
    else:
        after, appended = buffer.feed(text)
    entry = StreamEntry(message.name, after)
    state = replace(state, entries=(*state.entries[:index], entry))
    if buffer.cut:
        # Only head and tail will be kept; finish() shows the last of it.
        return state, ()
    if appended and not after.cut and (buffer.chars or buffer.line):
        piece = StreamOutput(name=message.name, text=text.replace("\r\n", "\n"))
        return state, (OutputChange(index, piece, append=True),)
    return state, (OutputChange(index, _shown(entry)[0]),)


def _bundle(state: OutputState, message: DisplayMsg | ResultMsg, limits: OutputLimits) -> Step:
    extra = _ERRORS_ON_TOP if isinstance(message, ResultMsg) else 0
    if len(state.entries) >= limits.outputs + extra:
        return _left_out(state), ()
    space = max(limits.total_bytes - state.size, 0)
    clean = sanitise_bundle(message.data, message.metadata, limits, space)
    output: DisplayOutput | ResultOutput
    if isinstance(message, ResultMsg):
        output = ResultOutput(
            data=clean.data, metadata=clean.metadata, execution_count=message.execution_count
        )
    else:
        output = DisplayOutput(data=clean.data, metadata=clean.metadata)
    entry = BundleEntry(output, clean.size, message.display_id)
    index = len(state.entries)
    state = replace(state, entries=(*state.entries, entry), size=state.size + clean.size)
    return _noted(state, clean.notices), (OutputChange(index, output),)


def _dropped(state: OutputState, message: DroppedMsg, limits: OutputLimits) -> Step:
    what = (
        f"an output of {message.size / 1e6:,.1f} MB, too large to be read"
        if message.size
        else "an output that is malformed"
    )
    notice: Notice = (
        "output_too_big" if message.size else "output_dropped",
        f"A part of the cell's outputs was left out: {what}.",
    )
    state, changes = _bundle(state, DisplayMsg({"text/plain": f"[left out: {what}]"}, {}), limits)
    return _noted(state, (notice,)), changes


def _error(state: OutputState, message: ErrorMsg, limits: OutputLimits) -> Step:
    output, notices = sanitise_error(message, limits)
    state = _noted(replace(state, error=output), notices)
    if len(state.entries) >= limits.outputs + _ERRORS_ON_TOP:
        return _left_out(state), ()
    index = len(state.entries)
    return replace(state, entries=(*state.entries, output)), (OutputChange(index, output),)


def _update(state: OutputState, message: UpdateDisplayMsg, limits: OutputLimits) -> Step:
    changes: list[OutputChange] = []
    entries = list(state.entries)
    size, notices = state.size, state.notices
    for index, entry in enumerate(entries):
        if not isinstance(entry, BundleEntry) or entry.display_id != message.display_id:
            continue
        size -= entry.size
        space = max(limits.total_bytes - size, 0)
        clean = sanitise_bundle(message.data, message.metadata, limits, space)
        size += clean.size
        output = entry.output.model_copy(update={"data": clean.data, "metadata": clean.metadata})
        entries[index] = BundleEntry(output, clean.size, entry.display_id)
        changes.append(OutputChange(index, output))
        notices = _noted(replace(state, notices=notices), clean.notices).notices
    return replace(state, entries=tuple(entries), size=size, notices=notices), tuple(changes)


def _left_out(state: OutputState, stream: str = "") -> OutputState:
    if stream and state.left_out_last == stream:
        return state
    return replace(state, left_out=state.left_out + 1, left_out_last=stream)


def _shown(entry: Entry) -> tuple[Output, str]:
    """Return an entry as an output, and what was cut from its text."""
    match entry:
        case StreamEntry():
            text, gone = entry.buffer.render()
            return StreamOutput(name=entry.name, text=text), gone
        case BundleEntry():
            return entry.output, ""
        case ErrorOutput():
            return entry, ""
        case _:
            assert_never(entry)


def _noted(state: OutputState, notices: tuple[Notice, ...]) -> OutputState:
    fresh = tuple(dict.fromkeys(n for n in notices if n not in state.notices))
    space = _NOTICES - len(state.notices)
    return replace(state, notices=state.notices + fresh[:space]) if fresh and space > 0 else state
