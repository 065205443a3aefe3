"""The text of a stream: cursor moves, the cap, and that chunking does not matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.kernel.outputs.terminal import LINE_CHARS, TextBuffer, cut_text


def shown(*chunks: str, limit: int = 1000) -> str:
    buffer = TextBuffer(limit)
    for chunk in chunks:
        buffer, _ = buffer.feed(chunk)
    return buffer.render()[0]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("one\ntwo\n", "one\ntwo\n"),
        ("10 %\r20 %\r", "20 %"),
        ("long line\rshort", "shortline"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("ab\bc", "ac"),
        ("\b\bx", "x"),
        ("a\n\rb", "a\nb"),
        ("50 %\r      \rdone\n", "done  \n"),
    ],
)
def test_moves(raw: str, text: str) -> None:
    assert shown(raw) == text


def test_a_flood_keeps_head_and_tail_and_notes_what_is_missing() -> None:
    lines = [f"line {number}\n" for number in range(10_000)]
    text = shown("".join(lines), limit=1000)
    assert len(text) < 1100
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 9998\nline 9999\n")
    marker = next(line for line in text.splitlines() if "omitted" in line)
    missing = int(marker.split()[1].replace(",", ""))
    assert missing + text.count("line ") == 10_000
    assert marker == f"… {missing:,} lines omitted …"


def test_a_flood_on_one_line_counts_characters() -> None:
    text = shown("x" * 50_000, limit=1000)
    assert "… 49,000 characters omitted …" in text
    assert text.count("x") == 1000


def test_memory_stays_within_the_cap() -> None:
    buffer = TextBuffer(1000)
    for _ in range(200):
        buffer, _ = buffer.feed("x" * 5000)
    assert len(buffer.head) + len(buffer.tail) <= 1000
    assert len(buffer.line) <= LINE_CHARS
    assert buffer.cut


def test_cut_text_leaves_short_text_alone() -> None:
    assert cut_text("short", 10) == ("short", "")
    text, gone = cut_text("a\n" * 100, 20)
    assert gone == "91 lines"
    assert text == "a\n" * 5 + "… 91 lines omitted …\n" + "a\n" * 4


PIECES = st.lists(st.text(alphabet="ab\n\r\b é", max_size=40), max_size=12)


@given(PIECES, st.integers(min_value=2, max_value=60))
def test_any_chunking_gives_the_same_text(pieces: list[str], limit: int) -> None:
    whole = "".join(pieces)
    assert shown(*pieces, limit=limit) == shown(whole, limit=limit) == shown(*whole, limit=limit)


@given(
    st.lists(st.sampled_from(["x" * 3000, "y" * 9999, "z\n", "\r", "\b", "end"]), max_size=14),
    st.data(),
)
def test_long_lines_are_independent_of_chunking_too(pieces: list[str], data: st.DataObject) -> None:
    whole = "".join(pieces)
    cut = data.draw(st.integers(min_value=0, max_value=len(whole)))
    assert shown(whole[:cut], whole[cut:], limit=30_000) == shown(*pieces, limit=30_000)


@given(PIECES)
def test_what_is_called_appended_was_appended(pieces: list[str]) -> None:
    buffer = TextBuffer(10_000)
    for piece in pieces:
        before = buffer.render()[0]
        buffer, appended = buffer.feed(piece)
        if appended:
            assert buffer.render()[0] == before + piece.replace("\r\n", "\n")
