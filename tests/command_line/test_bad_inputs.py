"""What a user gets wrong: one clear sentence, the right exit code, nothing lost, nothing left."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.fakes.fixtures import FAKE_KEY
from tests.support.cli import cells, notebook_at, ours
from tests.support.command import Ended, analyst, run

ROWS = "How many rows are there?"


def content(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder: files with their content, folders with ``None``."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with things that are not what they should be."""
    (tmp_path / "good.csv").write_text("city,price\nBern,3\nBasel,4\n")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "readme.md").write_text("no data\n")
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / "broken.ipynb").write_text('{"cells": [')
    (tmp_path / "other.ipynb").write_text('{"a": 1}')
    (tmp_path / "locked.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4}')
    return tmp_path


BAD_DATA = {
    "missing": (["--data", "missing.csv"], "missing.csv"),
    "one of two": (["--data", "good.csv", "--data", "missing.csv"], "missing.csv"),
    "empty": (["--data", "empty.csv"], "empty.csv is empty"),
    "no data in it": (["--data", "papers"], "papers"),
    "binary": (["--data", "binary.csv"], "binary.csv is a binary file"),
}
BAD_NOTEBOOK = {
    "folder": (["--notebook", "folder.ipynb"], "is a folder"),
    "ending": (["--notebook", "answer.txt"], "does not end in .ipynb"),
    "no json": (["--notebook", "broken.ipynb"], "not valid JSON"),
    "no notebook": (["--notebook", "other.ipynb"], "other.ipynb"),
    "no folder": (["--notebook", "nowhere/answer.ipynb"], "nowhere does not exist"),
    "below a file": (["--notebook", "good.csv/answer.ipynb"], "good.csv is not a folder"),
    "not writable": (["--notebook", "/proc/answer.ipynb"], "/proc/answer.ipynb cannot be written"),
}
BAD_MODEL = {
    "provider": (["--model", "nobody:knows"], "no model provider 'nobody'"),
    "typing error": (["--model", "anthropic:claude-sonet-5-5"], "claude-sonnet-5-5"),
    "rules": (["--model", "offline:magic"], "offline:rules"),
    "empty name": (["--model", ""], "empty"),
}
CASES = {**BAD_DATA, **BAD_NOTEBOOK, **BAD_MODEL}


def refused(ended: Ended, code: int) -> str:
    """Check that a command was refused as promised, and return the sentence."""
    assert ended.code == code, ended.err
    assert ended.out == ""
    assert "defect" not in ended.error
    return ended.error


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_before_anything_is_made(place: Path, case: str):
    arguments, said = CASES[case]
    data = [] if "--data" in arguments else ["--data", "good.csv"]
    before = content(place)
    ended = analyst("ask", ROWS, *data, *arguments, "--json", cwd=place)
    assert said in refused(ended, 2)
    assert content(place) == before


def test_a_folder_without_leave_to_write(place: Path):
    # Not even root may make a file there.
    ended = analyst("ask", ROWS, "--data", "good.csv", "--notebook", "/proc/a.ipynb", cwd=place)
    assert "cannot be written" in refused(ended, 2)


def test_an_empty_question(place: Path):
    before = content(place)
    assert "question is empty" in refused(analyst("ask", " ", "--data", "good.csv", cwd=place), 2)
    assert content(place) == before


def test_a_named_provider_without_credentials(place: Path):
    before = content(place)
    ended = analyst(
        "ask", ROWS, "--data", "good.csv", "--model", "anthropic:claude-sonnet-5-5", cwd=place
    )
    assert "ANTHROPIC_API_KEY" in refused(ended, 3)
    assert content(place) == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--sandbox", "paper"),
        ("--max-iterations", "0"),
        ("--cell-timeout", "0"),
        ("--max-cost", "-1"),
    ],
)
def test_options_that_make_no_sense(place: Path, option: str, value: str):
    ended = analyst("ask", ROWS, "--data", "good.csv", option, value, cwd=place)
    assert ended.code == 2
    assert option in ended.err
    assert ended.out == ""


def test_approval_needs_a_terminal(place: Path):
    ended = analyst("ask", ROWS, "--data", "good.csv", "--approve", cwd=place)
    assert ended.code == 2
    assert "terminal" in ended.err


def test_a_level_that_this_machine_cannot_give(place: Path):
    """The machine is configured to use only resource limits."""
    before = content(place)
    ended = analyst(
        "ask", ROWS, "--data", "good.csv", "--sandbox", "isolated", "--quiet",
        cwd=place, env={"ANALYST_SANDBOX_FORM": "limits"},
    )  # fmt: skip
    assert "isolated" in refused(ended, 4)
    assert content(place) == before, "no empty notebook stays"


def test_a_refused_sandbox_ends_a_new_analysis_with_a_last_line_too(place: Path):
    ended = analyst(
        "ask", ROWS, "--data", "good.csv", "--sandbox", "isolated", "--json",
        cwd=place, env={"ANALYST_SANDBOX_FORM": "limits"},
    )  # fmt: skip
    assert ended.code == 4, ended.err
    assert ended.finished.status == "failed"
    assert ended.finished.reason in ended.error


def test_a_refused_sandbox_leaves_an_existing_notebook_alone(place: Path):
    first = analyst("ask", ROWS, "--data", "good.csv", "--notebook", "kept.ipynb", cwd=place)
    assert first.code == 0, first.err
    before = notebook_at(place / "kept.ipynb")
    ended = analyst(
        "ask", ROWS, "--notebook", "kept.ipynb", "--sandbox", "isolated", "--json",
        cwd=place, env={"ANALYST_SANDBOX_FORM": "limits"},
    )  # fmt: skip
    assert ended.code == 4, ended.err
    assert ended.error
    assert ended.finished.status == "failed", "the last line says so to programs too"
    assert notebook_at(place / "kept.ipynb").cells == before.cells


def test_a_budget_of_one_iteration_says_what_is_established(place: Path):
    ended = analyst(
        "ask", "What is the average price by city?", "--data", "good.csv",
        "--max-iterations", "1", "--json", cwd=place,
    )  # fmt: skip
    assert ended.code == 1, ended.err
    finished = ended.finished
    assert finished.status == "incomplete"
    assert "limit of 1 iteration" in finished.reason
    assert "stablished" in finished.answer
    assert len(finished.iterations) == 1
    assert finished.notebook is not None
    (answer,) = cells(notebook_at(finished.notebook), "answer")
    assert "stablished" in answer.source


def test_a_question_that_cannot_be_answered_exits_1(place: Path):
    ended = analyst(
        "ask", "Who will win the election?", "--data", "good.csv", "--notebook", "no.ipynb",
        cwd=place,
    )  # fmt: skip
    assert ended.code == 1, ended.err
    assert "could not answer" in ended.out
    assert "`price`" in ended.out, "it offers what it can do with these columns"
    assert "not answered" in ended.err
    assert len(cells(notebook_at(place / "no.ipynb"), "answer")) == 1


def test_two_hundred_columns(place: Path):
    wide = pd.DataFrame({f"c{n}": [n * row % 97 for row in range(50)] for n in range(200)})
    wide.to_csv(place / "wide.csv", index=False)
    ended = analyst(
        "ask", "What is the mean of c5?", "--data", "wide.csv", "--notebook", "w.ipynb", cwd=place
    )
    assert ended.code == 0, ended.err
    assert f"{wide['c5'].mean():.2f}" in ended.out
    assert "200 columns" in ended.err


def test_a_header_without_rows_works_and_says_so(place: Path):
    (place / "header.csv").write_text("a,b,c\n")
    ended = analyst("ask", ROWS, "--data", "header.csv", "--notebook", "h.ipynb", cwd=place)
    assert ended.code == 0, ended.err
    assert "has 0 rows" in ended.out
    assert "no rows" in ended.err
    (setup,) = cells(notebook_at(place / "h.ipynb"), "setup")
    assert ours(setup)["outcome"] == "ok"


def test_latin_1_with_semicolons_and_decimal_commas(place: Path):
    text = (
        "Stadt;Umsatz EUR;Jahr\nMünchen;1.234,50;2020\nKöln;2.000,25;2020\nMünchen;1.100,00;2021\n"
        "Köln;3.000,75;2021\nDüsseldorf;7.250,50;2021\n"
    )
    (place / "latin.csv").write_bytes(text.encode("latin-1"))
    ended = analyst(
        "ask", "What is the total Umsatz by Stadt?", "--data", "latin.csv",
        "--notebook", "l.ipynb", cwd=place,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    notebook = notebook_at(place / "l.ipynb")
    (setup,) = cells(notebook, "setup")
    for option in ('sep=";"', 'decimal=","'):
        assert option in setup.source
    shown = json.dumps([cell.outputs for cell in cells(notebook, "iteration")], ensure_ascii=False)
    for city, total in (("München", "2334.5"), ("Köln", "5001"), ("Düsseldorf", "7250.5")):
        assert city in shown
        assert total in shown
    assert "Düsseldorf" in ended.out.split("\n", 1)[0]
    assert "7,250.5" in ended.out


def test_debug_shows_the_traceback(place: Path):
    ended = run("analyst", "--debug", "ask", ROWS, "--data", "missing.csv", cwd=place)
    assert ended.code != 0
    assert "Traceback" in ended.err
    assert "DataError" in ended.err
    assert FAKE_KEY not in ended.err
