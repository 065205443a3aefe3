"""When a failed model call is asked again, and after how long. Pure."""

from __future__ import annotations

from analyst_kernel.agent.errors import ModelError

ATTEMPTS = 5
LONGEST_WAIT = 60.0
"""Seconds; a provider that asks for more gets its error told to the person instead."""


def retry_wait(error: ModelError, attempt: int, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or ``None`` to give up.

    Args:
        error: Why the last attempt failed.
        attempt: How many attempts were made, from 1.
        jitter: Between 0 and 1.
    """
    # A cut stream is always worth another try: nothing of it was used.
    if not (error.retryable or error.fault == "truncated") or attempt >= ATTEMPTS:
        return None
    if error.retry_after is not None:
        return max(error.retry_after, 0.0) if error.retry_after <= LONGEST_WAIT else None
    return float(min(2 ** (attempt - 1), 30)) * (0.5 + 0.5 * jitter)


def given_up(error: ModelError, attempts: int) -> ModelError:
    """Say to the person why no further attempt is made."""
    if error.retry_after is not None and error.retry_after > LONGEST_WAIT:
        what = f"{error.what} The provider asks to wait {error.retry_after:,.0f} s."
        remedy = "Ask again later, or choose another model. The analysis is saved."
    elif attempts > 1:
        what = f"{error.what} It was tried {attempts} times."
        remedy = error.remedy or "Ask again later, or choose another model. The analysis is saved."
    else:
        return error
    return ModelError(
        what,
        remedy,
        fault=error.fault,
        retryable=False,
        retry_after=error.retry_after,
    )
