"""Fakes of OpenAI's two wires over real HTTP; see ``wire_server.py`` for how they are used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from analyst_kernel.testing.fakes.openai_events import (
    DONE,
    Style,
    chat_events,
    response_events,
    sse,
)
from analyst_kernel.testing.fakes.openai_rules import (
    Quirk,
    Reasoning,
    check_chat,
    check_key,
    check_responses,
)
from analyst_kernel.testing.fakes.turns import ScriptedTurn, TurnSource
from analyst_kernel.testing.fakes.wire_events import Event, filled
from analyst_kernel.testing.fakes.wire_reply import Recorded
from analyst_kernel.testing.fakes.wire_server import WireServer

_CODES = {
    "overloaded_error": "server_is_overloaded",
    "rate_limit_error": "rate_limit_exceeded",
    "api_error": "server_error",
    "timeout_error": "timeout",
    "authentication_error": "invalid_api_key",
    "billing_error": "insufficient_quota",
    "not_found_error": "model_not_found",
    "invalid_request_error": "invalid_prompt",
}
"""What a script's kinds of error are called here."""


class OpenAIServer(WireServer):
    """A server of the Responses wire.

    Attributes:
        reasoning: The encrypted reasoning that was given.
        quirks: What it refuses besides, which may be changed while it runs.
    """

    PATH = "/v1/responses"
    PING = b": keep-alive\n\n"

    def __init__(
        self, turns: Iterable[TurnSource] = (), *, quirks: Iterable[Quirk] = (), **details: Any
    ) -> None:
        """Prepare; ``details`` are those of :class:`WireServer`."""
        super().__init__(turns, **details)
        self.reasoning = Reasoning()
        self.quirks = frozenset(quirks)
        self._prefixes: dict[str, int] = {}

    def _check_key(self, request: Recorded) -> None:
        check_key(request.headers, keys=self._keys)

    def _check(self, request: Recorded) -> None:
        self._check_key(request)
        check_responses(request.body, self.reasoning, self.quirks)

    def _events(self, turn: ScriptedTurn, request: Recorded) -> list[Any]:
        body = request.body
        results = (i["output"] for i in body["input"] if i.get("type") == "function_call_output")
        blocks = filled(turn, map(json.dumps, results))
        units = [body.get("tools"), body.get("instructions"), *body["input"]]
        usage = self._usage(turn, request, units, "input", "output")
        return response_events(turn, blocks, body, usage, self._answers, self.reasoning)

    def _usage(
        self, turn: ScriptedTurn, request: Recorded, units: list[Any], taken: str, made: str
    ) -> dict[str, Any]:
        """Count tokens as OpenAI does: what is cached is found by itself, and counted in."""
        total = cached = 0
        text = ""
        for unit in units:
            text = hashlib.sha256((text + json.dumps(unit)).encode()).hexdigest()
            total += len(json.dumps(unit)) // 4 + 1
            if text in self._prefixes and total >= self.cache.minimum:
                cached = total
            self._prefixes[text] = total
        request.usage = {"input_tokens": total - cached, "cached_tokens": cached}
        output = sum(len(str(block)) for block in turn.blocks) // 4 + 1
        return {
            f"{taken}_tokens": total,
            f"{made}_tokens": output,
            "total_tokens": total + output,
            f"{taken}_tokens_details": {"cached_tokens": cached},
        }

    def _encode(self, event: Any) -> bytes:
        return sse(event, named=True)

    def _error_body(self, status: int, kind: str, message: str) -> dict[str, Any]:
        code, _, param = kind.partition("|") if "|" in kind else (_CODES.get(kind, kind), "", "")
        error = {"message": message, "type": "invalid_request_error" if status < 429 else None}
        return {"error": {**error, "code": code or None, "param": param or None}}

    def _error_event(self, kind: str, message: str) -> bytes:
        event = {"type": "error", "code": _CODES.get(kind, kind), "message": message, "param": None}
        return self._encode(event)

    def _in_call(self, events: list[Any]) -> int:
        own = [
            place
            for place, event in enumerate(events)
            if event["type"] == "response.function_call_arguments.delta"
        ]
        return _middle(own)


class OpenAIChatServer(OpenAIServer):
    """A server of the Chat wire, which writes its chunks in this ``style``."""

    PATH = "/v1/chat/completions"

    def __init__(
        self, turns: Iterable[TurnSource] = (), *, style: Style | None = None, **details: Any
    ) -> None:
        """Prepare."""
        super().__init__(turns, **details)
        self.style = style or Style()

    def _check(self, request: Recorded) -> None:
        check_key(request.headers, keys=self._keys)
        check_chat(request.body, self.quirks)

    def _events(self, turn: ScriptedTurn, request: Recorded) -> list[Any]:
        body = request.body
        results = (m["content"] for m in body["messages"] if m["role"] == "tool")
        units = [body.get("tools"), *body["messages"]]
        usage = self._usage(turn, request, units, "prompt", "completion")
        return chat_events(turn, filled(turn, results), body, usage, self._answers, self.style)

    def _encode(self, event: Any) -> bytes:
        return sse(event, named=False)

    def _error_event(self, kind: str, message: str) -> bytes:
        return self._encode({"error": {"message": message, "code": _CODES.get(kind, kind)}})

    def _in_call(self, events: list[Any]) -> int:
        calls = [place for place, event in enumerate(events) if _is_call(event)]
        if not calls and self.style.actions:
            # Its block is the last of its text.
            said = [p for p, e in enumerate(events) if e != DONE and _says(e)]
            calls = said[-2:]
        return _middle(calls)

    def _closing(self, events: list[Any]) -> int:
        return next(
            place
            for place, event in enumerate(events)
            if event != DONE and any(c["finish_reason"] for c in event["choices"])
        )


def _is_call(event: Event | str) -> bool:
    if isinstance(event, str):
        return False
    return any(choice["delta"].get("tool_calls") for choice in event["choices"])


def _says(event: Event) -> bool:
    return any(choice["delta"].get("content") for choice in event["choices"])


def _middle(places: list[int]) -> int:
    if not places:
        raise ValueError("the turn has no tool call to cut")
    return places[len(places) // 2]
