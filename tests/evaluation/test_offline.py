"""The shipped questions, asked of the built-in rules: what they say is right, or that they pass."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from analyst_kernel.evaluation.cases import read_cases
from analyst_kernel.evaluation.results import AttemptRecord
from analyst_kernel.evaluation.run import EvaluationSettings, evaluate
from tests.contracts.repository import ROOT

pytestmark = pytest.mark.real

RIGHT_AT_LEAST = 66
"""Of 111. Raise it when the rules learn something."""

KNOWN_WRONG = {
    "city-by-cylinders": "names five of nine groups and the last; the whole table is in its cell",
    "impossible-wind": "takes the one reading of 1,048 mph as it stands",
}
"""Questions that the rules answer wrongly as a fact, each with how."""


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> list[AttemptRecord]:
    cases = read_cases(ROOT / "notebooks" / "questions.jsonl")
    folder = tmp_path_factory.mktemp("notebooks")
    found: list[AttemptRecord] = []
    settings = EvaluationSettings(model="offline:rules", jobs=3)
    asyncio.run(evaluate(cases, settings, folder, on_attempt=found.append))
    assert {attempt.case for attempt in found} == {case.id for case in cases}
    return found


def test_no_question_fails(attempts: list[AttemptRecord]):
    assert [(a.case, a.reason) for a in attempts if a.outcome == "failed"] == []


def test_nothing_wrong_is_said_as_a_fact(attempts: list[AttemptRecord]):
    wrong = {a.case: a.reason for a in attempts if a.outcome == "wrong"}
    assert {case: why for case, why in wrong.items() if case not in KNOWN_WRONG} == {}
    assert set(KNOWN_WRONG) <= set(wrong), "these are no longer wrong: take them out of the list"


def test_as_many_are_right_as_ever(attempts: list[AttemptRecord]):
    counts = Counter(attempt.outcome for attempt in attempts)
    print(dict(counts))
    assert counts["right"] >= RIGHT_AT_LEAST, counts


def test_what_the_data_cannot_answer_is_never_answered(attempts: list[AttemptRecord]):
    outcomes = {a.case: a.outcome for a in attempts if a.group == "unanswerable"}
    assert set(outcomes.values()) <= {"right", "declined"}


def test_every_notebook_is_kept(attempts: list[AttemptRecord]):
    assert len({attempt.notebook for attempt in attempts}) == len(attempts)
    assert all(a.notebook is not None and Path(a.notebook).is_file() for a in attempts)
