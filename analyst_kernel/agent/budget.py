"""Measures a run's budgets: iterations, seconds, tokens, money. The loop ends the run.

Time in which the run waits for the user is not counted. Money is limited for the run, for its
analysis and for the user's day; what is compared is what was spent for certain. Here, too, stand
the limits on what a model may send, which no user sets: far above what an analysis needs, so that a
model that went wrong ends soon, with a valid notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from analyst_kernel.agent.ports import Model, PricedModel, Spending
from analyst_kernel.protocol.errors import InputError, ModelError
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

Billing: TypeAlias = Literal["free", "reported", "listed", "unknown"]
"""Nothing to pay; the server reports each call's cost; by a list price; nobody knows."""

NEAR = 0.8
"""The share of a limit in money from which the user is warned, once."""


class MoneyEnded(Exception):
    """A limit in money was reached; the message says which, and what was spent."""


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


def billing_of(model: Model) -> Billing:
    """Return how a model's cost becomes known; one that does not say so may tell it with calls."""
    if isinstance(model, PricedModel):
        return model.billing
    return "reported" if model.is_ai else "free"


def money_limits(limits: Limits) -> tuple[tuple[str, float], ...]:
    """Return the limits in money that are set, with what each is for."""
    given = (
        ("this question", limits.cost_usd),
        ("this analysis", limits.analysis_usd),
        ("today", limits.day_usd),
    )
    return tuple((what, most) for what, most in given if most is not None)


def check_money_limits(model: Model, limits: Limits) -> None:
    """Raise ``InputError`` if a limit in money is set that could not be kept with this model."""
    set_limits = money_limits(limits)
    if set_limits and billing_of(model) == "unknown":
        what, most = set_limits[0]
        raise InputError(
            f"The price of {model.name} is not known, so the limit of {dollars(most)} for {what} "
            "cannot be kept; nothing was sent.",
            "Give its price in a table of models of yours (`analyst models` says where it stands), "
            "choose another model, or ask without a limit in money.",
        )


def dollars(amount: float) -> str:
    """Return US dollars with as many places as say something: ``$1.50``, ``$0.0042``."""
    if amount >= 0.1 or amount == 0:
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= 0.0001 else "<$0.0001"


def cost_text(usage: Usage) -> str:
    """Return what something cost: ``$1.50``, ``at least $1.50``, or ``unknown``."""
    if usage.cost_usd is not None:
        return dollars(usage.cost_usd)
    return f"at least {dollars(usage.partial_usd)}" if usage.partial_usd else "unknown"


@dataclass(slots=True)
class SpendingInMemory:
    """Counts what one process spends on one analysis; implements :class:`Spending`."""

    _spent: Usage = field(default_factory=Usage)
    _today: tuple[str, Usage] = ("", Usage())

    def add(self, usage: Usage, *, model: str) -> None:
        """Count one call."""
        self._today = (self.day(), add_usage(self.of_day(), usage))
        self._spent = add_usage(self._spent, usage)

    def of_analysis(self) -> Usage:
        """Return what was counted."""
        return self._spent

    def of_day(self) -> Usage:
        """Return what was counted today."""
        day, usage = self._today
        return usage if day == self.day() else Usage()

    def day(self) -> str:
        """Return today's date by the local calendar."""
        return datetime.now().astimezone().date().isoformat()


class BudgetMeter:
    """Measures one run against its limits."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float], spending: Spending | None = None
    ) -> None:
        self.limits = limits
        self.unpriced = False
        self._clock = clock
        self._started = clock()
        self._waited = 0.0
        self._spending = SpendingInMemory() if spending is None else spending

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
        return ""

    def money_ended(self, usage: Usage) -> str:
        """Return which limit in money was reached, or cannot be kept, or an empty text.

        ``usage`` is that of the run.
        """
        for what, most in money_limits(self.limits):
            spent = self._spent(what, usage)
            if spent.known_usd >= most:
                return (
                    f"The cost limit of {dollars(most)} for {what} was reached "
                    f"({cost_text(spent)} spent)."
                )
            if self.unpriced:
                return (
                    f"The model's server did not say what a call cost, so the limit of "
                    f"{dollars(most)} for {what} cannot be kept."
                )
        return ""

    def money_near(self, usage: Usage) -> Iterator[tuple[str, str]]:
        """Yield a key and a sentence for each limit in money that is nearly reached.

        The key tells limits and days apart, so that each is warned of once.
        """
        for what, most in money_limits(self.limits):
            spent = self._spent(what, usage)
            if NEAR * most <= spent.known_usd < most:
                day = self._spending.day() if what == "today" else ""
                sentence = (
                    f"{NEAR:.0%} of the cost limit of {dollars(most)} for {what} are spent "
                    f"({cost_text(spent)}). At the limit the run stops with what it has."
                )
                yield f"{what} {day} {most}", sentence

    def _spent(self, what: str, usage: Usage) -> Usage:
        match what:
            case "this question":
                return usage
            case "this analysis":
                return self._spending.of_analysis()
            case _:
                return self._spending.of_day()

    def iterations_ended(self, done: int) -> str:
        """Return a sentence if no iteration is left, else an empty text."""
        if done < self.limits.iterations:
            return ""
        plural = "s" if self.limits.iterations != 1 else ""
        return f"The limit of {self.limits.iterations} iteration{plural} was reached."


def add_usage(one: Usage, other: Usage) -> Usage:
    """Return the sum of two usages; its cost is unknown if one of them is."""
    known = one.cost_usd is not None and other.cost_usd is not None
    cost = one.known_usd + other.known_usd
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        calls=one.calls + other.calls,
        failed_calls=one.failed_calls + other.failed_calls,
        cost_usd=cost if known else None,
        partial_usd=0.0 if known else cost,
    )
