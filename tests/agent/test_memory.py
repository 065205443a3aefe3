from __future__ import annotations

import asyncio
from typing import Any

import pytest

from analyst_kernel.agent.budget import BudgetMeter, add_usage
from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.manual.actions import run_user_code
from analyst_kernel.agent.prompts import datasets_text, environment_text, first_message
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.outputs import CHART_MIME
from analyst_kernel.protocol.records import Limits, Usage
from tests.agent.fake_deps import CARS, Clock, Scene, TinyCatalog
from tests.agent.fake_model import FakeModel
from tests.fakes.turns import calls, finish, python


async def used_scene() -> Scene:
    scene = Scene(
        FakeModel(
            python(
                f"display({{'image/png': 'aGk=', '{CHART_MIME}': {{'type': 'bar'}}}})\nmeasured(16.5)"
            ),
            calls(("record_finding", {"statement": "16.5 stands"})),
            finish("It is 16.5."),
        )
    )
    await run_question(scene.deps, scene.memory, "What?", limits=Limits())
    return scene


async def test_the_users_own_cell_is_captured_like_the_agents() -> None:
    scene = Scene(FakeModel(finish("There are 3.")))
    cell, execution = await run_user_code(scene.deps, scene.memory, "n = len(cars)\nn", timeout=5)
    assert execution.outcome == "ok"
    (entry,) = scene.notebook.iterations
    assert (entry.cell, entry.origin, entry.iteration, entry.outcome) == (cell, "user", 0, "ok")
    assert all(event.run is None for event in scene.events)
    assert [type(e).__name__ for e in scene.notebook.entries.values()] == [
        "TitleEntry",
        "SetupEntry",
        "IterationEntry",
    ]
    finished = await run_question(scene.deps, scene.memory, "How many?", limits=Limits())
    assert finished.details is not None
    assert finished.details.numbers[0].cell == cell
    assert "n: 3" in scene.model.said(0)
    assert scene.kernel.starts == 1


async def test_the_users_own_cell_fails_kills_the_kernel_and_is_cancelled() -> None:
    scene = Scene(FakeModel())
    _, execution = await run_user_code(scene.deps, scene.memory, "nope", timeout=5)
    assert execution.outcome == "error"
    _, execution = await run_user_code(scene.deps, scene.memory, "x = 1 # DIE", timeout=5)
    assert execution.kernel_died
    assert scene.of(ev.KernelChanged)[-1].state == "restarted"
    task = asyncio.ensure_future(run_user_code(scene.deps, scene.memory, "FOREVER = 1", timeout=5))
    while len(scene.of(ev.IterationStarted)) < 3:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [entry.outcome for entry in scene.notebook.iterations] == ["error", "error", "cancelled"]
    assert scene.kernel.idle


async def test_pandas_3_is_explained_and_pandas_2_is_not() -> None:
    scene = await used_scene()
    facts = scene.memory.facts
    assert facts is not None
    assert "copy-on-write" in environment_text(facts, Limits())
    facts.versions["pandas"] = "2.3.0"
    assert "copy-on-write" not in environment_text(facts, Limits())


async def test_many_datasets_stay_within_the_budget() -> None:
    class Wordy(TinyCatalog):
        def describe(self, profile: Any, *, question: str = "", budget: int = 2000) -> str:
            return "x" * budget * 4

    catalog = Wordy(**{f"cars_{n}": CARS for n in range(12)})
    scene = Scene(FakeModel(), catalog=catalog)
    for dataset in catalog.datasets:
        scene.memory.profiles[dataset.name] = await catalog.profile(dataset.name)
    run = Run.begin(scene.deps, scene.memory, "q", Limits(), approve=False)
    message = first_message(run, ())
    text = "\n".join(getattr(part, "text", "") for part in message.text)
    assert len(text) < 4 * 6000 + 3000
    assert "cars_11: 3 rows, 3 columns" in text


def test_the_meter_does_not_count_waiting_for_the_user() -> None:
    clock = Clock()
    meter = BudgetMeter(Limits(seconds=10.0, cell_seconds=8.0, tokens=50, cost_usd=1.0), clock)
    clock.now += 6
    assert meter.cell_timeout == 4.0
    with meter.waiting_for_user():
        clock.now += 100
    assert meter.seconds_left == 4.0
    assert meter.ended(Usage()) == ""
    clock.now += 4
    assert "time limit of 10 s" in meter.ended(Usage())
    meter = BudgetMeter(Limits(seconds=None, tokens=50, cost_usd=1.0), clock)
    assert meter.seconds_left is None
    assert "50 tokens" in meter.ended(Usage(input_tokens=20, cached_tokens=20, output_tokens=10))
    assert "$1.00" in meter.money_ended(Usage(cost_usd=1.5))
    assert meter.money_ended(Usage(cost_usd=None)) == ""
    assert add_usage(Usage(cost_usd=None), Usage(cost_usd=1.0)).cost_usd is None


async def test_of_many_datasets_those_that_the_question_is_about_are_described() -> None:
    names = [*(f"aaa_{n}" for n in range(30)), "zebras"]
    catalog = TinyCatalog(**dict.fromkeys(names, CARS))
    scene = Scene(FakeModel(), catalog=catalog)
    for dataset in catalog.datasets:
        scene.memory.profiles[dataset.name] = await catalog.profile(dataset.name)
    run = Run.begin(scene.deps, scene.memory, "How heavy are zebras?", Limits(), approve=False)
    text = datasets_text(run)
    full, _, brief = text.partition("call profile_dataset for more")
    assert catalog.describe(scene.memory.profiles["zebras"]) in full
    assert full.count("\n\n") == 3  # two more, whatever the question is, and the list of the others
    assert all(f"{name}: 3 rows" in brief for name in names[2:30])
