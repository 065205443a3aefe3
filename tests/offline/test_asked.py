"""Hundreds of questions in many ways of saying: none gets the answer of another question."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from analyst_kernel.offline.reader import interpret
from analyst_kernel.offline.task import Ready, Unclear
from tests.offline.asked.cases import cases
from tests.offline.asked.held_out import held_out
from tests.offline.asked.judge import verdict
from tests.offline.asked.tables import tables
from tests.offline.player import Player
from tests.offline.profiles import profile_frame

EACH = 7
"""Of all the cases, one in so many is asked; over the kinds and tables these spread evenly."""


def test_the_answer_is_right_or_there_is_none():
    found: Counter[tuple[str, str]] = Counter()
    wrong = []
    for place, (kind, case) in enumerate(cases()):
        if place % EACH:
            continue
        judged, said = verdict(case)
        found[
            kind, "as it should be" if judged == "refused" and case.right is None else judged
        ] += 1
        if judged == "wrong":
            wrong.append((case.table.name, case.earlier, case.question, said, case.right))
    assert wrong == []
    assert sum(found.values()) > 400
    for kind in {kind for kind, _ in found}:
        refused = found[kind, "refused"]
        good = found[kind, "right"] + found[kind, "as it should be"]
        assert good >= 0.9 * (good + refused), (kind, found)


def test_what_another_hand_asked_is_right_or_refused():
    found: Counter[str] = Counter()
    wrong = []
    for case in held_out():
        judged, said = verdict(case)
        found["honest" if judged == "refused" and case.right is None else judged] += 1
        if judged == "wrong":
            wrong.append((case.table.name, case.question, said, case.right))
    assert wrong == []
    answerable = found["right"] + found["refused"]
    assert found["right"] >= 0.9 * answerable, found


EXPENSES = pd.DataFrame(
    {
        "department": ["IT", "IT", "HR", "HR", "Sales", "Sales"],
        "amount": [10, 20, 5, 6, 7, 9],
        "state": ["Declined", "Processed"] * 3,
        "booked": ["2026-01-03", "2026-01-20", "2026-02-02", "2026-02-09", "2026-03-05", "2026-03-08"],
        "failed": [0, 1, 0, 0, 1, 1],
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("question", "chart"),
    [
        ("pie chart of total amount by department", {"x": "", "marks": "3"}),
        ("amount by department and state as stacked bars", {"x": "department", "marks": "6"}),
        ("heat map of amount by department and state", {"x": "state", "y": "department"}),
        ("Draw amount by month as an area chart", {"x": "month"}),
        ("bar chart of amount by month", {"x": "month", "marks": "3"}),
        ("box plot of amount", {"y": "amount"}),
        ("pie chart of expenses by state", {"x": "", "marks": "2"}),
        ("amount by department as a percentage of the total", {"x": "share of the total (%)"}),
    ],
)
async def test_the_kind_of_chart_that_is_named_is_drawn(question: str, chart: dict[str, str]):
    played = await Player(profile_frame("expenses", EXPENSES), frames={"expenses": EXPENSES}).ask(
        question
    )
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert played.unproven(question) == []
    (drawn,) = played.charts
    assert {key: drawn[key] for key in chart} == chart


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("violin plot of amount by department", "cannot draw a violin plot"),
        ("pie chart of average amount by department", "cannot draw a pie chart of this; I can draw bars"),
        ("scatter plot of amount by department", "cannot draw a scatter plot"),
        ("What is the correlation of amount and failed as a pie chart?", "pie"),
        ("average amount for Legal", "Legal"),
        ("average amount of IT in HR", "cannot both hold"),
        ("total amount for IT or Declined", "not by “or”"),
        ("average amount not by department", "not"),
        ("total amount last month", "last"),
        ("cumulative amount by month", "cumulative"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(question: str, said: str):
    reading = interpret(question, [profile_frame("expenses", EXPENSES)])
    assert isinstance(reading, Unclear), reading
    assert said in reading.reason


async def test_each_request_of_a_question_is_answered():
    player = Player(profile_frame("expenses", EXPENSES), frames={"expenses": EXPENSES})
    played = await player.ask("What is the highest amount, and how many are missing?")
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert "The highest `amount` is 20" in played.answer
    assert "0 of the 6 rows of `expenses` have no value of `amount`" in played.answer
    assert played.unproven("") == []
    both = await player.ask("total amount for IT and how many expenses are there")
    assert "The total `amount` is 30 where department is IT" in both.answer
    assert "`expenses` has 6 rows" in both.answer


@pytest.mark.parametrize("name", ["counts", "values", "shown", "names", "table", "first"])
async def test_no_variable_of_a_recipe_hides_the_dataset(name: str):
    player = Player(profile_frame(name, EXPENSES), frames={name: EXPENSES})
    for question in (
        "How many rows per department?",
        "average amount by department",
        "median amount",
        "top 2 rows by amount",
        "How many rows per department?",
    ):
        played = await player.ask(question)
        assert set(played.outcomes) == {"ok"}, played.outputs
    assert player.space[name] is EXPENSES


def test_a_value_in_two_columns_needs_the_name_of_one():
    frame = pd.DataFrame({"paid": ["Yes", "No"] * 9, "sent": ["No", "Yes"] * 9, "fee": range(18)})
    profile = profile_frame("bills", frame)
    unclear = interpret("average fee for Yes", [profile])
    assert isinstance(unclear, Unclear)
    assert "`paid` or `sent`" in unclear.reason
    named = interpret("average fee where sent is Yes", [profile])
    assert isinstance(named, Ready)
    assert [found.describe() for found in named.task.filters] == ["sent is Yes"]


def test_the_tables_are_varied():
    assert len({table.name for table in tables()}) >= 20


LARGE = pd.DataFrame(
    {
        "deal": [1925036343869802847, 1925036343869802846, 1925036343869802845, 9007199254740993],
        "desk": ["A", "A", "B", "B"],
    }
)


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("What is the highest deal?", int(LARGE["deal"].max())),
        ("What is the lowest deal?", int(LARGE["deal"].min())),
        ("What is the total deal?", sum(LARGE["deal"].tolist())),
        ("maximum deal by desk", {"A": 1925036343869802847, "B": 1925036343869802845}),
        ("distribution of deal", int(LARGE["deal"].max())),
    ],
)
async def test_long_whole_numbers_keep_their_digits(question: str, right: object):
    frame = pd.concat([LARGE] * 3, ignore_index=True)
    wanted = 3 * right if "total" in question and isinstance(right, int) else right
    player = Player(profile_frame("deals", frame), frames={"deals": frame})
    played = await player.ask(question)
    assert set(played.outcomes) == {"ok"}, played.outputs
    values = [value for value in played.figures.values() if isinstance(value, int)]
    if isinstance(wanted, dict):
        assert {name: played.figures[name] for name in wanted} == wanted
    else:
        assert wanted in values
