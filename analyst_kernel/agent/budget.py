"""The meter of a run's budgets: iterations, seconds, tokens, cost.

Time in which the run waits for the user is not counted. Ending a run is the loop's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from analyst_kernel.protocol.records import Limits, Usage


class Meter:
    """Measures one run against its limits."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        """Start the clock."""
        self.limits = limits
        self._clock = clock
        self._started = clock()
        self._waited = 0.0

    @property
    def seconds(self) -> float:
        """Wall time since the start, waits for the user included."""
        return self._clock() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time limit, or ``None`` where there is none; may be negative."""
        if self.limits.seconds is None:
            return None
        return self.limits.seconds - (self.seconds - self._waited)

    @property
    def cell_timeout(self) -> float:
        """Seconds that the next cell may run: its own limit, cut to what the run has left."""
        left = self.seconds_left
        return (
            self.limits.cell_seconds
            if left is None
            else min(self.limits.cell_seconds, max(left, 1))
        )

    @contextmanager
    def waiting_for_user(self) -> Iterator[None]:
        """Do not count the time inside."""
        began = self._clock()
        try:
            yield
        finally:
            self._waited += self._clock() - began

    def ended(self, usage: Usage) -> str:
        """Say which of the time, token and cost limits has ended, or return an empty text."""
        left = self.seconds_left
        if left is not None and left <= 0:
            return f"The time limit of {self.limits.seconds:,.0f} s was reached."
        used = total_tokens(usage)
        if self.limits.tokens is not None and used >= self.limits.tokens:
            return f"The limit of {self.limits.tokens:,} tokens was reached ({used:,} used)."
        cost, most = usage.cost_usd, self.limits.cost_usd
        if most is not None and cost is not None and cost >= most:
            return f"The cost limit of ${most:.2f} was reached (${cost:.2f} spent)."
        return ""

    def iterations_ended(self, done: int) -> str:
        """Say that no iteration is left, or return an empty text."""
        if done < self.limits.iterations:
            return ""
        plural = "s" if self.limits.iterations != 1 else ""
        return f"The limit of {self.limits.iterations} iteration{plural} was reached."


def total_tokens(usage: Usage) -> int:
    """Count every token of a run, cached ones too."""
    return usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens + usage.output_tokens


def add_usage(one: Usage, other: Usage) -> Usage:
    """Add two usages; a cost that is not known makes the sum unknown."""
    known = one.cost_usd is not None and other.cost_usd is not None
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        calls=one.calls + other.calls,
        cost_usd=(one.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
    )
