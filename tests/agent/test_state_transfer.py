"""The seam that brings a fresh kernel to a state: by replay, or by any other way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import Entry, Kernel, QuestionEntry, ReplayCell
from analyst_kernel.agent.rebuild import recall
from analyst_kernel.agent.replay import Arrival, CellArrived, OnCell, Replay, nobody
from analyst_kernel.agent.restore import arrive
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.records import Limits
from tests.agent.fake_deps import InProcessKernel, Scene
from tests.agent.fake_model import FakeModel, finish, python

KEEP = "kept = len(cars)\nkept"


class Fork:
    """Another way: the state of a living kernel is taken over, and no cell runs."""

    def __init__(self, parent: InProcessKernel) -> None:
        self.parent = parent

    async def bring(
        self,
        kernel: Kernel,
        cells: Sequence[ReplayCell],
        *,
        timeout: float,
        on_cell: OnCell = nobody,
    ) -> Arrival:
        assert isinstance(kernel, InProcessKernel)
        kernel.space.update(self.parent.space)
        for number, cell in enumerate(cells, start=1):
            await on_cell(CellArrived(cell, number, len(cells), None))
        return Arrival(ran=frozenset(cell.cell for cell in cells))


async def branched() -> tuple[Scene, Scene]:
    """Return a scene that ran a cell, and one with its notebook and a kernel of its own."""
    parent = Scene(FakeModel(python(KEEP), finish("3 rows.")))
    await run_question(parent.deps, parent.memory, "How many rows?", limits=Limits())
    entries: list[Entry] = list(parent.notebook.entries.values())
    names = [dataset.name for dataset in parent.catalog.datasets]
    memory = recall(entries, names)
    model = FakeModel(python("kept + 1"), finish("It is 4."))
    child = Scene(model, notebook=parent.notebook, catalog=parent.catalog, memory=memory)
    return parent, child


@pytest.mark.parametrize("way", ["replay", "fork"])
async def test_a_run_goes_on_in_a_state_that_came_either_way(way: str) -> None:
    parent, child = await branched()
    transfer = Replay() if way == "replay" else Fork(parent.kernel)
    heard: list[tuple[int, int, bool]] = []

    async def on_cell(arrived: CellArrived) -> None:
        heard.append((arrived.number, arrived.of, arrived.execution is None))

    await arrive(child.deps, child.memory, transfer, timeout=5, on_cell=on_cell)
    assert heard == [(1, 2, way == "fork"), (2, 2, way == "fork")]
    finished = await run_question(child.deps, child.memory, "One more?", limits=Limits())
    assert finished.iterations[0].outcome == "ok"
    ran = [code for code in child.kernel.executed if code == KEEP]
    assert len(ran) == (1 if way == "replay" else 0), "nothing runs twice"
    assert "kernel-replayed" not in child.notices


async def test_what_failed_is_told_to_the_model_and_the_rest_is_there() -> None:
    parent, child = await branched()
    (entry,) = parent.notebook.iterations
    object.__setattr__(entry, "code", "gone + 1")
    arrival = await arrive(child.deps, child.memory, Replay(), timeout=5, on_cell=nobody)
    assert len(arrival.failures) == 1
    assert f"Cell {entry.cell} no longer runs" in arrival.failures[0]
    child.model.script = [finish("No.")]
    await run_question(child.deps, child.memory, "One more?", limits=Limits())
    assert "no longer runs" in child.model.said(0)


async def test_stopped_on_the_way_the_next_run_brings_the_state() -> None:
    _, child = await branched()
    reached = asyncio.Event()

    async def wait(_: CellArrived) -> None:
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(
        arrive(child.deps, child.memory, Replay(), timeout=5, on_cell=wait)
    )
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert child.memory.facts is None
    finished = await run_question(child.deps, child.memory, "One more?", limits=Limits())
    assert finished.iterations[0].outcome == "ok"
    assert child.notices.count("kernel-replayed") == 1


async def test_a_question_without_its_answer_is_remembered() -> None:
    parent, _ = await branched()
    entries = [e for e in parent.notebook.entries.values() if type(e).__name__ != "AnswerEntry"]
    asked = QuestionEntry(CellId("q9"), RunId("r2"), "And then?")
    memory = recall([*entries, asked], ["cars"])
    assert [(e.question, e.status) for e in memory.earlier] == [
        ("How many rows?", "incomplete"),
        ("And then?", "incomplete"),
    ]
    assert "Cells that ran for it" in memory.earlier[0].answer
    assert "no cell ran" in memory.earlier[1].answer
    assert memory.runs == 2
