"""A model that went wrong: whatever it sends, the run ends by itself, soon, and says why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from analyst_kernel.agent.budget import (
    LONGEST_ANSWER,
    LONGEST_INPUT,
    LONGEST_REPLY,
    MOST_CALLS_IN_TURN,
    MOST_EMPTY_EVENTS,
    MOST_FINDINGS,
    MOST_LISTED,
    MOST_STEPS,
    most_turns,
)
from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import (
    AnswerEntry,
    ModelEvent,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.records import Limits, Usage
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel, Played
from tests.fakes.turns import calls, finish, plan, python, raw_call, say

LIMITS = Limits(iterations=5)


def always(turn: Callable[[], Played] | Played) -> FakeModel:
    """Return a model that sends the same turn for ever."""

    def play(request: ModelRequest) -> Played:
        model.script.append(play)
        return turn() if callable(turn) else turn

    model = FakeModel(play)
    return model


async def ended(model: FakeModel) -> tuple[Scene, ev.RunFinished]:
    """Ask once, and check what holds of every end."""
    scene = Scene(model)
    finished = await run_question(scene.deps, scene.memory, "How many?", limits=LIMITS)
    assert scene.events[-1] == finished
    assert finished.status in {"answered", "incomplete", "failed"}
    assert finished.status == "answered" or finished.reason
    assert len(scene.notebook.of(AnswerEntry)) == 1
    assert len(finished.answer) <= LONGEST_ANSWER + 500
    assert len(model.requests) <= most_turns(LIMITS) + 1
    return scene, finished


def finding(number: int) -> tuple[str, dict[str, object]]:
    return "record_finding", {"statement": f"Finding {number}", "values": [], "cells": []}


async def test_two_thousand_findings_in_a_turn():
    storm = calls(*[finding(number) for number in range(2000)])
    scene, finished = await ended(FakeModel(storm, finish("Done.")))
    assert len(finished.findings) == MOST_CALLS_IN_TURN
    results = scene.model.results(1)
    assert len(results) == 2000, "each call has its result"
    assert sum(error for _, error in results) == 2000 - MOST_CALLS_IN_TURN


async def test_findings_without_end():
    storm = calls(*[finding(number) for number in range(MOST_CALLS_IN_TURN)])
    _, finished = await ended(always(storm))
    assert len(finished.findings) == MOST_FINDINGS
    assert "no progress" in finished.reason


async def test_a_finding_and_an_answer_with_thousands_of_parts():
    many = [{"label": str(n), "value": "x", "unit": ""} for n in range(3000)]
    record = calls(
        ("record_finding", {"statement": "All", "values": many, "caveats": ["a"] * 3000})
    )
    end = finish("Done.", key_values=many, caveats=["b"] * 3000, assumptions=["c"] * 3000)
    _, finished = await ended(FakeModel(record, end))
    assert finished.details is not None
    assert len(finished.findings[0].values) == len(finished.key_values) == MOST_LISTED
    assert len(finished.findings[0].caveats) <= MOST_LISTED + 1


@pytest.mark.parametrize("steps", [MOST_STEPS + 1, 5_000, 20_000])
async def test_a_plan_of_too_many_steps(steps: int):
    model = FakeModel(plan(*[f"step {n}" for n in range(steps)]), finish("Done."))
    scene, _ = await ended(model)
    assert scene.of(ev.PlanUpdated) == []
    text, error = model.results(1)[0]
    assert error
    assert "at most" in text
    assert len(text) < 500


@pytest.mark.parametrize(
    "turn",
    [
        plan("Look", "Say"),
        calls(("profile_dataset", {"name": "cars"})),
        raw_call("run_python", "{"),
        calls(("run_python", {"code": ""})),
        calls(("no_such_tool", {})),
        say(""),
        calls(*[("profile_dataset", {"name": "cars"})] * 40),
    ],
    ids=["plans", "profiles", "broken", "empty", "unknown", "nothing", "many"],
)
async def test_turns_without_a_cell_for_ever(turn: Played):
    _, finished = await ended(always(turn))
    assert finished.status == "incomplete"
    assert "model" in finished.reason


async def test_thousands_of_cells_in_a_turn():
    storm = calls(*[("run_python", {"code": f"x = {n}"}) for n in range(3000)])
    scene, finished = await ended(FakeModel(storm, say("Enough.")))
    assert len(finished.iterations) == LIMITS.iterations
    assert len(scene.model.results(1)) == 3000


@pytest.mark.parametrize("size", [LONGEST_ANSWER + 1, 500_000])
async def test_an_answer_that_is_too_long(size: int):
    for turn in (say("x" * size), finish("x" * size)):
        model = always(turn)
        _, finished = await ended(model)
        assert finished.status == "incomplete"
        replies = [text for text, _ in model.results(1)] or [model.said(1)]
        assert "characters, at most" in replies[0]


def streamed(*events: ModelEvent) -> Callable[[], Played]:
    return lambda: [*events, UsageReported(Usage()), Stopped("end_turn")]


PIECE = 50_000
TOO_MUCH = LONGEST_REPLY // PIECE + 2
CODE = json.dumps({"code": "x" * 5_000_000})


def endless(event: ModelEvent) -> Callable[[], Iterator[ModelEvent]]:
    def events() -> Iterator[ModelEvent]:
        yield ToolStarted(0, "t1", "run_python")
        while True:
            yield event

    return events


@pytest.mark.parametrize(
    "reply",
    [
        streamed(*[TextDelta("x" * PIECE)] * TOO_MUCH),
        streamed(TextDelta("x" * 5_000_000)),
        streamed(*[ThinkingDelta("x" * PIECE)] * TOO_MUCH),
        streamed(
            ToolStarted(0, "t1", "run_python"), ToolInputDelta(0, CODE), ToolEnded(0, CODE)
        ),
        streamed(*[ToolStarted(n, f"t{n}", "x" * 1000) for n in range(1200)]),
        endless(TextDelta("")),
        endless(ThinkingDelta("")),
        endless(ToolInputDelta(0, "")),
        endless(TextDelta("more ")),
        endless(UsageReported(Usage())),
    ],
    ids=[
        "text", "one piece", "thinking", "input", "calls", "empty text", "empty thinking",
        "empty input", "endless text", "endless usage",
    ],
)  # fmt: skip
async def test_a_reply_that_does_not_end_is_stopped(reply: Callable[[], Played]):
    model = always(reply)
    scene, finished = await ended(model)
    assert finished.status == "failed"
    assert "was stopped" in finished.reason
    assert "in the notebook" in finished.reason
    assert len(model.requests) == 1, "asking again would bring the same"
    assert len(scene.events) <= MOST_EMPTY_EVENTS + LONGEST_REPLY // 5 + 100


async def test_an_input_that_is_too_long_runs_nothing():
    big = python("x = 1  # " + "y" * LONGEST_INPUT)
    scene, finished = await ended(FakeModel(big, finish("Done.")))
    assert finished.iterations == ()
    assert "at most 200,000" in scene.model.results(1)[0][0]
