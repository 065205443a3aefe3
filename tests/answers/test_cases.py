"""Plays every case: mistakes are named to the model, and right answers are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.answers.cases import Case, Played, play, read_cases

pytestmark = pytest.mark.real  # a kernel for each case

CASES = list(read_cases())


def of(kind: str) -> list[Any]:
    return [pytest.param(case, id=str(case)) for case in CASES if case.kind == kind]


def answer_cell(played: Played) -> str:
    """Return the text of the notebook's answer cell."""
    (cell,) = [
        cell
        for cell in played.notebook["cells"]
        if cell["metadata"].get("analyst_kernel", {}).get("role") == "answer"
    ]
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


@pytest.mark.parametrize("case", of("mistake"))
async def test_a_mistake_is_named_to_the_model(case: Case, tmp_path: Path) -> None:
    played = await play(case, tmp_path)
    assert played.text_with(case.hint), "\n----\n".join(played.told)
    if case.status:
        assert played.result.status == case.status


@pytest.mark.parametrize("case", of("right"))
async def test_a_right_answer_is_left_alone(case: Case, tmp_path: Path) -> None:
    played = await play(case, tmp_path)
    assert played.asked == len(case.turns), "\n----\n".join(played.told)
    assert played.result.status == "answered", played.result.reason
    assert played.result.answer == case.answer
    for pattern in case.quiet:
        assert not played.text_with((pattern,)), played.text_with((pattern,))
    details = played.result.details
    assert details is not None
    assert [proof.text for proof in details.numbers if proof.cell is None] == []
    assert "numbers-unverified" not in played.notices


@pytest.mark.parametrize("case", of("reasoned"))
async def test_a_reason_stands_under_the_answer(case: Case, tmp_path: Path) -> None:
    played = await play(case, tmp_path)
    assert played.text_with(case.hint), "\n----\n".join(played.told)
    assert played.result.status == "answered", played.result.reason
    details = played.result.details
    assert details is not None
    stated = "\n".join([*details.caveats, *details.assumptions])
    for pattern in case.under:
        assert pattern in stated, stated
        assert pattern in answer_cell(played)


def test_there_is_a_case_of_each_kind_and_no_two_have_one_name() -> None:
    assert {case.kind for case in CASES} >= {"mistake", "right"}
    names = [str(case) for case in CASES]
    assert len(names) == len(set(names))
