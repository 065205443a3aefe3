"""A notebook that was begun elsewhere: its conversation becomes events, once and sanitised."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from analyst_kernel.agent.ports import AnswerEntry, QuestionEntry
from analyst_kernel.analysis.assemble import open_analysis
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.notebook.document.read import entries_of
from analyst_kernel.notebook.document.serialize import from_json
from analyst_kernel.protocol.events import ChartCaptured, Event, RunFinished
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.outputs import CHART_MIME
from analyst_kernel.protocol.records import Answer, NumberProof
from analyst_kernel.server.events.history import (
    BranchContent,
    events_from_entries,
    events_from_notebook,
    events_of_branch,
    title_of,
)
from analyst_kernel.server.events.recorder import for_browsers
from tests.fakes.turns import plan, python, say, script
from tests.server.browser import Browser, Tab
from tests.server.conftest import StartServer
from tests.support.notebook_io import whole_text

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4])\nplt.title({title!r})\nplt.show()"


def _drawing(folder: Path, title: str, answer: str) -> str:
    return script(folder, python(PLOT.format(title=title), "Draw"), say(answer), name=title)


async def _caught_up(tab: Tab) -> None:
    await tab.frame(lambda frame: frame["type"] == "caught_up")


@pytest.fixture
async def notebook(root: Path, tmp_path: Path, start_server: StartServer) -> Path:
    """Return a notebook with one answered question, begun without a server."""
    path = root / "begun-elsewhere.ipynb"
    model = script(
        tmp_path,
        plan("Draw it", "Say it", "End"),
        python("1 / 0", "Divide"),
        python(PLOT.format(title="first"), "Draw"),
        say("It is drawn."),
    )
    analysis = await open_analysis(
        question="What is drawn?",
        notebook=path,
        data=[root / "data" / "penguins_raw.csv"],
        settings=AnalysisSettings(model=model, sandbox="none", kernel_name="python3"),
    )
    try:
        ended = await analysis.ask("What is drawn?")
        assert ended.status == "answered", ended.reason
        await analysis.run("by_hand = 1\nby_hand")
    finally:
        await analysis.close()
    return path


async def test_a_notebook_begun_elsewhere_shows_its_conversation_and_goes_on(
    notebook: Path, browser: Browser, tmp_path: Path
) -> None:
    analysis = await browser.begin(notebook=notebook.name)
    tab = await browser.tab(analysis)
    await _caught_up(tab)
    (started,) = tab.of("run_started")
    assert started["question"] == "What is drawn?"
    assert [step["goal"] for step in tab.of("plan_updated")[0]["steps"]] == [
        "Draw it", "Say it", "End",
    ]  # fmt: skip
    failed, drawn, own = tab.of("iteration_finished")
    assert (failed["outcome"], failed["error"]["name"]) == ("error", "ZeroDivisionError")
    assert (drawn["outcome"], own["run"]) == ("ok", None)
    (chart,) = tab.of("chart_captured")
    assert chart["chart"]["title"] == "first"
    bundle = drawn["outputs"][chart["chart"]["output"]]["data"]
    assert set(bundle) >= {"image/png", CHART_MIME}
    (ended,) = tab.of("run_finished")
    assert (ended["status"], ended["answer"]) == ("answered", "It is drawn.")
    assert [one["attempt"] for one in ended["iterations"]] == [1, 2]
    summary = await browser.summary(analysis)
    assert (summary["title"], summary["questions"]) == ("What is drawn?", 1)
    # What the user granted to it then is still granted.
    profiled = await tab.event("dataset_profiled")
    assert profiled["profile"]["dataset"]["rows"] == 344

    await tab.do(
        "ask_question", analysis, question="And now?", model=_drawing(tmp_path, "second", "Again.")
    )
    again = await tab.event("run_finished", run="r2")
    assert again["status"] == "answered"
    first, second = tab.of("chart_captured")
    assert first["chart"]["id"] != second["chart"]["id"]
    book = nbformat.reads(whole_text(notebook), as_version=4)
    asked = [c.source for c in book.cells if c.metadata.analyst_kernel.get("role") == "question"]
    assert asked == ["## What is drawn?", "## And now?"]


async def test_opening_it_twice_or_after_a_restart_emits_it_once(
    notebook: Path, start_server: StartServer
) -> None:
    before = (await start_server()).browser
    analysis = await before.begin(notebook=notebook.name)
    assert await before.begin(notebook=notebook.name) == analysis
    browser = (await start_server()).browser
    assert await browser.begin(notebook=notebook.name) == analysis
    tab = await browser.tab(analysis)
    await _caught_up(tab)
    assert len(tab.of("run_started")) == len(tab.of("run_finished")) == 1
    numbers = [event["number"] for event in tab.events]
    assert numbers == sorted(set(numbers))


async def test_a_notebook_of_nobody_becomes_an_analysis_without_a_past(
    browser: Browser, root: Path
) -> None:
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Mine"), nbformat.v4.new_code_cell("1 + 1")]
    )
    nbformat.write(book, root / "mine.ipynb")
    text = (root / "mine.ipynb").read_text()
    analysis = await browser.begin(notebook="mine.ipynb")
    tab = await browser.tab(analysis)
    await _caught_up(tab)
    assert tab.of("run_started") == []
    assert (await browser.summary(analysis))["title"] == "mine"
    assert (root / "mine.ipynb").read_text() == text


async def test_pictures_of_charts_go_over_the_wire_with_their_cells_alone(
    browser: Browser, tmp_path: Path
) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    model = _drawing(tmp_path, "once", "Drawn.")
    await tab.do("ask_question", analysis, question="Draw", model=model)
    ended = await tab.event("run_finished")
    assert ended["status"] == "answered", ended["reason"]
    (cell,) = tab.of("iteration_finished")
    picture = cell["outputs"][0]["data"]["image/png"]
    (named,) = ended["charts"]
    (captured,) = tab.of("chart_captured")
    assert captured["chart"]["data"]["title"] == "once"
    assert (named["id"], named["png"], named["data"]) == (captured["chart"]["id"], None, None)
    assert picture.strip() not in json.dumps(ended)


async def test_a_cell_that_runs_again_keeps_the_names_of_its_charts(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(
        tmp_path,
        python(PLOT.format(title="left"), "Left"),
        python(PLOT.format(title="right"), "Right"),
        say("Two."),
    )
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Draw two", model=model)
    await tab.event("run_finished")
    left, right = (event["chart"] for event in tab.of("chart_captured"))
    seen = len(tab.frames)
    await tab.do("run_again", analysis, cell=left["cell"])
    again = await tab.event("chart_captured", start=seen)
    assert again["chart"]["id"] == left["id"] != right["id"]


def _notebook(*outputs: dict[str, Any], run: str = "r1") -> dict[str, Any]:
    def cell(kind: str, source: str, **note: Any) -> dict[str, Any]:
        made: dict[str, Any] = {
            "cell_type": kind, "id": f"{note['role']}-1", "source": source,
            "metadata": {"analyst_kernel": {"run": run, **note}},
        }  # fmt: skip
        if kind == "code":
            made |= {"outputs": list(outputs), "execution_count": 1}
        return made

    return {
        "cells": [
            cell("markdown", "## Is it safe?", role="question"),
            cell("code", "show()", role="iteration", iteration=1, attempt=1, outcome="ok"),
        ],
        "metadata": {"analyst_kernel": {"version": 1, "analysis": "a1", "model": "x:y"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip


def test_saved_outputs_are_as_hostile_as_a_kernels() -> None:
    document = _notebook(
        {
            "output_type": "display_data",
            "data": {
                "text/html": "<b>kept</b><script>alert(1)</script><img src=x onerror=alert(2)>",
                "application/javascript": "alert(3)",
                "image/svg+xml": "<svg onload='alert(4)'/>",
                "text/plain": "kept too",
            },
            "metadata": {},
        },
        {"output_type": "stream", "name": "stdout", "text": "x" * 300_000},
    )
    events = events_from_notebook(document, AnalysisId("a1"), path="/n.ipynb", is_ai=lambda _: True)
    assert [event.type for event in events] == [
        "run_started", "iteration_started", "iteration_finished", "run_finished",
    ]  # fmt: skip
    finished = events[2].model_dump_json()
    assert "kept</b>" in finished
    assert "kept too" in finished
    assert "alert" not in finished
    assert len(finished) < 150_000


def _two_charts() -> dict[str, Any]:
    """Return a notebook with two questions, each with one cell that draws and is hostile."""
    chart = {
        "output_type": "display_data",
        "data": {
            CHART_MIME: {"title": "drawn", "alt": "A line."},
            "image/png": "iVBORw0KGgo=",
            "text/html": "<b>kept</b><script>alert(1)</script>",
        },
        "metadata": {},
    }
    document = _notebook(chart)
    second = _notebook(chart, run="r2")["cells"]
    for cell in second:
        cell["id"] += "-again"
    document["cells"] += second
    return document


def _by_opening(document: dict[str, Any]) -> tuple[Event, ...]:
    return events_from_notebook(
        from_json(document, "n"), AnalysisId("a1"), path="/n.ipynb", is_ai=lambda _: True
    )


def _by_branching(document: dict[str, Any]) -> tuple[Event, ...]:
    cells = frozenset(CellId(cell["id"]) for cell in document["cells"])
    return events_of_branch(
        (),
        BranchContent(cells, entries_of(from_json(document, "n"))),
        analysis=AnalysisId("b1"), notebook="/b.ipynb", model="x:y", is_ai=True,
    )  # fmt: skip


@pytest.mark.parametrize("way", [_by_opening, _by_branching])
def test_runs_unknown_to_the_journal_get_chart_ids_of_their_own(
    way: Callable[[dict[str, Any]], tuple[Event, ...]],
) -> None:
    events = way(_two_charts())
    ids = [event.chart.id for event in events if isinstance(event, ChartCaptured)]
    assert ids == ["c1", "c2"]
    ended = [event for event in events if isinstance(event, RunFinished)]
    assert [[chart.id for chart in event.charts] for event in ended] == [["c1"], ["c2"]]


@pytest.mark.parametrize("way", [_by_opening, _by_branching])
def test_no_script_of_a_saved_output_reaches_an_event(
    way: Callable[[dict[str, Any]], tuple[Event, ...]],
) -> None:
    written = "".join(event.model_dump_json() for event in way(_two_charts()))
    assert "kept</b>" in written
    assert "script" not in written
    assert "alert(" not in written


def test_charts_of_a_branch_are_numbered_on_from_those_of_the_journal() -> None:
    document = _two_charts()
    journalled = [event for event in _by_opening(document) if event.run == "r1"]
    cells = frozenset(CellId(cell["id"]) for cell in document["cells"])
    events = events_of_branch(
        journalled,
        BranchContent(cells, entries_of(from_json(document, "n"))),
        analysis=AnalysisId("b1"), notebook="/b.ipynb", model="x:y", is_ai=True,
    )  # fmt: skip
    charts = {event.run: event.chart.id for event in events if isinstance(event, ChartCaptured)}
    assert charts == {"r1": "c1", "r2": "c2"}


def test_a_question_without_an_answer_is_not_shown_as_running() -> None:
    document = _notebook()
    *_, ended = events_from_notebook(
        document, AnalysisId("a1"), path="/n.ipynb", is_ai=lambda _: True
    )
    assert ended.type == "run_finished"
    assert ended.status == "cancelled"
    assert "no answer" in ended.reason
    assert title_of(document) == "Is it safe?"


def test_a_saved_answer_claims_no_proof_and_loads_nothing() -> None:
    text = "It is 18.4. ![x](https://evil.example)"
    claimed = NumberProof(text="18.4", start=6, end=10, cell=CellId("it1"))
    entries = [
        QuestionEntry(CellId("q1"), RunId("r1"), "How much?"),
        AnswerEntry(CellId("a1"), RunId("r1"), Answer(text=text, numbers=(claimed,)), "answered"),
    ]
    *_, ended = events_from_entries(
        entries, analysis=AnalysisId("a1"), notebook="/n.ipynb", model="", is_ai=False
    )
    shown = for_browsers(ended)
    assert isinstance(shown, RunFinished)
    assert shown.details is not None
    assert shown.details.numbers == ()
    assert shown.answer == "It is 18.4. &#33;[x](https://evil.example)"
