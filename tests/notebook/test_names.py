"""Names of notebook files."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyst_kernel.notebook.storage.names import default_path, free_path, notebook_path
from analyst_kernel.protocol.errors import NotebookError


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How did average city mileage change?", "how-did-average-city-mileage-change"),
        ("What's the mean? Show a chart.", "whats-the-mean"),
        ("Wie hoch ist der Verbrauch in München?", "wie-hoch-ist-der-verbrauch-in-münchen"),
        ("平均燃費は？", "平均燃費は"),
        ("../../etc/passwd", "etc-passwd"),
        ("???", "analysis"),
        ("  ", "analysis"),
        ("1.5 l or 2.0 l engines: which", "1-5-l-or-2-0-l-engines-which"),
    ],
)
def test_a_question_names_its_notebook(question: str, name: str) -> None:
    assert default_path(question, "folder") == Path("folder") / f"{name}.ipynb"


def test_a_long_question_ends_at_a_word() -> None:
    name = default_path("word " * 100).stem
    assert len(name) <= 60
    assert name.endswith("word")
    assert default_path("x" * 500).name == "analysis.ipynb"


def test_a_taken_name_gets_a_number(tmp_path: Path) -> None:
    wanted = tmp_path / "mileage.ipynb"
    assert free_path(wanted) == wanted
    wanted.touch()
    assert free_path(wanted) == tmp_path / "mileage-1.ipynb"
    (tmp_path / "mileage-1.ipynb").symlink_to(tmp_path / "nowhere")
    assert free_path(wanted) == tmp_path / "mileage-2.ipynb"


def test_only_notebook_names_are_taken(tmp_path: Path) -> None:
    assert notebook_path(tmp_path / "a") == tmp_path / "a.ipynb"
    with pytest.raises(NotebookError, match=r"does not end in \.ipynb"):
        notebook_path(tmp_path / "vehicles.csv")
    with pytest.raises(NotebookError, match="is a folder"):
        notebook_path(tmp_path)
