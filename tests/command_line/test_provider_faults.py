"""Every fault of the provider, through the whole chain: SDK, HTTP, loop, kernel and notebook.

One analysis lives through all of them, one question per fault, so each also shows that the fault
before it left nothing behind that breaks the next question.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import open_analysis
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.protocol.events import Event, ModelRetried, NotebookSaved, RunFinished
from tests.command_line.conversation import credentials, refusals, results
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import Fault, FaultKind, Turn, call, fail, say, think, turn
from tests.fakes.wire_server import WireServer
from tests.support.cli import VEHICLES, cells, notebook_at
from tests.support.command import run

pytestmark = pytest.mark.asyncio(loop_scope="module")

STALL_SECONDS = 5.0
"""More than a busy machine takes for a reply of the fake; only the stall itself waits so long."""


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer(keys=[FAKE_KEY]) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def analysis(
    server: WireServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Analysis]:
    folder = tmp_path_factory.mktemp("faults")
    shutil.copyfile(VEHICLES, folder / "vehicles.csv")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(server).items():
            patch.setenv(name, value)
        opened = await open_analysis(
            notebook=folder / "faults.ipynb",
            data=[folder / "vehicles.csv"],
            settings=AnalysisSettings(model="anthropic:claude-sonnet-5-5"),
        )
    wire = opened.model.model  # behind the wall that every model stands behind
    assert wire.stall_seconds > STALL_SECONDS
    wire.stall_seconds = STALL_SECONDS
    await opened.run("ran = []")
    yield opened
    await opened.close()


@dataclass
class Story:
    """What one question went through."""

    finished: RunFinished
    events: list[Event]
    bodies: list[Any]

    @property
    def retries(self) -> list[ModelRetried]:
        return [event for event in self.events if isinstance(event, ModelRetried)]


def work(name: str, fault: Fault | None = None) -> Turn:
    """A turn that thinks, talks, and runs a cell which leaves a trace in the kernel."""
    return turn(
        think("One cell is enough."),
        say("Let me look."),
        call("run_python", code=f"ran.append({name!r})\nlen(vehicles)", purpose="Count rows"),
        fault=fault,
    )


DONE = turn(call("finish", answer="There are 33,442 rows."))


async def play(analysis: Analysis, server: WireServer, *turns: Turn) -> Story:
    """Ask, let the server play the turns, and check what must hold whatever happened."""
    server.push(*turns)
    before = len(server.messages_requests)
    events = [event async for event in analysis.stream("How many rows are there?")]
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert server.turns_left == 0
    assert refusals(server) == []
    bodies = [request.body for request in server.messages_requests[before:]]
    for body in bodies:
        results(body)
    notebook = notebook_at(analysis.notebook.path)
    run = str(finished.run)
    assert len(cells(notebook, "answer", run)) == 1
    saved = [cell.id for cell in cells(notebook, "iteration", run)]
    assert saved == [record.cell for record in finished.iterations]
    assert any(isinstance(event, NotebookSaved) for event in events)
    return Story(finished, events, bodies)


async def runs_of(analysis: Analysis, name: str) -> int:
    """Ask the kernel how often the cell with this name ran."""
    _, execution = await analysis.run(f"ran.count({name!r})")
    (output,) = execution.outputs
    return int(output.data["text/plain"])


BEFORE: list[tuple[str, Turn, float | None]] = [
    ("429", fail("status", status=429, retry_after="0.2"), 0.2),
    ("500", fail("status", status=500), None),
    ("529", fail("status", status=529, retry_after=0), 0.0),
    ("empty", fail("empty"), None),
]


@pytest.mark.parametrize(("name", "fault", "wait"), BEFORE)
async def test_a_failure_before_the_reply_is_retried_in_sight(
    analysis: Analysis, server: WireServer, name: str, fault: Turn, wait: float | None
):
    story = await play(analysis, server, fault, work(name), DONE)
    assert story.finished.status == "answered"
    (retry,) = story.retries
    assert (retry.call, retry.attempt) == (1, 2)
    assert wait is None or retry.wait == wait
    assert retry.reason.endswith(".")
    assert story.bodies[0] == story.bodies[1], "the same request again"
    assert await runs_of(analysis, name) == 1


WITHIN: list[FaultKind] = ["truncate", "reset", "stall", "garbage_sse", "error_event"]


@pytest.mark.parametrize("kind", WITHIN)
async def test_a_reply_that_breaks_inside_a_call_runs_nothing_and_is_retried(
    analysis: Analysis, server: WireServer, kind: FaultKind
):
    broken = work(f"{kind}, broken", Fault(kind, after="tool", seconds=60))
    story = await play(analysis, server, broken, work(kind), DONE)
    assert story.finished.status == "answered"
    assert len(story.retries) == 1
    assert len(story.finished.iterations) == 1
    assert await runs_of(analysis, f"{kind}, broken") == 0
    assert await runs_of(analysis, kind) == 1
    # Nothing of the broken reply is in the conversation.
    assert f"{kind}, broken" not in str(story.bodies[-1]["messages"])


async def test_input_that_is_no_json_is_answered_not_run(analysis: Analysis, server: WireServer):
    broken = work("json, broken", Fault("bad_json"))
    story = await play(analysis, server, broken, work("json"), DONE)
    assert story.finished.status == "answered"
    assert story.retries == []
    assert await runs_of(analysis, "json, broken") == 0
    assert await runs_of(analysis, "json") == 1
    first, second = results(story.bodies[-1]).values()
    assert "not valid JSON" in first
    assert "33442" in second


async def test_a_call_cut_at_the_length_limit_gets_more_room_then_is_answered(
    analysis: Analysis, server: WireServer
):
    cut = work("cut, broken", Fault("max_tokens_in_tool"))
    story = await play(analysis, server, cut, cut, work("cut"), DONE)
    assert story.finished.status == "answered"
    (retry,) = story.retries
    assert "cut off" in retry.reason
    assert story.bodies[1]["max_tokens"] > story.bodies[0]["max_tokens"]
    assert await runs_of(analysis, "cut, broken") == 0
    assert await runs_of(analysis, "cut") == 1
    assert "cut off" in next(iter(results(story.bodies[-1]).values()))


async def test_a_provider_that_stays_down_ends_the_run_as_failed(
    analysis: Analysis, server: WireServer
):
    down = fail("status", status=500, retry_after=0)
    story = await play(analysis, server, work("down"), *[down] * 5)
    assert story.finished.status == "failed"
    assert "5 times" in story.finished.reason
    assert [retry.attempt for retry in story.retries] == [2, 3, 4, 5]
    assert len(story.finished.iterations) == 1, "what ran stays"
    assert "ended early" in story.finished.answer


FATAL = [
    ("refusal", turn(say("No."), fault=Fault("refusal")), "declined"),
    ("key", fail("status", status=401), "ANTHROPIC_API_KEY"),
    ("request", fail("status", status=400, message="max_tokens: too much"), "too much"),
    ("wait", fail("status", status=429, retry_after=3600), "3,600 s"),
]


@pytest.mark.parametrize(("name", "fault", "said"), FATAL)
async def test_a_fault_without_retry_ends_the_run_at_once(
    analysis: Analysis, server: WireServer, name: str, fault: Turn, said: str
):
    story = await play(analysis, server, work(name), fault)
    assert story.finished.status == "failed"
    assert said in story.finished.reason
    assert story.retries == []
    assert await runs_of(analysis, name) == 1


async def test_the_next_question_after_faults_is_answered(analysis: Analysis, server: WireServer):
    story = await play(analysis, server, work("last"), DONE)
    assert story.finished.status == "answered"
    assert await runs_of(analysis, "last") == 1


@pytest.mark.asyncio(loop_scope="function")
async def test_the_command_exits_3_and_keeps_what_ran(folder: Path):
    ran = turn(call("run_python", code="len(vehicles)", purpose="Count the rows"))
    with WireServer([ran, fail("status", status=401)]) as server:
        ended = run(
            "analyst", "ask", "How many rows?", "--data", "vehicles.csv", "--notebook", "kept.ipynb",
            cwd=folder, env=credentials(server),
        )  # fmt: skip
    assert ended.code == 3
    assert "ANTHROPIC_API_KEY" in ended.error
    assert FAKE_KEY not in ended.err + ended.out
    assert f"Notebook: {folder / 'kept.ipynb'}" in ended.out
    notebook = notebook_at(folder / "kept.ipynb")
    (cell,) = cells(notebook, "iteration")
    assert cell.outputs[0].data["text/plain"] == "33442"
    assert len(cells(notebook, "answer")) == 1
