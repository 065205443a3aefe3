"""What counts as right: one line per answer, and properties of the ways to write it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from analyst_kernel.evaluation.checks import Check, NumberCheck
from analyst_kernel.evaluation.scorers import GivenAnswer, lead, numbers, plain, score

CHECK: TypeAdapter[Any] = TypeAdapter(Check)
GAVE_UP = "I could not answer this: I did not understand the question."


def verdict(check: dict[str, Any], text: str, *, gave_up: bool = False) -> str:
    return score((CHECK.validate_python(check),), GivenAnswer(text, gave_up=gave_up)).verdict


def number(value: float, **more: Any) -> dict[str, Any]:
    return {"kind": "number", "value": value, **more}


RIGHT = [
    (number(33442), "The file has 33,442 rows [cell 1]."),
    (number(33442), "The file has 33 442 rows."),
    (number(33442), "The file has 33'442 rows."),
    (number(33442), "The file has 33.442 rows."),
    (number(33442), "**33442**"),
    (number(1234567), "$1,234,567.00 in all"),
    (number(17.49), "On average 17,49 mpg"),
    (number(17.49), "It is 17.4912 mpg."),
    (number(17.49, tolerance=0.05), "It is 17.5."),
    (number(100, relative=0.01), "About 101."),
    (number(-0.747, tolerance=0.005), "r = −0.75, strong"),
    (number(1.87e-28), "p = 1.87 × 10⁻²⁸"),
    (number(1.87e-28), "p = 1.87e-28"),
    (number(1.87e-28), "p = 1.87 x 10^{-28}"),
    (number(3.2e6), "3.2 million people"),
    (number(25, unit="%"), "25 % of them"),
    (number(25, unit="%"), "a share of 0.25"),
    (number(0.25), "25 % of them"),
    (number(4), "Four planes have four engines."),
    (number(2015), "In 2015."),
    (number(42), "# Answer\n\nThe number is:\n\n- 42 rows"),
    (number(42, where="anywhere"), "There are some.\n\nNamely 42."),
    ({"kind": "text", "any": ["Telluride", "TEX"]}, "It is telluride (9,078 ft)."),
    ({"kind": "text", "any": ["currenc*"]}, "There are three currencies."),
    ({"kind": "text", "all": ["north  east", "x"]}, "North east, and X"),
    ({"kind": "text", "none": ["Total"]}, "West leads; subtotals are left out."),
    ({"kind": "choice", "value": "West", "among": ["West", "Total"]}, "West, 221,540"),
    (
        {"kind": "choice", "value": "Premium or E85", "among": ["Premium", "Premium or E85"]},
        "Premium or E85 does.",
    ),
    ({"kind": "named", "name": "mean_fare", "value": 34.65}, "@mean_fare[34.65]\n\nAs asked."),
    ({"kind": "named", "name": "n", "value": [168, 124, 52]}, "`@n[168,124,52]`"),
    ({"kind": "named", "name": "n", "value": [168, 124, 52]}, "@n[168, 124, 52]"),
    ({"kind": "named", "name": "best", "value": "Ford Focus"}, "@best[ford focus]"),
    ({"kind": "named", "name": "ok", "value": True}, "@ok[True]"),
    ({"kind": "named", "name": "n", "value": 1234}, "@n[1,234] twice: @n[1234]"),
    (
        {"kind": "table", "rows": [["Adelie", 3700.7], ["Gentoo", 5076]], "tolerance": 0.5},
        "| species | n | mass |\n|---|---|---|\n| Gentoo penguin | 123 | 5,076.0 |\n| Adelie | 151 | 3700.66 |",
    ),
    ({"kind": "table", "rows": [["EWR", 55.5], ["LGA", 55.8]]}, "EWR has 55.5 degrees, LGA 55.8."),
    (
        {"kind": "table", "rows": [["2", 15.4]], "extra": True},
        "|cyl|cty|\n|--|--|\n|2|15.4|\n|3|34.4|",
    ),
    ({"kind": "refuse"}, "The data does not contain prices, so this cannot be answered."),
    ({"kind": "refuse", "because": ["price*"]}, "There is no column for the price."),
    ({"kind": "refuse", "because": ["2020"]}, "In none of the 33,442 rows, year is 2020."),
    ({"kind": "refuse"}, "The data ends in 2015; I can’t say anything about 2020."),
]


@pytest.mark.parametrize(("check", "text"), RIGHT)
def test_right(check: dict[str, Any], text: str):
    assert verdict(check, text) == "right"


WRONG = [
    (number(4), "The average is 2.00 [cell 4]."),
    (number(4), "There are some.\n\nFour, in detail, of 4."),
    (number(33442), "The file has 33,443 rows."),
    (number(17.49), "It is 17.6."),
    (number(0.747), "r = −0.747"),
    (number(-3), "The years 2013-3 and so on"),
    (number(25, unit="%"), "25.4 % of them"),
    (number(10), "No number at all"),
    (number(1.87e-28), "p = 0.0000"),
    (number(1.87e-28), "p = 1.88e-28"),
    (number(-42), "These are:\n\n- 42 rows"),
    (number(1000), "There are 1,000,000."),
    ({"kind": "text", "any": ["Ford"]}, "Fordham"),
    ({"kind": "text", "any": ["Ford"]}, "Affordable"),
    ({"kind": "text", "all": ["a1", "b1"]}, "Only b1."),
    ({"kind": "text", "none": ["Total"]}, "Total: 3"),
    ({"kind": "choice", "value": "West", "among": ["West", "Total"]}, "Total leads, then West."),
    ({"kind": "choice", "value": "yes", "among": ["yes", "no"]}, "Perhaps."),
    ({"kind": "named", "name": "mean_fare", "value": 34.65}, "The mean fare is 34.65."),
    ({"kind": "named", "name": "mean_fare", "value": 34.65}, "@mean[34.65]"),
    ({"kind": "named", "name": "mean_fare", "value": 34.65}, "@mean_fare[about 34.65 dollars]"),
    ({"kind": "named", "name": "n", "value": 3}, "@n[3] and later @n[4]"),
    ({"kind": "named", "name": "n", "value": [1, 2]}, "@n[2,1]"),
    ({"kind": "named", "name": "n", "value": [1, 2]}, "@n[1,2,3]"),
    ({"kind": "table", "rows": [["a", 1], ["b", 2]]}, "|k|v|\n|-|-|\n|a|2|\n|b|1|"),
    ({"kind": "table", "rows": [["a", 1], ["b", 2]]}, "|k|v|\n|-|-|\n|a|1|"),
    ({"kind": "table", "rows": [["a", 1]]}, "|k|v|\n|-|-|\n|a|1|\n|b|2|"),
    ({"kind": "table", "rows": [["a", 1], ["a", 1]]}, "|k|v|\n|-|-|\n|a|1|"),
    ({"kind": "table", "rows": [["EWR", 55.5], ["LGA", 55.8]]}, "EWR has 55.8, LGA 55.5."),
    ({"kind": "table", "rows": [["a", 1]]}, ""),
    ({"kind": "refuse"}, "The average price is 20,000."),
    ({"kind": "refuse"}, "The average is 17.4.\n\nNote that the data does not contain 2020."),
]  # fmt: skip


@pytest.mark.parametrize(("check", "text"), WRONG)
def test_wrong(check: dict[str, Any], text: str):
    assert verdict(check, text) == "wrong"


@pytest.mark.parametrize(
    ("check", "text", "gave_up"),
    [
        (number(4), GAVE_UP, True),
        (number(4), "What is asked here", True),
        (number(4), "This cannot be answered from the data.", False),
        ({"kind": "refuse", "because": ["price*"]}, GAVE_UP, True),
    ],
)
def test_declined(check: dict[str, Any], text: str, gave_up: bool):
    assert verdict(check, text, gave_up=gave_up) == "declined"


def test_a_wrong_number_beside_a_caveat_is_wrong_and_not_declined():
    text = "The total is 7; it does not include electric cars."
    assert verdict(number(4), text) == "wrong"


def test_each_failed_check_is_named():
    checks = tuple(map(CHECK.validate_python, [number(4), {"kind": "text", "any": ["Ford"]}]))
    scored = score(checks, GivenAnswer("It is 5."))
    assert scored.reasons == ("it says 5; right is 4", "it does not say 'Ford'")


def test_citations_and_marks_are_no_numbers():
    text = "It is high [cell 4], [cells 5, 6](#x) (not verified), see [7 cars](http://a/8)."
    assert list(numbers(plain(text))) == [7.0]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("", ""),
        ("One.\n\nTwo.", "One."),
        ("# Head\n\nOne.\n\nTwo.", "One."),
        ("In short:\n\n- a\n- b\n\nMore.", "In short:\n- a\n- b"),
    ],
)
def test_the_lead_is_the_first_paragraph(text: str, first: str):
    assert lead(text) == first


finite = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 3))


@given(finite, st.sampled_from(["{:,.3f}", "{:.3f}", "{:.3f} %", "**{:,.3f}**", "({:.3f})"]))
def test_a_number_is_found_however_it_is_written(value: float, form: str):
    check = NumberCheck(kind="number", value=value, tolerance=0.0006, where="anywhere")
    assert (
        score((check,), GivenAnswer(f"The value is {form.format(value)}, as shown.")).verdict
        == "right"
    )


@given(
    st.dictionaries(st.from_regex(r"[A-Z][a-z]{2,8}", fullmatch=True), finite, min_size=1),
    st.randoms(use_true_random=False),
)
def test_rows_may_come_in_any_order(rows: dict[str, float], chance: random.Random):
    check = CHECK.validate_python(
        {"kind": "table", "rows": [list(row) for row in rows.items()], "tolerance": 0.0006}
    )
    lines = [f"| {value:,.3f} | {name} |" for name, value in rows.items()]
    chance.shuffle(lines)
    table = "\n".join(["| v | k |", "|--:|:--|", *lines])
    assert score((check,), GivenAnswer(f"As asked.\n\n{table}\n\nDone.")).verdict == "right"
    assert score((check,), GivenAnswer("\n".join(table.splitlines()[:-1]))).verdict == "wrong"


@given(st.text(max_size=200))
def test_no_text_is_too_odd_to_be_scored(text: str):
    for check in (number(4), {"kind": "refuse"}, {"kind": "table", "rows": [["a", 1]]},
                  {"kind": "named", "name": "n", "value": [1, "a"]}):  # fmt: skip
        assert verdict(check, text) in ("right", "wrong", "declined")
