"""``analyst branch`` and ``Analyst.branch`` with a real, sandboxed kernel."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel import Analyst, AnalystError
from analyst_kernel.grants import GrantStore
from tests.fakes.turns import python, say, script
from tests.support.cli import QUESTION as MILEAGE
from tests.support.cli import cells, notebook_at, ours
from tests.support.command import DEADLINE, PROGRAMS, analyst, environment

OFFLINE = ("--model", "offline:rules", "--quiet")


def cells_of(folder: Path, *codes: str) -> str:
    """Write a scripted model that runs these cells; returns its name."""
    return script(folder, *(python(code, code) for code in codes), say("Done."))


def asked(folder: Path, *codes: str) -> list[Any]:
    """Ask a question that runs these cells; returns the iterations' cells."""
    done = analyst(
        "ask", "Look", "--data", "vehicles.csv", "--notebook", "parent.ipynb",
        "--model", cells_of(folder, *codes), "--quiet", cwd=folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    return cells(notebook_at(folder / "parent.ipynb"), "iteration")


def test_a_branch_goes_on_with_data_variables_and_files(folder: Path):
    first, _ = asked(
        folder,
        "n = len(vehicles)\n(OUTPUT_DIR / 'n.txt').write_text(str(n))\nprint(OUTPUT_DIR)",
        "n = -1\nn",
    )
    made = analyst("branch", "parent.ipynb", "--at", first.id, "-o", "other.ipynb", cwd=folder)
    assert made.code == 0, made.err
    assert made.out.strip() == str(folder / "other.ipynb")
    assert f"✓ cell 2 of 2  {first.id}" in made.err
    before, branch = notebook_at(folder / "parent.ipynb"), notebook_at(folder / "other.ipynb")
    assert [c.id for c in branch.cells] == [c.id for c in before.cells][: len(branch.cells)]
    assert branch.cells[-1].id == first.id
    mine, parents = (dict(book.metadata["analyst_kernel"]) for book in (branch, before))
    assert mine["analysis"] != parents["analysis"]
    assert dict(mine["parent"]) == {
        "analysis": parents["analysis"], "notebook": "parent.ipynb", "cell": first.id,
    }  # fmt: skip
    model = cells_of(
        folder, "(n, (OUTPUT_DIR / 'n.txt').read_text(), OUTPUT_DIR.name, len(vehicles))"
    )
    ended = analyst(
        "ask", "And?", "--notebook", "other.ipynb", "--model", model, "--quiet", cwd=folder
    )
    assert ended.code == 0, ended.err
    (look,) = cells(notebook_at(folder / "other.ipynb"), "iteration", "r2")
    assert look.outputs[0].data["text/plain"] == "(33442, '33442', 'other_files', 33442)"


def test_in_another_folder_the_data_is_still_found_and_a_taken_name_gets_a_number(folder: Path):
    (first,) = asked(folder, "len(vehicles)")
    (folder / "sub").mkdir()
    for name in ("b.ipynb", "b-1.ipynb"):
        made = analyst("branch", "parent.ipynb", "--at", first.id, "-o", "sub/b", cwd=folder)
        assert made.code == 0, made.err
        assert made.out.strip() == str(folder / "sub" / name)
    assert "b.ipynb is taken: b-1.ipynb instead" in made.err
    branch = notebook_at(folder / "sub" / "b.ipynb")
    (setup,) = cells(branch, "setup")
    assert '"../vehicles.csv"' in setup.source
    assert branch.metadata["analyst_kernel"]["parent"]["notebook"] == "../parent.ipynb"


def test_the_model_remembers_what_was_asked_up_to_the_cell(folder: Path):
    analyst("ask", MILEAGE, "--data", "vehicles.csv", "--notebook", "p.ipynb", *OFFLINE, cwd=folder)
    analyst("ask", "How many rows are there?", "--notebook", "p.ipynb", *OFFLINE, cwd=folder)
    book = notebook_at(folder / "p.ipynb")
    (answer,) = cells(book, "answer", "r1")
    assert analyst("branch", "p.ipynb", "--at", answer.id, "-o", "b.ipynb", cwd=folder).code == 0
    ended = analyst("ask", "Only for Toyota", "--notebook", "b.ipynb", *OFFLINE, cwd=folder)
    assert "1,727" in ended.out, ended.out
    asked_there = [ours(c)["run"] for c in cells(notebook_at(folder / "b.ipynb"), "question")]
    assert asked_there == ["r1", "r2"]


def test_a_cell_that_no_longer_reproduces_is_named_and_the_branch_is_kept(folder: Path):
    first, second = asked(folder, "n = len(vehicles)\nn", "print('the same')")
    data = folder / "vehicles.csv"
    data.write_text("\n".join(data.read_text().splitlines()[:11]) + "\n")
    made = analyst("branch", "parent.ipynb", "--at", second.id, "-o", "b.ipynb", cwd=folder)
    assert made.code == 1
    assert f"Cell {first.id} no longer reproduces" in made.err
    assert f"Cell {second.id}" not in made.err
    assert "branch is kept" in made.err
    assert [c.id for c in notebook_at(folder / "b.ipynb").cells][-1] == second.id


def test_an_unknown_cell_names_the_cells_there_are(folder: Path):
    (first,) = asked(folder, "1")
    before = sorted(path.name for path in folder.iterdir())
    wrong = first.id[:-1] + ("0" if first.id[-1] != "0" else "1")
    ended = analyst("branch", "parent.ipynb", "--at", wrong, "-o", "b.ipynb", cwd=folder)
    assert ended.code == 2
    assert f"The nearest are {first.id}" in ended.error
    assert "(setup)" in ended.error
    assert sorted(path.name for path in folder.iterdir()) == before
    gone = analyst("branch", "none.ipynb", "--at", "x", "-o", "b.ipynb", cwd=folder)
    assert (gone.code, "no notebook" in gone.error) == (2, True)
    nowhere = analyst("branch", "parent.ipynb", "--at", first.id, "-o", "no/b.ipynb", cwd=folder)
    assert nowhere.code == 2
    assert "does not exist" in nowhere.error


def test_only_grants_of_the_store_are_taken_over(folder: Path):
    (first,) = asked(folder, "len(vehicles)")
    store = GrantStore()
    (before,) = store.for_notebook(str(folder / "parent.ipynb"))
    copied = folder / "copied.ipynb"
    copied.write_text((folder / "parent.ipynb").read_text())
    made = analyst("branch", "copied.ipynb", "--at", first.id, "-o", "b.ipynb", cwd=folder)
    assert made.code == 1
    assert "name the files with --data" in made.err or "no longer reproduces" in made.err
    assert store.for_notebook(str(folder / "b.ipynb")) == ()
    named = analyst(
        "branch", "copied.ipynb", "--at", first.id, "-o", "c.ipynb", "--data", "vehicles.csv",
        cwd=folder,
    )  # fmt: skip
    assert named.code == 0, named.err
    (grant,) = store.for_notebook(str(folder / "c.ipynb"))
    assert grant.path == before.path


def test_ctrl_c_leaves_nothing_half_made(folder: Path):
    (first,) = asked(folder, "print(1)")
    store = GrantStore()
    before = sorted(path.name for path in folder.iterdir())
    book = json.loads((folder / "parent.ipynb").read_text())
    for cell in book["cells"]:
        if cell["id"] == first.id:
            cell["source"] = ["import time\n", "print(1)\n", "time.sleep(100)"]
    (folder / "parent.ipynb").write_text(json.dumps(book))
    process = subprocess.Popen(
        [PROGRAMS / "analyst", "branch", "parent.ipynb", "--at", first.id, "-o", "b.ipynb"],
        cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert "✓ cell 1 of 2" in process.stderr.readline()
        assert (folder / "b.ipynb").exists()
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    finally:
        if process.poll() is None:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert "Cancelled." in err
    assert sorted(path.name for path in folder.iterdir()) == before
    assert store.for_notebook(str(folder / "b.ipynb")) == ()


async def test_branching_in_python(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    events: list[str] = []
    async with Analyst("offline:rules", on_event=lambda event: events.append(event.type)) as parent:
        with pytest.raises(AnalystError, match="nothing to branch from"):
            await parent.branch()
        await parent.ask("How many rows?", data=["vehicles.csv"], notebook="parent.ipynb")
        first = await parent.run("n = 1\nn")
        await parent.run("n = 2\nn")
        async with await parent.branch(first.cell) as other:
            assert other.notebook == str(folder / "parent-branch-1.ipynb")
            assert other.not_reproduced == ()
            looked = await other.run("(n, len(vehicles))")
            assert looked.text == "(1, 33442)"
            assert (await parent.run("n")).text == "2"
            async with await other.branch(notebook="third.ipynb") as third:
                assert third.notebook == str(folder / "third.ipynb")
                assert (await third.run("n")).text == "1"
        with pytest.raises(AnalystError, match="no cell 'x'"):
            await parent.branch("x")
    assert "run_finished" in events
    assert sorted(path.name for path in folder.glob("*.ipynb")) == [
        "parent-branch-1.ipynb", "parent.ipynb", "third.ipynb",
    ]  # fmt: skip
