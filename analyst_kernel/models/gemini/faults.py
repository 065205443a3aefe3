"""Converts every failure of an interaction with Gemini to a ``ModelError`` of the core.

Google reports one failure in several forms: a code of the Interactions API, a status of its older
APIs (``RESOURCE_EXHAUSTED``), a list instead of an object, a wait in the details instead of in a
header. All of them become the failures that :func:`model_error` has words for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analyst_kernel.models.anthropic_faults import model_error
from analyst_kernel.models.gemini.events import BLOCKED, InteractionFault, error_code
from analyst_kernel.models.wire.faults import ErrorContext, redact
from analyst_kernel.protocol.errors import ModelError

INSTALL = "Install it with `pip install 'analyst-kernel[gemini]'`."

_KINDS = {
    "authentication": "authentication_error",
    "unauthenticated": "authentication_error",
    "api_key_invalid": "authentication_error",
    "permission_denied": "permission_error",
    "payment_required": "billing_error",
    "billing_disabled": "billing_error",
    "quota_exceeded": "billing_error",
    "not_found": "not_found_error",
    "model_not_found": "not_found_error",
    "rate_limit_exceeded": "rate_limit_error",
    "resource_exhausted": "rate_limit_error",
    "too_many_requests": "rate_limit_error",
    "unavailable": "overloaded_error",
    "service_unavailable": "overloaded_error",
    "model_overloaded": "overloaded_error",
    "overloaded": "overloaded_error",
    "internal": "api_error",
    "internal_error": "api_error",
    "internal_server_error": "api_error",
    "server_error": "api_error",
    "bad_gateway": "api_error",
    "unknown": "api_error",
    "failed": "api_error",
    "aborted": "api_error",
    "deadline_exceeded": "timeout_error",
    "gateway_timeout": "timeout_error",
    "timeout": "timeout_error",
    "cancelled": "timeout_error",
    "client_closed_request": "timeout_error",
    "conflict": "conflict_error",
    "invalid_request": "invalid_request_error",
    "invalid_argument": "invalid_request_error",
    "failed_precondition": "invalid_request_error",
    "out_of_range": "invalid_request_error",
    "parameter_unknown": "invalid_request_error",
    "unimplemented": "invalid_request_error",
    "request_too_large": "request_too_large",
}
"""Google's codes, in lower case, as kinds of failure."""

_BY_STATUS = {503: "overloaded_error", 499: "timeout_error"}
"""Where Google means something else by a status than others do."""

_GRPC = {
    "1": "cancelled", "2": "unknown", "3": "invalid_argument", "4": "deadline_exceeded",
    "5": "not_found", "7": "permission_denied", "8": "resource_exhausted",
    "9": "failed_precondition", "10": "aborted", "11": "out_of_range", "12": "unimplemented",
    "13": "internal", "14": "unavailable", "16": "unauthenticated",
}  # fmt: skip
"""Names of the numbers that an error within a step has."""

_UNREADABLE = frozenset({"malformed_function_call", "unexpected_tool_call", "too_many_tool_calls"})
"""Codes of a turn whose calls are useless; asked again, the model usually calls rightly."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s\Z")


class _GeminiAnswer(Exception):
    """What an error of Google says, in the attributes that :func:`model_error` reads."""

    def __init__(
        self, status: int, kind: str, words: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(words)
        self.status_code = status
        self.type = kind
        self.api_message = words
        self.response = self
        self.headers = headers or {}


def no_stream(status: int, content_type: str) -> Exception:
    """Return what to report for an answer that is neither an error nor a stream of events."""
    return _GeminiAnswer(status, "", f"it answered with {content_type or 'nothing'}")


def gemini_error(
    error: Exception, about: ErrorContext, within: Mapping[str, str] | None = None
) -> ModelError:
    """Return the ``ModelError`` for any exception of the SDK, of HTTP or of the stream.

    ``within`` are the headers of the stream that ``error`` is a part of.
    """
    if isinstance(error, ModuleNotFoundError):
        return ModelError(
            f"{about.label} needs the package google-genai, which is not installed.",
            INSTALL,
            fault="request",
            retryable=False,
        )
    if isinstance(error, InteractionFault):
        code = _GRPC.get(error.code, error.code)
        if code in _UNREADABLE:
            return ModelError(
                f"{about.label} made a tool call that it could not read itself ({code}).",
                "Ask again, or choose another model.",
                fault="malformed",
                retryable=True,
            )
        words = error.message or code
        if code and code not in _KINDS:
            words = f"{code}: {words}" if words != code else code
        return model_error(_GeminiAnswer(200, _KINDS.get(code, "?"), words, within), about)
    status = getattr(error, "status_code", None)
    if not isinstance(status, int) or isinstance(error, _GeminiAnswer):
        return model_error(error, about)
    found = _error_of(getattr(error, "body", None))
    headers = dict(getattr(getattr(error, "response", None), "headers", None) or {})
    return _answer(status, found, headers, about)


def _answer(
    status: int, found: Mapping[str, Any], headers: dict[str, str], about: ErrorContext
) -> ModelError:
    details = [one for one in found.get("details") or () if isinstance(one, Mapping)]
    words = str(found.get("message") or "")
    codes = [error_code(found.get("code")), error_code(found.get("status"))]
    codes += [error_code(detail.get("reason")) for detail in details]
    if any(code in BLOCKED for code in codes):
        said = f" It said: {redact(words, about.secrets)}" if words else ""
        return ModelError(
            f"{about.label} declined the request.{said}",
            "Put the question differently, or choose another model.",
            fault="refused",
            retryable=False,
        )
    # The last one says most: the reason stands in the details.
    kinds = [_KINDS[code] for code in codes if code in _KINDS]
    kind = kinds[-1] if kinds else _BY_STATUS.get(status, "")
    if kind == "rate_limit_error" and _is_used_up(details):
        kind = "billing_error"
    wait = _wait_of(details)
    if wait and "retry-after" not in headers:
        headers["retry-after"] = wait
    return model_error(_GeminiAnswer(status, kind, words, headers), about)


def _error_of(body: Any) -> Mapping[str, Any]:
    """Return the error's object in a body: ``{"error": {...}}``, alone or in a list; else none."""
    if isinstance(body, list):
        body = body[0] if body else None
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else {}


def _is_used_up(details: list[Mapping[str, Any]]) -> bool:
    """Return whether a day's quota is used up, so that waiting a minute does not help."""
    violations = [one for detail in details for one in detail.get("violations") or ()]
    named = [str(one.get("quotaId", "")) for one in violations if isinstance(one, Mapping)]
    return any("PerDay" in name for name in named)


def _wait_of(details: list[Mapping[str, Any]]) -> str:
    """Return the seconds that the details ask to wait (``"37s"``), or an empty text."""
    found = [_DURATION.match(str(detail.get("retryDelay", ""))) for detail in details]
    return next((match.group(1) for match in found if match), "")
