"""Measures a run's budgets: iterations, seconds, tokens, cost. The loop ends the run.

Time in which the run waits for the user is not counted. Here, too, stand the limits on what a model
may send, which no user sets: far above what an analysis needs, so that a model that went wrong ends
soon, with a valid notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.protocol.records import Limits, Usage

MOST_FRUITLESS_TURNS = 6
"""Turns in a row without a cell or an accepted call, after which the run gives up."""

MOST_CALLS_IN_TURN = 32
"""Tool calls of one turn that are carried out; the others are refused."""

MOST_FINDINGS = 100
"""Findings of one run."""

MOST_STEPS = 7
"""Steps of a plan."""

MOST_LISTED = 50
"""Texts or values in one list of a finding or an answer; the others are left out."""

LONGEST_INPUT = 200_000
"""Characters of a tool call's input."""

LONGEST_ANSWER = 50_000
"""Characters of an answer."""

LONGEST_REPLY = 1_000_000
"""Characters of one reply of a model, thinking and inputs included; it is stopped there."""

MOST_EMPTY_EVENTS = 10_000
"""Events in a row of a model's reply that bring nothing; it is stopped there."""


def most_turns(limits: Limits) -> int:
    """Return how often the model of a run is called."""
    return 4 * limits.iterations + 12


def stopped_reply(what: str) -> ModelError:
    """Return the error for a reply that does not end by itself; ``what`` it did."""
    return ModelError(
        f"The model's reply {what}, so it was stopped; nothing of it was used.",
        "Ask again, or choose another model. What was done before is in the notebook.",
        fault="malformed",
        retryable=False,
    )


class BudgetMeter:
    """Measures one run against its limits."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
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
        """Seconds until the time limit, negative after it; None without a limit."""
        if self.limits.seconds is None:
            return None
        return self.limits.seconds - (self.seconds - self._waited)

    @property
    def cell_timeout(self) -> float:
        """Seconds that the next cell may run: its own limit, cut to what the run has left."""
        left = self.seconds_left
        most = self.limits.cell_seconds
        return most if left is None else min(most, max(left, 1))

    @contextmanager
    def waiting_for_user(self) -> Iterator[None]:
        """Do not count the time inside."""
        began = self._clock()
        try:
            yield
        finally:
            self._waited += self._clock() - began

    def ended(self, usage: Usage) -> str:
        """Return which of the time, token and cost limits was reached, or an empty text."""
        left = self.seconds_left
        if left is not None and left <= 0:
            return f"The time limit of {self.limits.seconds:,.0f} s was reached."
        used = usage.prompt_tokens + usage.output_tokens
        if self.limits.tokens is not None and used >= self.limits.tokens:
            return f"The limit of {self.limits.tokens:,} tokens was reached ({used:,} used)."
        cost, most = usage.cost_usd, self.limits.cost_usd
        if most is not None and cost is not None and cost >= most:
            return f"The cost limit of ${most:.2f} was reached (${cost:.2f} spent)."
        return ""

    def iterations_ended(self, done: int) -> str:
        """Return a sentence if no iteration is left, else an empty text."""
        if done < self.limits.iterations:
            return ""
        plural = "s" if self.limits.iterations != 1 else ""
        return f"The limit of {self.limits.iterations} iteration{plural} was reached."


def add_usage(one: Usage, other: Usage) -> Usage:
    """Return the sum of two usages; its cost is unknown if one of them is."""
    known = one.cost_usd is not None and other.cost_usd is not None
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        calls=one.calls + other.calls,
        cost_usd=(one.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
    )
