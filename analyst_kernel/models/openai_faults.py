"""Converts what OpenAI's SDK raises, and what its many imitators answer, to a ``ModelError``.

Servers agree on a status and on little else: the error may be an object, a list of one, a text, or
a page of a proxy, its code a word or a status, and it may come at status 200. What the server calls
it counts before the status, and its words where nothing else tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.models.wire.faults import (
    AGAIN,
    AUTH,
    BILLING,
    BY_STATUS,
    MALFORMED,
    MISSING,
    MOVED,
    OVERLOADED,
    PROXY,
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

_DECLINED = FaultKind(
    "refused",
    False,
    "{label} declined the request by its rules for content.",
    "Ask in other words, or choose another model; what ran so far is saved in the notebook.",
)
_NO_ADDRESS = FaultKind(
    "request",
    False,
    "{host} does not offer what {label} should.",
    "Check the base URL; it usually ends in /v1.",
)
_BUSY = FaultKind("overloaded", True, "{label} is not ready for requests.", AGAIN)
_PAGE = FaultKind(
    "malformed", True, "{host} answered with something that is not the protocol of {label}.", PROXY
)

_BY_CODE: dict[str, FaultKind] = {
    "insufficient_quota": BILLING,
    "billing_hard_limit_reached": BILLING,
    "billing_not_active": BILLING,
    "account_deactivated": BILLING,
    "insufficient_balance": BILLING,
    "context_length_exceeded": TOO_LONG,
    "exceed_context_size_error": TOO_LONG,
    "string_above_max_length": TOO_LONG,
    "invalid_api_key": AUTH,
    "incorrect_api_key": AUTH,
    "invalid_organization": AUTH,
    "authentication_error": AUTH,
    "permission_error": AUTH,
    "unsupported_country_region_territory": AUTH,
    "model_not_found": MISSING,
    "deploymentnotfound": MISSING,
    "content_filter": _DECLINED,
    "content_policy_violation": _DECLINED,
    "responsibleaipolicyviolation": _DECLINED,
    "bio_policy": _DECLINED,
    "cyber_policy": _DECLINED,
    "misalignment_policy_violation": _DECLINED,
    "image_content_policy_violation": _DECLINED,
    "server_is_overloaded": OVERLOADED,
    "overloaded_error": OVERLOADED,
    "slow_down": OVERLOADED,
    "engine_overloaded": OVERLOADED,
    "service_unavailable": OVERLOADED,
    "service_unavailable_error": OVERLOADED,
    "unavailable_error": _BUSY,
    "rate_limit_exceeded": RATE,
    "rate_limit_error": RATE,
    "rate_limit_reached": RATE,
    "tokens": RATE,
    "requests": RATE,
    "server_error": SERVER,
    "internal_error": SERVER,
    "internal_server_error": SERVER,
    "internalservererror": SERVER,
    "api_error": SERVER,
    "timeout": TIMEOUT,
    "timeout_error": TIMEOUT,
    "not_found_error": MISSING,
    "invalid_prompt": REQUEST,
    "invalid_request_error": REQUEST,
    "bad_request_error": REQUEST,
    "badrequesterror": REQUEST,
}
"""By code or type, in lower case."""

_BY_ANSWER = BY_STATUS | {413: REQUEST, 502: SERVER, 503: OVERLOADED, 504: TIMEOUT}

_VAGUE = frozenset(
    {"invalid_prompt", "invalid_request_error", "bad_request_error", "badrequesterror", "api_error"}
)
"""Codes that say no more than a status: that and the words are looked at first."""

_BY_WORDS: tuple[tuple[re.Pattern[str], FaultKind], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (
            r"context (length|window|size)|maximum context|(prompt|input|request) is too long",
            TOO_LONG,
        ),
        (r"too many (input )?tokens|too large for model", TOO_LONG),
        (r"insufficient (balance|credit|quota)|credit balance|spend limit|billing", BILLING),
        (r"not a valid model|invalid model|model not exist|no such model|unknown model", MISSING),
        (r"model\b.{0,80}\b(not found|does not exist)", MISSING),
        (r"(invalid|incorrect|missing) api[ _-]?key", AUTH),
        (r"content (filter|management|policy)|usage policy|safety system", _DECLINED),
        (r"overloaded|at capacity|loading model", OVERLOADED),
    )
)

_TRY_AGAIN = re.compile(r"try again in ([\d.]+) ?(ms|s|m)\b", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class _Said:
    """What a server said of an error.

    Attributes:
        names: Its code and its type, in lower case.
        status: The code where it is a status.
        page: Whether it is no answer of the protocol, but a page.
    """

    words: str = ""
    names: tuple[str, ...] = ()
    status: int = 0
    page: bool = False


def model_error(error: Exception, about: ErrorContext, of_stream: Mapping[str, str]) -> ModelError:
    """Return the ``ModelError`` for any exception of the SDK, of HTTP or of parsing.

    ``of_stream`` are the headers of the stream that it broke, if one had begun.
    """
    status = getattr(error, "status_code", None)
    body = getattr(error, "body", None)
    if not isinstance(status, int) and body is None:
        return raised(error, about)
    response: Any = getattr(error, "response", None)
    headers: Mapping[str, str] = getattr(response, "headers", of_stream)
    said = _said(body, headers.get("content-type", ""))
    status = status if isinstance(status, int) else 200
    return answered(
        _kind_of(said, status),
        about,
        words=said.words,
        status=status,
        headers=headers,
        wait=_asked_wait(said.words),
    )


def words_of(error: Exception) -> str:
    """Return what a server said when it refused a request: its words, code and parameter."""
    body = getattr(error, "body", None)
    said = _said(body, "")
    param = body.get("param") if isinstance(body, Mapping) else ""
    return " ".join((said.words, *said.names, str(param or "")))


def _said(body: object, content_type: str) -> _Said:
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, str):
        page = "html" in content_type or body.lstrip()[:1] == "<"
        return _Said(page=True) if page else _Said(words=body)
    if not isinstance(body, Mapping):
        return _Said()
    inner = body.get("error")
    if isinstance(inner, Mapping | str):
        return _said(inner, content_type)
    words = body.get("message") or body.get("detail") or ""
    code, kind = body.get("code"), body.get("type")
    names = tuple(name.lower() for name in (code, kind) if isinstance(name, str) and name)
    digits = str(code or "")
    status = int(digits) if re.fullmatch(r"[45]\d\d", digits) else 0
    return _Said(words if isinstance(words, str) else str(words), names, status)


def _kind_of(said: _Said, status: int) -> FaultKind:
    if 300 <= status < 400:
        return MOVED
    if said.page:
        return _of_page(status)
    exact = next((name for name in said.names if name in _BY_CODE and name not in _VAGUE), "")
    if exact:
        return _BY_CODE[exact]
    status = said.status if status == 200 and said.status else status
    if status in (200, 400, 404, 413, 422, 500, 503):
        for pattern, kind in _BY_WORDS:
            if pattern.search(said.words):
                return kind
    if status == 404 and not said.names and not said.words.strip():
        return _NO_ADDRESS
    if status in _BY_ANSWER:
        return _BY_ANSWER[status]
    vague = next((name for name in said.names if name in _VAGUE), "")
    if vague and status < 500:
        return _BY_CODE[vague]
    if status >= 500:
        return SERVER
    return REQUEST if status >= 400 else MALFORMED


def _of_page(status: int) -> FaultKind:
    """Return the kind of a page, which some proxy or web server answered."""
    if status == 404:
        return _NO_ADDRESS
    if status in _BY_ANSWER and status not in (400, 403):
        return _BY_ANSWER[status]
    return SERVER if status >= 500 else _PAGE


def _asked_wait(words: str) -> float | None:
    found = _TRY_AGAIN.search(words)
    try:
        return float(found[1]) * _SECONDS[found[2].lower()] if found else None
    except ValueError:
        return None
