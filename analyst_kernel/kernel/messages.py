"""What a kernel publishes while it runs a cell, typed.

Parses raw protocol messages, which are hostile: every field is checked, nothing is interpreted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class StatusMsg:
    """The kernel became ``busy``, ``idle`` or ``starting``."""

    state: str


@dataclass(frozen=True, slots=True)
class StreamMsg:
    """Text written to a stream."""

    name: Literal["stdout", "stderr"]
    text: str
    omitted: tuple[int, int] = (0, 0)
    """Lines and characters that the kernel left out here; ``text`` only reports that."""


@dataclass(frozen=True, slots=True)
class DisplayMsg:
    """A display bundle, not yet sanitised."""

    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    display_id: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateDisplayMsg:
    """New content for every display of that id."""

    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    display_id: str


@dataclass(frozen=True, slots=True)
class ResultMsg:
    """The value of the last expression, not yet sanitised."""

    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    execution_count: int | None
    display_id: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorMsg:
    """An exception that reached the top of the cell."""

    ename: str
    evalue: str
    traceback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClearMsg:
    """Clear the outputs, at once or when the next one comes."""

    wait: bool


@dataclass(frozen=True, slots=True)
class ExecuteInputMsg:
    """The kernel began to run the cell."""

    execution_count: int | None


@dataclass(frozen=True, slots=True)
class DroppedMsg:
    """A message that was not read: for its size in bytes, or (0) because it made no sense."""

    size: int


@dataclass(frozen=True, slots=True)
class IgnoredMsg:
    """Anything else: comms, debugger events, malformed or unknown messages."""

    msg_type: str


IopubMsg: TypeAlias = (
    StatusMsg
    | StreamMsg
    | DisplayMsg
    | UpdateDisplayMsg
    | ResultMsg
    | ErrorMsg
    | ClearMsg
    | ExecuteInputMsg
    | DroppedMsg
    | IgnoredMsg
)


def parse(raw: Mapping[str, Any]) -> IopubMsg:
    """Turn a raw message into its type; what does not fit its type becomes :class:`IgnoredMsg`."""
    msg_type = type_of(raw)
    content = content_of(raw)
    data, metadata = _mapping(content.get("data")), _mapping(content.get("metadata"))
    match msg_type:
        case "status":
            return StatusMsg(_text(content.get("execution_state")))
        case "stream":
            name = content.get("name")
            if name == "stdout" or name == "stderr":
                return StreamMsg(name, _text(content.get("text")), _omitted(raw))
        case "display_data":
            return DisplayMsg(data, metadata, _display_id(content))
        case "update_display_data":
            if display_id := _display_id(content):
                return UpdateDisplayMsg(data, metadata, display_id)
        case "execute_result":
            return ResultMsg(data, metadata, count_of(content), _display_id(content))
        case "error":
            return error_of(content)
        case "clear_output":
            return ClearMsg(wait=content.get("wait") is True)
        case "execute_input":
            return ExecuteInputMsg(count_of(content))
    return IgnoredMsg(msg_type)


def size_of(message: IopubMsg) -> int:
    """Return about how many characters of a display or an error have to be sanitised."""
    match message:
        case DisplayMsg() | UpdateDisplayMsg() | ResultMsg():
            # Values that are no text (the specification of a chart, say) are counted as large.
            return sum(
                len(value) if isinstance(value, str) else 1_000_000
                for value in message.data.values()
            )
        case ErrorMsg():
            return len(message.evalue) + sum(map(len, message.traceback))
    return 0


def error_of(content: Mapping[str, Any]) -> ErrorMsg:
    """Read the error fields of an ``error`` message or of a failed reply."""
    lines = content.get("traceback")
    return ErrorMsg(
        _public(_text(content.get("ename"))) or "Error",
        _text(content.get("evalue")),
        tuple(_public(_text(line)) for line in lines) if isinstance(lines, list) else (),
    )


def _public(text: str) -> str:
    """Call code that ends too soon a SyntaxError, which from Python 3.13 on has a private name."""
    return text.replace("_IncompleteInputError", "SyntaxError")


def count_of(content: Mapping[str, Any]) -> int | None:
    """Read the execution counter; return None if there is no valid one."""
    count = content.get("execution_count")
    if not isinstance(count, int) or isinstance(count, bool):
        return None
    return count if 0 <= count < 2**53 else None


def clean_text(text: str) -> str:
    """Return a text without lone surrogates, which cannot be written to a notebook as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def parent_of(raw: Mapping[str, Any]) -> str:
    """Return the id of the request that a message belongs to, or an empty string."""
    return _text(_mapping(raw.get("parent_header")).get("msg_id"))


def type_of(raw: Mapping[str, Any]) -> str:
    """Return a raw message's type."""
    return _text(_mapping(raw.get("header")).get("msg_type"))


def content_of(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a raw message's content; empty if it is not a mapping."""
    return _mapping(raw.get("content"))


def _omitted(raw: Mapping[str, Any]) -> tuple[int, int]:
    """Read how much the payload's ``streams`` left out; anything invalid counts as nothing."""
    omitted = _mapping(_mapping(raw.get("metadata")).get("analyst_kernel_omitted"))
    lines, chars = omitted.get("lines"), omitted.get("chars")
    for number in (lines, chars):
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**53:
            return 0, 0
    return (lines, chars) if isinstance(lines, int) and isinstance(chars, int) else (0, 0)


def _display_id(content: Mapping[str, Any]) -> str | None:
    return _text(_mapping(content.get("transient")).get("display_id"))[:200] or None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return clean_text(value) if isinstance(value, str) else ""
