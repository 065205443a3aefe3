"""Converts every exception of the Messages protocol to a ``ModelError`` of the core.

The API's own error type counts before the HTTP status, because a fault in the middle of a stream
has status 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analyst_kernel.models.wire.faults import (
    AUTH,
    BILLING,
    BY_STATUS,
    MALFORMED,
    MISSING,
    MOVED,
    OVERLOADED,
    RATE,
    REQUEST,
    SERVER,
    TIMEOUT,
    TOO_LONG,
    ErrorContext,
    FaultKind,
    answered,
    raised,
)
from analyst_kernel.protocol.errors import ModelError

_BY_TYPE: dict[str, FaultKind] = {
    "overloaded_error": OVERLOADED,
    "rate_limit_error": RATE,
    "api_error": SERVER,
    "timeout_error": TIMEOUT,
    "conflict_error": SERVER,
    "authentication_error": AUTH,
    "permission_error": AUTH,
    "billing_error": BILLING,
    "not_found_error": MISSING,
    "request_too_large": REQUEST,
    "invalid_request_error": REQUEST,
    # What Bedrock calls them in its streams.
    "throttlingException": RATE,
    "serviceUnavailableException": OVERLOADED,
    "internalServerException": SERVER,
    "modelStreamErrorException": SERVER,
    "modelTimeoutException": TIMEOUT,
    "validationException": REQUEST,
}

_LONG_WORDS = (
    "prompt is too long", "context window", "context length", "exceed context limit",
    "exceeds the maximum number of tokens", "input is too long",
)  # fmt: skip
_UNKNOWN_WORDS = ("model identifier is invalid", "model id is not", "model_id is not")
_MONEY_WORDS = ("credit balance", "spend limit", "billing", "payment instrument", "payment_instr")


def model_error(error: Exception, about: ErrorContext) -> ModelError:
    """Return the ``ModelError`` for any exception of the SDK, of HTTP or of parsing."""
    if isinstance(getattr(error, "status_code", None), int):
        return _from_answer(error, about)
    return raised(error, about)


def _from_answer(error: Any, about: ErrorContext) -> ModelError:
    words = _words(error)
    kind_name = str(getattr(error, "type", None) or "")
    code = str(getattr(error, "error_code", None) or "")
    kind = _kind_of(error.status_code, kind_name, code, words)
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", {})
    return answered(kind, about, words=words, status=error.status_code, headers=headers)


def _words(error: Any) -> str:
    """Return what the server said; clouds say it in forms of their own."""
    said = getattr(error, "api_message", None)
    body = getattr(error, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], Mapping):
        body = body[0]
    if not said and isinstance(body, Mapping):
        inner = body.get("error")
        said = inner.get("message") if isinstance(inner, Mapping) else body.get("message")
        # Below its first line Bedrock repeats the request that it checked, tokens included.
        said = str(said or "").strip().partition("\n")[0]
    return str(said or getattr(error, "message", None) or "")


def _kind_of(status: int, name: str, code: str, words: str) -> FaultKind:
    lower = words.lower()
    if 300 <= status < 400:
        return MOVED
    if "spend_limit" in code or "billing" in code:
        return BILLING
    if status in (200, 400) and name in ("invalid_request_error", ""):
        if any(phrase in lower for phrase in _LONG_WORDS):
            return TOO_LONG
        if any(phrase in lower for phrase in _UNKNOWN_WORDS):
            return MISSING
    # Clouds name no kind of their refusals, and put it in words.
    by_words = not name or (name == "invalid_request_error" and status in (200, 400))
    if by_words and status < 500 and any(phrase in lower for phrase in _MONEY_WORDS):
        return BILLING
    if name in _BY_TYPE:
        return _BY_TYPE[name]
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return SERVER
    return REQUEST if status >= 400 else MALFORMED
