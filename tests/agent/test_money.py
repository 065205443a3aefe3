"""Money: what is counted, of failed calls too, when the user is warned, and where a run stops."""

from __future__ import annotations

from typing import Any

import pytest

from analyst_kernel.agent.budget import SpendingInMemory, cost_text, dollars
from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import Stopped, TextDelta, UsageReported
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.errors import InputError, ModelError
from analyst_kernel.protocol.records import Limits, Usage
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel, events_of
from tests.fakes.turns import call, python, say, turn


def priced(what: Any, dollars_: float | None, tokens: int = 100) -> list[Any]:
    """Play a turn that costs so much."""
    usage = UsageReported(Usage(input_tokens=tokens, calls=1, cost_usd=dollars_))
    return [usage if isinstance(e, UsageReported) else e for e in events_of(what)]


DONE = say("Nothing.")
WORK = python("measured(16.5)")
FINDING = turn(
    call(
        "record_finding",
        statement="The mean is 16.5.", values=[{"label": "mean", "value": 16.5}], cells=[1],
        caveats=[],
    )
)  # fmt: skip
BROKEN = ModelError("It broke off.", "Ask again.", fault="truncated", retryable=True)
REFUSED = ModelError("Too many requests.", "Wait.", fault="overloaded", retryable=True)


class PricedFake(FakeModel):
    """A model that says how its cost becomes known."""

    billing = "listed"


class UnknownFake(FakeModel):
    """A model whose price nobody knows."""

    billing = "unknown"


class FreeFake(FakeModel):
    """A model on the user's own machine."""

    billing = "free"


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(cost_usd=1.0), "this question"),
        (Limits(analysis_usd=1.0), "this analysis"),
        (Limits(day_usd=1.0), "today"),
    ],
)
async def test_a_run_stops_at_a_limit_with_what_is_established(limits: Limits, what: str):
    scene = Scene(FakeModel(priced(WORK, 0.3), priced(FINDING, 0.55), priced(WORK, 0.3)))
    finished = await run_question(scene.deps, scene.memory, "Which?", limits=limits)
    assert finished.status == "incomplete"
    assert f"limit of $1.00 for {what} was reached ($1.15 spent)" in finished.reason
    assert "The mean is 16.5." in finished.answer
    assert len(finished.findings) == 1
    assert len(scene.model.requests) == 3, "the model is not paid to sum up"
    assert scene.notices.count("cost-near-limit") == 1
    (near,) = (e for e in scene.of(ev.NoticeRaised) if e.code == "cost-near-limit")
    assert f"80% of the cost limit of $1.00 for {what} are spent ($0.85)" in near.message


async def test_other_questions_of_analysis_and_day_count_and_are_warned_of_once():
    spending = SpendingInMemory()
    limits = Limits(analysis_usd=1.0, day_usd=10.0)
    scene = Scene(FakeModel(priced(DONE, 0.85), priced(DONE, 0.1)))
    deps = scene.deps.__class__(**{**_fields(scene.deps), "spending": spending})
    for _ in range(2):
        await run_question(deps, scene.memory, "Which?", limits=limits)
    assert scene.notices.count("cost-near-limit") == 1
    spending.add(Usage(cost_usd=0.5), model="fake:model")
    finished = await run_question(deps, scene.memory, "Which?", limits=limits)
    assert finished.status == "incomplete"
    assert "for this analysis was reached ($1.45 spent)" in finished.reason
    assert len(scene.model.requests) == 2, "nothing more was sent"
    counted = scene.of(ev.UsageCounted)[-1]
    assert counted.usage.cost_usd == pytest.approx(0.1)
    assert counted.analysis_usage.cost_usd == pytest.approx(0.95)


def _fields(deps: Any) -> dict[str, Any]:
    return {name: getattr(deps, name) for name in deps.__slots__}


async def test_failed_calls_are_counted_and_make_the_cost_at_least():
    begun = UsageReported(Usage(input_tokens=50, calls=1, cost_usd=0.2))
    scene = Scene(
        PricedFake(
            [REFUSED],
            [begun, TextDelta("It "), BROKEN],
            [TextDelta("It "), BROKEN],
            priced(DONE, 0.3),
        )
    )
    finished = await run_question(scene.deps, scene.memory, "Which?", limits=Limits())
    usage = finished.usage
    assert (usage.calls, usage.failed_calls, usage.input_tokens) == (1, 3, 150)
    assert (usage.cost_usd, usage.partial_usd) == (None, 0.5)
    assert cost_text(usage) == "at least $0.50"
    counted = [e.usage.failed_calls for e in scene.of(ev.UsageCounted)]
    assert counted == [1, 2, 3, 3]
    assert scene.of(ev.UsageCounted)[0].usage.cost_usd == 0.0, "nothing came of it at all"


async def test_an_attempt_is_not_repeated_over_the_limit():
    begun = UsageReported(Usage(input_tokens=50, calls=1, cost_usd=2.0))
    scene = Scene(PricedFake([begun, TextDelta("It "), BROKEN], priced(DONE, 0.3)))
    limits = Limits(cost_usd=1.0)
    finished = await run_question(scene.deps, scene.memory, "Which?", limits=limits)
    assert finished.status == "incomplete"
    assert "(at least $2.00 spent)" in finished.reason
    assert len(scene.model.requests) == 1


@pytest.mark.parametrize("limits", [Limits(cost_usd=1.0), Limits(day_usd=1.0)])
async def test_a_limit_that_cannot_be_kept_is_refused_before_anything_is_sent(limits: Limits):
    scene = Scene(UnknownFake(priced(DONE, None)))
    with pytest.raises(InputError, match=r"price of fake:model is not known.*nothing was sent"):
        await run_question(scene.deps, scene.memory, "Which?", limits=limits)
    assert scene.model.requests == []
    assert scene.events == []
    finished = await run_question(scene.deps, scene.memory, "Which?", limits=Limits())
    assert cost_text(finished.usage) == "unknown"


async def test_a_server_that_does_not_report_a_cost_ends_a_run_with_a_limit():
    scene = Scene(FakeModel(priced(WORK, None), priced(DONE, None)))
    finished = await run_question(scene.deps, scene.memory, "Which?", limits=Limits(cost_usd=1.0))
    assert "cost-unknown" in scene.notices
    assert finished.status == "incomplete"
    assert "cannot be kept" in finished.reason
    assert len(scene.model.requests) == 1


async def test_a_free_model_costs_nothing_though_it_reports_nothing():
    silent = [TextDelta("Nothing."), Stopped("end_turn")]
    scene = Scene(FreeFake([TextDelta("No"), BROKEN], silent))
    finished = await run_question(scene.deps, scene.memory, "Which?", limits=Limits(cost_usd=1.0))
    assert (finished.usage.cost_usd, finished.usage.failed_calls) == (0.0, 1)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "$0.00"),
        (0.00001, "<$0.0001"),
        (0.00417, "$0.0042"),
        (0.25, "$0.25"),
        (1234.5, "$1,234.50"),
    ],
)
def test_amounts(amount: float, text: str):
    assert dollars(amount) == text
