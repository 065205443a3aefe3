"""A notebook that is edited between two ``analyst ask``, then undone and verified again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.command_line.conversation import credentials
from tests.fakes.turns import call, say, turn
from tests.fakes.wire_server import WireServer
from tests.support.cli import cells, notebook_at
from tests.support.command import analyst

ASK = ("ask", "--data", "vehicles.csv", "--notebook", "work.ipynb", "--quiet")


def first_turn(server: WireServer, request: int) -> str:
    content: list[dict[str, Any]] = server.requests[request].body["messages"][0]["content"]
    return "\n".join(block["text"] for block in content)


def test_edits_between_two_questions_reach_the_model_and_a_run_is_undone(folder: Path) -> None:
    code = "fast = vehicles[vehicles['cty'] > 40]\nprint('rows:', len(fast))"
    turns = (
        turn(call("run_python", code=code, purpose="Count fast ones")),
        turn(say("Some are fast; all others are left out.")),
        turn(
            call("run_python", code="None", purpose="Look"),
            call("finish", answer="I saw the change."),
        ),
    )
    path = folder / "work.ipynb"
    with WireServer(turns) as server:
        env = credentials(server)
        first = analyst(*ASK, "Which are fast?", cwd=folder, env=env)
        assert first.code == 0, first.err
        book = json.loads(path.read_text(encoding="utf-8"))
        (iteration,) = [
            c for c in book["cells"]
            if c["metadata"].get("analyst_kernel", {}).get("role") == "iteration"
        ]  # fmt: skip
        edited = "".join(iteration["source"]).replace("> 40", "> 30")
        iteration["source"] = edited
        book["cells"].append(
            {"cell_type": "code", "id": "mine", "metadata": {}, "source": "own = len(fast)",
             "execution_count": None, "outputs": []}
        )  # fmt: skip
        path.write_text(json.dumps(book), encoding="utf-8")
        second = analyst(*ASK, "And now?", cwd=folder, env=env)
        assert second.code == 0, second.err
        message = first_turn(server, 2)
    assert "Cell 1 was edited" in message
    assert (
        "-fast = vehicles[vehicles['cty'] > 40]\n+fast = vehicles[vehicles['cty'] > 30]" in message
    )
    assert "Cell mine is new, the user's own:\nown = len(fast)\nIt was not run since." in message
    after = notebook_at(path)
    assert cells(after, "iteration")[0].source == edited, "the user's text stands"

    listed = analyst("undo", "work.ipynb", "--run", "r9", cwd=folder)
    assert listed.code == 2
    assert listed.error == "Error: work.ipynb holds no run r9. It holds r1, r2."
    undone = analyst("undo", "work.ipynb", cwd=folder)
    assert undone.code == 0, undone.err
    assert undone.out.splitlines()[0] == "Undone: r2 (And now?)."
    left = notebook_at(path)
    assert not cells(left, "question", "r2")
    again = analyst("undo", "work.ipynb", cwd=folder)
    assert "1 cell of yours stayed" in again.out
    kept = notebook_at(path)
    assert edited in [c.source for c in kept.cells]
    assert not cells(kept, "question")
    assert len(cells(kept, "setup")) == 1
    nothing = analyst("undo", "work.ipynb", cwd=folder)
    assert nothing.code == 2
    assert "holds no run" in nothing.error

    stored = analyst("verify", "work.ipynb", "--json", cwd=folder)
    report = json.loads(stored.out)
    noted = notebook_at(path).metadata["analyst_kernel"]["verified"]
    assert noted == report
    assert {"when", "reproduced", "total", "python", "packages", "code", "cells"} == set(report)
    repeated = analyst("verify", "work.ipynb", cwd=folder)
    assert f"reproduced {report['reproduced']} of {report['total']}" in repeated.err


def test_undo_leaves_other_notebooks_alone(folder: Path) -> None:
    path = folder / "other.ipynb"
    text = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    path.write_text(text, encoding="utf-8")
    refused = analyst("undo", "other.ipynb", cwd=folder)
    assert refused.code == 2
    assert "not the notebook of an analysis" in refused.error
    assert path.read_text(encoding="utf-8") == text
