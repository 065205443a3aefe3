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
}

_LONG_WORDS = (
    "prompt is too long", "context window", "context length", "exceed context limit",
    "exceeds the maximum number of tokens",
)  # fmt: skip
_MONEY_WORDS = ("credit balance", "spend limit", "billing")


def model_error(error: Exception, about: ErrorContext) -> ModelError:
    """Return the ``ModelError`` for any exception of the SDK, of HTTP or of parsing."""
    if isinstance(getattr(error, "status_code", None), int):
        return _from_answer(error, about)
    return raised(error, about)


def _from_answer(error: Any, about: ErrorContext) -> ModelError:
    words = str(getattr(error, "api_message", None) or getattr(error, "message", None) or "")
    kind_name = str(getattr(error, "type", None) or "")
    code = str(getattr(error, "error_code", None) or "")
    kind = _kind_of(error.status_code, kind_name, code, words)
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", {})
    return answered(kind, about, words=words, status=error.status_code, headers=headers)


def _kind_of(status: int, name: str, code: str, words: str) -> FaultKind:
    lower = words.lower()
    if 300 <= status < 400:
        return MOVED
    if "spend_limit" in code or "billing" in code:
        return BILLING
    if status in (200, 400) and name in ("invalid_request_error", ""):
        if any(phrase in lower for phrase in _LONG_WORDS):
            return TOO_LONG
        if any(phrase in lower for phrase in _MONEY_WORDS):
            return BILLING
    if name in _BY_TYPE:
        return _BY_TYPE[name]
    if status in BY_STATUS:
        return BY_STATUS[status]
    if status >= 500:
        return SERVER
    return REQUEST if status >= 400 else MALFORMED
