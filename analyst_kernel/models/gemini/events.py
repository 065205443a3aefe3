"""Converts the events of an interaction with Gemini to the core's model events: a pure fold.

A stream that is cut ends without any error, so only ``interaction.completed`` ends a message. The
raw text of every call's arguments is kept; whether it is valid JSON is the core's question.
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
)

BLOCKED = frozenset(
    """safety prohibited_content blocklist spii recitation language image_safety content_blocked
    content_filter content_policy_violation image_prohibited_content image_recitation
    model_armor""".split()
)
"""Codes of an error that means: the provider declined."""

_LENGTH = frozenset({"max_tokens", "max_output_tokens"})
_CUT_OFF = frozenset({"incomplete", "budget_exceeded", "requires_continuation"})
"""States in which a message stopped before its end, at a limit of its length."""


class InteractionFault(Exception):
    """An error that the stream itself reports, at status 200."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message


class InteractionFold:
    """Folds the events of one interaction, in order; call :meth:`feed` for each.

    Attributes:
        seen: Events fed so far.
        stopped: The closing event, once the interaction is complete.
    """

    def __init__(self, tariff: Tariff | None) -> None:
        self.seen = 0
        self.stopped: ports.Stopped | None = None
        self.failure: ReportedError | None = None
        self.complete = False
        self._tariff = tariff
        self._steps: dict[int, dict[str, Any]] = {}
        self._open: set[int] = set()
        self._arguments: dict[int, str] = {}
        self._ids: set[str] = set()
        self._counts: dict[str, int] = {}

    def feed(self, event: Mapping[str, Any]) -> list[ports.ModelEvent]:
        """Return the model events of one wire event; none for an unknown type.

        ``Stopped`` is not among them, but kept in :attr:`stopped`. Raises :class:`WireViolation`,
        :class:`InteractionFault`, or ``KeyError``/``TypeError``/``AttributeError`` for an event of
        an unexpected shape.
        """
        self.seen += 1
        match event["event_type"]:
            case "step.start":
                return self._start(_index(event), dict(event["step"]))
            case "step.delta":
                events = self._delta(_index(event), event["delta"])
                return events + self._usage((event.get("metadata") or {}).get("total_usage"))
            case "step.stop":
                return self._end(_index(event)) + self._usage(event.get("usage"))
            case "interaction.created" | "interaction.status_update":
                return self._usage(event.get("usage"))
            case "interaction.completed":
                return self._complete(event["interaction"])
            case "error":
                return self._fail(event.get("error") or {})
            case _:
                return []

    def end(self) -> list[ports.ModelEvent]:
        """Return nothing: without its closing event an interaction is not complete."""
        return []

    def _start(self, index: int, step: dict[str, Any]) -> list[ports.ModelEvent]:
        if index in self._steps:
            raise WireViolation(f"step {index} began twice")
        self._steps[index] = step
        self._open.add(index)
        match step.get("type"):
            case "function_call":
                return self._call(index, step)
            case "model_output":
                if step.get("error"):
                    return self._fail(step["error"])
                return [ports.TextDelta(text) for text in _texts(step.get("content"))]
            case "thought":
                return [ports.ThinkingDelta(text) for text in _texts(step.get("summary"))]
            case _:
                return []

    def _call(self, index: int, step: dict[str, Any]) -> list[ports.ModelEvent]:
        call_id, tool = str(step["id"]), str(step["name"])
        if not call_id or call_id in self._ids:
            raise WireViolation("a tool call has no id of its own")
        self._ids.add(call_id)
        self._arguments[index] = ""
        return [ports.ToolStarted(index=index, call_id=call_id, tool=tool)]

    def _delta(self, index: int, delta: Mapping[str, Any]) -> list[ports.ModelEvent]:
        if index not in self._open:
            raise WireViolation(f"step {index} went on without being open")
        step = self._steps[index]
        kind = delta["type"]
        if kind == "text":
            text = _string(delta["text"])
            _append_text(step, "content", text)
            return [ports.TextDelta(text)] if text else []
        if kind == "thought_summary":
            return self._summary(step, delta.get("content") or {})
        if kind == "thought_signature":
            step["signature"] = _string(delta["signature"])
        elif kind == "arguments_delta":
            if index not in self._arguments:
                raise WireViolation(f"step {index} is not a tool call but got arguments")
            text = _string(delta.get("arguments") or "")
            self._arguments[index] += text
            return [ports.ToolInputDelta(index=index, text=text)] if text else []
        return []

    def _summary(self, step: dict[str, Any], content: Mapping[str, Any]) -> list[ports.ModelEvent]:
        if content.get("type") != "text":
            return []
        text = _string(content["text"])
        _append_text(step, "summary", text)
        return [ports.ThinkingDelta(text)] if text else []

    def _end(self, index: int) -> list[ports.ModelEvent]:
        if index not in self._open:
            raise WireViolation(f"step {index} ended without being open")
        self._open.discard(index)
        if index not in self._arguments:
            return []
        step = self._steps[index]
        events: list[ports.ModelEvent] = []
        raw = self._arguments[index]
        if not raw and step.get("arguments"):
            # The whole arguments may also stand in the step's start.
            raw = json.dumps(step["arguments"], ensure_ascii=False)
            events.append(ports.ToolInputDelta(index=index, text=raw))
        raw = raw or "{}"
        # What goes back must be an object, or the API would refuse the conversation for ever.
        step["arguments"] = parsed_input(raw) or {}
        events.append(ports.ToolEnded(index=index, raw_input=raw))
        return events

    def _complete(self, interaction: Mapping[str, Any]) -> list[ports.ModelEvent]:
        status = interaction["status"]
        events = self._usage(interaction.get("usage"))
        error = _reason_of(interaction)
        if error and status not in ("completed", "requires_action"):
            return events + self._fail(error)
        if status in ("failed", "cancelled"):
            raise InteractionFault(str(status), f"the interaction ended as {status!r}")
        if status in _CUT_OFF:
            # A step may have been cut off without its end.
            for index in sorted(self._open):
                events += self._end(index)
            self.stopped = ports.Stopped(reason="max_tokens", raw=self._raw())
            return events
        if status not in ("completed", "requires_action"):
            raise WireViolation(f"the message stopped in an unknown state: {status}")
        if self._open:
            raise WireViolation("the message stopped inside a step")
        if status == "requires_action" and not self._arguments:
            raise WireViolation("the message asks for an action and names none")
        # A message that calls is also reported as completed.
        reason: ports.StopReason = "tool_use" if self._arguments else "end_turn"
        self.stopped = ports.Stopped(reason=reason, raw=self._raw())
        return events

    def _fail(self, error: Mapping[str, Any]) -> list[ports.ModelEvent]:
        code, message = error_code(error.get("code")), str(error.get("message") or "")
        if code in BLOCKED:
            self.stopped = ports.Stopped(reason="refusal", detail=message)
            return []
        if code in _LENGTH:
            return self._complete({"status": "incomplete"})
        raise InteractionFault(code, message)

    def _raw(self) -> list[Any]:
        """Return the steps that go back: without blank words, and without unsigned thoughts."""
        return [step for _, step in sorted(self._steps.items()) if _goes_back(step)]

    def _usage(self, usage: Mapping[str, Any] | None) -> list[ports.ModelEvent]:
        if not usage:
            return []
        cached = _count(usage, "total_cached_tokens")
        read = _count(usage, "total_input_tokens") + _count(usage, "total_tool_use_tokens")
        written = _count(usage, "total_output_tokens") + _count(usage, "total_thought_tokens")
        counts = {
            "input_tokens": max(0, read - cached),
            "cached_tokens": cached,
            "output_tokens": written,
        }
        if counts == self._counts:
            return []
        self._counts = counts
        return [report_usage(counts, self._tariff)]


def error_code(code: object) -> str:
    """Return an error's code in lower case; it may be given as an address that ends with it."""
    return str(code or "").rstrip("/").rpartition("/")[2].lower()


def _reason_of(interaction: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the error that an interaction gives for its state, itself or in a step; or none."""
    found = [interaction.get("error"), *(interaction.get("errors") or ())]
    found += [step.get("error") for step in interaction.get("steps") or ()]
    return next((error for error in found if isinstance(error, Mapping) and error), {})


def _goes_back(step: Mapping[str, Any]) -> bool:
    match step.get("type"):
        case "model_output":
            return any(text.strip() for text in _texts(step.get("content")))
        case "thought":
            return bool(step.get("signature"))
        case _:
            return True


def _append_text(step: dict[str, Any], name: str, text: str) -> None:
    """Add a piece of text to the last part of a step's list, which is made if it is not there."""
    parts = step.setdefault(name, [])
    if parts and parts[-1].get("type") == "text":
        parts[-1] = {**parts[-1], "text": parts[-1]["text"] + text}
    elif text:
        parts.append({"type": "text", "text": text})


def _texts(parts: Any) -> list[str]:
    return [_string(part["text"]) for part in parts or () if part.get("type") == "text"]


def _index(event: Mapping[str, Any]) -> int:
    index = event["index"]
    if not isinstance(index, int):
        raise WireViolation("a step has no number")
    return index


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise WireViolation("a piece of text is none")
    return value


def _count(usage: Mapping[str, Any], name: str) -> int:
    count = usage.get(name)
    return count if is_count(count) else 0
