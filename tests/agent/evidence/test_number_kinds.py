"""What proves a number and what does not, kind by kind: awkward right answers, false proofs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.evidence.proof import CONSTANT, prove
from analyst_kernel.agent.evidence.shown import cell_numbers
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import Frame, StreamOutput

P_VALUE = "Ttest_indResult(statistic=-11.2, pvalue=1.8716e-28)"
SALES = """\
   region  orders   revenue
0   North     412  98213.50
1   South     390  91022.75
2    East      97  20110.00
"""
COUNTS = "Torgersen    52\nBiscoe      168\nDream       124\nName: island, dtype: int64"
ORDERS = "order\n" + "\n".join(f"{number:<3}  {number * 7 % 40:>4}" for number in range(60))
"""An index from 0 to 59, and values of nearly every size below 40."""


def look(
    answer: str,
    *outputs: str,
    question: str = "",
    code: str = "",
    frames: tuple[tuple[int, int], ...] = (),
    cited: bool = False,
    is_method: bool = False,
) -> dict[str, Any]:
    cells = [
        cell_numbers(
            CellId(f"c{at}"),
            [StreamOutput(name="stdout", text=output)],
            code=code,
            after=[Frame(name=f"f{n}", type="t", shape=shape) for n, shape in enumerate(frames)],
        )
        for at, output in enumerate(outputs)
    ]
    names = {cell.cell for cell in cells} if cited else set()
    found = prove(answer, cells, question=question, cited=names, is_method=is_method)
    return {proof.text: proof for proof in found}


RIGHT: list[tuple[str, dict[str, Any]]] = [
    # Lists and closed forms.
    ("@island_counts[168,124,52]", {"shown": COUNTS}),
    ("@island_counts[168, 124, 52]", {"shown": COUNTS}),
    ("@a[1.5], @b[yes]", {"shown": "1.5"}),
    ("@total[1,234]", {"shown": "1234"}),
    ("@pair[168,124]", {"shown": COUNTS}),
    ("@range[0.12-0.45]", {"shown": "0.12 0.45"}),
    ("@ci[0.12, 0.45]\n@n[344]", {"shown": "0.1199 0.4512 344"}),
    ("@means[1.25,3.5,7]", {"shown": "1.25 3.5 7"}),
    ("@p[1.87e-28]", {"shown": P_VALUE}),
    ("@p[<0.001]", {"shown": P_VALUE}),
    ("@share[12.3%]", {"shown": "0.1234"}),
    ("@slope[-0.52]", {"shown": "slope -0.5234"}),
    ("@mean_mass[4202]", {"shown": "4201.75"}),
    ("@first_day[2015-03-01]", {"shown": "2015-03-01 00:00:00"}),
    # Separators.
    ("33’442 cars, 33'442, 33\u202f442, 33\u00a0442 and 33 442", {"shown": "33442"}),
    ("33.442 cars", {"shown": "33442"}),
    ("1.234.567 in all", {"shown": "1234567"}),
    ("1 234,5 EUR", {"shown": "1234.5"}),
    ("a mean of 20,8", {"shown": "20.8034"}),
    ("$33{,}442$ and $33\\,442$", {"shown": "33442"}),
    ("33&nbsp;442", {"shown": "33442"}),
    # Powers.
    ("p = 1.87 × 10⁻²⁸", {"shown": P_VALUE}),
    ("p = 1.87 x 10^-28", {"shown": P_VALUE}),
    ("$p = 1.87 \\times 10^{-28}$", {"shown": P_VALUE}),
    ("p = 1.87·10^−28", {"shown": P_VALUE}),
    ("p = 1.87*10**-28", {"shown": P_VALUE}),
    ("p = 1.87E-28", {"shown": P_VALUE}),
    ("p ≈ 10⁻²⁸", {"shown": P_VALUE}),
    ("p ≈ $10^{-28}$", {"shown": P_VALUE}),
    ("p < 10^-27", {"shown": P_VALUE}),
    ("p < .001", {"shown": P_VALUE}),
    ("p < 0.001", {"shown": "p  0.0"}),
    ("p > 0.05", {"shown": "pvalue=0.3121"}),
    # Signs.
    ("it fell by 3.2", {"shown": "change -3.2"}),
    ("it is 3.2 lower", {"shown": "-3.2"}),
    ("a negative correlation of 0.87", {"shown": "-0.8712"}),
    ("an absolute difference of 3.2", {"shown": "-3.2"}),
    ("a loss of (1,234)", {"shown": "-1234"}),
    ("| Q1 | (1,234) |", {"shown": "-1234"}),
    ("a change of −3.2", {"shown": "-3.2"}),
    ("a change of +3.2", {"shown": "3.2"}),
    ("from -5 to -3", {"shown": "-5 -3"}),
    # Rough words, scales, currencies.
    ("about 33,400 cars", {"shown": "33442"}),
    ("over 33,000 cars", {"shown": "33442"}),
    ("almost 33,500 cars", {"shown": "33442"}),
    ("about 40 % of them", {"shown": "0.387"}),
    ("$1.2M, €1.2 million and 1.2 bn", {"shown": "1234567.0 1234567890"}),
    ("$1.2–1.3M", {"shown": "1234567.0 1287000"}),
    ("10–20 %", {"shown": "0.1012 0.1989"}),
    ("it costs $18", {"shown": "18.4"}),
    ("a mean of 18 mpg", {"shown": "18.4"}),
    ("4,202 g", {"shown": "4201.75"}),
    ("18 per store", {"shown": "18.4", "question": "Rounded to whole numbers?"}),
    # Fractions in words.
    ("two-thirds of the orders", {"shown": "0.662"}),
    ("a third of the cars", {"shown": "32.9%"}),
    ("1 in 5 customers", {"shown": "0.2034"}),
    ("2 out of 3 islands", {"shown": "2 3"}),
    ("nearly half of all orders", {"shown": "412 899 orders"}),
    ("twice as many as in the East", {"shown": "194 97"}),
    ("more than twice as many as in the East", {"shown": "2.3846"}),
    ("every year has more than 90 members", {"shown": "2018 100\n2019 120\n2020 130"}),
    ("all of them lost less than 40 members", {"shown": "A 31\nB 22"}),
    ("nearly twice as many as in the East", {"shown": "1.7412"}),
    ("more than half of all orders", {"shown": "0.6321"}),
    ("less than a third of the orders", {"shown": "27.4%"}),
    # Names, versions, ordinals, times.
    ("the 4-Wheel Drive cars, F-150, Covid-19, pandas 3.1 and the 3rd quarter", {"shown": ""}),
    ("a 7-day window, 2-sided, Q3, 10-fold, rank #3, No. 4", {"shown": ""}),
    ("at 14:30", {"shown": "2020-01-01 14:30:00"}),
    ("at 14:00", {"shown": "hour\n14    93"}),
    ("in Q3 2020", {"shown": "2020-07-01"}),
    ("on March 3, 2015", {"shown": "2015-03-03"}),
    ("in the 1990s", {"shown": "1994 12"}),
    ("at the 5% level, alpha = 0.05", {"shown": ""}),
    # Tables and code.
    ("| North | 412 | 98,213.50 |", {"shown": SALES}),
    ("it is `98213.5`", {"shown": SALES}),
    ("5 groups", {"shown": "5.0"}),
    # Sizes of tables.
    ("344 rows and 8 columns", {"shown": "[344 rows x 8 columns]"}),
    ("344 × 8", {"shown": "(344, 8)", "code": "df.shape"}),
    ("row 2 is the odd one", {"shown": SALES}),
    # Numbers of the question.
    ("the top 5 stores", {"shown": "", "question": "Which are the top 5 stores?"}),
    ("older than 30", {"shown": "", "question": "How many are older than 30?"}),
    ("since 2015", {"shown": "", "question": "What happened since 2015?"}),
    ("over the limit of 1,500", {"shown": "", "question": "Who spent 1500 or more?"}),
    ("over 30 years", {"shown": "", "question": "Older than 30?", "code": "df[df.age > 30]"}),
    # A crowded output, whose line speaks of the same.
    ("order 17 has 39 items", {"shown": ORDERS}),
]


@pytest.mark.parametrize(("answer", "case"), RIGHT, ids=[answer for answer, _ in RIGHT])
def test_a_right_answer_in_an_awkward_form_is_left_alone(answer: str, case: dict[str, Any]) -> None:
    case = dict(case)
    shown = case.pop("shown")
    found = look(answer, shown, **case)
    assert found or not shown
    assert [text for text, proof in found.items() if proof.cell is None] == []


WRONG: list[tuple[str, str, dict[str, Any]]] = [
    ("a digit of the question", "@answer[2]", {"shown": "7", "question": "Give @answer[x], 2"}),
    ("an instruction's digit", "2 outliers", {"shown": "7", "question": "Use 2 decimals."}),
    ("a digit among other words", "3 species", {"shown": "7", "question": "On which 3 islands?"}),
    ("a count from a rounded float", "There are 5 groups", {"shown": "4.96"}),
    ("a closed form from a rounded float", "@outliers[5]", {"shown": "4.96"}),
    ("a percentage from a table's rows", "12 % of them", {"shown": "[12 rows x 3 columns]"}),
    ("a percentage from a frame", "12 % of them", {"shown": "", "frames": ((12, 3),)}),
    ("a percentage from a count", "12 % of them", {"shown": "a 12\nb 40\nc 61"}),
    ("a count from columns", "8 stores", {"shown": "[344 rows x 8 columns]"}),
    ("a count from columns of info()", "8 stores", {"shown": "Data columns (total 8 columns):"}),
    ("a count from a printed shape", "8 stores", {"shown": "(344, 8)", "code": "df.shape"}),
    ("a measure from a table's rows", "12 mm", {"shown": "", "frames": ((12, 3),)}),
    ("a rise from a fall", "It rose by 3.2", {"shown": "change -3.2"}),
    ("a correlation of the other sign", "a correlation of 0.87", {"shown": "r -0.8712"}),
    ("a minus that is not there", "a change of -3.2", {"shown": "change 3.2"}),
    ("a plus that is not there", "a change of +3.2", {"shown": "change -3.2"}),
    ("a row's label", "2 regions lost", {"shown": SALES}),
    ("a part of a date", "3 stores", {"shown": "2015-03-01 and 2016-03-05"}),
    ("a part of a time", "30 stores", {"shown": "2015-07-01 14:30:00"}),
    ("digits of a grouped number", "234 stores", {"shown": "1,234"}),
    ("chance in a long output", "It has 17 outliers", {"shown": ORDERS}),
    ("a bound that does not hold", "p < 0.001", {"shown": "pvalue=0.0312"}),
    ("a power that is too small", "p < 10^-29", {"shown": P_VALUE}),
    ("another power", "p = 1.87e-27", {"shown": P_VALUE}),
    ("one of a list", "@counts[168,124,53]", {"shown": COUNTS}),
    ("over, but less", "over 34,000 cars", {"shown": "33442"}),
    ("under, but more", "almost 33,000 cars", {"shown": "33442"}),
    ("far from about", "about 30,000 cars", {"shown": "33442"}),
    ("an invented share in words", "two-thirds of the orders", {"shown": "0.21"}),
    (
        "a limit of all that is far off",
        "every year has more than 40 members",
        {"shown": "2018 100"},
    ),
    (
        "a limit of all that none reaches",
        "every year has more than 90 members",
        {"shown": "2018 80"},
    ),
    ("more than it is", "more than twice as many as in the East", {"shown": "1.4321"}),
    ("less than it is", "less than half of all orders", {"shown": "0.6321"}),
    ("an invented one in five", "1 in 5 customers", {"shown": "0.42 13"}),
    ("a value in a code span", "It is `4.7`", {"shown": "4.1"}),
    ("a value in a formula", "$x = 4.7$", {"shown": "4.1"}),
    ("a constant of the code in prose", "There are 7 stores", {"shown": "9", "code": "f(7)"}),
    ("a difference without words", "It has 22 stores", {"shown": SALES}),
    ("a difference of a difference", "a gap of 23", {"shown": SALES}),
    ("data in the code", "a limit of 7", {"shown": "9", "code": "x = [1, 7, 3, 4, 5]"}),
    ("a time that is not shown", "at 14:45", {"shown": "2020-01-01 14:30:00"}),
    ("a date that is not shown", "on 2020-01-02", {"shown": "2020-01-01 14:30:00"}),
    ("a decade that is not shown", "in the 1970s", {"shown": "1994 12"}),
]


@pytest.mark.parametrize(("kind", "answer", "case"), WRONG, ids=[kind for kind, *_ in WRONG])
def test_a_false_proof_is_none(kind: str, answer: str, case: dict[str, Any]) -> None:
    case = dict(case)
    found = look(answer, case.pop("shown"), **case)
    assert [text for text, proof in found.items() if proof.cell is None], kind


@pytest.mark.parametrize(
    ("answer", "number", "derivation"),
    [
        ("58 rows were removed: 33,442 before and 33,384 after", "58", "33,442 − 33,384"),
        ("North had 22 more orders than South", "22", "412 − 390"),
        ("North and South together have 802 orders", "802", "412 + 390"),
        ("South has 390 of 412, a share of 94.7 %", "94.7 %", "390 / 412"),
        ("Revenue fell by 7.3 % from 98,213.50 to 91,022.75", "7.3 %", "(91,022.75 − 98,213.5)"),
        ("North's 412 are 4.2 times the 97 of the East", "4.2", "412 / 97"),
    ],
)
def test_a_derived_number_names_its_derivation(answer: str, number: str, derivation: str) -> None:
    found = look(answer, SALES, "33442", "33384", cited=True)
    assert [text for text, proof in found.items() if proof.cell is None] == []
    assert found[number].derivation.startswith(derivation)


def test_constants_of_executed_code_prove_assumptions_only() -> None:
    code = "iqr = q3 - q1\nlow = q1 - 1.5 * iqr\nx.rolling(7).std(ddof=1)\nalpha = 0.05"
    for note in ("Outliers lie beyond 1.5 IQR", "7 days", "ddof=1", "tested at 5 %"):
        found = look(note, "9", code=code, is_method=True)
        assert {proof.derivation for proof in found.values()} == {CONSTANT}, note
    assert look("Outliers lie beyond 1.5 IQR", "9", code=code)["1.5"].cell is not None
    assert look("There are 7 stores", "9", code=code)["7"].cell is None
    assert look("2.5 IQR", "9", code=code, is_method=True)["2.5"].cell is None


@pytest.mark.parametrize(
    ("answer", "output", "nearest"),
    [
        ("It is 17.9", "mean 17.25", "17.25"),
        ("It rose by 3.2", "-3.2", "−3.2, which has the other sign"),
        ("5 groups", "4.96", "4.96, which is not whole"),
        ("8 stores", "[344 rows x 8 columns]", "8, the number of columns"),
        ("It is 17.9", "2", ""),
    ],
)
def test_a_refusal_names_the_nearest_value(answer: str, output: str, nearest: str) -> None:
    (proof,) = look(answer, output).values()
    assert proof.cell is None
    assert proof.nearest == nearest
    assert (proof.nearest_cell is not None) == bool(nearest)


def writings(value: float, digits: int) -> list[str]:
    """Return the ways in which models write a number."""
    plain = f"{value:.{digits}f}"
    grouped = f"{value:,.{digits}f}"
    whole, _, rest = grouped.partition(".")
    ways = [plain, grouped, plain.replace(".", ",")]
    for gap in (" ", "\u00a0", "\u202f", "\u2009", "'", "’", "{,}", "\\,"):
        ways.append(whole.replace(",", gap) + (f".{rest}" if rest else ""))
    ways.append(whole.replace(",", ".") + (f",{rest}" if rest else ""))
    mantissa, _, power = f"{value:.{digits + 3}e}".partition("e")
    ways.append(f"{mantissa}e{power}")
    superscript = str(int(power)).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))
    ways += [f"{mantissa} × 10{superscript}", f"{mantissa} × 10^{int(power)}"]
    ways += [f"{mantissa} \\times 10^{{{int(power)}}}", f"{mantissa}*10**{int(power)}"]
    return ways


SURROUNDINGS = (
    "On average it is {} in all.", "**{}**", "| mean | {} |", "$x = {}$", "`{}`", "@mean[{}]",
    "a mean of ({})", "- mean: {}", "mean={}",
)  # fmt: skip


@given(
    value=st.floats(1e-6, 1e12, allow_nan=False),
    digits=st.integers(1, 4),
    place=st.sampled_from(SURROUNDINGS),
)
def test_every_way_of_writing_a_shown_number_is_proven(
    value: float, digits: int, place: str
) -> None:
    for written in writings(value, digits):
        found = look(place.format(written), f"x    {value!r}")
        assert found, (written, place)
        assert [text for text, proof in found.items() if proof.cell is None] == [], written


@given(
    value=st.floats(10, 1e9, allow_nan=False),
    digits=st.integers(1, 4),
    place=st.sampled_from(SURROUNDINGS),
    away=st.sampled_from((0.8, 1.3)),
)
def test_no_way_of_writing_an_invented_number_is_proven(
    value: float, digits: int, place: str, away: float
) -> None:
    for written in writings(value * away, digits):
        found = look(place.format(written), f"x    {value!r}")
        assert found, (written, place)
        assert all(proof.cell is None for proof in found.values()), written


def test_limits_of_a_column_prove_only_what_speaks_of_it() -> None:
    overview = "lifts: 3 rows\nruns      0  275.0  410.0\nfailures  0   13.0   61.0"
    cell = replace(
        cell_numbers(CellId("setup"), [StreamOutput(name="stdout", text=overview)]),
        is_overview=True,
    )
    for answer, proven in (
        ("The lifts made up to 410 runs.", True),
        ("There are 3 lifts.", True),
        ("There were 13 storms.", False),
        ("13 % of the runs had failures.", False),
    ):
        (proof,) = prove(answer, [cell])
        assert (proof.cell is not None) is proven, answer
