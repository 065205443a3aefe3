"""Converts every exception of the Messages protocol to a ``ModelError`` of the core.

The API's own error type counts before the HTTP status, because a fault in the middle of a stream
has status 200. Secrets are never quoted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from analyst_kernel.protocol.errors import ModelError, ModelFault

_MOST_QUOTED = 300


@dataclass(frozen=True, slots=True, repr=False)
class ErrorContext:
    """What an error message says beside the error itself.

    Attributes:
        label: The provider's name for users (``Anthropic``, ``Ollama``).
        key_advice: What to do about a refused key, one sentence.
        local: Whether the server runs on the user's machine.
        secrets: Texts that must not appear in any message.
    """

    label: str
    model: str
    host: str
    key_advice: str
    local: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kind:
    fault: ModelFault
    retryable: bool
    what: str
    remedy: str


_AGAIN = "Ask again in a minute, or choose another model."
_PROXY = "If this repeats, check what stands between this machine and the provider."

_OVERLOADED = _Kind("overloaded", True, "{label} is overloaded right now.", _AGAIN)
_RATE = _Kind("rate_limited", True, "{label} limits the rate of requests.", _AGAIN)
_SERVER = _Kind("server", True, "{label} had an internal error.", _AGAIN)
_TIMEOUT = _Kind("transport", True, "{label} timed out.", _AGAIN)
_AUTH = _Kind("auth", False, "{label} refused the credentials.", "{key_advice}")
_NO_AUTH = _Kind("auth", False, "There are no usable credentials for {label}.", "{key_advice}")
_BILLING = _Kind(
    "auth",
    False,
    "{label} does not serve this account: its credit or spend limit is used up.",
    "Check the plan and billing of the account, or choose another model.",
)
_MISSING = _Kind(
    "request",
    False,
    "{label} does not know the model {model}.",
    "Run `analyst models` to see which names there are.",
)
_REQUEST = _Kind(
    "request",
    False,
    "{label} refused the request.",
    "Choose another model; what ran so far is saved in the notebook.",
)
_TOO_LONG = _Kind(
    "too_long",
    False,
    "The conversation no longer fits into {model}.",
    "Start a new analysis, or choose a model with a longer context.",
)
_LOST = _Kind("transport", True, "The connection to {label} ({host}) was lost.", _PROXY)
_UNREACHED = _Kind(
    "transport",
    True,
    "{label} ({host}) cannot be reached.",
    "Check the network connection and any proxy settings.",
)
_NOT_RUNNING = _Kind(
    "transport",
    False,
    "No server answers at {host}.",
    "Start {label} on this machine, or choose another model.",
)
_MALFORMED = _Kind(
    "malformed", True, "{label} ({host}) sent something that is not its protocol.", _PROXY
)
_BAD_ADDRESS = _Kind(
    "request",
    False,
    "The request to {label} ({host}) cannot be sent.",
    "Check the base URL and the key: they may hold characters that do not belong there.",
)
_MOVED = _Kind(
    "request",
    False,
    "{host} redirects to another address, which is not followed: it would get the key.",
    "Set the base URL to the final address.",
)

_BY_TYPE: dict[str, _Kind] = {
    "overloaded_error": _OVERLOADED,
    "rate_limit_error": _RATE,
    "api_error": _SERVER,
    "timeout_error": _TIMEOUT,
    "conflict_error": _SERVER,
    "authentication_error": _AUTH,
    "permission_error": _AUTH,
    "billing_error": _BILLING,
    "not_found_error": _MISSING,
    "request_too_large": _REQUEST,
    "invalid_request_error": _REQUEST,
}

_BY_STATUS: dict[int, _Kind] = {
    401: _AUTH,
    402: _BILLING,
    403: _AUTH,
    404: _MISSING,
    408: _TIMEOUT,
    409: _SERVER,
    429: _RATE,
    529: _OVERLOADED,
}

_LONG_WORDS = ("prompt is too long", "context window", "context length", "exceed context limit")
_MONEY_WORDS = ("credit balance", "spend limit", "billing")


def truncated(about: ErrorContext, *, seen: int) -> ModelError:
    """Return the error of a stream that ended after ``seen`` events, before its message did."""
    what = "in the middle" if seen else "before it began"
    return ModelError(
        f"The answer of {about.label} ended {what}.", _PROXY, fault="truncated", retryable=True
    )


def stalled(about: ErrorContext, *, seconds: float) -> ModelError:
    """Return the error of a stream that was silent for ``seconds``."""
    what = f"{about.label} sent nothing for {seconds:g} seconds."
    return ModelError(what, _AGAIN, fault="stalled", retryable=True)


def model_error(error: Exception, about: ErrorContext, *, now: float | None = None) -> ModelError:
    """Return the ``ModelError`` for any exception of the SDK, of HTTP or of parsing.

    ``now`` is the Unix time, for dates in ``retry-after``; the current time by default.
    """
    if isinstance(error, ModelError):
        return error
    if isinstance(getattr(error, "status_code", None), int):
        return _from_answer(error, about, time.time() if now is None else now)
    return _compose(_from_exception(error, about), about, _words_of(error, about))


def redact(text: str, secrets: Collection[str]) -> str:
    """Replace every secret in ``text``, in any form in which it may be shown."""
    for form in _forms(secrets):
        text = text.replace(form, "[secret]")
    return text


def quotes_secret(error: BaseException | None, secrets: Collection[str]) -> bool:
    """Return whether a traceback of ``error``, with its causes, would show a secret."""
    forms = _forms(secrets)
    while error is not None:
        shown = f"{error!s} {error!r} {error.args!r}"
        if any(form in shown for form in forms):
            return True
        error = error.__cause__ or error.__context__
    return False


def _forms(secrets: Collection[str]) -> list[str]:
    """Return each secret and its printable parts, because an error may escape the rest."""
    forms = {form for secret in secrets for form in (secret, secret.strip())}
    forms |= {part for secret in secrets for part in re.findall(r"[!-~]{6,}", secret)}
    return sorted(forms - {""}, key=len, reverse=True)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the seconds that the provider asks to wait, uncapped; None if it does not ask."""
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return millis / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError):
        return None


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < float("inf") else None


def _from_answer(error: Any, about: ErrorContext, now: float) -> ModelError:
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", {})
    kind_name = str(getattr(error, "type", None) or "")
    code = str(getattr(error, "error_code", None) or "")
    words = str(getattr(error, "api_message", None) or getattr(error, "message", None) or "")
    kind = _kind_of(error.status_code, kind_name, code, words)
    retryable = kind.retryable
    if headers.get("x-should-retry") in ("true", "false") and error.status_code != 200:
        retryable = headers["x-should-retry"] == "true"
    quoted = redact(words, about.secrets)[:_MOST_QUOTED]
    return _compose(kind, about, quoted, retryable, retry_after(headers, now=now))


def _kind_of(status: int, name: str, code: str, words: str) -> _Kind:
    lower = words.lower()
    if 300 <= status < 400:
        return _MOVED
    if "spend_limit" in code or "billing" in code:
        return _BILLING
    if status in (200, 400) and name in ("invalid_request_error", ""):
        if any(phrase in lower for phrase in _LONG_WORDS):
            return _TOO_LONG
        if any(phrase in lower for phrase in _MONEY_WORDS):
            return _BILLING
    if name in _BY_TYPE:
        return _BY_TYPE[name]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return _SERVER
    return _REQUEST if status >= 400 else _MALFORMED


def _from_exception(error: Exception, about: ErrorContext) -> _Kind:
    import httpx2

    name = type(error).__name__
    if name in ("APIConnectionError", "APITimeoutError"):
        cause = error.__cause__
        return _from_exception(cause, about) if isinstance(cause, Exception) else _LOST
    if name in ("CredentialsError", "IdentityTokenFileError", "WorkloadIdentityError"):
        return _NO_AUTH
    if isinstance(error, TypeError) and "authentication method" in str(error):
        return _NO_AUTH
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        return _NOT_RUNNING if about.local else _UNREACHED
    if isinstance(
        error,
        httpx2.InvalidURL | httpx2.UnsupportedProtocol | httpx2.LocalProtocolError | UnicodeError,
    ) and not isinstance(error, UnicodeDecodeError):
        return _BAD_ADDRESS
    if isinstance(error, httpx2.TimeoutException):
        return _Kind("stalled", True, "{label} sent nothing for too long.", _AGAIN)
    if isinstance(error, httpx2.TransportError | OSError):
        return _LOST
    return _MALFORMED


def _words_of(error: Exception, about: ErrorContext) -> str:
    if isinstance(error, TypeError | KeyError | AssertionError | AttributeError):
        return ""
    return redact(str(error), about.secrets)[:_MOST_QUOTED]


def _compose(
    kind: _Kind,
    about: ErrorContext,
    words: str,
    retryable: bool | None = None,
    wait: float | None = None,
) -> ModelError:
    known = {
        "label": about.label,
        "model": about.model,
        "host": redact(about.host, about.secrets),
        "key_advice": about.key_advice,
    }
    what = kind.what.format(**known)
    said = " ".join(words.split())
    if said:
        what = f"{what[:-1]}: {said.rstrip('.')}."
    return ModelError(
        what,
        kind.remedy.format(**known),
        fault=kind.fault,
        retryable=kind.retryable if retryable is None else retryable,
        retry_after=wait,
    )
