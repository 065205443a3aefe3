"""``--reading``: what the user says of a file holds, is told, and is kept for the next question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import notebook_at
from tests.support.command import analyst

SALES = (
    "Region;Day;Amount\nNorth;01/02/2024;1,5\nSouth;03/04/2024;-999\n"
    "West;05/06/2024;2,5\nEast;07/06/2024;3,5\n"
)
MEAN = "What is the mean amount?"
SAID = "sales, Amount: you said: '-999' stands for a missing value."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sales.csv").write_text(SALES)
    return tmp_path


def cells_text(folder: Path) -> str:
    return "\n".join(cell.source for cell in notebook_at(folder / "a.ipynb").cells)


def test_a_reading_holds_is_told_and_kept(folder: Path) -> None:
    first = analyst(
        "ask", MEAN, "--data", "sales.csv", "--notebook", "a.ipynb",
        "--reading", "sales.csv:gap.Amount=-999", "--reading", "sales.csv:dates.Day=month",
        cwd=folder,
    )  # fmt: skip
    assert first.code == 0, first.err
    assert "2.5" in first.out
    assumed = first.out.partition("Assumed:")[2]
    assert f"- {SAID}" in assumed
    assert "decimal comma" in assumed
    assert "Day" not in assumed, "dates do not matter to a mean of amounts"

    # The next session keeps it, and its last line says the same as the notebook and an export.
    again = analyst("ask", MEAN, "--notebook", "a.ipynb", "--json", cwd=folder)
    assert again.finished.details is not None
    assert again.finished.details.assumptions.count(SAID) == 1
    assert "2.5" in again.finished.answer
    shown = cells_text(folder)
    assert shown.count("you said: '-999' stands for a missing value") == 2
    assert "You said of Amount: '-999' stands for a missing value." in shown, "the setup cell too"
    exported = analyst("export", "a.ipynb", "--to", "html", "-o", "a.html", cwd=folder)
    assert exported.code == 0, exported.err
    assert "stands for a missing value" in (folder / "a.html").read_text()

    # Another reading: what was answered before says so.
    changed = analyst(
        "ask", MEAN, "--notebook", "a.ipynb", "--reading", "sales:gap.Amount=none", "--json",
        cwd=folder,
    )  # fmt: skip
    (event,) = (one for one in changed.events if one.type == "reading_changed")
    assert event.runs == ("r1", "r2")
    assert "-247.9" in changed.finished.answer
    assert cells_text(folder).count("Rests on an earlier reading of the data") == 2

    # A file that changed so that it cannot be kept: one sentence, and an answer all the same.
    (folder / "sales.csv").write_text(SALES.replace("Day", "Date"))
    gone = analyst("ask", MEAN, "--notebook", "a.ipynb", "--json", cwd=folder)
    told = [one for one in gone.events if getattr(one, "code", "") == "reading-not-kept"]
    assert len(told) == 1
    assert gone.finished.status == "answered"


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        ("sales.csv", "says nothing of a reading"),
        ("sales.csv:colour=red", "says nothing of a reading"),
        ("sales.csv:header=many", "header cannot be 'many'"),
        ("sales.csv:dates.when=day", "The table has no column 'when'."),
        ("other.csv:header=1", "There is no dataset other.csv."),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_no_notebook(
    folder: Path, reading: str, why: str
) -> None:
    ended = analyst(
        "ask", MEAN, "--data", "sales.csv", "--notebook", "a.ipynb", "--reading", reading,
        cwd=folder,
    )  # fmt: skip
    assert ended.code == 2
    assert why in ended.error
    assert not (folder / "a.ipynb").exists()


def test_profile_shows_how_else_a_file_may_be_read(folder: Path) -> None:
    shown = analyst("profile", "sales.csv", cwd=folder)
    assert "- dates.Day=day (or month, text)" in shown.out
    assert "- gap.Amount=none (or -999)" in shown.out
    said = analyst("profile", "sales.csv", "--reading", "sales.csv:dates.Day=month", "--json",
                   cwd=folder)  # fmt: skip
    choices = json.loads(said.out)["dataset"]["choices"]
    assert [one["value"] for one in choices if one["by_user"]] == ["month"]
