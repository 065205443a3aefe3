"""Text of strangers as a terminal may show it."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel._text import printable, with_visible_controls

_STARTS = ("\x1b", "[", "]", "31m", "52;c;", "0;title", "\x9b", "\x9d", "\x90", "P", ";", "?25l")
_ENDS = ("\x07", "\x1b\\", "\x9c", "\r", "\n", "\t", "\b", "\x7f", "\x00", "\u202e", "\u2066")
PIECES = st.sampled_from([*_STARTS, *_ENDS, "\udcff", "a", "ü", "漢"])
HOSTILE = st.lists(PIECES, max_size=15).map("".join) | st.text(max_size=30)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x1b]52;c;ZXZpbA==\x07b", "ab"),
        ("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1b[2J\x1b[31mb\x1b[0m", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x9d0;title\x9cb", "ab"),
        ("a\x90q\x9cb\x1bPq\x1b\\c", "abc"),
        ("a\x1bcb\x1b(0c", "abc"),
        ("a\x1b", "a"),
        ("a\x07b\x08c\x7f\x00", "abc"),
        ("good\revil", "good\nevil"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("a\u202eb\u2066c\u200fd", "abcd"),
        ("a\udcffb", "a\ufffdb"),
        ("a\x1b]0;never ends\nnext line", "a\nnext line"),
        ("[red]plain[/red] é 漢字 € 👩‍🔬", "[red]plain[/red] é 漢字 € 👩‍🔬"),
    ],
)
def test_a_terminal_has_nothing_to_obey(raw: str, shown: str) -> None:
    assert printable(raw) == shown
    assert printable(raw, colours=True).replace("\x1b[31m", "").replace("\x1b[0m", "") == shown


@given(HOSTILE)
def test_no_control_sign_comes_through(text: str) -> None:
    shown = printable(text)
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cs")} <= {"\n", "\t"}
    assert printable(shown) == shown
    coloured = printable(text, colours=True)
    assert printable(coloured, colours=True) == coloured
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", coloured)


@given(HOSTILE)
def test_code_shows_every_sign_of_it(text: str) -> None:
    shown = with_visible_controls(text)
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cf")} <= {"\n", "\t"}


@given(st.text())
def test_json_stays_the_same_json(text: str) -> None:
    line = json.dumps({"a": text}, ensure_ascii=False)
    assert json.loads(with_visible_controls(line)) == {"a": text}


def test_code_with_turned_order_is_written_as_it_runs() -> None:
    code = "if x: # \u202e } \u2066\n\tprint('\x1b[2J')"
    assert with_visible_controls(code) == "if x: # \\u202e } \\u2066\n\tprint('\\u001b[2J')"
