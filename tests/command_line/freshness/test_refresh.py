"""Data that changed since it was answered from: noticed, and the answers computed again."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from analyst_kernel.protocol.freshness import DataChangesNoticed, RefreshReport
from tests.support.cli import cells, notebook_at
from tests.support.command import Ended, Running, analyst

pytestmark = pytest.mark.real  # kernels are started

BIRDS = "species,mass\nAdelie,10\nAdelie,12\nGentoo,20\nGentoo,22\nChinstrap,5\nChinstrap,6\n"
HEAVY_ADELIE = BIRDS.replace("Adelie,10", "Adelie,80")
QUESTION = "Which species has the highest average mass?"


class Folder:
    """A notebook with one answer about a file, and commands on it."""

    def __init__(self, place: Path) -> None:
        self.place = place / "work"
        self.place.mkdir()
        self.data = self.place / "birds.csv"
        self.book = self.place / "n.ipynb"
        self.env = {"JUPYTER_DATA_DIR": str(place / "jupyter")}

    def run(self, *arguments: str) -> Ended:
        return analyst(*arguments, cwd=self.place, env=self.env)

    def ask(self, *more: str, question: str = QUESTION) -> Ended:
        done = self.run(
            "ask", question, "--model", "offline:rules", "--notebook", "n.ipynb", "--json", *more
        )
        assert done.code == 0, done.err
        return done

    def refresh(self, code: int) -> RefreshReport:
        done = self.run("refresh", "n.ipynb", "--json")
        assert done.code == code, done.err
        return RefreshReport.model_validate_json(done.out)

    def answer(self, run: str = "r1") -> str:
        return str(cells(notebook_at(self.book), "answer", run)[0].source)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.data.write_text(BIRDS)
    made.ask("--data", "birds.csv")
    return made


def changes(done: Ended) -> list[tuple[str, tuple[str, ...]]]:
    found = [event for event in done.events if isinstance(event, DataChangesNoticed)]
    return [(one.sentence, one.runs) for one in (found[-1].changes if found else ())]


def test_answers_are_computed_again_and_stay_as_they_were_given(folder: Folder) -> None:
    text = folder.answer()
    outputs = [cell.outputs for cell in cells(notebook_at(folder.book), "iteration")]
    os.utime(folder.data, ns=(1, 1))  # touched, with the content that it had
    report = folder.refresh(0)
    assert [one.summary for one in report.answers] == ["All 6 numbers are the same."]
    assert changes(folder.ask(question="How many rows are there?")) == []

    folder.data.write_text(HEAVY_ADELIE)
    done = folder.run("refresh", "n.ipynb")
    assert done.code == 1
    assert "The answer turned: a statement no longer holds. Of 6 numbers 2 moved" in done.out
    assert "! “Gentoo has the highest average `mass`" in done.out
    assert "11 → 46 (+35; +318 %)" in done.out
    told = folder.answer()
    assert "> **Computed again on" in told
    assert "the most, 46, for Adelie" in told
    # The answer's own text, and what it was made from, are as they were.
    kept = [part for part in told.split("\n\n") if not part.startswith("> **Computed again")]
    assert kept == [part for part in text.split("\n\n") if not part.startswith("> **Computed")]
    assert [c.outputs for c in cells(notebook_at(folder.book), "iteration", "r1")] == outputs
    noted = notebook_at(folder.book).metadata["analyst_kernel"]["runs"]["r1"]
    assert noted["refreshed"]["outcome"]["turned"]
    assert "highest average" in noted["answer"]["text"]


def test_a_change_is_noticed_at_the_next_question(folder: Folder) -> None:
    (folder.place / "tides.csv").write_text("day,level\n1,2.5\n2,3.5\n")
    folder.ask("--data", "tides.csv", question="What is the mean level?")
    folder.data.write_text(HEAVY_ADELIE)
    done = folder.ask()
    # Only what rests on it is marked, and the question is answered from what is there now.
    ((sentence, runs),) = changes(done)
    assert sentence.startswith("birds.csv has other content now (saved on ")
    assert runs == ("r1",)
    assert "Adelie has the highest average `mass`: 46" in done.finished.answer
    assert "> **The data changed since.** birds.csv has other content now" in folder.answer()
    assert "The data changed" not in folder.answer("r2")
    folder.data.write_text(BIRDS)  # as it was: the mark goes from the first, and comes to the third
    assert changes(folder.ask(question="What is the mean mass?"))[0][1] == ("r3",)
    assert "The data changed" not in folder.answer()


def test_what_no_longer_fits_is_named_and_nothing_is_lost(folder: Folder) -> None:
    folder.data.write_text(BIRDS.replace("mass", "weight"))
    report = folder.refresh(1)
    assert report.problems == (
        "birds has no column 'mass' any more, so what used it cannot be computed.",
    )
    reasons = {one.reason for one in report.answers[0].numbers}
    assert "Cell 1 failed: birds has no column 'mass' any more (KeyError)." in reasons
    assert all(one.state == "gone" for one in report.answers[0].numbers)
    before = folder.book.read_bytes()
    assert "Computed again" in before.decode()
    for name, words in (("none.ipynb", "There is no notebook"), ("birds.ipynb", "no notebook")):
        refused = folder.run("refresh", name)
        assert refused.code == 2
        assert words in refused.error


def test_a_refresh_that_is_stopped_leaves_the_notebook_as_it_was(folder: Folder) -> None:
    folder.data.write_text(HEAVY_ADELIE)
    slow = notebook_at(folder.book)
    cell = cells(slow, "iteration")[0]
    cell.source = (
        "import time\nfrom pathlib import Path\nPath(OUTPUT_DIR, 'begun').touch()\n"
        f"while True:\n    time.sleep(0.05)\n{cell.source}"
    )
    folder.book.write_text(json.dumps(slow))
    with Running("refresh", "n.ipynb", cwd=folder.place, env=folder.env) as at_work:
        begun = folder.place / "n_files" / "begun"
        while not begun.exists():
            assert at_work.is_at_work()
            time.sleep(0.05)
        at_work.interrupt()
        assert at_work.end().code == 130
    after = notebook_at(folder.book)
    assert [(c.id, c.get("outputs")) for c in after.cells] == [
        (c.id, c.get("outputs")) for c in slow.cells
    ]
    assert "refreshed" not in after.metadata["analyst_kernel"]
    assert "Computed again" not in folder.answer()
    assert "> **The data changed since.**" in folder.answer()
