"""No text of a model or a kernel takes the agent more time than in proportion to its length."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analyst_kernel._text import nearest
from analyst_kernel.agent.evidence.checks.doubts import mismatches
from analyst_kernel.agent.evidence.checks.shown import shown_cell, tables_of
from analyst_kernel.agent.evidence.marks import with_marks
from analyst_kernel.agent.evidence.numbers import find_numbers
from analyst_kernel.agent.evidence.proof import prove
from analyst_kernel.agent.evidence.shown import shown_dates, shown_numbers
from analyst_kernel.agent.observation.cell import about_chart, envelope
from analyst_kernel.agent.observation.repair import error_text, hint
from analyst_kernel.agent.observation.text import bundle_text, html_text, without_ansi
from analyst_kernel.agent.run import AnswerDraft
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import CellError, ErrorOutput, StreamOutput
from tests.support.linear_time import grows_too_fast

READERS: dict[str, Callable[[str], object]] = {
    "the numbers of an answer": find_numbers,
    "numbers beside names": lambda text: find_numbers(text, names=["a1", "1 2x", "cell 1"]),
    "the proof of an answer": lambda text: with_marks(text, prove(text, [])),
    "the numbers of an output": lambda text: list(shown_numbers(text)),
    "the dates of an output": lambda text: list(shown_dates(text)),
    "terminal colours": without_ansi,
    "HTML as text": html_text,
    "a display": lambda text: bundle_text({"text/plain": text}),
    "the checks of an answer": lambda text: mismatches(AnswerDraft(text), text[:2000], [], {}),
    "the tables of an output": lambda text: tables_of(
        shown_cell(CellId("c"), 1, "", [StreamOutput(name="stdout", text=text)])
    ),
    "an envelope": lambda text: envelope(text, "nonce"),
    "words about charts": about_chart,
    "a failure": lambda text: error_text(
        CellError(name="KeyError", message=text),
        "x",
        [ErrorOutput(ename="KeyError", evalue=text, traceback=[text])],
        (),
    ),
    "a hint": lambda text: hint(CellError(name="KeyError", message=text[:10_000]), "x", ()),
}


@pytest.mark.parametrize("name", READERS)
def test_time_grows_with_the_length(name: str) -> None:
    assert grows_too_fast(READERS[name]) == []


def test_a_number_with_thousands_of_digits_of_exponent_is_no_defect() -> None:
    assert [n.readings for n in find_numbers("about 1e+" + "9" * 5_000)] == [()]
    assert [n.readings[0].value for n in find_numbers("1e-" + "9" * 5_000)] == [0.0]


def test_a_reference_with_thousands_of_digits_is_no_defect() -> None:
    assert html_text("a&#" + "9" * 5_000 + ";b") == "a\ufffdb"


def test_a_title_that_ends_in_the_string_terminator_is_removed() -> None:
    assert without_ansi("a\x1b]0;title\x1b\\b\x1b]8;;x\x07c") == "abc"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<td>1</td><td>2</td>", "1\t2"),
        ("<p title='a > b'>x</p>", "x"),
        ("a<script>if (a < b) { '<p>' }</script>b", "ab"),
        ("a<!-- <p> -->b<!-- open", "ab"),
        ("a<style>never ends", "a"),
        ("5 < 6 and x<y", "5 < 6 and x<y"),
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
    ],
)
def test_html_as_text(html: str, text: str) -> None:
    assert html_text(html) == text


def test_the_nearest_of_many_long_names_is_found() -> None:
    names = [f"{'column ' * 40}{number}" for number in range(3_000)]
    assert nearest("reveneu", [*names, "revenue"], 1) == ("revenue",)
    assert nearest("a" * 100_000, ["a" * 99_999], 1) == ("a" * 99_999,)
