"""The second command of the README: the same question over the real SDK and real HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conversation import credentials, mileage, refusals, results
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.wire_server import WireServer
from tests.support.cli import (
    QUESTION,
    VEHICLES,
    cells,
    mileage_by_year,
    notebook_at,
    ours,
    pictures,
    shows_something,
)
from tests.support.command import Ended, analyst


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("claude")
    shutil.copyfile(VEHICLES, folder / "vehicles.csv")
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer([mileage], keys=[FAKE_KEY], repeat=True) as running:
        yield running


@pytest.fixture(scope="module")
def asked(place: Path, server: WireServer) -> Ended:
    return analyst(
        "ask", QUESTION, "--data", "vehicles.csv", "--notebook", "mileage.ipynb", "--json",
        cwd=place, env=credentials(server),
    )  # fmt: skip


@pytest.fixture
def notebook(place: Path, asked: Ended) -> Any:
    assert asked.code == 0, asked.err
    return notebook_at(place / "mileage.ipynb")


def test_a_failed_attempt_and_its_repair_are_two_cells(notebook: Any):
    failed, repaired, drawn = cells(notebook, "iteration")
    assert "raises-exception" in failed.metadata.tags
    assert failed.metadata.jupyter.source_hidden is True
    (error,) = failed.outputs
    assert (error.output_type, error.ename) == ("error", "KeyError")
    assert (ours(failed)["step"], ours(failed)["attempt"], ours(failed)["outcome"]) == (
        1, 1, "error",
    )  # fmt: skip
    assert (ours(repaired)["step"], ours(repaired)["attempt"], ours(repaired)["outcome"]) == (
        1, 2, "ok",
    )  # fmt: skip
    for cell in (repaired, drawn):
        assert "raises-exception" not in cell.metadata.get("tags", [])
    (png,) = pictures([drawn])
    assert shows_something(png)


def test_the_model_learned_what_failed(server: WireServer, notebook: Any):
    last = server.messages_requests[-1].body
    failure = next(text for text in results(last).values() if "KeyError" in text)
    assert "'year'" in failure, "the error comes with the columns that there are"


def test_the_answer_is_right_and_its_numbers_are_proven(asked: Ended, notebook: Any):
    finished = asked.finished
    assert finished.status == "answered"
    for year in (1984, 2015):
        assert f"{mileage_by_year()[year]:.2f}" in finished.answer
    assert finished.details is not None
    repaired = cells(notebook, "iteration")[1].id
    assert finished.details.numbers
    assert {number.cell for number in finished.details.numbers} == {repaired}
    (finding,) = finished.findings
    assert finding.cells == (repaired,)


def test_the_server_saw_no_violation(server: WireServer, asked: Ended):
    assert refusals(server) == []
    assert [request.status for request in server.messages_requests] == [200] * 6
    used = {request.headers["authorization"] for request in server.requests}
    assert used == {f"Bearer {FAKE_KEY}"}


def test_cached_tokens_are_reported(server: WireServer, asked: Ended):
    usage = asked.finished.usage
    served = [request.usage for request in server.messages_requests]
    assert usage.calls == 6
    assert usage.cached_tokens == sum(one["cache_read_input_tokens"] for one in served)
    assert usage.cache_write_tokens == sum(one["cache_creation_input_tokens"] for one in served)
    assert usage.input_tokens == sum(one["input_tokens"] for one in served)
    total = usage.input_tokens + usage.cached_tokens + usage.cache_write_tokens
    assert usage.cached_tokens > total / 2
    assert usage.cost_usd is not None
    assert usage.cost_usd > 0


def test_the_key_is_written_nowhere(asked: Ended, place: Path):
    assert FAKE_KEY not in asked.out + asked.err
    for path in place.rglob("*"):
        if path.is_file():
            assert FAKE_KEY.encode() not in path.read_bytes()


def test_streamed_text_becomes_events(asked: Ended):
    streamed: dict[str, str] = {}
    for line in asked.out.splitlines():
        event = json.loads(line)
        if event["type"] in ("thinking_streamed", "text_streamed", "tool_input_streamed"):
            streamed[event["type"]] = streamed.get(event["type"], "") + event["text"]
    assert "First the mean per year, then the line." in streamed["thinking_streamed"]
    assert "I compute the mean per model year." in streamed["text_streamed"]
    assert "model_year" in streamed["tool_input_streamed"]


def test_a_second_question_continues_the_notebook(place: Path, server: WireServer, notebook: Any):
    """In a new process: the kernel is new, so the notebook's cells run again first."""
    before = [cell.id for cell in notebook.cells]
    continued = analyst(
        "ask", "And what was it in 2015?", "--notebook", "mileage.ipynb", "--json",
        cwd=place, env=credentials(server),
    )  # fmt: skip
    assert continued.code == 0, continued.err
    assert {event.run for event in continued.events} == {"r2"}
    assert any(
        event.type == "notice_raised" and event.code == "kernel-replayed"
        for event in continued.events
    )
    after = notebook_at(place / "mileage.ipynb")
    assert [cell.id for cell in after.cells][: len(before)] == before
    for old, new in zip(notebook.cells, after.cells, strict=False):
        assert (old.source, old.get("outputs")) == (new.source, new.get("outputs"))
    assert len(cells(after, "iteration", "r2")) == 3
    assert len(cells(after, "setup")) == 1
    first = server.messages_requests[6].body["messages"][0]
    assert QUESTION in json.dumps(first), "the model gets the earlier question"
    assert refusals(server) == []


def test_a_clean_copy_leaves_the_failure_out(place: Path, notebook: Any):
    exported = analyst(
        "export", "mileage.ipynb", "--clean", "--to", "ipynb", "-o", "clean.ipynb", cwd=place
    )
    assert exported.code == 0, exported.err
    clean = notebook_at(place / "clean.ipynb")
    code = [cell for cell in clean.cells if cell.cell_type == "code"]
    assert not any("model_year" in cell.source for cell in code)
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
