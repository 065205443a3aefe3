"""Commands on a saved notebook whose data was swapped for a link to something private."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyst_kernel.grants import GrantStore
from tests.support.command import analyst

pytestmark = pytest.mark.real  # kernels are started

READ = "print(open('sales.csv').read())"


@pytest.fixture
def swapped(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A notebook's folder, whose granted file is a link now, and the environment of commands."""
    folder, private = tmp_path / "work", tmp_path / "private"
    folder.mkdir()
    private.mkdir()
    (folder / "sales.csv").write_text("amount\n1\n")
    (private / "credentials").write_text("SECRET\n")
    cell = {
        "cell_type": "code", "id": "read", "source": READ, "outputs": [], "execution_count": None,
        "metadata": {"analyst_kernel": {"role": "iteration", "run": "r1", "outcome": "ok"}},
    }  # fmt: skip
    ours = {"version": 1, "analysis": "aaaaaaaaaaaa"}
    metadata = {
        "analyst_kernel": ours, "language_info": {"name": "python"},
        "kernelspec": {"name": "analyst", "display_name": "Analyst", "language": "python"},
    }  # fmt: skip
    document = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (folder / "n.ipynb").write_text(json.dumps(document))
    store = GrantStore(tmp_path / "data" / "analyst-kernel" / "grants.sqlite3")
    store.record(str(folder / "n.ipynb"), str(folder / "sales.csv"))
    (folder / "sales.csv").unlink()
    (folder / "sales.csv").symlink_to(private / "credentials")
    return folder, {"JUPYTER_DATA_DIR": str(tmp_path / "data")}


@pytest.mark.parametrize(
    "command",
    [("verify", "n.ipynb"), ("export", "n.ipynb", "--to", "ipynb", "--clean", "-o", "c.ipynb")],
)
def test_a_command_that_needs_the_data_is_refused(
    swapped: tuple[Path, dict[str, str]], command: tuple[str, ...]
) -> None:
    folder, environment = swapped
    ended = analyst(*command, cwd=folder, env=environment)
    assert ended.code == 2
    assert f"{folder / 'sales.csv'} is a symbolic link now, so it is not read." in ended.err


def test_a_question_goes_on_without_it_and_says_so(swapped: tuple[Path, dict[str, str]]) -> None:
    folder, environment = swapped
    question = ("How many rows are there?", "--model", "offline:rules", "--notebook", "n.ipynb")
    ended = analyst("ask", *question, cwd=folder, env=environment)
    assert "is a symbolic link now, so it is not read" in ended.err
    assert "SECRET" not in ended.err + ended.out + (folder / "n.ipynb").read_text()


def test_a_branch_does_not_read_it(swapped: tuple[Path, dict[str, str]]) -> None:
    folder, environment = swapped
    ended = analyst(
        "branch", "n.ipynb", "--at", "read", "-o", "b.ipynb", cwd=folder, env=environment
    )
    assert ended.code == 1
    assert "SECRET" not in ended.err + ended.out + (folder / "b.ipynb").read_text()
