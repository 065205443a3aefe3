"""The first command of the README: asked without a key, exported, run elsewhere, verified."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.protocol.events import IterationFinished, IterationStarted
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
from tests.support.command import Ended, analyst, run

NAME = "how-did-average-city-mileage-change-by-model-year.ipynb"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    shutil.copyfile(VEHICLES, folder / "vehicles.csv")
    return folder


@pytest.fixture(scope="module")
def asked(place: Path) -> Ended:
    return run("analyst", "ask", QUESTION, "--data", "vehicles.csv", cwd=place)


@pytest.fixture(scope="module")
def as_json(place: Path, asked: Ended) -> Ended:
    """The same question again, into the same folder."""
    return run("analyst", "ask", QUESTION, "--data", "vehicles.csv", "--json", cwd=place)


@pytest.fixture(scope="module")
def clean(place: Path, asked: Ended) -> Ended:
    return analyst("export", NAME, "--clean", "--to", "ipynb", "-o", "clean.ipynb", cwd=place)


@pytest.fixture
def notebook(place: Path, asked: Ended) -> Any:
    return notebook_at(place / NAME)


def test_the_answer_goes_to_stdout_and_is_right(asked: Ended, place: Path):
    assert asked.code == 0, asked.err
    means = mileage_by_year()
    first, last = means[1984], means[2015]
    sentence, rest = asked.out.split("\n", 1)
    for number in ("1984", "2015", f"{first:.2f}", f"{last:.2f}", f"{last - first:.2f}"):
        assert number in sentence
    assert f"{100 * (last - first) / first:.2f} %" in sentence
    best = max(means, key=lambda year: means[year])
    assert f"highest in {best} at {means[best]:.2f}" in rest
    assert "no AI model" in rest
    assert rest.rstrip().endswith(f"Notebook: {place / NAME}")


def test_progress_goes_to_stderr(asked: Ended):
    assert "offline:rules (no AI model)" in asked.err
    assert re.search(r"^Sandbox (isolated|restricted)", asked.err, re.MULTILINE)
    assert "33,442 rows × 12 columns" in asked.err
    assert asked.err.count("✓") == 3
    assert "\x1b" not in asked.err + asked.out
    assert "Sandbox" not in asked.out


def test_the_notebook_is_valid_and_was_executed(notebook: Any, place: Path):
    assert notebook.nbformat_minor == 5
    assert notebook.metadata.kernelspec.name == "analyst"
    roles = [ours(cell)["role"] for cell in notebook.cells]
    assert roles == ["title", "setup", "question", "plan", *["iteration"] * 3, "answer"]
    (setup,) = cells(notebook, "setup")
    assert setup.execution_count == 1
    assert ours(setup)["outcome"] == "ok"
    assert 'pd.read_csv("vehicles.csv")' in setup.source
    assert str(place) not in json.dumps(notebook)
    iterations = cells(notebook, "iteration")
    assert [cell.execution_count for cell in iterations] == [2, 3, 4]
    assert {ours(cell)["outcome"] for cell in iterations} == {"ok"}
    assert [ours(cell)["iteration"] for cell in iterations] == [1, 2, 3]


def test_the_chart_is_a_picture_of_a_line(notebook: Any):
    iterations = cells(notebook, "iteration")
    (png,) = pictures(iterations)
    assert shows_something(png)
    assert ".plot(" in iterations[-1].source


def test_every_mean_stands_in_an_output(notebook: Any):
    shown = json.dumps([cell.outputs for cell in cells(notebook, "iteration")])
    for mean in mileage_by_year().values():
        assert f"{mean:.2f}".rstrip("0").rstrip(".") in shown


def test_json_lines_are_the_protocol_in_order(as_json: Ended, place: Path):
    assert as_json.code == 0, as_json.err
    events = as_json.events
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert events[0].type == "run_started"
    assert {event.run for event in events} == {"r1"}
    started = [event.cell for event in events if isinstance(event, IterationStarted)]
    ended = [event.cell for event in events if isinstance(event, IterationFinished)]
    assert started == ended
    assert len(started) == 3
    kinds: list[str] = [event.type for event in events]
    for earlier, later in (
        ("run_started", "kernel_changed"),
        ("kernel_changed", "dataset_profiled"),
        ("dataset_profiled", "model_called"),
        ("iteration_started", "iteration_finished"),
        ("chart_captured", "numbers_checked"),
        ("numbers_checked", "run_finished"),
    ):
        assert kinds.index(earlier) < kinds.index(later)
    assert kinds.count("run_finished") == 1
    assert not as_json.err


def test_the_last_line_is_the_result(as_json: Ended, place: Path):
    last = json.loads(as_json.out.splitlines()[-1])
    assert last["type"] == "run_finished"
    assert last["status"] == "answered"
    assert f"{mileage_by_year()[2015]:.2f}" in last["answer"]
    (chart,) = last["charts"]
    assert chart["png"].startswith("iVBOR")
    assert [iteration["outcome"] for iteration in last["iterations"]] == ["ok"] * 3
    assert last["findings"]
    assert last["usage"]["cost_usd"] == 0
    # The name was taken, so this one got a number and the first notebook stayed.
    assert last["notebook"] == str(place / NAME.replace(".ipynb", "-1.ipynb"))
    assert len(notebook_at(last["notebook"]).cells) == len(notebook_at(place / NAME).cells)


def test_quiet_says_only_the_answer(place: Path, asked: Ended):
    question = "How many rows are there?"
    quiet = run("analyst", "ask", question, "--data", "vehicles.csv", "--quiet", cwd=place)
    assert quiet.code == 0
    assert quiet.err == ""
    assert "33,442" in quiet.out


def test_a_clean_export_runs_in_a_plain_kernel(clean: Ended, place: Path):
    assert clean.code == 0, clean.err
    assert clean.out.strip() == str(place / "clean.ipynb")
    assert "reproduced 4 of 4" in clean.err
    exported = notebook_at(place / "clean.ipynb")
    assert exported.metadata.kernelspec.name == "python3"
    assert "analyst_kernel" not in json.dumps(exported)
    (place / "elsewhere").mkdir()
    shutil.copyfile(place / "vehicles.csv", place / "elsewhere" / "vehicles.csv")
    shutil.copyfile(place / "clean.ipynb", place / "elsewhere" / "clean.ipynb")
    executed = run(
        "jupyter", "execute", "--inplace", "--kernel_name=python3", "clean.ipynb",
        cwd=place / "elsewhere",
    )  # fmt: skip
    assert executed.code == 0, executed.err
    again = notebook_at(place / "elsewhere" / "clean.ipynb")
    code = [cell for cell in again.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4]
    assert len(pictures(code)) == 1
    shown = json.dumps([cell.outputs for cell in code])
    assert f"{mileage_by_year()[2015]:.4f}" in shown


def test_export_as_a_script_and_a_page(place: Path, asked: Ended):
    script = analyst("export", NAME, "--to", "py", "-o", "-", cwd=place)
    assert script.code == 0, script.err
    compile(script.out, "script.py", "exec")
    assert 'pd.read_csv("vehicles.csv")' in script.out
    page = analyst("export", NAME, "--to", "html", "-o", "page.html", cwd=place)
    assert page.code == 0, page.err
    html = (place / "page.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in html
    assert f"{mileage_by_year()[1984]:.2f}" in html


def test_verify_reproduces_until_an_output_is_changed(place: Path, asked: Ended):
    before = (place / NAME).read_bytes()
    good = analyst("verify", NAME, "--json", cwd=place)
    assert good.code == 0, good.err
    report = json.loads(good.out)
    assert (report["reproduced"], report["total"]) == (4, 4)
    text = (place / NAME).read_text(encoding="utf-8")
    saved = f"{mileage_by_year()[2015]:.4f}"
    assert saved in text
    (place / NAME).write_text(text.replace(saved, "29.0000"), encoding="utf-8")
    bad = analyst("verify", NAME, cwd=place)
    assert bad.code == 1, bad.err
    assert "reproduced 3 of 4" in bad.out
    (line,) = [line for line in bad.out.splitlines() if line.startswith("≠")]
    changed = cells(notebook_at(place / NAME), "iteration")[1]
    assert changed.id in line
    assert "29.0000" in json.dumps(changed.outputs), "verify must not touch the saved outputs"
    (place / NAME).write_bytes(before)
