"""Cells have one number: it goes on from question to question, and every citation means it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.manual.actions import undo_run
from analyst_kernel.agent.ports import AnswerEntry, IterationEntry
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.ids import RunId
from analyst_kernel.protocol.records import Limits
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel
from tests.agent.test_replay import continued
from tests.fakes.turns import call, finish, python


async def ask(scene: Scene, question: str = "What?") -> ev.RunFinished:
    return await run_question(scene.deps, scene.memory, question, limits=Limits())


async def test_numbers_go_on_over_questions_and_are_not_given_twice() -> None:
    scene = Scene(
        FakeModel(
            python("measured(16.5)"), python("measured(17.5)"), finish("16.5"),
            python("measured(18.5)"), finish("18.5 [cell 3], more than 17.5 [cell 2]"),
            python("measured(19.5)"), finish("19.5"),
        )
    )  # fmt: skip
    await ask(scene)
    second = await ask(scene)
    assert [record.iteration for record in second.iterations] == [3]
    assert second.status == "answered"
    assert second.details is not None
    ids = [entry.cell for entry in scene.notebook.iterations]
    assert [(one.number, one.cell) for one in second.details.cells] == [(2, ids[1]), (3, ids[2])]
    await undo_run(scene.deps, scene.memory, RunId("r2"), roll_back=False, timeout=5)
    third = await ask(scene)
    assert [record.iteration for record in third.iterations] == [4]
    (step,) = scene.of(ev.PlanUpdated)[-1].steps
    assert [one.number for one in step.cells] == [4]


@pytest.mark.parametrize(
    ("citation", "is_known"),
    [
        ("[cell 1]", True), ("[cells 1, 2]", True), ("[cells 1-3]", True), ("[cells 1–3]", True),
        ("[cells 1 and 3]", True), ("(see cell 2)", True), ("[cell 4]", False),
        ("[cells 2-4]", False), ("[cell x9]", False), ("[cell 0]", False),
    ],
)  # fmt: skip
async def test_a_citation_names_cells_of_the_analysis(citation: str, is_known: bool) -> None:
    text = f"It is 18.5 {citation}."
    model = FakeModel(
        python("measured(16.5)"),
        python("measured(17.5)"),
        finish("16.5"),
        python("measured(18.5)"),
        finish(text),
        finish(text),
    )
    scene = Scene(model)
    await ask(scene)
    finished = await ask(scene)
    assert finished.status == ("answered" if is_known else "incomplete"), finished.reason
    assert (citation in finished.reason) is not is_known


async def test_in_a_notebook_of_before_the_runs_own_cell_is_meant() -> None:
    """Earlier versions began again at 1 with each question."""
    scene = Scene(
        FakeModel(
            python("measured(16.5)"),
            finish("16.5"),
            python("measured(17.5)"),
            finish("17.5 [cell 2]"),
        )
    )
    await ask(scene)
    await ask(scene)
    for cell, entry in scene.notebook.entries.items():
        if isinstance(entry, IterationEntry):
            scene.notebook.entries[cell] = replace(entry, iteration=1)
    model = FakeModel(python("measured(18.5)"), finish("18.5 [cell 2], not 17.5 [cell 1]"))
    later = continued(scene, model)
    finished = await ask(later)
    assert [record.iteration for record in finished.iterations] == [2]
    assert finished.status == "answered", finished.reason
    (*_, entry) = later.notebook.of(AnswerEntry)
    newest = [e.cell for e in later.notebook.iterations]
    assert [(one.number, one.cell) for one in entry.answer.cells] == [
        (1, newest[1]),
        (2, newest[2]),
    ]


async def test_a_cell_that_the_question_names_is_shown_to_the_model() -> None:
    scene = Scene(
        FakeModel(
            python("first = measured(16.5)\nprint('shown', first)"), finish("16.5"), finish("Because."),
            finish("As I said."),
        )
    )  # fmt: skip
    await ask(scene)
    await ask(scene, "Why is first 16.5 in cell 1?")
    text = scene.model.said(2)
    assert "Cells that the question names:" in text
    assert "cell 1:\nfirst = measured(16.5)" in text
    assert "It showed:\nshown 16.5" in text
    await ask(scene, "Why 16.5 in cell 7, in cells?")
    assert "Cells that the question names" not in scene.model.said(3)


async def test_a_finding_names_cells_of_earlier_questions() -> None:
    def finding(cells: Any) -> Any:
        return call("record_finding", statement="17.5 is more than 16.5", cells=cells)

    scene = Scene(
        FakeModel(
            python("measured(16.5)"), finish("16.5"),
            python("measured(17.5)"), finding([1, "cell 2"]), finding([3]), finish("17.5"),
        )
    )  # fmt: skip
    await ask(scene)
    finished = await ask(scene)
    (made,) = finished.findings
    assert list(made.cells) == [entry.cell for entry in scene.notebook.iterations]
    ((refusal, is_error),) = scene.model.results(5)
    assert is_error
    assert "no cell 3. Cells that ran: 1, 2." in refusal
