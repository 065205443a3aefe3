"""What becomes of the numbers and the words of an answer when its cells show other values."""

from __future__ import annotations

import pytest

from analyst_kernel.agent.evidence.checks.shown import shown_cell
from analyst_kernel.agent.evidence.proof import prove
from analyst_kernel.agent.evidence.shown import cell_numbers
from analyst_kernel.agent.freshness.moved import Follower, RanAgain
from analyst_kernel.agent.freshness.turned import outcome_of
from analyst_kernel.protocol.freshness import AnswerOutcome
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import (
    CHART_MIME,
    CellError,
    DisplayOutput,
    Output,
    ResultOutput,
)
from analyst_kernel.protocol.records import Answer

CELL = CellId("c1")
MASSES = "species\nAdelie       3743.8\nChinstrap    4347.5\nGentoo       4959.5\nName: mass, dtype: float64"
HEAVY_ADELIE = MASSES.replace("3743.8", "5043.8")
COUNTS = "{'kinds': 3,\n 'rows': {'Adelie': 12, 'Chinstrap': 12, 'Gentoo': 12},\n 'percent': {'Adelie': 33.33, 'Chinstrap': 33.33, 'Gentoo': 33.33}}"
OTHER_COUNTS = "{'kinds': 3,\n 'rows': {'Gentoo': 15, 'Adelie': 12, 'Chinstrap': 10},\n 'percent': {'Gentoo': 40.54, 'Adelie': 32.43, 'Chinstrap': 27.03}}"
YEARS = "year\n2014    1.0\n2015   -3.2\n2016    1.0\nName: change, dtype: float64"


def result(text: str) -> Output:
    return ResultOutput(data={"text/plain": text}, metadata={}, execution_count=1)


def again(
    text: str, before: Output, after: Output | None, *, question: str = "", failure: str = ""
) -> AnswerOutcome:
    """Return the outcome of an answer that one cell proves."""
    proofs = prove(text, [cell_numbers(CELL, [before])], question=question)
    now = () if after is None else (after,)
    error = CellError(name="KeyError", message="x") if failure else None
    ran = RanAgain(CELL, "cell 1", (before,), now, error=error, failure=failure)
    return outcome_of(
        RunId("r1"), question, Answer(text=text, numbers=proofs), Follower([ran]),
        before=[shown_cell(CELL, 1, "", [before])], after=[shown_cell(CELL, 1, "", now)],
        profiles={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "before", "after", "now"),
    [
        ("Adelie have a mean of 3,743.8 g.", MASSES, HEAVY_ADELIE, ["5,043.8"]),
        ("Gentoo have a mean of 4959.5 g.", MASSES, HEAVY_ADELIE, ["same"]),
        # The same value at three places: the words beside it say which is meant.
        ("First Adelie (12 rows, 33.33 %), then Chinstrap (12 rows, 33.33 %) and Gentoo (12 rows).",
         COUNTS, OTHER_COUNTS, ["same", "32.43 %", "10", "27.03 %", "15"]),
        ("There are 3 kinds.", COUNTS, OTHER_COUNTS, ["same"]),
        # Derived numbers are derived again.
        ("Chinstrap, 4347.5 g, and Adelie, 3743.8 g, have a difference of 603.7 g.",
         MASSES, HEAVY_ADELIE, ["same", "5043.8", "−696.3"]),
        ("Revenue is $1.2 million.", "revenue 1234567", "revenue 1734567", ["1.7 million"]),
        ("The mean is 20.1.", "20.08", "21.44", ["21.4"]),
        # As written it still holds, though the last decimals are others.
        ("The mean is 20.1.", "20.08", "20.12", ["same"]),
        ("About 5,000 came.", "visits: 5021", "visits: 4987", ["same"]),
        ("The rate is 12.5 %.", "rate 0.125", "rate 0.25", ["25.0 %"]),
        ("In 2015 it fell by 3.2.", YEARS, YEARS.replace("-3.2", "-4.0"), ["same", "4.0"]),
        ("It was 10.", "x: 10", "x: 12345678", ["12,345,678"]),
    ],
)  # fmt: skip
def test_a_number_is_followed_to_its_place(
    text: str, before: str, after: str, now: list[str]
) -> None:
    moves = again(text, result(before), result(after)).numbers
    assert [one.now if one.state == "moved" else one.state for one in moves] == now


def test_a_change_is_given_as_it_is_and_in_percent() -> None:
    (move,) = again("The mean is 20.0.", result("mean 20.0"), result("mean 25.0")).numbers
    assert (move.before, move.after, move.change, move.percent) == (20.0, 25.0, 5.0, 25.0)
    (zero,) = again("There are 0 gaps.", result("gaps 0"), result("gaps 4")).numbers
    assert (zero.now, zero.change, zero.percent) == ("4", 4.0, None)


def test_a_number_of_a_chart_is_found_by_its_label() -> None:
    def drawn(*bars: tuple[str, float]) -> Output:
        elements = [{"label": name, "group": "", "value": value} for name, value in bars]
        data = {"type": "bar", "title": "Sales", "elements": elements}
        return DisplayOutput(data={CHART_MIME: data}, metadata={})

    before, after = drawn(("North", 14.5), ("South", 9.0)), drawn(("South", 8.0), ("North", 16.5))
    (move,) = again("North sold 14.5 tons.", before, after).numbers
    assert (move.state, move.now) == ("moved", "16.5")


@pytest.mark.parametrize(
    ("after", "failure", "reason"),
    [
        (None, "Cell 1 failed: no column 'mass' (KeyError).", "no column 'mass' (KeyError)."),
        (MASSES.replace("Adelie  ", "Emperor "), "", "no longer shows a value for Adelie"),
    ],
)
def test_a_number_that_is_gone_says_why(after: str | None, failure: str, reason: str) -> None:
    shown = None if after is None else result(after)
    outcome = again("Adelie have 3743.8 g.", result(MASSES), shown, failure=failure)
    (move,) = outcome.numbers
    assert (move.state, move.after) == ("gone", None)
    assert reason in move.reason
    assert outcome.summary == "The number cannot be computed any more."


def test_what_no_cell_ever_showed_is_said_to_be_that() -> None:
    moves = again("It is 77.7 for 3743.8.", result(MASSES), result(MASSES)).numbers
    assert [one.state for one in moves] == ["unproven", "same"]


@pytest.mark.parametrize(
    ("text", "before", "after", "words"),
    [
        ("Gentoo are the heaviest.", MASSES, HEAVY_ADELIE, "the most, 5,043.8, for Adelie"),
        ("It rose from 10 in 2014 to 12 in 2015.", "2014: 10\n2015: 12", "2014: 10\n2015: 8",
         "from 10 to 8 is a fall"),
        ("The link is significant (p = 0.03).", "p = 0.03", "p = 0.4", "p = 0.40 is not below 0.05"),
        ("In 2015 it fell by 3.2.", YEARS, YEARS.replace("-3.2", "1.5"), "its sign changed"),
    ],
)  # fmt: skip
def test_an_answer_turns_with_what_it_says(text: str, before: str, after: str, words: str) -> None:
    outcome = again(text, result(before), result(after))
    assert len(outcome.turned) == 1
    assert words in outcome.turned[0]
    assert outcome.summary.startswith("The answer turned: a statement no longer holds.")
    # What was doubtful before did not turn, and what still holds did not either.
    assert again(text, result(after), result(after)).turned == ()
    assert again(text, result(before), result(before)).turned == ()


def test_a_count_in_the_sentence_does_not_hold_up_a_ranking() -> None:
    table = "            mean  rows\nspecies               \nGentoo      21.0     2\nAdelie      11.0     2"
    text = "Gentoo has the highest mean: 21 over 2 rows."
    outcome = again(text, result(table), result(table.replace("11.0", "46.0")))
    assert "the most, 46, for Adelie" in "".join(outcome.turned)


def test_a_clause_with_a_number_that_is_gone_is_not_judged() -> None:
    text = "Sales rose from 10 for Adelie to 12 for Gentoo."
    outcome = again(text, result("Adelie: 10\nGentoo: 12"), result("Adelie: 10\nEmperor: 1"))
    assert outcome.turned == ()
