"""Folds the chunks of Chat Completions to the core's model events, as servers really send them.

Calls come in pieces or whole; their indexes are right, all zero, or missing; their ids come once,
each time, or never. A piece belongs to the call with its id, else to the one with its index, else
to the last one; a name over a call that is complete begins another.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.agent import ports
from analyst_kernel.agent.transcript import parsed_input
from analyst_kernel.models.openai_model import token_counts
from analyst_kernel.models.prices import Tariff
from analyst_kernel.models.wire.history import fit_id, sendable_input
from analyst_kernel.models.wire.streaming import (
    ReportedError,
    WireViolation,
    report_usage,
    reported_cost,
)

CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
"""The form of a call's id that all servers take, but for Mistral's."""

REASONING = "reasoning_content"
"""What the fold keeps the thinking as, for a server that asks for it."""

_REASONS: dict[str, ports.StopReason] = {
    "stop": "end_turn",
    "eos": "end_turn",
    "tool_calls": "end_turn",
    "function_call": "end_turn",
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "context_exceeded",
    "content_filter": "refusal",
    "refusal": "refusal",
}
"""``end_turn`` becomes ``tool_use`` where there are calls: some servers say "stop" then."""

_BROKEN_OFF = {
    "error": {"message": "the answer was broken off", "code": "server_error"},
    "abort": {"message": "the answer was broken off", "code": "server_error"},
    "insufficient_system_resource": {"message": "no room", "code": "server_is_overloaded"},
}
"""Reasons that are failures of the server, which may come without an error of their own."""

_STREAMED = ("text", "summary", "data")
"""What comes in pieces of a detail of the reasoning; the rest of it comes whole."""


@dataclass(slots=True)
class _StreamedCall:
    place: int
    call_id: str
    given_id: str
    index: int | None
    tool: str
    raw: str = ""
    extra: Any = None


class ChunkFold:
    """Folds the chunks of one completion; see :class:`EventFold`."""

    def __init__(self, tariff: Tariff | None, *, states_cost: bool = False) -> None:
        self.seen = 0
        self.complete = False
        self.stopped: ports.Stopped | None = None
        self.failure: ReportedError | None = None
        self._tariff = tariff
        self._states_cost = states_cost
        self._calls: list[_StreamedCall] = []
        self._text = ""
        self._thinking = ""
        self._refusal = ""
        self._reason: ports.StopReason = "end_turn"
        self._details: dict[tuple[Any, Any], dict[str, Any]] = {}

    def feed(self, event: Mapping[str, Any]) -> list[ports.ModelEvent]:
        """Return the model events of one chunk; none for one without content."""
        self.seen += 1
        events: list[ports.ModelEvent] = []
        choices = event.get("choices") or ()
        if choices:
            delta = choices[0].get("delta") or choices[0].get("message") or {}
            events += self._thought(delta)
            events += self._said(delta)
            for piece in delta.get("tool_calls") or ():
                events += self._called(piece)
            self._end_for(choices[0].get("finish_reason"))
        usage = event.get("usage")
        if isinstance(usage, Mapping):
            cost = reported_cost(usage) if self._states_cost else None
            events.append(report_usage(token_counts(usage), self._tariff, cost))
        return events

    def end(self) -> list[ports.ModelEvent]:
        """Return the ends of the calls, if a reason said that the message is complete."""
        if not self.complete:
            return []
        ended: list[ports.ModelEvent] = [
            ports.ToolEnded(index=call.place, raw_input=call.raw or "{}") for call in self._calls
        ]
        reason = self._reason
        if self._calls and reason == "end_turn":
            reason = "tool_use"
        elif self._refusal and reason == "end_turn":
            reason = "refusal"
        detail = self._refusal
        if reason == "refusal" and not detail:
            detail = self._text or "The provider's content filter stopped the answer."
        self.stopped = ports.Stopped(reason=reason, raw=self._raw(), detail=detail)
        return ended

    def _end_for(self, reason: object) -> None:
        if reason is None or reason == "":
            return
        if not isinstance(reason, str) or reason not in _REASONS | _BROKEN_OFF:
            raise WireViolation(f"the message stopped for an unknown reason: {reason}")
        if reason in _BROKEN_OFF:
            raise ReportedError(_BROKEN_OFF[reason])
        self._reason = _REASONS[reason]
        self.complete = True

    def _thought(self, delta: Mapping[str, Any]) -> list[ports.ModelEvent]:
        details = delta.get("reasoning_details")
        if isinstance(details, list):
            self._add_details(details)
        # Some servers send the same piece under both names.
        text = delta.get("reasoning") or delta.get("reasoning_content")
        if not isinstance(text, str) or not text:
            return []
        self._thinking += text
        return [ports.ThinkingDelta(text)]

    def _add_details(self, pieces: list[Any]) -> None:
        """Put the details together, signatures among them, as their server wants them back."""
        for piece in pieces:
            kept = self._details.setdefault((piece.get("type"), piece.get("index")), {})
            for name, value in piece.items():
                if name in _STREAMED and isinstance(value, str):
                    kept[name] = (kept.get(name) or "") + value
                elif value is not None:
                    kept[name] = value

    def _said(self, delta: Mapping[str, Any]) -> list[ports.ModelEvent]:
        refusal = delta.get("refusal")
        if isinstance(refusal, str):
            self._refusal += refusal
        content = delta.get("content")
        if content is None or content == "":
            return []
        if isinstance(content, str):
            self._text += content
            return [ports.TextDelta(content)]
        events: list[ports.ModelEvent] = []
        for part in content:
            if part.get("type") == "thinking":
                words = part.get("thinking")
                parts = words if isinstance(words, list) else [{"text": words}]
                text = "".join(str(one.get("text") or "") for one in parts)
                events += self._thought({"reasoning": text})
            elif part.get("type") == "text":
                events += self._said({"content": str(part["text"])})
        return events

    def _called(self, piece: Mapping[str, Any]) -> list[ports.ModelEvent]:
        function = piece.get("function") or {}
        given = function.get("arguments")
        text = given if isinstance(given, str) else json.dumps(given) if given else ""
        call_id, name = str(piece.get("id") or ""), str(function.get("name") or "")
        index = piece.get("index")
        index = index if isinstance(index, int) else None
        events: list[ports.ModelEvent] = []
        call = self._find(call_id, index, name, text)
        if call is None:
            if not name:
                raise WireViolation("a piece of a call came before its name")
            call = self._begin(call_id, index, name)
            events.append(ports.ToolStarted(index=call.place, call_id=call.call_id, tool=call.tool))
        call.extra = piece.get("extra_content") or call.extra
        if text:
            call.raw += text
            events.append(ports.ToolInputDelta(index=call.place, text=text))
        return events

    def _begin(self, call_id: str, index: int | None, name: str) -> _StreamedCall:
        # An id that is used twice would answer two calls with one result.
        used = any(call.call_id == call_id for call in self._calls)
        own = call_id if call_id and not used else f"call_{uuid.uuid4().hex[:24]}"
        call = _StreamedCall(len(self._calls), own, call_id, index, name)
        self._calls.append(call)
        return call

    def _find(self, call_id: str, index: int | None, name: str, text: str) -> _StreamedCall | None:
        """Return the call that a piece goes on with; None if it begins one."""
        latest = reversed(self._calls)
        if call_id:
            same = next((call for call in latest if call.given_id == call_id), None)
            if same is not None:
                other = name and index is not None and same.index not in (None, index)
                return None if other or (name and text.strip() and _is_whole(same)) else same
            if name:
                return None
        elif name and self._calls:
            same = self._at(index)
            return None if same is None or name != same.tool or _is_whole(same) else same
        return self._at(index)

    def _at(self, index: int | None) -> _StreamedCall | None:
        latest = list(reversed(self._calls))
        at = next((call for call in latest if index is not None and call.index == index), None)
        if at is None and latest and (index is None or latest[0].index is None):
            return latest[0]
        return at

    def _raw(self) -> dict[str, Any]:
        """Return the message as it is sent back."""
        message: dict[str, Any] = {"role": "assistant", "content": self._text}
        if self._calls:
            message["tool_calls"] = [_written(call) for call in self._calls]
        if self._details:
            message["reasoning_details"] = list(self._details.values())
        if self._thinking:
            message[REASONING] = self._thinking
        return message


def _is_whole(call: _StreamedCall) -> bool:
    return bool(call.raw.strip()) and parsed_input(call.raw) is not None


def _written(call: _StreamedCall) -> dict[str, Any]:
    function = {"name": call.tool, "arguments": sendable_input(call.raw)}
    call_id = fit_id(call.call_id, CALL_ID)
    written: dict[str, Any] = {"id": call_id, "type": "function", "function": function}
    if call.extra:
        written["extra_content"] = call.extra
    return written
