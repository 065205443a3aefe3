"""``analyst eval`` with a model over the real wire: outcomes, figures, failures, resuming."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conversation import credentials
from tests.fakes.turns import Fault, Turn, fail, finish, python, turn
from tests.fakes.wire_server import WireServer
from tests.support.command import Ended, Running, analyst

pytestmark = pytest.mark.real

LOOK = python("t['v'].sum()", "Add up")
QUESTIONS = [
    {"id": "plain", "group": "sums", "question": "What is the sum of v?", "answer": 60},
    {"id": "corrected", "group": "sums", "question": "What do the values of v add up to?", "answer": 60},
    {"id": "off", "group": "other", "question": "What is the sum of v, in short?", "answer": 61},
    {"id": "broken", "group": "other", "question": "What is the mean of v?", "answer": 20},
    {"id": "no-data", "group": "other", "question": "What?", "answer": 60, "data": "missing.csv"},
    {"id": "no-price", "group": "refuse", "question": "What is the price?", "checks": [{"kind": "refuse", "because": "price"}]},
]  # fmt: skip
TURNS: list[Turn] = [
    LOOK, finish("The sum is 60."),
    LOOK, finish("The sum is 98,765.4321."), finish("The sum is 60."),
    LOOK, finish("The sum is 60."),
    fail("status", status=400, message="This model is not for you."),
    finish("The data has no column for the price.", answered=False),
]  # fmt: skip
PRICE = {
    "input_tokens": 2.0,
    "cache_creation_input_tokens": 2.5,
    "cache_read_input_tokens": 0.1,
    "output_tokens": 10.0,
}
"""US dollars per million tokens of the model that is asked."""


def written(said: Turn) -> int:
    """Return the tokens that the fake server counts for a turn of its."""
    return sum(len(str(block)) for block in said.blocks) // 4 + 1


def questions(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "t.csv").write_text("v,name\n10,a\n20,b\n30,c\n")
    lines = [json.dumps({"data": "t.csv", **row}) for row in rows]
    (folder / "q.jsonl").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eval")
    questions(folder, QUESTIONS)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer(TURNS, cache_minimum=1) as running:
        yield running


@pytest.fixture(scope="module")
def asked(place: Path, server: WireServer) -> Ended:
    return analyst(
        "eval", "q.jsonl", "--model", "anthropic:claude-sonnet-5-5", "--jobs", "1", "-o", "out",
        "--json", cwd=place, env=credentials(server),
    )  # fmt: skip


@pytest.fixture
def results(place: Path, asked: Ended) -> dict[str, Any]:
    assert asked.err.count("\n") == 7, asked.err
    return json.loads((place / "out" / "results.json").read_text())


def test_each_question_has_its_outcome(asked: Ended, results: dict[str, Any]):
    outcomes = {attempt["case"]: attempt["outcome"] for attempt in results["attempts"]}
    assert outcomes == {
        "plain": "right",
        "corrected": "right",
        "off": "wrong",
        "broken": "failed",
        "no-data": "failed",
        "no-price": "right",
    }
    reasons = {attempt["case"]: attempt["reason"] for attempt in results["attempts"]}
    assert reasons["off"] == "it says 60; right is 61"
    assert "This model is not for you." in reasons["broken"]
    assert "missing.csv" in reasons["no-data"]
    assert asked.code == 1, "two questions failed"


def test_tokens_cost_and_corrections_are_those_of_the_wire(
    server: WireServer, results: dict[str, Any]
):
    served = [request for request in server.messages_requests if request.status == 200]
    assert len(served) == 8
    attempts = {attempt["case"]: attempt for attempt in results["attempts"]}
    said, at = [one for one in TURNS if one.fault is None], 0
    for case, calls in {"plain": 2, "corrected": 3, "off": 2, "no-price": 1}.items():
        tally, usage = attempts[case]["tally"], [one.usage for one in served[at : at + calls]]
        at += calls
        fresh = sum(u["input_tokens"] + u["cache_creation_input_tokens"] for u in usage)
        cached = sum(u["cache_read_input_tokens"] for u in usage)
        assert tally["calls"] == calls
        assert (tally["fresh_tokens"], tally["cached_tokens"]) == (fresh, cached)
        assert tally["output_tokens"] == sum(map(written, said[at - calls : at]))
        dollars = (
            sum(u.get(kind, 0) * price for u in usage for kind, price in PRICE.items())
            + tally["output_tokens"] * PRICE["output_tokens"]
        )
        assert tally["cost_usd"] == pytest.approx(dollars / 1e6)
        assert tally["corrections"] == (case == "corrected")
        assert tally["iterations"] == (case != "no-price")
    assert attempts["plain"]["tally"]["cached_tokens"] > 0
    assert attempts["broken"]["tally"]["calls"] == 0


def test_the_last_line_holds_the_figures_of_each_group(asked: Ended, results: dict[str, Any]):
    *attempts, last = map(json.loads, asked.out.splitlines())
    assert attempts == results["attempts"]
    figures = {row["group"]: row for row in last["figures"]}
    assert list(figures) == ["other", "refuse", "sums", "all"]
    whole, sums = figures["all"], figures["sums"]
    assert (whole["questions"], whole["right"], whole["wrong"], whole["failed"]) == (6, 3, 1, 2)
    assert (whole["accuracy"], sums["accuracy"]) == (0.5, 1.0)
    assert (sums["iterations"], sums["corrections"]) == (1.0, 0.5)
    tallies = [attempt["tally"] for attempt in results["attempts"]]
    assert whole["cost_usd"] == pytest.approx(sum(t["cost_usd"] for t in tallies))
    assert whole["output_tokens"] == pytest.approx(
        sum(t["output_tokens"] for t in tallies) / 6, abs=0.001
    )
    assert results["summary"] == last["figures"]


def test_each_notebook_is_kept(place: Path, results: dict[str, Any]):
    made = {attempt["case"]: attempt["notebook"] for attempt in results["attempts"]}
    assert made["no-data"] is None
    for case in ("plain", "corrected", "off"):
        assert made[case] == str(place / "out" / "notebooks" / f"{case}-1.ipynb")
        assert "t['v'].sum()" in Path(made[case]).read_text()


def test_resuming_asks_again_what_failed_and_what_changed(place: Path, asked: Ended):
    """One key was wrong and is mended, one question is put in other words, and two had failed."""
    rows = [dict(row) for row in QUESTIONS]
    rows[2]["answer"] = 60
    rows[0]["question"] = "What is the sum of all v?"
    rows[4]["data"] = "t.csv"
    questions(place, rows)
    before = (place / "out" / "results.json").read_bytes()
    (place / "first.json").write_bytes(before)
    turns = [LOOK, finish("The sum is 60."), python("t['v'].mean()"), finish("It is 20.0."), LOOK]
    with WireServer([*turns, finish("It is 60.")]) as server:
        arguments = ("eval", "q.jsonl", "--model", "anthropic:claude-sonnet-5-5", "-o", "out")
        refused = analyst(*arguments, cwd=place, env=credentials(server))
        assert refused.code == 2
        assert "is not empty; nothing was asked" in refused.error
        assert (place / "out" / "results.json").read_bytes() == before
        other = analyst("eval", "q.jsonl", "--model", "offline:rules", "-o", "out", "--resume", cwd=place)  # fmt: skip
        assert other.code == 2
        assert "holds answers of anthropic:claude-sonnet-5-5" in other.error
        done = analyst(
            *arguments, "--resume", "--jobs", "1", "--compare", "first.json",
            cwd=place, env=credentials(server),
        )  # fmt: skip
        assert server.turns_left == 0
    assert done.code == 0, done.err
    assert "6 questions, 3 of them done before" in done.err
    after = json.loads((place / "out" / "results.json").read_text())
    assert {a["case"]: a["outcome"] for a in after["attempts"]} == dict.fromkeys(
        ("corrected", "off", "no-price", "plain", "broken", "no-data"), "right"
    )
    assert after["attempts"][-1]["notebook"].endswith("no-data-1.ipynb")
    assert (place / "out" / "notebooks" / "plain-1-1.ipynb").is_file(), "the old one is kept"
    said = done.out.splitlines()
    assert "Compared over 4 questions that both runs asked: 50.0% right before (4 answers), 100.0% now (4)." in said  # fmt: skip
    assert "More often right: 2" in said
    assert "  off: wrong -> right" in said
    assert "  broken: failed -> right" in said
    assert "Less often right: none" in said
    assert "Asked in one run only, or in other words: 2 (plain, no-data)" in said


def test_repetitions_show_what_is_always_and_sometimes_right(tmp_path: Path):
    questions(tmp_path, [QUESTIONS[0], {**QUESTIONS[3], "answer": 20}])
    mean = python("t['v'].mean()")
    first = [LOOK, finish("It is 60."), mean, finish("It is 20.0.")]
    second = [LOOK, finish("It is 60."), finish("I cannot answer this.", answered=False)]
    with WireServer([*first, *second]) as server:
        done = analyst(
            "eval", "q.jsonl", "--model", "anthropic:claude-sonnet-5-5", "--repeat", "2",
            "--jobs", "1", "--at-least", "80", cwd=tmp_path, env=credentials(server),
        )  # fmt: skip
    assert done.code == 1
    assert "75.0% of the answers are right, less than 80 %." in done.err
    file = tmp_path / "q-results" / "results.json"
    summary = json.loads(file.read_text())["summary"][-1]
    counted = ("questions", "attempts", "right", "declined", "always", "sometimes", "never")
    assert [summary[name] for name in counted] == [2, 4, 3, 1, 1, 1, 0]
    assert "always  sometimes  never" in done.out
    assert "– broken (2) declined" in done.out


def test_a_question_that_takes_too_long_fails_and_the_others_go_on(tmp_path: Path):
    questions(tmp_path, [QUESTIONS[0], {**QUESTIONS[0], "id": "next"}])
    stalled = turn(LOOK, fault=Fault("stall", seconds=300.0, pings=True))
    with WireServer([stalled, LOOK, finish("It is 60.")]) as server:
        done = analyst(
            "eval", "q.jsonl", "--model", "anthropic:claude-sonnet-5-5", "--timeout", "8",
            "--jobs", "1", "--json", cwd=tmp_path, env=credentials(server),
        )  # fmt: skip
    first, second, _ = map(json.loads, done.out.splitlines())
    assert (first["outcome"], second["outcome"]) == ("failed", "right")
    assert "time limit" in first["reason"]
    assert done.code == 1


def test_ctrl_c_keeps_what_is_done(tmp_path: Path):
    questions(tmp_path, QUESTIONS[:2])
    stalled = turn(LOOK, fault=Fault("stall", seconds=300.0, pings=True))
    with WireServer([LOOK, finish("It is 60."), stalled]) as server:
        arguments = ["eval", "q.jsonl", "--model", "anthropic:claude-sonnet-5-5", "--jobs", "1"]
        with Running(*arguments, cwd=tmp_path, env=credentials(server)) as running:
            server.wait_for(lambda: len(server.messages_requests) == 3, seconds=120)
            running.interrupt()
            ended = running.end()
    assert ended.code == 128 + signal.SIGINT
    assert "1 of 2 are done and kept in" in ended.err
    assert "--resume" in ended.err
    kept = json.loads((tmp_path / "q-results" / "results.json").read_text())
    assert [attempt["case"] for attempt in kept["attempts"]] == ["plain"]
    shown = analyst("eval", "q-results", cwd=tmp_path)
    assert shown.code == 0
    assert "100.0%" in shown.out


def test_alike_named_questions_have_their_own_notebooks_and_only_leaves_the_others_alone(
    tmp_path: Path,
):
    rows = [{**QUESTIONS[0], "id": name} for name in ("a b", "A-B!", "a_b", "a b 1")]
    questions(tmp_path, rows)
    arguments = ("eval", "q.jsonl", "--model", "offline:rules", "-o", "out", "--jobs", "4")
    first = analyst(*arguments, cwd=tmp_path)
    assert first.code == 0, first.err
    before = json.loads((tmp_path / "out" / "results.json").read_text())["attempts"]
    assert len({attempt["notebook"] for attempt in before}) == 4
    for attempt in before:
        assert Path(attempt["notebook"]).read_text().count("What is the sum of v?") >= 1
    questions(tmp_path, [rows[0], {**rows[1], "question": "What is the total of v?"}, *rows[2:]])
    again = analyst(*arguments, "--resume", "--only", "a b", cwd=tmp_path)
    assert again.code == 0, again.err
    after = json.loads((tmp_path / "out" / "results.json").read_text())["attempts"]
    assert after == [attempt for attempt in before if attempt["case"] != "A-B!"]


REFUSED = {
    "no such file": (["eval", "none.jsonl"], "cannot be read: no such file"),
    "no such question": (["eval", "q.jsonl", "--only", "plan"], "Did you mean 'plain'"),
    "no such model": (["eval", "q.jsonl", "--model", "ofline:rules"], "no model provider"),
    "no results": (["eval", "q.jsonl", "--compare", "empty"], "There are no results in"),
    "other results": (["eval", "q.jsonl", "--compare", "t.csv"], "no results that can be read"),
    "no folder": (["eval", "q.jsonl", "-o", "t.csv"], "cannot be made"),
    "nothing to resume": (["eval", "q.jsonl", "-o", "empty", "--resume"], "no results in"),
    "empty name": (["eval", ""], "The path '' is empty"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_is_refused_asks_nothing_and_changes_nothing(tmp_path: Path, mistake: str):
    questions(tmp_path, QUESTIONS)
    (tmp_path / "empty").mkdir()
    before = sorted(path.name for path in tmp_path.rglob("*"))
    arguments, said = REFUSED[mistake]
    if "--model" not in arguments:
        arguments = [*arguments, "--model", "offline:rules"]
    done = analyst(*arguments, cwd=tmp_path)
    assert done.code == 2
    assert said in done.error
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_terminal_obeys_nothing_of_a_strangers_file(tmp_path: Path):
    questions(tmp_path, [{**QUESTIONS[0], "id": "a\x1b]0;title\x07b", "group": "g\x1b[2J"}])
    done = analyst("eval", "q.jsonl", "--model", "offline:rules", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
