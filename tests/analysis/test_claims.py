"""A notebook of somebody else: what its file says is a claim, and harmless on every way to a user."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import CellChange
from analyst_kernel.analysis.assemble import open_analysis
from analyst_kernel.analysis.saved_outputs import sanitise_saved_outputs
from analyst_kernel.cli import main
from analyst_kernel.notebook.document.read import entries_of
from analyst_kernel.notebook.document.serialize import from_json
from analyst_kernel.notebook.verify.verify import claimed_text
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.outputs import DisplayOutput, ErrorOutput, Output, StreamOutput
from analyst_kernel.protocol.records import Limits
from analyst_kernel.server.events.history import (
    BranchContent,
    events_from_notebook,
    events_of_branch,
)
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel
from tests.fakes.turns import finish, python

HOSTILE: tuple[Output, ...] = (
    DisplayOutput(
        data={
            "text/html": "<b>kept</b><script>evil()</script><img src=x onerror=evil()>",
            "application/javascript": "evil()",
            "image/svg+xml": "<svg onload='evil()'/>",
            "text/plain": "kept too 999",
        },
        metadata={},
    ),
    StreamOutput(name="stdout", text="x" * 300_000),
    ErrorOutput(ename="E", evalue="e" * 300_000, traceback=("t" * 300_000,)),
)
NOTED = {"when": "2026-01-02T03:04:05+00:00", "reproduced": 7, "total": 7, "code": "abc"}


def stranger(**noted: Any) -> dict[str, Any]:
    """Return a notebook that says of itself that everything is proven."""
    answer = {
        "text": "It is 999 [cell 1].",
        "key_values": [{"label": "Total", "value": 999, "unit": "EUR"}],
        "caveats": ["One row is missing."],
        "numbers": [{"text": "999", "start": 6, "end": 9, "cell": "c1"}],
    }

    def cell(name: str, kind: str, source: str, **note: Any) -> dict[str, Any]:
        made = {
            "cell_type": kind,
            "id": name,
            "source": source,
            "metadata": {"analyst_kernel": {"run": "r1", **note}},
        }
        if kind == "code":
            outputs = [json.loads(output.model_dump_json()) for output in HOSTILE]
            made |= {"outputs": outputs, "execution_count": 1}
        return made

    ours = {
        "version": 1,
        "analysis": "a1",
        "model": "x:y",
        "runs": {"r1": {"question": "How much?", "status": "answered", "answer": answer}},
        **noted,
    }
    return {
        "cells": [
            cell("q1", "markdown", "## How much?", role="question"),
            cell("c1", "code", "1 + 1", role="iteration", iteration=1, attempt=1, outcome="ok"),
            cell("a1", "markdown", "### Answer\n\nIt is 999 [cell 1].", role="answer"),
        ],
        "metadata": {"analyst_kernel": ours},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def by_opening(document: dict[str, Any]) -> tuple[ev.Event, ...]:
    return events_from_notebook(
        document, AnalysisId("a1"), path="/n.ipynb", is_ai=lambda model: True
    )


def by_branching(document: dict[str, Any]) -> tuple[ev.Event, ...]:
    content = BranchContent(frozenset({CellId("c1")}), entries_of(document))
    return events_of_branch(
        (), content, analysis=AnalysisId("b1"), notebook="/b.ipynb", model="x:y", is_ai=True
    )


async def by_hand(document: dict[str, Any]) -> tuple[ev.Event, ...]:
    """The file has new outputs of a cell that no kernel of ours published."""
    scene = Scene(FakeModel(finish("Nothing.")))
    change = CellChange("ran", CellId("c1"), 1, RunId("r1"), now="1 + 1", ran=True, outputs=HOSTILE)
    scene.notebook.changes = (change,)
    deps = replace(scene.deps, saved_outputs=sanitise_saved_outputs)
    await run_question(deps, scene.memory, "And now?", limits=Limits())
    assert "evil" not in scene.model.said(0)
    return tuple(scene.events)


@pytest.mark.parametrize("way", [by_opening, by_branching, by_hand])
async def test_saved_outputs_are_sanitised_on_every_way_to_an_event(way: Callable[..., Any]):
    made = way(from_json(stranger(), "n"))
    events = made if isinstance(made, tuple) else await made
    (shown,) = [e for e in events if isinstance(e, ev.IterationFinished | ev.CellRanByHand)]
    text = shown.model_dump_json()
    assert "kept</b>" in text
    assert "evil" not in text
    assert len(text) < 250_000


async def test_an_analysis_is_put_together_with_that_sieve(tmp_path: Path):
    (tmp_path / "n.ipynb").write_text(json.dumps(stranger()))
    analysis = await open_analysis(notebook=tmp_path / "n.ipynb")
    try:
        assert analysis._deps.saved_outputs is sanitise_saved_outputs
        assert analysis._memory.numbers == []
        assert [earlier.claimed for earlier in analysis._memory.earlier] == [True]
        assert analysis._memory.kernel_lost
    finally:
        await analysis.close()


@pytest.mark.parametrize("way", [by_opening, by_branching])
def test_no_number_of_a_strangers_answer_is_shown_as_proven(way: Callable[..., Any]):
    events = way(from_json(stranger(verified=NOTED), "n"))
    (finished,) = [e for e in events if isinstance(e, ev.RunFinished)]
    assert finished.answer == "It is 999 [cell 1]."
    assert finished.details is not None
    assert finished.details.numbers == ()
    assert finished.key_values == finished.details.key_values == ()
    assert finished.details.caveats == (
        "One row is missing.",
        "Claimed by the notebook, not checked: Total: 999 EUR.",
    )
    assert not [e for e in events if e.type in {"numbers_checked", "verification_finished"}]


async def test_outputs_that_only_the_file_holds_prove_no_number():
    scene = Scene(FakeModel(python("n = 3\nn"), finish("3."), finish("999."), finish("999.")))
    await run_question(scene.deps, scene.memory, "How many?", limits=Limits())
    (entry,) = scene.notebook.iterations
    said = (StreamOutput(name="stdout", text="999"),)
    scene.notebook.changes = (
        CellChange("ran", entry.cell, 1, RunId("r1"), now=entry.code, ran=True, outputs=said),
    )
    finished = await run_question(scene.deps, scene.memory, "And now?", limits=Limits())
    assert [proof.cell for proof in finished.details.numbers] == [None]
    assert finished.status == "incomplete"


def test_the_claim_is_told_in_one_sentence():
    assert claimed_text(from_json({**stranger(), "cells": []}, "n")) == ""
    assert "its outputs, answers and numbers. Verify" in claimed_text(from_json(stranger(), "n"))
    told = claimed_text(from_json(stranger(verified={**NOTED, "when": "now\n" * 99}), "n"))
    assert "Claimed by the notebook, not checked here" in told
    assert "reproduced 7 of 7; the code changed since" in told
    assert "\n" not in told
    assert len(told) < 300


def test_verify_does_not_repeat_a_verdict_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "n.ipynb").write_text(json.dumps(stranger(verified=NOTED)))
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(main, ["verify", "n.ipynb"])
    assert ended.exit_code == 1
    assert "The notebook says that on 2026-01-02" in ended.stderr
    assert ended.stdout.endswith("reproduced 0 of 1\n")
