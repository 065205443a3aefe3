from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analyst_kernel.agent.evidence.marks import UNVERIFIED, with_marks
from analyst_kernel.agent.evidence.numbers import find_numbers
from analyst_kernel.agent.evidence.proof import is_shown, prove
from analyst_kernel.agent.evidence.shown import cell_numbers, shown_numbers
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import (
    CHART_MIME,
    DisplayOutput,
    ErrorOutput,
    Frame,
    Output,
    ResultOutput,
    StreamOutput,
)

CELL = CellId("c")


def shown(*texts: str) -> Any:
    return cell_numbers(CELL, [StreamOutput(name="stdout", text=text) for text in texts])


def proven(answer: str, *texts: str, question: str = "") -> dict[str, bool]:
    found = prove(answer, [shown(*texts)], question=question)
    return {proof.text: proof.cell is not None for proof in found}


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("It rose to 20.8 mpg", "20.8034"),
        ("n = 33,442 cars", "[33442 rows x 12 columns]"),
        ("n = 33’442 cars", "33442"),
        ("a mean of 20,8 mpg", "20.8"),
        ("1.234,56 in all", "1234.56"),
        ("it fell by 3.2", "change  -3.2"),
        ("a change of -3.2", "change  -3.2"),
        ("a change of −3.2%", "-0.032"),
        ("12 % of cars", "0.1234"),
        ("12 percent of cars", "12.34"),
        ("a share of 0.12", "12.0%"),
        ("$1.2 million", "1234567.0"),
        ("$1.2M", "1,234,567"),
        ("1.2 bn people", "1234567890"),
        ("12k rows", "12345"),
        ("1.2 million (in millions)", "1.2"),
        ("between 2008 and 2015", "2008 2015"),
        ("2008-2015", "2008\n2015"),
        ("2008–2015", "2008\n2015"),
        ("a value of 1.2e-05", "1.23e-05"),
        ("p < 0.001", "p  3.2e-07"),
        ("p = .05", "0.0512"),
        ("about 33,000 cars", "33442"),
        ("on 2015-03-01", "2015-03-01 00:00:00"),
        ("in 2015-03", "2015-03-01"),
        ("March 3, 2015", "2015-03-03"),
        ("**17.3** and _18_", "17.3 18"),
        ("| 17.3 | 18 |", "17.3 18"),
        ("20.8mpg", "20.8"),
        ("€5", "5"),
        ("2.5 rounds either way to 2", "2.5"),
        ("EUR 1 234", "1 234"),
    ],
)
def test_proven(answer: str, output: str) -> None:
    found = proven(answer, output)
    assert found
    assert all(found.values()), found


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("It rose to 20.9", "20.8034"),
        ("n = 33,443", "33442"),
        ("a change of -3.2", "3.2"),
        ("13 % of cars", "0.1234"),
        ("$1.3 million", "1234567.0"),
        ("33,000 cars", "33442"),
        ("about 30,000 cars", "33442"),
        ("p < 0.001", "p  0.02"),
        ("in 2015", "x2015 y_2015"),
        ("on 2015-03-02", "2015-03-01"),
        ("7 groups", "8 groups"),
        ("0 rows", "1"),
        ("fewer than 5,000", "12"),
    ],
)
def test_not_proven(answer: str, output: str) -> None:
    assert not any(proven(answer, output).values())


@pytest.mark.parametrize(
    "answer",
    [
        "Use `x[3]` and\n```python\n4 + 5\n```",
        "See https://example.org/2015/3",
        "See [the page](https://example.org/9)",
        "1. First\n2. Second\n3) Third",
        "## 2. Results",
        "as shown [cell 3], [cells 4, 5] and in cell 6 or iteration 7",
        "column x1, col_2, 2015_sales, Q3 and H2O",
        "the 3rd quarter, 25th percentile",
        "with pandas 3.1.1",
        "the 95 % confidence interval",
        "<b>bold</b>",
        "no digits at all",
    ],
)
def test_no_number_of_the_answer(answer: str) -> None:
    assert find_numbers(answer) == ()


def test_numbers_of_the_question_and_of_column_names_need_no_proof() -> None:
    assert proven("Since 2015 it is 7.5", "7.5", question="What since 2015?") == {"7.5": True}
    text = "Delta 15 N (o/oo) is 8.7"
    found = prove(text, [shown("8.7")], names=["Delta 15 N (o/oo)", "2015"])
    assert [proof.text for proof in found] == ["8.7"]


def test_what_shows_numbers_and_what_does_not() -> None:
    outputs: list[Output] = [
        StreamOutput(name="stderr", text="1.5"),
        ErrorOutput(ename="E", evalue="2.5"),
        ResultOutput(data={"text/html": "<table><tr><td>3.5</td><td>4,500</td></tr></table>"}),
        DisplayOutput(
            data={"image/png": "5.5", CHART_MIME: {"elements": [{"points": [[6, 7.5]]}]}}
        ),
    ]
    frames = [
        Frame(name="f", type="t", shape=(88, 3)),
        Frame(name="v", type="float", summary="9.5"),
    ]
    old = [Frame(name="old", type="t", shape=(77, 2))]
    found = cell_numbers(CELL, outputs, before=old, after=[*frames, *old])
    assert found.values == (3.0, 3.5, 6.0, 7.5, 9.5, 88.0, 4500.0)


def test_the_newest_cell_proves_and_a_sign_marks_what_none_shows() -> None:
    cells = [cell_numbers(CellId(n), shown_outputs(n)) for n in ("1.5", "2.5", "1.5")]
    text = "From 1.5 to 9.5, then 2.5."
    proofs = prove(text, cells)
    assert [proof.cell for proof in proofs] == ["1.5", None, "2.5"]
    marked = with_marks(text, proofs)
    assert marked == f"From 1.5 to 9.5{UNVERIFIED}, then 2.5."
    assert with_marks(marked, prove(marked, cells)) == marked


def shown_outputs(text: str) -> list[Output]:
    return [StreamOutput(name="stdout", text=text)]


@given(
    value=st.floats(
        allow_nan=False, allow_infinity=False, width=64, max_value=1e15, min_value=-1e15
    ),
    digits=st.integers(0, 6),
    thousands=st.booleans(),
)
def test_any_printed_value_is_proven_at_any_rounding(
    value: float, digits: int, thousands: bool
) -> None:
    written = f"{value:,.{digits}f}" if thousands else f"{value:.{digits}f}"
    # A whole number is proven by a rounded one only as a measure, never as a count.
    (proof,) = prove(f"On average it is {written} today.", [shown(f"x    {value!r}")])
    assert proof.cell is not None
    assert proof.text == written.lstrip("-")


@given(value=st.integers(0, 10**9), other=st.integers(0, 10**9))
def test_a_number_that_no_output_shows_is_not_proven(value: int, other: int) -> None:
    assume(value != other)
    assume(str(value) not in f"{other:,}".split(",") and f"{value / 1000:.3f}" != str(other))
    found = prove(f"It is {value} today.", [shown(f"x    {other}")])
    assert [proof.cell for proof in found] == [None]


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-8, max_value=1e12))
def test_key_values_are_found_as_python_writes_them(value: float) -> None:
    assert is_shown(value, [shown(repr(value))])
    assert not is_shown(value, [shown(repr(math.nextafter(value * 1.01 + 1, math.inf)))])


@given(st.text(max_size=200))
def test_marking_any_text_keeps_it_and_its_offsets(text: str) -> None:
    proofs = prove(text, [])
    assert with_marks(text, proofs).replace(UNVERIFIED, "") == text.replace(UNVERIFIED, "")
    assert [text[p.start : p.end] for p in proofs] == [p.text for p in proofs]


def test_a_negative_number_that_opens_a_mapping_is_negative():
    assert -999.0 in set(shown_numbers("{'taken as missing': {-999: 72}}"))


@pytest.mark.parametrize(
    ("answer", "question", "is_claim"),
    [
        ("Twice the mean is 8,403.6 g.", "", False),
        ("So twice the mean mass of all birds is about 8,403.6 g.", "", False),
        ("Half of that is 8403.6.", "", False),
        ("Twice that would be 8403.6 g.", "", False),
        # The user said the word.
        ("It is twice that of last year: 8403.6.", "And twice that?", False),
        ("North is twice the size of South: 8403.6.", "", True),
        ("It is twice that of last year: 8403.6.", "", True),
        ("Half of the rows are from 8403.6.", "", True),
        ("Two-thirds of the sample was 8403.6.", "", True),
        ("Twice as many as in the South.", "How is it in the South?", True),
    ],
)
def test_a_word_that_names_what_is_computed_is_no_claim(
    answer: str, question: str, is_claim: bool
) -> None:
    cells = [cell_numbers(CellId("c"), shown_outputs("8403.6"))]
    unproven = [p.text for p in prove(answer, cells, question=question) if p.cell is None]
    assert bool(unproven) is is_claim, unproven
