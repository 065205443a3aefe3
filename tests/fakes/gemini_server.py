"""A fake of Google's Interactions API over real HTTP: scripted turns, faults, the API's refusals.

In a test: ``with GeminiServer([turn(...), ...]) as server:`` and point a client at ``server.url``.
It takes the same turns as ``wire_server.py``, and shares its way of running and recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analyst_kernel.testing.fakes.wire_reply import HttpReply, Recorded
from analyst_kernel.testing.fakes.wire_rules import Refusal
from tests.fakes.gemini_events import (
    DONE,
    ImplicitCache,
    ThoughtSignatures,
    call_middle,
    interaction_events,
    sse_of,
)
from tests.fakes.gemini_rules import check_interaction, check_key, refuse
from tests.fakes.turns import Fault, Turn, TurnSource
from tests.fakes.wire_server import WireServer

FAKE_GEMINI_KEY = "AIza-fake-0123456789abcdefghij"
"""A key that Google would not take; must never show up anywhere but in a header."""

_CODES = {
    400: "invalid_request", 401: "authentication", 402: "payment_required",
    403: "permission_denied", 404: "model_not_found", 429: "rate_limit_exceeded",
    500: "internal", 503: "unavailable", 504: "gateway_timeout", 529: "unavailable",
}  # fmt: skip
_SAYS = {
    "overloaded_error": "unavailable", "rate_limit_error": "rate_limit_exceeded",
    "api_error": "internal", "timeout_error": "gateway_timeout",
    "invalid_request_error": "invalid_request", "authentication_error": "authentication",
    "billing_error": "quota_exceeded", "conflict_error": "aborted",
}  # fmt: skip
"""The API's own codes for the kinds of failure that turns name in another's words."""


class GeminiServer(WireServer):
    """The server. Each accepted request takes the next turn; a refused one takes none.

    Attributes:
        implicit: The simulated prompt cache.
        thoughts: Signatures given to thoughts.
    """

    def __init__(
        self,
        turns: Iterable[TurnSource] = (),
        *,
        keys: Iterable[str] | None = None,
        models: Iterable[str] | None = None,
        cache_minimum: int = 1024,
        repeat: bool = False,
    ) -> None:
        """Prepare; nothing listens yet. The arguments are those of :class:`WireServer`."""
        super().__init__(turns, keys=keys, models=models, repeat=repeat)
        self.implicit = ImplicitCache(minimum=cache_minimum)
        self.thoughts = ThoughtSignatures()

    @property
    def interactions(self) -> list[Recorded]:
        """Only the requests for interactions."""
        return [request for request in self.requests if request.path.endswith("/interactions")]

    async def _answer(self, request: Recorded, reply: HttpReply) -> None:
        if request.method == "GET" and request.path == "/v1beta/models":
            key = request.headers.get("x-goog-api-key", "")
            if key and (self._keys is None or key in self._keys):
                await reply.json(200, {"models": [{"name": "models/gemini-3.8-flash"}]})
            else:  # the older API has codes of its own
                details = [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
                error = {"code": 400, "message": "API key not valid.", "details": details}
                await reply.json(400, {"error": {**error, "status": "INVALID_ARGUMENT"}})
            return
        if request.method != "POST" or request.path not in _PATHS:
            await _error(reply, 404, "not_found", "Not found")
            return
        try:
            turn = self._accept(request)
        except Refusal as refusal:
            request.refused = refusal.message
            await _error(reply, refusal.status, refusal.error_type, refusal.message)
            return
        await self._play(turn, request, reply)

    def _accept(self, request: Recorded) -> Turn:
        check_key(request.headers, keys=self._keys)
        check_interaction(request.body)
        model = request.body["model"]
        if self._models is not None and model not in self._models:
            raise refuse(f"The model {model!r} was not found.", 404, "model_not_found")
        self.thoughts.check(request.body)
        return self._take(request.body)

    async def _play(self, turn: Turn, request: Recorded, reply: HttpReply) -> None:
        fault = turn.fault
        if fault is not None and fault.kind == "status":
            headers = {name.lower(): value for name, value in fault.headers.items()}
            if fault.retry_after is not None:
                headers["retry-after"] = str(fault.retry_after)
            code = fault.error_type or _CODES.get(fault.status, "?")
            code = _SAYS.get(code, code)
            await _error(reply, fault.status, code, fault.message, headers)
            return
        headers = dict(fault.headers) if fault is not None else {}
        if fault is not None and fault.retry_after is not None:
            headers["retry-after"] = str(fault.retry_after)
        await reply.start(200, "text/event-stream", headers)
        if fault is not None and fault.kind == "empty":
            return
        request.usage = self.implicit.usage(request.body, turn)
        self._answers += 1
        events = interaction_events(
            turn, request.body, number=self._answers, usage=request.usage, signatures=self.thoughts
        )
        place = _place(fault, events)
        for index, event in enumerate(events):
            if index == place and fault is not None and not await _strike(fault, event, reply):
                return
            await reply.event(sse_of(event))
            await reply.pause(turn.delay)
        await reply.send(DONE)


_PATHS = ("/v1/interactions", "/v1beta/interactions")


async def _error(
    reply: HttpReply, status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> None:
    await reply.json(status, {"error": {"code": code, "message": message}}, headers)


def _place(fault: Fault | None, events: list[dict[str, Any]]) -> int:
    """Tell before which event the fault strikes; -1 for none."""
    if fault is None or fault.kind in ("bad_json", "max_tokens_in_tool", "refusal"):
        return -1
    if fault.after == "tool":
        return call_middle(events)
    if isinstance(fault.after, str):  # in the middle of an event
        return min(2, len(events) - 1)
    return min(fault.after, len(events) - 1)


async def _strike(fault: Fault, event: dict[str, Any], reply: HttpReply) -> bool:
    """Let the fault happen before ``event``; return whether the stream goes on."""
    match fault.kind:
        case "stall":
            await reply.silence(fault.seconds, ping=b": heartbeat\n\n" if fault.pings else b"")
            return True
        case "garbage_sse":
            await reply.event(b"event: step.delta\ndata: {not json\n\n")
            return True
        case "error_event":
            code = fault.error_type or "unavailable"
            error = {"code": _SAYS.get(code, code), "message": fault.message}
            await reply.event(sse_of({"event_type": "error", "error": error}))
        case "truncate":
            if fault.after == "half":
                data = sse_of(event)
                await reply.send(data[: len(data) * 2 // 3])
        case "reset":
            reply.reset()
        case _:
            raise ValueError(f"{fault.kind} does not strike inside a stream")
    return False
