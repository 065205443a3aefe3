"""``analyst ask --model gemini:NAME``, as the README says it, over the real SDK, HTTP and kernel."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.models.prices import cost_of
from analyst_kernel.models.table import look_up
from tests.command_line.conversation import MILEAGE
from tests.fakes.gemini_server import FAKE_GEMINI_KEY, GeminiServer
from tests.fakes.turns import Fault, Turn, fail, say, turn
from tests.support.cli import (
    QUESTION,
    VEHICLES,
    cells,
    mileage_by_year,
    notebook_at,
    pictures,
    shows_something,
)
from tests.support.command import Ended, analyst

pytestmark = pytest.mark.real


def mileage(body: dict[str, Any]) -> Turn:
    """Go on with the conversation from where it stands: each of its turns calls once."""
    return MILEAGE[sum(step["type"] == "function_call" for step in body["input"])]


def ask(folder: Path, server: GeminiServer, question: str, *more: str) -> Ended:
    env = {"GEMINI_BASE_URL": server.url, "GEMINI_BASE_URL_KEY": FAKE_GEMINI_KEY}
    shutil.copyfile(VEHICLES, folder / "vehicles.csv")
    return analyst(
        "ask", question, "--data", "vehicles.csv", "--notebook", "asked.ipynb",
        "--model", "gemini:gemini-3.8-flash", "--json", *more, cwd=folder, env=env,
    )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[GeminiServer]:
    with GeminiServer(
        [mileage], keys=[FAKE_GEMINI_KEY], models=["gemini-3.8-flash"], repeat=True
    ) as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gemini")


@pytest.fixture(scope="module")
def asked(place: Path, server: GeminiServer) -> Ended:
    return ask(place, server, QUESTION)


def test_the_question_becomes_cells_and_an_answer(asked: Ended, place: Path):
    assert asked.code == 0, asked.err
    notebook = notebook_at(place / "asked.ipynb")
    failed, repaired, drawn = cells(notebook, "iteration")
    assert failed.outputs[0].ename == "KeyError"
    assert repaired.outputs
    (png,) = pictures([drawn])
    assert shows_something(png)
    assert len(cells(notebook, "answer")) == 1
    finished = asked.finished
    assert finished.status == "answered"
    for year in (1984, 2015):
        assert f"{mileage_by_year()[year]:.2f}" in finished.answer
    assert finished.details is not None
    assert {number.cell for number in finished.details.numbers} == {repaired.id}


def test_the_server_saw_no_violation_and_a_prefix_that_stays(asked: Ended, server: GeminiServer):
    assert [request.refused for request in server.interactions] == [""] * 6
    inputs = [request.body["input"] for request in server.interactions]
    for before, after in itertools.pairwise(inputs):
        shorter = json.dumps(before)
        assert json.dumps(after).startswith(shorter[:-1] + ",")
    last = inputs[-1]
    results = [step for step in last if step["type"] == "function_result"]
    assert any("KeyError" in json.dumps(step) and "year" in json.dumps(step) for step in results)
    assert any(part["type"] == "image" for step in results for part in step["result"])


def test_tokens_are_counted_and_have_their_list_price(asked: Ended, server: GeminiServer):
    usage = asked.finished.usage
    served = [request.usage for request in server.interactions]
    assert usage.calls == 6
    tariff = look_up("gemini:gemini-3.8-flash").tariff(datetime.now().astimezone().date())
    assert usage.cost_usd == pytest.approx(cost_of(tariff, usage))
    assert usage.prompt_tokens == sum(one["total_input_tokens"] for one in served)
    assert usage.cached_tokens == sum(one["total_cached_tokens"] for one in served)
    assert usage.cached_tokens / usage.prompt_tokens >= 0.8


def test_what_streams_becomes_events(asked: Ended):
    streamed: dict[str, str] = {}
    for line in asked.out.splitlines():
        event = json.loads(line)
        if event["type"] in ("thinking_streamed", "text_streamed", "tool_input_streamed"):
            streamed[event["type"]] = streamed.get(event["type"], "") + event["text"]
    assert "First the mean per year, then the line." in streamed["thinking_streamed"]
    assert "I compute the mean per model year." in streamed["text_streamed"]
    assert "model_year" in streamed["tool_input_streamed"]


def test_the_key_is_written_nowhere(asked: Ended, place: Path):
    assert FAKE_GEMINI_KEY not in asked.out + asked.err
    for path in place.rglob("*"):
        if path.is_file():
            assert FAKE_GEMINI_KEY.encode() not in path.read_bytes()


HALF = "Half a text that must go."


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (fail("status", status=401), "Check GEMINI_BASE_URL_KEY"),
        (fail("status", status=429, error_type="quota_exceeded"), "plan and billing"),
        (fail("status", status=404), "does not know the model gemini:gemini-3.8-flash"),
        (turn(say("No."), fault=Fault("refusal")), "This request was declined."),
    ],
)
def test_what_cannot_be_helped_is_told_in_one_line(tmp_path: Path, made: Turn, said: str):
    with GeminiServer([made]) as server:
        ended = ask(tmp_path, server, "How many rows are there?")
        assert len(server.interactions) == 1
    assert ended.code == 3
    assert said in ended.out + ended.err
