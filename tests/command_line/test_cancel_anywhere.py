"""A run stopped at any of its events, in a process and by Ctrl-C, leaves everything in order.

Each stop is followed by the next question of the same analysis, in the same kernel and notebook;
the fake server refuses a history that the real API would refuse.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import open_analysis
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.protocol.events import Event, RunFinished
from tests.command_line.conversation import MILEAGE, credentials, mileage, refusals
from tests.fakes.turns import Fault, call, say, turn
from tests.fakes.wire_server import WireServer
from tests.support.cli import QUESTION, cells, notebook_at, ours
from tests.support.command import Running, analyst

SECONDS = 120.0
STEP = 9
"""Every how many events a run is stopped, beside the first and last event of each type."""


@pytest.fixture
def server() -> Iterator[WireServer]:
    with WireServer([mileage], repeat=True) as running:
        yield running


@asynccontextmanager
async def opened(server: WireServer, folder: Path, name: str) -> AsyncIterator[Analysis]:
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in credentials(server).items():
            patch.setenv(variable, value)
        analysis = await open_analysis(
            notebook=folder / name,
            data=[folder / "vehicles.csv"],
            settings=AnalysisSettings(model="anthropic:claude-sonnet-5-5"),
        )
    try:
        yield analysis
    finally:
        await analysis.close()


async def whole(analysis: Analysis) -> list[Event]:
    async with asyncio.timeout(SECONDS):
        return [event async for event in analysis.stream(QUESTION)]


async def stopped_after(analysis: Analysis, index: int) -> RunFinished:
    """Ask, leave at the event with this index, and return how the run said it ended."""
    events: list[Event] = []
    unlisten = analysis.log.listen(events.append)
    try:
        async with asyncio.timeout(SECONDS), aclosing(analysis.stream(QUESTION)) as stream:
            place = 0
            async for _ in stream:
                if place == index:
                    break
                place += 1
    finally:
        unlisten()
    last = events[-1]
    assert isinstance(last, RunFinished), f"the run that was left at {index} did not say its end"
    return last


def points(events: list[Event]) -> list[int]:
    """Choose where to stop: the first and last event of each type, and every few between."""
    chosen = set(range(0, len(events) - 1, STEP))
    for kind in {event.type for event in events}:
        places = [place for place, event in enumerate(events) if event.type == kind]
        chosen |= {places[0], places[-1]}
    chosen.discard(len(events) - 1)
    return sorted(chosen)


async def check_order(analysis: Analysis, finished: RunFinished, before: int) -> None:
    """Check kernel, notebook and event log after a stop; ``before`` cells are not to change."""
    assert finished.status in ("cancelled", "answered")
    _, execution = await asyncio.wait_for(analysis.run("len(vehicles)", timeout=30), SECONDS)
    assert execution.outcome == "ok", "the kernel is idle and still has its data"
    notebook = notebook_at(analysis.notebook.path)
    run = str(finished.run)
    for cell in cells(notebook, "iteration", run):
        if ours(cell)["origin"] == "agent":
            assert ours(cell)["outcome"] in ("ok", "error", "cancelled")
    records = [record.cell for record in finished.iterations]
    kept = [c.id for c in cells(notebook, "iteration", run) if ours(c)["origin"] == "agent"]
    assert kept == records
    assert len(cells(notebook, "answer", run)) == 1
    assert len(notebook.cells) > before


async def test_a_run_stopped_at_any_event_leaves_everything_in_order(
    folder: Path, server: WireServer
):
    async with opened(server, folder, "stopped.ipynb") as analysis:
        first = await whole(analysis)
        events = await whole(analysis)
        assert events[-1].type == first[-1].type == "run_finished"
        assert {event.type for event in events} >= {
            "model_called", "thinking_streamed", "text_streamed", "tool_input_streamed",
            "model_replied", "plan_updated", "iteration_started", "output_produced",
            "iteration_finished", "chart_captured", "finding_recorded", "numbers_checked",
            "notebook_saved",
        }  # fmt: skip
        seen = set()
        for index in points(events):
            before = analysis.notebook.cell_count
            finished = await stopped_after(analysis, index)
            seen.add(finished.status)
            await check_order(analysis, finished, before)
            assert refusals(server) == [], f"after a stop at {index} ({events[index].type})"
        assert "cancelled" in seen
        last = (await whole(analysis))[-1]
        assert isinstance(last, RunFinished)
        assert last.status == "answered"
        assert refusals(server) == []


@pytest.mark.parametrize("kind", ["run_started", "kernel_changed", "dataset_profiled"])
async def test_a_first_run_stopped_while_it_begins_can_be_asked_again(
    folder: Path, server: WireServer, kind: str
):
    async with opened(server, folder, "begun.ipynb") as analysis:
        events: list[Event] = []
        analysis.log.listen(events.append)
        async with aclosing(analysis.stream(QUESTION)) as stream:
            async for event in stream:
                if event.type == kind:
                    break
        assert isinstance(events[-1], RunFinished)
        assert events[-1].status == "cancelled"
        notebook_at(analysis.notebook.path)
        last = (await whole(analysis))[-1]
        assert isinstance(last, RunFinished)
        assert last.status == "answered"
        notebook = notebook_at(analysis.notebook.path)
        assert len(cells(notebook, "title")) == len(cells(notebook, "setup")) == 1


SLOW = "import time\nkept = 1\nprint('at work', flush=True)\ntime.sleep(600)"


def test_ctrl_c_in_a_cell_saves_and_exits_130(folder: Path):
    turns = [MILEAGE[0], turn(call("run_python", code=SLOW, purpose="Wait", step=1))]
    with WireServer(turns) as server, Running(
        "ask", QUESTION, "--data", "vehicles.csv", "--notebook", "cut.ipynb",
        cwd=folder, env=credentials(server),
    ) as running:  # fmt: skip
        running.wait_for("output_produced")
        running.interrupt()
        ended = running.end()
    assert ended.code == 130, ended.err
    assert ended.finished.status == "cancelled"
    assert "Traceback" not in ended.err
    notebook = notebook_at(folder / "cut.ipynb")
    (cell,) = cells(notebook, "iteration")
    assert ours(cell)["outcome"] == "cancelled"
    assert "raises-exception" in cell.metadata.tags
    assert "at work" in json.dumps(cell.outputs)
    (answer,) = cells(notebook, "answer")
    assert "cancelled" in answer.source
    assert not list(folder.glob(".*")), "nothing is left behind"


def test_ctrl_c_while_the_model_is_silent(folder: Path):
    silent = turn(say("Let me think about that."), fault=Fault("stall", after=3, seconds=300))
    with WireServer([silent]) as server, Running(
        "ask", QUESTION, "--data", "vehicles.csv", "--notebook", "cut.ipynb",
        cwd=folder, env=credentials(server),
    ) as running:  # fmt: skip
        running.wait_for("text_streamed")
        running.interrupt()
        ended = running.end()
        request = server.messages_requests[0]
        server.wait_for(request.closed_early.is_set)
    assert ended.code == 130, ended.err
    assert ended.finished.status == "cancelled"
    assert len(cells(notebook_at(folder / "cut.ipynb"), "answer")) == 1


def test_ctrl_c_while_the_kernel_starts_leaves_no_process(folder: Path):
    with Running(
        "ask", QUESTION, "--data", "vehicles.csv", "--notebook", "cut.ipynb", cwd=folder
    ) as running:
        running.wait_for("kernel_changed")
        running.interrupt()
        ended = running.end()
    assert ended.code == 130, ended.err
    again = analyst(
        "ask", QUESTION, "--data", "vehicles.csv", "--notebook", "cut.ipynb", cwd=folder
    )
    assert again.code == 0, again.err
    notebook = notebook_at(folder / "cut.ipynb")
    assert len(cells(notebook, "setup")) == 1
