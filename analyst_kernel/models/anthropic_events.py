"""Converts the events of the Messages protocol to the core's model events: a pure fold.

It keeps the raw text of every tool input. An SDK's parsed input is never used, because the SDK
parses a truncated input to a shorter one that looks valid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from analyst_kernel.agent import ports
from analyst_kernel.agent.transcript import parsed_input
from analyst_kernel.models.prices import Tariff
from analyst_kernel.models.wire.streaming import (
    ReportedError,
    WireViolation,
    is_count,
    report_usage,
    reported_cost,
)

_REASONS: dict[str, ports.StopReason] = {
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_exceeded",
}

_COUNTS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cached_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}


class MessageFold:
    """Folds the events of one message, in order; call :meth:`feed` for each.

    Attributes:
        seen: Events fed so far.
        stopped: The closing event, once ``message_stop`` came.
        complete, failure: As in :class:`EventFold`; this wire has nothing after a message, and its
            SDK raises what is reported.
    """

    def __init__(self, tariff: Tariff | None, *, states_cost: bool = False) -> None:
        self.seen = 0
        self.complete = False
        self.stopped: ports.Stopped | None = None
        self.failure: ReportedError | None = None
        self._tariff = tariff
        self._states_cost = states_cost
        self._cost: float | None = None
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._open: set[int] = set()
        self._counts: dict[str, int] = {}
        self._reason: str | None = None
        self._detail = ""

    def feed(self, event: Mapping[str, Any]) -> list[ports.ModelEvent]:
        """Return the model events of one wire event; none for an unknown type.

        ``Stopped`` is not among them, but kept in :attr:`stopped`. Raises :class:`WireViolation`,
        or ``KeyError``/``TypeError``/``AttributeError`` for an event of an unexpected shape.
        """
        self.seen += 1
        kind = event["type"]
        if kind == "message_start":
            return self._usage(event["message"].get("usage"))
        if kind == "content_block_start":
            return self._start(_index(event), dict(event["content_block"]))
        if kind == "content_block_delta":
            return self._delta(_index(event), event["delta"])
        if kind == "content_block_stop":
            return self._end(_index(event))
        if kind == "message_delta":
            self._reason = event["delta"].get("stop_reason") or self._reason
            self._detail = _refusal_words(event["delta"]) or self._detail
            return self._usage(event.get("usage"))
        if kind == "message_stop":
            return self._stop()
        return []

    def end(self) -> list[ports.ModelEvent]:
        """Return nothing: a message ends with its own event or not at all."""
        return []

    def _start(self, index: int, block: dict[str, Any]) -> list[ports.ModelEvent]:
        if index in self._blocks:
            raise WireViolation(f"content block {index} began twice")
        self._blocks[index] = block
        self._open.add(index)
        kind = block.get("type")
        if kind == "tool_use":
            self._inputs[index] = ""
            return [
                ports.ToolStarted(index=index, call_id=str(block["id"]), tool=str(block["name"]))
            ]
        if kind == "text" and block.get("text"):
            return [ports.TextDelta(_text(block, "text"))]
        if kind == "thinking" and block.get("thinking"):
            return [ports.ThinkingDelta(_text(block, "thinking"))]
        return []

    def _delta(self, index: int, delta: Mapping[str, Any]) -> list[ports.ModelEvent]:
        if index not in self._open:
            raise WireViolation(f"content block {index} went on without being open")
        block = self._blocks[index]
        kind = delta["type"]
        if kind == "text_delta":
            text = _text(delta, "text")
            block["text"] = (block.get("text") or "") + text
            return [ports.TextDelta(text)] if text else []
        if kind == "thinking_delta":
            text = _text(delta, "thinking")
            block["thinking"] = (block.get("thinking") or "") + text
            return [ports.ThinkingDelta(text)] if text else []
        if kind == "signature_delta":
            block["signature"] = delta["signature"]
        elif kind == "input_json_delta":
            if index not in self._inputs:
                raise WireViolation(f"content block {index} is not a tool call but got its input")
            text = _text(delta, "partial_json")
            self._inputs[index] += text
            if text:
                return [ports.ToolInputDelta(index=index, text=text)]
        elif kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        return []

    def _end(self, index: int) -> list[ports.ModelEvent]:
        if index not in self._open:
            raise WireViolation(f"content block {index} ended without being open")
        self._open.discard(index)
        if index not in self._inputs:
            return []
        block = self._blocks[index]
        events: list[ports.ModelEvent] = []
        raw = self._inputs[index]
        if not raw and block.get("input"):
            # Some compatible servers give the whole input with the block's start.
            raw = json.dumps(block["input"], ensure_ascii=False)
            events.append(ports.ToolInputDelta(index=index, text=raw))
        raw = raw or "{}"
        parsed = parsed_input(raw)
        block["input"] = {} if parsed is None else parsed
        events.append(ports.ToolEnded(index=index, raw_input=raw))
        return events

    def _stop(self) -> list[ports.ModelEvent]:
        if self._open:
            raise WireViolation("the message stopped inside a content block")
        if self._reason is None:
            raise WireViolation("the message stopped without a reason")
        if self._reason not in _REASONS:
            raise WireViolation(f"the message stopped for an unknown reason: {self._reason}")
        # The wire refuses blank text blocks when they come back.
        raw: list[Any] = [
            block
            for _, block in sorted(self._blocks.items())
            if block.get("type") != "text" or str(block.get("text", "")).strip()
        ]
        self.stopped = ports.Stopped(reason=_REASONS[self._reason], raw=raw, detail=self._detail)
        return []

    def _usage(self, usage: Mapping[str, Any] | None) -> list[ports.ModelEvent]:
        if not usage:
            return []
        for theirs, ours in _COUNTS.items():
            count = usage.get(theirs)
            if is_count(count):
                self._counts[ours] = count
        if self._states_cost:
            reported = reported_cost(usage)
            self._cost = self._cost if reported is None else reported
        return [report_usage(self._counts, self._tariff, self._cost)]


def _index(event: Mapping[str, Any]) -> int:
    index = event["index"]
    if not isinstance(index, int):
        raise WireViolation("a content block has no number")
    return index


def _text(block: Mapping[str, Any], name: str) -> str:
    if not isinstance(block[name], str):
        raise WireViolation("the text of a content block is none")
    return str(block[name])


def _refusal_words(delta: Mapping[str, Any]) -> str:
    details = delta.get("stop_details")
    if not isinstance(details, Mapping):
        return ""
    return str(details.get("explanation") or details.get("category") or "")
