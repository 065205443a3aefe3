"""What all wires say of a failure: its kinds, their words, and that no secret is quoted.

Each wire converts what its own SDK raises and its own server answers to one of these kinds.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

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
class FaultKind:
    """One kind of failure: what the core does with it, and what the user reads.

    ``what`` and ``remedy`` may name the fields of :class:`ErrorContext` in braces.
    """

    fault: ModelFault
    retryable: bool
    what: str
    remedy: str


AGAIN = "Ask again in a minute, or choose another model."
PROXY = "If this repeats, check what stands between this machine and the provider."

OVERLOADED = FaultKind("overloaded", True, "{label} is overloaded right now.", AGAIN)
RATE = FaultKind("rate_limited", True, "{label} limits the rate of requests.", AGAIN)
SERVER = FaultKind("server", True, "{label} had an internal error.", AGAIN)
TIMEOUT = FaultKind("transport", True, "{label} timed out.", AGAIN)
AUTH = FaultKind("auth", False, "{label} refused the credentials.", "{key_advice}")
NO_AUTH = FaultKind("auth", False, "There are no usable credentials for {label}.", "{key_advice}")
BILLING = FaultKind(
    "auth",
    False,
    "{label} does not serve this account: its credit or spend limit is used up.",
    "Check the plan and billing of the account, or choose another model.",
)
MISSING = FaultKind(
    "request",
    False,
    "{label} does not know the model {model}.",
    "Run `analyst models` to see which names there are.",
)
REQUEST = FaultKind(
    "request",
    False,
    "{label} refused the request.",
    "Choose another model; what ran so far is saved in the notebook.",
)
TOO_LONG = FaultKind(
    "too_long",
    False,
    "The conversation no longer fits into {model}.",
    "Start a new analysis, or choose a model with a longer context.",
)
LOST = FaultKind("transport", True, "The connection to {label} ({host}) was lost.", PROXY)
UNREACHED = FaultKind(
    "transport",
    True,
    "{label} ({host}) cannot be reached.",
    "Check the network connection and any proxy settings.",
)
NOT_RUNNING = FaultKind(
    "transport",
    False,
    "No server answers at {host}.",
    "Start {label} on this machine, or choose another model.",
)
MALFORMED = FaultKind(
    "malformed", True, "{label} ({host}) sent something that is not its protocol.", PROXY
)
BAD_ADDRESS = FaultKind(
    "request",
    False,
    "The request to {label} ({host}) cannot be sent.",
    "Check the base URL and the key: they may hold characters that do not belong there.",
)
MOVED = FaultKind(
    "request",
    False,
    "{host} redirects to another address, which is not followed: it would get the key.",
    "Set the base URL to the final address.",
)

BY_STATUS: dict[int, FaultKind] = {
    401: AUTH,
    402: BILLING,
    403: AUTH,
    404: MISSING,
    408: TIMEOUT,
    409: SERVER,
    424: SERVER,
    429: RATE,
    504: TIMEOUT,
    529: OVERLOADED,
}


def truncated(about: ErrorContext, *, seen: int) -> ModelError:
    """Return the error of a stream that ended after ``seen`` events, before its message did."""
    what = "in the middle" if seen else "before it began"
    return ModelError(
        f"The answer of {about.label} ended {what}.", PROXY, fault="truncated", retryable=True
    )


def stalled(about: ErrorContext, *, seconds: float) -> ModelError:
    """Return the error of a stream that was silent for ``seconds``."""
    what = f"{about.label} sent nothing for {seconds:g} seconds."
    return ModelError(what, AGAIN, fault="stalled", retryable=True)


def answered(
    kind: FaultKind,
    about: ErrorContext,
    *,
    words: str,
    status: int,
    headers: Mapping[str, str],
    wait: float | None = None,
) -> ModelError:
    """Return the error of what a server answered, or sent within its stream (status 200).

    ``words`` are the server's own; ``wait`` are the seconds that these ask for, if no header does.
    """
    retryable = kind.retryable
    if headers.get("x-should-retry") in ("true", "false") and status != 200:
        retryable = headers["x-should-retry"] == "true"
    asked = retry_after(headers, now=time.time())
    quoted = redact(words, about.secrets)[:_MOST_QUOTED]
    return _compose(kind, about, quoted, retryable, wait if asked is None else asked)


def raised(error: Exception, about: ErrorContext) -> ModelError:
    """Return the error of an exception that is no answer: of HTTP, or of parsing."""
    return _compose(_from_exception(error, about), about, _words_of(error, about))


def fault_of(kind: FaultKind, about: ErrorContext) -> ModelError:
    """Return the error of a failure that needs no words of its own."""
    return _compose(kind, about, "")


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


def _from_exception(error: Exception, about: ErrorContext) -> FaultKind:
    import httpx2

    name = type(error).__name__
    if name in ("APIConnectionError", "APITimeoutError"):
        cause = error.__cause__
        return _from_exception(cause, about) if isinstance(cause, Exception) else LOST
    if name in ("CredentialsError", "IdentityTokenFileError", "WorkloadIdentityError"):
        return NO_AUTH
    if isinstance(error, TypeError) and "authentication method" in str(error):
        return NO_AUTH
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        return NOT_RUNNING if about.local else UNREACHED
    if isinstance(
        error,
        httpx2.InvalidURL | httpx2.UnsupportedProtocol | httpx2.LocalProtocolError | UnicodeError,
    ) and not isinstance(error, UnicodeDecodeError):
        return BAD_ADDRESS
    if isinstance(error, httpx2.TimeoutException):
        return FaultKind("stalled", True, "{label} sent nothing for too long.", AGAIN)
    if isinstance(error, httpx2.TransportError | OSError):
        return LOST
    return MALFORMED


def _words_of(error: Exception, about: ErrorContext) -> str:
    if isinstance(error, TypeError | KeyError | AssertionError | AttributeError):
        return ""
    return redact(str(error), about.secrets)[:_MOST_QUOTED]


def _compose(
    kind: FaultKind,
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
