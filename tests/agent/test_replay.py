"""A fresh kernel gets the notebook's state back: for the next question, and for a branch."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import AnswerEntry, Entry, QuestionEntry, SetupEntry
from analyst_kernel.agent.rebuild import recall
from analyst_kernel.agent.replay import CellReplayed
from analyst_kernel.agent.start import restore_kernel_state
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import StreamOutput
from analyst_kernel.protocol.records import Limits
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel
from tests.fakes.turns import finish, python

KEEP = "kept = len(cars)\nkept"
USE = "kept + 1"


async def ask(scene: Scene, question: str) -> ev.RunFinished:
    return await run_question(scene.deps, scene.memory, question, limits=Limits())


def continued(scene: Scene, model: FakeModel) -> Scene:
    """Return the scene of another process, or of a branch, that opens the same notebook."""
    entries: list[Entry] = list(scene.notebook.entries.values())
    names = [dataset.name for dataset in scene.catalog.datasets]
    return Scene(
        model, notebook=scene.notebook, catalog=scene.catalog, memory=recall(entries, names)
    )


async def test_variables_of_earlier_cells_are_there_again() -> None:
    scene = Scene(FakeModel(python(KEEP), finish("3 rows."), python(USE), finish("It is 4.")))
    await ask(scene, "How many rows?")
    await scene.kernel.stop()
    scene.memory.forget_kernel()
    finished = await ask(scene, "And one more?")
    assert finished.status == "answered"
    assert finished.iterations[0].outcome == "ok"
    restarted = [e.reason for e in scene.of(ev.KernelChanged) if e.state == "restarted"]
    assert restarted == [
        "The kernel is new: running the notebook's 2 cells again.",
        "Running the notebook again: cell 2 of 2.",
    ]


async def test_another_process_continues_the_notebook() -> None:
    first = Scene(FakeModel(python(KEEP), finish("3 rows.")))
    await ask(first, "How many rows?")
    second = continued(first, FakeModel(python(USE), finish("It is 4; there were 3 rows.")))
    finished = await ask(second, "And one more?")
    assert finished.run == "r2"
    assert [proof.cell is not None for proof in finished.details.numbers] == [True, True]
    assert len(second.notebook.of(type(next(iter(first.notebook.entries.values()))))) == 1
    said = second.model.said(0)
    assert "How many rows?" in said
    assert "ran again" in said


async def test_a_cell_that_no_longer_runs_is_named() -> None:
    scene = Scene(FakeModel(python(KEEP), finish("3 rows."), finish("There are 3 rows.")))
    await ask(scene, "How many rows?")
    (entry,) = scene.notebook.iterations
    object.__setattr__(entry, "code", "gone + 1")
    await scene.kernel.stop()
    scene.memory.forget_kernel()
    await ask(scene, "And now?")
    (notice,) = [e for e in scene.of(ev.NoticeRaised) if e.code == "kernel-replayed"]
    assert notice.level == "warning"
    assert f"Cell {entry.cell} no longer runs (NameError" in notice.message
    said = scene.model.said(2)
    assert "What failed:\n<data id=" in said
    assert f"\nCell {entry.cell} no longer runs (NameError" in said


async def test_a_replay_that_kills_the_kernel_falls_back_to_the_setup_cells() -> None:
    scene = Scene(FakeModel(python(KEEP), finish("3 rows."), python("len(cars)"), finish("3.")))
    await ask(scene, "How many rows?")
    (entry,) = scene.notebook.iterations
    object.__setattr__(entry, "code", "x = 1  # DIE")
    await scene.kernel.stop()
    scene.memory.forget_kernel()
    finished = await ask(scene, "Again?")
    assert finished.iterations[0].outcome == "ok"
    assert any("The kernel died in cell" in e.message for e in scene.of(ev.NoticeRaised))


async def test_data_that_changed_is_described_and_loaded_again() -> None:
    scene = Scene(FakeModel(python("len(cars)"), finish("3."), python("len(cars)"), finish("2.")))
    await ask(scene, "How many rows?")
    scene.catalog.tables["cars"] = scene.catalog.tables["cars"][:2]
    scene.memory.reload(["cars"], scene.catalog.setup_code)
    finished = await ask(scene, "And now?")
    assert finished.details.numbers[0].cell == scene.notebook.iterations[1].cell
    assert len(scene.notebook.of(SetupEntry)) == 1
    assert "out of date. Changed:\n<data id=" in scene.model.said(2)
    assert "Changed on disk" not in scene.model.said(0)


async def branched() -> tuple[Scene, Scene]:
    """Return a scene that ran a cell, and one with its notebook and a kernel of its own."""
    parent = Scene(FakeModel(python(KEEP), finish("3 rows.")))
    await ask(parent, "How many rows?")
    return parent, continued(parent, FakeModel(python(USE), finish("It is 4.")))


async def test_a_branch_goes_on_in_the_restored_state() -> None:
    _, child = await branched()
    replayed: list[tuple[int, int]] = []

    async def on_cell(done: CellReplayed) -> None:
        replayed.append((done.number, done.of))

    await restore_kernel_state(child.deps, child.memory, timeout=5, on_cell=on_cell)
    assert replayed == [(1, 2), (2, 2)]
    finished = await ask(child, "One more?")
    assert finished.iterations[0].outcome == "ok"
    assert child.kernel.executed.count(KEEP) == 1, "nothing runs twice"
    assert "kernel-replayed" not in child.notices


async def test_the_model_gets_the_failures_of_a_branch() -> None:
    parent, child = await branched()
    (entry,) = parent.notebook.iterations
    object.__setattr__(entry, "code", "gone + 1")
    result = await restore_kernel_state(child.deps, child.memory, timeout=5)
    assert len(result.failures) == 1
    assert f"Cell {entry.cell} no longer runs" in result.failures[0]
    child.model.script = [finish("No.")]
    await ask(child, "One more?")
    assert "no longer runs" in child.model.said(0)


async def test_a_cancelled_restore_is_repeated_by_the_next_run() -> None:
    _, child = await branched()
    reached = asyncio.Event()

    async def wait(_: CellReplayed) -> None:
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(
        restore_kernel_state(child.deps, child.memory, timeout=5, on_cell=wait)
    )
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert child.memory.facts is None
    finished = await ask(child, "One more?")
    assert finished.iterations[0].outcome == "ok"
    assert child.notices.count("kernel-replayed") == 1


async def test_unanswered_questions_are_rebuilt_as_incomplete() -> None:
    parent, _ = await branched()
    entries = [e for e in parent.notebook.entries.values() if not isinstance(e, AnswerEntry)]
    asked = QuestionEntry(CellId("q9"), RunId("r2"), "And then?")
    memory = recall([*entries, asked], ["cars"])
    assert [(e.question, e.status) for e in memory.earlier] == [
        ("How many rows?", "incomplete"),
        ("And then?", "incomplete"),
    ]
    assert "Cells that ran for it" in memory.earlier[0].answer
    assert "no cell ran" in memory.earlier[1].answer
    assert memory.runs == 2


async def test_what_only_the_file_says_that_a_cell_showed_proves_nothing() -> None:
    """A stranger wrote 999 into a saved output; the cell, run again here, shows 3."""
    first = Scene(FakeModel(python(KEEP), finish("3 rows.")))
    await ask(first, "How many rows?")
    (entry,) = first.notebook.iterations
    assert entry.execution is not None
    forged = (StreamOutput(name="stdout", text="rows: 999"),)
    object.__setattr__(entry, "execution", replace(entry.execution, outputs=forged))
    answer = "There are 3 rows, as they say 999 [cell 1]."
    second = continued(first, FakeModel(finish(answer), finish(answer)))
    finished = await ask(second, "How many rows were there?")
    assert finished.details is not None
    proofs = {proof.text: proof.cell for proof in finished.details.numbers}
    assert proofs["3"] == entry.cell
    assert proofs["999"] is None
    assert finished.status == "incomplete"
    assert "999" in finished.reason


async def test_earlier_answers_of_a_notebook_are_named_claims() -> None:
    first = Scene(FakeModel(python(KEEP), finish("3 rows."), finish("Still 3.")))
    await ask(first, "How many rows?")
    await ask(first, "And now?")
    assert "claimed by the notebook" not in first.model.said(2)
    second = continued(first, FakeModel(finish("3.")))
    await ask(second, "Once more?")
    assert "Answered (answered) as claimed by the notebook, not checked: 3 rows." in (
        second.model.said(0)
    )
