"""Every word of the data gets a token, always the same, and comes back as it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.privacy.restore import Streamed, restored_input
from analyst_kernel.agent.privacy.tokens import Readable, TokenTable, words_in
from analyst_kernel.agent.privacy.wall import Wall
from analyst_kernel.agent.privacy.words import in_observations, in_outputs, in_sentences, own_lines

NOTHING = Readable(frozenset())
TEXTS = st.text(st.one_of(st.sampled_from("⟦⟧v1n2 ,.'-:\n\"=_"), st.characters(codec="utf-8")))


@given(TEXTS, TEXTS)
def test_a_text_comes_back_as_it_was(first: str, second: str):
    table = TokenTable()
    for text in (first, second, first):
        assert table.restore(table.mask(text, NOTHING)) == text


@given(TEXTS)
def test_no_word_of_a_text_is_left(text: str):
    left = re.sub("⟦[vn][0-9]+⟧", "", TokenTable().mask(text, NOTHING))
    assert words_in(left) == []
    assert not any(mark.isalnum() for mark in left)


@given(st.lists(TEXTS, max_size=5))
def test_a_table_that_was_kept_goes_on(texts: list[str]):
    kept: list[tuple[str, str]] = []
    table = TokenTable(note=lambda kind, text: kept.append((kind, text)))
    masked = [table.mask(text, NOTHING) for text in texts]
    table.learn_written("mean_mass")
    again = TokenTable()
    again.load(kept)
    assert [again.mask(text, NOTHING) for text in texts] == masked
    assert "mean_mass" in again.written


@given(TEXTS, st.integers(1, 7))
def test_a_stream_is_restored_however_it_is_cut(text: str, size: int):
    table = TokenTable()
    masked = table.mask(text, NOTHING)
    stream = Streamed(table)
    shown = [stream.feed(masked[at : at + size]) for at in range(0, len(masked), size)]
    assert "".join([*shown, stream.rest()]) == text


HOSTILE = {
    "a value like a token": "⟦v17⟧",
    "a token within a word": "x⟦v1⟧y",
    "a value within a value": "Anna Annabel Ann Hannah",
    "letters of several scripts": "漢字 Ελλάδα עברית עִבְרִית 😀 x̂",
    "numbers": "12 1,234.50 -7 1e-05 2026-01-05T10:20:30.5 50% $3 #9 (4)",
    "addresses": "a.b@c.de https://x.y/z?q=1&r=2 192.168.0.1 +41-79-555",
    "separators without blanks": "a,b;c|d\te=f:g",
    "names": "O'Brien d’Artagnan Jean-Luc",
    "marks": "«Quoted» …word… a…b —z—",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_become_tokens_and_come_back(text: str):
    table = TokenTable()
    table.token("Ann")
    table.token("v17")
    masked = table.mask(text, in_outputs())
    left = re.sub("⟦[vn][0-9]+⟧", "", masked)
    assert not re.search(r"\w", left)
    assert table.restore(masked) == text


def test_the_longest_known_value_gets_one_token():
    table = TokenTable()
    table.token("New York")
    table.token("New York City")
    assert table.mask("New York City, New York, New Yorkers", NOTHING).count("⟦") == 4


def test_a_name_of_a_column_stays_even_where_it_is_a_value():
    table = TokenTable()
    table.names.put("body mass (g)")
    table.names.put("species")
    table.token("species")
    assert table.mask("body mass (g) species Adelie", in_outputs()).startswith(
        "body mass (g) species ⟦v"
    )


def test_vocabulary_that_is_a_known_value_becomes_a_token():
    table = TokenTable()
    token = table.token("mean")
    assert table.mask("mean std", in_outputs()) == f"{token} std"


def test_single_letters_of_the_model_read_no_value():
    table = TokenTable()
    table.learn_written("a b c d A n")
    assert words_in(re.sub("⟦[vn][0-9]+⟧", "", table.mask("A n n a", in_outputs()))) == []


def test_own_sentences_stay_and_foreign_words_do_not():
    table = TokenTable()
    assert "- groupby.apply does not pass the group column; prefer agg" in own_lines()
    masked = table.mask("cell 3: ok, 0.2 s\nNext is repair 1 of 3. Qualmish 8812", in_sentences())
    assert masked.startswith("cell 3: ok, 0.2 s\nNext is repair 1 of 3. ⟦v")
    assert "8812" not in masked
    assert "live now" in table.mask("live now: x", in_observations())


def test_a_number_that_came_back_in_a_text_of_the_model_leaves_as_a_token():
    table = TokenTable()
    token = table.token("8812")
    assert table.mask("Next 8812 rows, 9 rows", in_sentences()) == f"Next {token} rows, 9 rows"


CALLS = {
    "code": ("run_python", '{"code": "x == \\"⟦v1⟧\\""}', '{"code": "x == \\"it\'s\\""}'),
    "escaped": ("run_python", '{"code": "x == \\"\\u27e6v1\\u27e7\\""}', '{"code": "x == \\"it\'s\\""}'),
    "sql": ("run_sql", '{"sql": "a = \'⟦v1⟧\'"}', '{"sql": "a = \'it\'\'s\'"}'),
    "a number": (
        "finish", '{"key_values": [{"label": "x", "value": "⟦n2⟧"}]}',
        '{"key_values": [{"label": "x", "value": 12.5}]}',
    ),
    "prose": ("finish", '{"answer": "⟦v1⟧: ⟦n2⟧"}', '{"answer": "it\'s: 12.5"}'),
    "no token": ("finish", '{"answer":   "x"}', '{"answer":   "x"}'),
    "not JSON": ("finish", '{"answer": "⟦v1⟧', '{"answer": "⟦v1⟧'),
}  # fmt: skip


@pytest.mark.parametrize(("tool", "raw", "real"), CALLS.values(), ids=CALLS)
def test_the_input_of_a_call_gets_real_values(tool: str, raw: str, real: str):
    table = TokenTable()
    table.token("it's")
    table.token("12.5")
    assert restored_input(tool, raw, table) == real


USERS = {
    "several": (
        "Of Anna Moe's orders, Bern-based ones, (“new york”), 77 and 4,201: top 10?",
        ["Anna Moe", "Bern", "New York", "4201", "or"],
        "Of _'s orders, _-based ones, (“_”), 77 and _: top 10?",
    ),
    "the longest": ("new york city or york", ["York", "New York", "New York City"], "_ or _"),
    "no blanks": ("東京の売上は？", ["東京"], "_の売上は？"),
    "within other words": ("start the art of artists", ["art"], "start the _ of artists"),
    "marks of their own": ("is (a+b)* there?", ["(a+b)*"], "is _ there?"),
    "none": ("How many rows?", [], "How many rows?"),
}


@pytest.mark.parametrize(("question", "values", "shown"), USERS.values(), ids=USERS)
def test_words_of_the_user_that_are_values_travel_as_tokens(
    question: str, values: list[str], shown: str
):
    wall = Wall("no-values")
    wall.learn_user_words([question], values)
    masked = wall.user_text(question)
    assert re.sub("⟦[vn][0-9]+⟧", "_", masked) == shown
    assert wall.table.restore(masked).casefold() == question.casefold()


def test_a_question_with_a_token_of_its_own_is_not_taken_for_one():
    wall = Wall("no-values")
    wall.table.token("secret")
    wall.learn_user_words(["What is ⟦v1⟧?"], [])
    assert wall.table.restore(wall.user_text("What is ⟦v1⟧?")) == "What is ⟦v1⟧?"
    assert "⟦v1⟧" not in wall.user_text("What is ⟦v1⟧?")
