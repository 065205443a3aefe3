"""The command line continues a notebook of version 0.1.0, with the grants and kernelspec of then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyst_kernel.grants import GrantStore
from tests.support.cli import cells, notebook_at, ours, pictures
from tests.support.command import analyst, run
from tests.support.saved import restore


@pytest.fixture
def before(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Return a folder with the notebook, and the environment that finds what was stored."""
    root = restore(tmp_path)
    data = str(tmp_path / "data")
    # On its path before the environment's own, which is what a virtual environment prefers.
    return root, {"JUPYTER_DATA_DIR": data, "JUPYTER_PATH": data}


def test_a_saved_notebook_is_continued_without_naming_its_data(
    before: tuple[Path, dict[str, str]],
) -> None:
    folder, environment = before
    saved = notebook_at(folder / "asked.ipynb")
    outcomes = [ours(cell)["outcome"] for cell in cells(saved, "iteration", "r1")]
    assert outcomes == ["error", "ok", "ok"]
    assert pictures(cells(saved, "iteration"))

    done = analyst(
        "ask", "What is the average mass by year?", "--notebook", "asked.ipynb",
        "--model", "offline:rules", "--json", cwd=folder, env=environment,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "4,358.2" in done.finished.answer
    after = notebook_at(folder / "asked.ipynb")
    assert [cell.id for cell in after.cells][: len(saved.cells)] == [c.id for c in saved.cells]
    assert [ours(cell)["run"] for cell in cells(after, "question")] == ["r1", "r2", "r3"]
    isolation = [e.sandbox for e in done.events if e.type == "kernel_changed" and e.sandbox]
    assert isolation[-1].level == "isolated"


def test_a_saved_notebook_is_verified_branched_and_exported(
    before: tuple[Path, dict[str, str]],
) -> None:
    folder, environment = before
    done = analyst("verify", "asked.ipynb", cwd=folder, env=environment)
    assert done.code == 0, done.out + done.err
    first = cells(notebook_at(folder / "asked.ipynb"), "iteration", "r1")[1].id
    made = analyst(
        "branch", "asked.ipynb", "--at", first, "-o", "b.ipynb", cwd=folder, env=environment
    )
    assert made.code == 0, made.err
    assert (
        dict(notebook_at(folder / "b.ipynb").metadata["analyst_kernel"])["parent"]["cell"] == first
    )
    exported = analyst(
        "export", "asked.ipynb", "--to", "py", "-o", "a.py", cwd=folder, env=environment
    )
    assert exported.code == 0, exported.err
    assert "by_species" in (folder / "a.py").read_text(encoding="utf-8")


def test_stored_grants_still_hold(before: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    folder, _ = before
    store = GrantStore(tmp_path / "data" / "analyst-kernel" / "grants.sqlite3")
    assert store.notice == ""
    (grant,) = store.for_notebook(str(folder / "asked.ipynb"))
    assert (grant.path, grant.kind) == (str(folder / "birds.csv"), "file")
    assert grant.look().kind == "file"
    others = [place for place in folder.glob("*.ipynb") if place.name != "asked.ipynb"]
    assert [len(store.for_notebook(str(place))) for place in others] == [1, 1, 1]


def test_an_installed_kernelspec_still_starts_a_sandbox_with_our_extension(
    before: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, environment = before
    spec = json.loads((tmp_path / "data/kernels/analyst/kernel.json").read_text())
    assert spec["argv"][-1] == "--ext=analyst_kernel.kernel.extension"
    probe = (
        "import os\n"
        "print(OUTPUT_DIR, '_analyst_chart_capture' in __import__('sys').modules)\n"
        "print(sum(1 for _ in open('birds.csv')))\n"
        "try:\n    os.listdir(os.path.expanduser('~root'))\n    print('open')\n"
        "except OSError:\n    print('closed')\n"
    )
    code = (
        "import json, nbformat\nfrom nbclient import NotebookClient\n"
        f"book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell({probe!r})])\n"
        "client = NotebookClient(book, kernel_name='analyst', timeout=120,"
        f" resources={{'metadata': {{'path': {str(folder)!r}}}}})\n"
        "client.create_kernel_manager()\n"
        "print(client.km.kernel_spec.resource_dir)\n"
        "client.execute()\n"
        "print(json.dumps(book.cells[0].outputs))\n"
    )
    # Without its notebook's name, a kernel reads only what the user lists.
    named = environment | {"ANALYST_GRANTS": "birds.csv"}
    done = run("python", "-W", "ignore", "-c", code, cwd=folder, env=named)
    assert done.code == 0, done.err
    where, outputs = done.out.splitlines()
    assert Path(where) == tmp_path / "data" / "kernels" / "analyst"
    (stream,) = json.loads(outputs)
    assert stream["text"].splitlines() == ["analysis_files True", "37", "closed"]
