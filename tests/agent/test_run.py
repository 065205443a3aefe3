from __future__ import annotations

import re
from typing import Any

import pytest

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import (
    AnswerEntry,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.errors import DataError, KernelError, ModelError, SandboxError
from analyst_kernel.protocol.records import Limits
from tests.agent.fake_deps import CARS, Scene, TinyCatalog
from tests.agent.fake_model import FakeModel
from tests.fakes.turns import calls, finish, python, say

QUESTION = "What is the mean city mileage?"


async def ask(scene: Scene, question: str = QUESTION, **limits: Any) -> ev.RunFinished:
    finished = await run_question(
        scene.deps, scene.memory, question, limits=Limits(**limits) if limits else Limits()
    )
    assert finished is scene.finished
    scene.model.check_prefixes()
    return finished


MEAN = "cty = cars.column('cty')\nround(sum(cty) / len(cty), 2)"


async def test_a_simple_question_goes_straight_to_a_cell() -> None:
    scene = Scene(FakeModel(python(MEAN), finish("The mean is 18.18 mpg [cell 1].")))
    finished = await ask(scene)
    assert finished.status == "answered"
    assert finished.answer == "The mean is 18.18 mpg [cell 1]."
    assert [type(entry) for entry in scene.notebook.entries.values()][:3] == [
        TitleEntry,
        SetupEntry,
        QuestionEntry,
    ]
    (iteration,) = scene.notebook.iterations
    assert iteration.outcome == "ok"
    assert (iteration.iteration, iteration.step, iteration.attempt) == (1, 1, 1)
    assert scene.notebook.of(PlanEntry) == []
    (answer,) = scene.notebook.of(AnswerEntry)
    assert answer.answer.numbers[0].cell == iteration.cell
    assert (finished.usage.calls, finished.usage.input_tokens) == (2, 200)
    assert scene.events[0].type == "run_started"
    assert finished.notebook == scene.notebook.path


async def test_cells_are_recorded_before_and_after_they_run() -> None:
    scene = Scene(FakeModel(python(MEAN), say("About it: 18.18.")))
    await ask(scene)
    before, after = [e for e in scene.notebook.history if isinstance(e, IterationEntry)]
    assert before.cell == after.cell
    assert (before.execution, before.outcome) == (None, None)
    assert after.outcome == "ok"


async def test_plan_steps_move_along_and_the_plan_is_one_cell() -> None:
    plan = {"steps": ["Check the rows", {"goal": "Compute the mean"}, "Answer"]}
    scene = Scene(
        FakeModel(
            calls(("update_plan", plan)),
            python("len(cars)", step=1),
            python(MEAN, step=2),
            finish("18.18"),
        )
    )
    await ask(scene)
    statuses = [[s.status for s in e.steps] for e in scene.of(ev.PlanUpdated)]
    assert statuses == [
        ["todo", "todo"],
        ["doing", "todo"],
        ["done", "doing"],
        ["done", "done"],
    ]
    (entry,) = scene.notebook.of(PlanEntry)
    assert [step.status for step in entry.steps] == ["done"] * 2
    assert [[one.number for one in step.cells] for step in entry.steps] == [[1], [2]]


async def test_a_failed_cell_is_kept_and_its_repair_is_guided() -> None:
    scene = Scene(
        FakeModel(
            python("cars[0]['city']"),
            python("cars[0]['cty']"),
            finish("The first has 16.5."),
        )
    )
    finished = await ask(scene)
    assert [r.outcome for r in finished.iterations] == ["error", "ok"]
    assert [r.attempt for r in finished.iterations] == [1, 2]
    ((text, is_error),) = scene.model.results(1)
    assert is_error
    assert "KeyError: 'city'" in text
    assert "Nearest: 'cty'" in text
    assert "repair 1 of 3" in text
    assert "live now: cars: 3 x 3" in text
    failed = scene.of(ev.IterationFinished)[0]
    assert failed.error.hint.startswith("There is no column 'city'")
    observation = scene.model.result(1).observation
    assert observation is not None
    assert observation.outcome == "error"
    assert observation.cell == finished.iterations[0].cell


async def test_repairs_escalate_then_the_step_is_blocked_until_the_plan_changes() -> None:
    bad = [python(f"cars[{n}]['nope{n}']") for n in range(4)]
    scene = Scene(
        FakeModel(
            *bad,
            python("1 + 1"),
            calls(("update_plan", {"steps": ["Look at another column"]})),
            python("cars[0]['cty']"),
            finish("16.5"),
        )
    )
    finished = await ask(scene)
    texts = [scene.model.results(n)[0][0] for n in range(1, 6)]
    assert "repair 1 of 3" in texts[0]
    assert "different hypothesis" in texts[1]
    assert "Inspect first" in texts[2]
    assert "blocked" in texts[3]
    assert "Not run: step 1 is blocked" in texts[4]
    assert [r.attempt for r in finished.iterations] == [1, 2, 3, 4, 1]
    assert finished.status == "answered"


async def test_the_iteration_limit_leads_to_one_turn_without_tools() -> None:
    scene = Scene(
        FakeModel(
            python("1 + 1"),
            python("2 + 2"),
            python("3 + 3"),
            say("Established: 4 [cell 2]. The rest is open."),
        )
    )
    finished = await ask(scene, iterations=2)
    assert len(finished.iterations) == 2
    assert finished.status == "incomplete"
    assert "limit of 2 iterations" in finished.reason
    assert finished.answer.startswith("Established: 4")
    assert scene.model.requests[-1].tool_choice == "none"
    assert finished.details is not None
    assert finished.details.unfinished == (QUESTION,)


async def test_the_last_iteration_may_still_be_followed_by_finish() -> None:
    scene = Scene(FakeModel(python(MEAN), finish("18.18")))
    finished = await ask(scene, iterations=1)
    assert finished.status == "answered"
    assert "No iteration is left" in scene.model.results(1)[0][0]


async def test_the_findings_are_the_answer_if_the_model_cannot_sum_up() -> None:
    finding = {"statement": "The first car has 16.5", "cells": ["cell 1"]}
    broken = ModelError("It is down.", fault="auth", retryable=False)
    scene = Scene(
        FakeModel(
            python("cars[0]['cty']"),
            calls(("record_finding", finding)),
            python("measured(2)"),
            [broken],
        )
    )
    finished = await ask(scene, iterations=1)
    assert finished.status == "incomplete"
    assert "The first car has 16.5" in finished.answer
    assert "wrap-up-failed" in scene.notices


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"tokens": 100}, "100 tokens"), ({"seconds": 5.0}, "time limit")],
)
async def test_other_budgets_end_a_run_too(limits: dict[str, Any], words: str) -> None:
    scene = Scene(FakeModel(python("1 + 1"), say("Only 2 is known.")))

    def slow() -> None:
        scene.clock.now += 3

    scene.kernel.before_cell = slow
    finished = await ask(scene, **limits)
    assert finished.status == "incomplete"
    assert words in finished.reason


async def test_a_second_question_starts_from_what_is_there() -> None:
    finding = {"statement": "The mean is 18.18", "values": [{"label": "mean", "value": 18.18}]}
    scene = Scene(
        FakeModel(
            python(MEAN),
            calls(("record_finding", finding)),
            finish("The mean is 18.18."),
            python("year_one = Table(cars[:1])\nyear_one"),
            finish("It is 16.5."),
        )
    )
    await ask(scene)
    scene.catalog.tables["trucks"] = [{"id": 7, "load": 3.5}]
    finished = await ask(scene, "Only 1999?")
    assert finished.run == "r2"
    assert [r.iteration for r in finished.iterations] == [2], "numbers go on"
    assert scene.kernel.starts == 1
    assert len(scene.notebook.of(TitleEntry)) == 1
    first, second = scene.notebook.of(SetupEntry)
    assert "cars" in first.code
    assert "trucks" in second.code
    assert "cars" not in second.code
    assert len(scene.model.requests[3].messages) == 1
    text = scene.model.said(3)
    assert "The mean is 18.18" in text
    assert "Only 1999?" in text
    situation = scene.model.newest(3).situation
    assert situation is not None
    assert [p.dataset.name for p in situation.datasets] == ["cars", "trucks"]
    assert {frame.name for frame in situation.frames} >= {"cars", "trucks"}


async def test_a_lost_kernel_is_started_again_with_a_note() -> None:
    scene = Scene(FakeModel(python(MEAN), finish("18.18"), python(MEAN), finish("18.18")))
    await ask(scene)
    scene.memory.forget_kernel()
    await ask(scene)
    assert scene.kernel.starts == 2
    assert len(scene.notebook.of(SetupEntry)) == 1
    assert "The kernel was new, so the notebook's 2 cells ran again." in scene.model.said(2)
    assert "kernel-replayed" in scene.notices


async def test_a_kernel_that_dies_in_a_cell_gets_its_data_back() -> None:
    scene = Scene(FakeModel(python("x = 1  # DIE"), python(MEAN), finish("18.18")))
    finished = await ask(scene)
    assert [r.outcome for r in finished.iterations] == ["error", "ok"]
    said = scene.model.results(1)[0][0]
    assert "restarted empty." in said
    assert re.search(r'Loaded again:\n<data id="\w+">\ncars\n', said)
    states = [event.state for event in scene.of(ev.KernelChanged)]
    assert states == ["starting", "ready", "died", "restarted"]


async def test_a_kernel_gone_for_good_ends_the_run_with_all_saved() -> None:
    scene = Scene(FakeModel(python("x = 1  # GONE")))
    finished = await ask(scene)
    assert finished.status == "incomplete"
    assert "did not come back" in finished.reason
    assert scene.notebook.iterations[0].outcome == "error"
    assert scene.memory.facts is None


@pytest.mark.parametrize("error", [SandboxError("No isolation."), KernelError("No start.")])
async def test_a_failure_before_the_first_cell_is_emitted_and_raised(error: Exception) -> None:
    scene = Scene(FakeModel())
    scene.kernel.fails_to_start = error
    with pytest.raises(type(error)):
        await run_question(scene.deps, scene.memory, QUESTION, limits=Limits())
    assert scene.finished.status == "failed"
    assert scene.notebook.entries == {}
    assert scene.finished.notebook is None


async def test_unreadable_data_is_emitted_and_raised() -> None:
    scene = Scene(FakeModel())

    class Broken(TinyCatalog):
        async def profile(self, name: str, **more: Any) -> Any:
            raise DataError("cars.csv is a picture.", "Grant another file.")

    scene.catalog = Broken(cars=CARS)
    with pytest.raises(DataError):
        await run_question(scene.deps, scene.memory, QUESTION, limits=Limits())
    assert scene.finished.reason == "cars.csv is a picture. Grant another file."


async def test_the_model_gets_a_note_of_a_failing_setup() -> None:
    scene = Scene(FakeModel(say("I cannot say.")))
    scene.catalog.setup = "cars = open_it()"
    await ask(scene)
    assert "The setup cell failed: NameError" in scene.model.said(0)
    assert "setup-failed" in scene.notices


async def test_rules_are_not_asked_over_data_that_was_not_loaded() -> None:
    """A failed setup cell is the cause that is named, and the next question tries it again."""

    class Rules(FakeModel):
        @property
        def is_ai(self) -> bool:
            return False

    scene = Scene(Rules(say("There are no cars.")))
    scene.catalog.setup = "cars = open_it()"
    with pytest.raises(DataError, match=r"could not be loaded.*NameError"):
        await ask(scene)
    assert scene.model.requests == []
    assert not scene.memory.setups[0].ran


async def test_a_notebook_with_own_content_gets_no_title() -> None:
    scene = Scene(FakeModel(say("Nothing to say.")))
    scene.notebook._foreign = 3
    await ask(scene)
    assert scene.notebook.of(TitleEntry) == []


async def test_a_notebook_that_cannot_be_written_ends_the_run_with_a_reason() -> None:
    scene = Scene(FakeModel(python(MEAN)))
    scene.notebook.fails_on = lambda entry: getattr(entry, "execution", None) is not None
    scene.memory.setups = []
    scene.catalog.setup = ""
    finished = await ask(scene)
    assert finished.status == "incomplete"
    assert "disk full" in finished.reason
    assert len(finished.iterations) == 1
    assert "not-saved" in scene.notices


async def test_a_defect_of_the_package_ends_the_run_visibly() -> None:
    scene = Scene(FakeModel(python("1 + 1")))

    def broken() -> None:
        raise ZeroDivisionError("a defect")

    scene.kernel.before_cell = broken
    scene.catalog.setup = ""
    with pytest.raises(ZeroDivisionError):
        await run_question(scene.deps, scene.memory, QUESTION, limits=Limits())
    assert scene.finished.status == "failed"
    assert "defect" in scene.finished.reason


async def test_no_cell_without_an_error_is_no_answer() -> None:
    scene = Scene(FakeModel(python("nope"), finish("I could not find it.")))
    finished = await ask(scene)
    assert finished.status == "incomplete"
    assert "None of the code" in finished.reason
