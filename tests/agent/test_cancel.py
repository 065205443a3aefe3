from __future__ import annotations

import asyncio
from typing import Any

import pytest

from analyst_kernel.agent.loop import carry_out, run_question
from analyst_kernel.agent.ports import AnswerEntry, IterationEntry, QuestionEntry
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.outputs import CHART_MIME, StreamOutput
from analyst_kernel.protocol.records import Limits
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel, check_messages
from tests.fakes.turns import calls, finish, python, say

CHART = {"type": "line", "title": "Mean", "elements": [{"label": "a", "points": [[1, 2]]}]}
SCRIPT: list[Any] = [
    calls(("update_plan", {"steps": ["Look", "Draw", "Answer"]})),
    python("print('three rows')\nlen(cars)", step=1),
    calls(
        ("run_python", {"code": "cars[0]['nope']", "step": 2}),
        ("record_finding", {"statement": "never recorded"}),
    ),
    python(f"display({{'image/png': 'aGk=', '{CHART_MIME}': {CHART!r}}})\nmeasured(16.5)", step=2),
    calls(("record_finding", {"statement": "16.5 stands", "cells": [1]})),
    calls(("ask_user", {"question": "Which?", "options": ["a", "b"]})),
    finish("It is 99.5."),
    finish("It is 16.5."),
]


def scene() -> Scene:
    return Scene(FakeModel(*SCRIPT))


async def start(made: Scene) -> tuple[Run, asyncio.Task[ev.RunFinished]]:
    run = Run.begin(made.deps, made.memory, "How much?", Limits(), approve=False)
    run.emit(ev.RunStarted(**run.stamp, question="", model="", is_ai=True, limits=run.limits))
    return run, asyncio.ensure_future(carry_out(run))


def check_end(made: Scene, run: Run) -> None:
    """What must hold after any end of a run."""
    check_messages(run.transcript)
    assert made.kernel.idle
    assert len(made.of(ev.RunFinished)) == 1
    assert made.events[-1].type == "run_finished"
    entries = made.notebook.iterations
    assert [e.iteration for e in entries] == list(range(1, len(entries) + 1))
    assert all(e.outcome is not None for e in entries)
    assert [e.cell for e in entries] == [r.cell for r in made.finished.iterations]
    assert [e.outcome for e in entries] == [r.outcome for r in made.finished.iterations]
    started = [e.cell for e in made.of(ev.IterationStarted)]
    ended = [e.cell for e in made.of(ev.IterationFinished)]
    assert started == ended == [e.cell for e in entries]
    assert len(made.notebook.of(QuestionEntry)) == 1
    assert len(made.notebook.of(AnswerEntry)) == 1


async def events_of_a_whole_run() -> int:
    made = scene()
    run, task = await start(made)
    finished = await task
    assert finished.status == "answered"
    check_end(made, run)
    return len(made.events)


async def test_cancelled_at_every_event() -> None:
    count = await events_of_a_whole_run()
    assert count > 80
    for number in range(2, count + 1):
        made = scene()
        run, task = await start(made)

        def stop(seen: int, *, task: Any = task, number: int = number) -> None:
            if seen == number:
                task.cancel()

        made.on_event = stop
        with pytest.raises(asyncio.CancelledError):
            await task
        check_end(made, run)
        at_end = number == count
        assert made.finished.status == ("answered" if at_end else "cancelled"), number
        (answer,) = made.notebook.of(AnswerEntry)
        assert answer.status == made.finished.status
        if not at_end:
            assert answer.answer.text.startswith("The run was cancelled.")


async def test_cancelled_at_every_event_and_again_while_closing() -> None:
    count = await events_of_a_whole_run()
    for number in range(2, count, 7):
        made = scene()
        run, task = await start(made)

        def stop(seen: int, *, task: Any = task, number: int = number) -> None:
            if seen >= number:
                task.cancel()

        made.on_event = stop
        with pytest.raises(asyncio.CancelledError):
            await task
        check_end(made, run)


async def test_a_cell_cancelled_in_the_middle_keeps_its_output() -> None:
    made = Scene(FakeModel(python("print('so far')\nFOREVER = 1")))
    task = asyncio.ensure_future(run_question(made.deps, made.memory, "How long?", limits=Limits()))
    while not made.of(ev.OutputProduced):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (entry,) = made.notebook.iterations
    assert entry.outcome == "cancelled"
    assert entry.execution is not None
    assert entry.execution.outputs == (StreamOutput(name="stdout", text="so far\n"),)
    assert made.kernel.idle
    assert made.memory.kernel_unsure


async def test_after_a_stop_the_next_question_finds_an_emptied_kernel() -> None:
    made = Scene(FakeModel(python("FOREVER = 1"), python("len(cars)"), finish("3 rows.")))
    task = asyncio.ensure_future(run_question(made.deps, made.memory, "How long?", limits=Limits()))
    while not made.of(ev.IterationStarted):
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    made.kernel._empty()
    finished = await run_question(made.deps, made.memory, "How many?", limits=Limits())
    assert finished.status == "answered"
    assert finished.iterations[0].outcome == "ok"
    assert "kernel-replayed" in made.notices


async def test_cancelled_while_the_model_is_silent() -> None:
    made = Scene(FakeModel([float("inf")]))
    run, task = await start(made)
    while not made.of(ev.ModelCalled):
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert made.finished.status == "cancelled"
    assert [type(m).__name__ for m in run.transcript] == ["UserMessage"]


async def test_established_findings_stand_in_the_answer_of_a_cancelled_run() -> None:
    made = Scene(
        FakeModel(
            python("measured(16.5)"),
            calls(("record_finding", {"statement": "16.5 stands"})),
            say("never"),
        )
    )
    run, task = await start(made)

    def stop(_: int) -> None:
        if made.of(ev.FindingRecorded):
            task.cancel()

    made.on_event = stop
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "16.5 stands" in made.finished.answer
    (entry,) = [e for e in made.notebook.entries.values() if isinstance(e, IterationEntry)]
    assert entry.outcome == "ok"
    assert made.finished.findings == tuple(run.findings)
