"""The shipped questions: each answer in the file is what plain pandas computes."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd
import pytest

from analyst_kernel.evaluation.cases import Case, QuestionTurn, read_cases
from analyst_kernel.evaluation.checks import (
    ChoiceCheck,
    NamedCheck,
    NumberCheck,
    RefuseCheck,
    TableCheck,
    TextCheck,
)
from analyst_kernel.evaluation.scorers import GivenAnswer, score
from tests.contracts.repository import ROOT

NOTEBOOKS = ROOT / "notebooks"
CASES = read_cases(NOTEBOOKS / "questions.jsonl")
NAMES = {
    "airlines": "data/nyc_airlines.csv",
    "airports": "data/nyc_airports.csv",
    "customers": "made-up/customers.csv",
    "deliveries": "made-up/deliveries.csv",
    "orders": "made-up/orders.csv",
    "penguins": "data/penguins_raw.csv",
    "planes": "data/nyc_planes.csv",
    "sales": "made-up/regional_sales.csv",
    "sensors": "made-up/sensor_readings.csv",
    "vehicles": "data/vehicles.csv",
    "weather": "data/nyc_weather.csv",
}
"""What the solutions call the files."""

TURNS = [pytest.param(case, turn, id=case.id) for case in CASES for turn in case.turns]


@cache
def frames() -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(NOTEBOOKS / path) for name, path in NAMES.items()}


def solved(turn: QuestionTurn) -> Any:
    assert isinstance(turn.solution, str), "without `solution`, nobody can check the answer"
    return eval(turn.solution, {"pd": pd, **frames()})


@pytest.mark.parametrize(("case", "turn"), TURNS)
def test_the_answer_is_what_pandas_computes(case: Case, turn: QuestionTurn):
    result = solved(turn)
    for check in turn.wanted:
        match check:
            case NumberCheck(value=value):
                decimals = len(repr(value).partition(".")[2])
                assert round(float(result), decimals) == value
            case ChoiceCheck(value=value):
                assert str(result) == value
            case NamedCheck(name=name, value=value):
                given = result[name]
                assert (tuple(given) if isinstance(given, list) else given) == value
            case TableCheck(rows=rows):
                assert {(str(key), round(float(v), 1)) for key, v in result.items()} == set(rows)
            case TextCheck() if isinstance(result, str):
                assert score((check,), GivenAnswer(result)).verdict == "right"
            case TextCheck() | RefuseCheck():
                assert bool(result) is True, "the condition that makes it a trap holds"


def test_there_are_enough_questions_and_traps():
    hard = [case for case in CASES if case.group in ("trap", "unanswerable")]
    assert len(CASES) >= 80
    assert len(hard) >= 20
    assert all(
        isinstance(check, RefuseCheck)
        for case in CASES
        if case.group == "unanswerable"
        for turn in case.turns
        for check in turn.wanted
    )


def test_every_shipped_table_is_asked_about():
    asked = {path for case in CASES for path in case.data}
    shipped = {str(path) for folder in ("data", "made-up") for path in (NOTEBOOKS / folder).glob("*.csv")}  # fmt: skip
    assert asked == shipped == {str(NOTEBOOKS / path) for path in NAMES.values()}


def test_a_wrong_answer_would_be_seen():
    """Every question with one number is scored wrong where the number is another one."""
    for case in CASES:
        for turn in case.turns:
            for check in turn.wanted:
                if isinstance(check, NumberCheck):
                    off = check.value + 10 * check.margin(check.value) + 1
                    assert score((check,), GivenAnswer(f"It is {off}.")).verdict == "wrong", case.id
                    assert score((check,), GivenAnswer(f"It is {check.value}.")).verdict == "right"
