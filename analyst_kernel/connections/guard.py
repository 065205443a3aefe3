"""Which functions a query calls, so that those with side effects can be refused. Pure.

A read-only transaction lets functions through that change no table: locks, signals to other
sessions, requests to other servers. The names found here are looked up in the server's own
catalog. Whatever the text hides, the transaction stays read-only: this is the second wall.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+|--[^\n\r]*)
    | (?P<comment>/\*)
    | (?P<escaped>[uU]&["'])
    | (?P<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<name>[^\W\d][\w$]*)
    | (?P<digits>\d+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
ESCAPED = "U&"
"""Stands for a name or text with Unicode escapes, which says something else than it seems to."""


@dataclass(frozen=True, slots=True)
class CalledNames:
    """The names in a query that may be functions.

    Attributes:
        called: Names before a parenthesis.
        dotted: Names behind a dot, which call a function of a row if there is no such column.
        escapes: Whether the text holds Unicode escapes.
    """

    called: frozenset[str]
    dotted: frozenset[str]
    escapes: bool


def called_names(sql: str) -> CalledNames:
    """Return what a query may call, as the server would lex it with standard strings."""
    called: set[str] = set()
    dotted: set[str] = set()
    escapes = False
    before, last = "", ""
    for token in _tokens(sql):
        if token == ESCAPED:
            escapes = True
        if token == "(" and _is_name(last):
            called.add(_plain(last))
        elif before == "." and _is_name(last):
            dotted.add(_plain(last))
        before, last = last, token
    if before == "." and _is_name(last):
        dotted.add(_plain(last))
    return CalledNames(frozenset(called), frozenset(dotted), escapes)


def _tokens(sql: str) -> Iterator[str]:
    at = 0
    while (found := _TOKEN.match(sql, at)) is not None:
        at = found.end()
        match found.lastgroup:
            case "blank" | "text" | "digits":
                if found.lastgroup != "blank":
                    yield "'"
            case "comment":
                at = _end_of_comment(sql, at)
            case "escaped":
                yield ESCAPED
            case "tag" | "dollar":
                end = sql.find(found["dollar"], at)
                at = len(sql) if end < 0 else end + len(found["dollar"])
                yield "'"
            case _:
                yield found[0]


def _end_of_comment(sql: str, at: int) -> int:
    """Return where a comment ends; they nest."""
    depth = 1
    while depth and (mark := _COMMENT.search(sql, at)) is not None:
        depth += 1 if mark[0] == "/*" else -1
        at = mark.end()
    return len(sql) if depth else at


def _is_name(token: str) -> bool:
    return token.startswith('"') or token[:1].isalpha() or token[:1] == "_"


def _plain(token: str) -> str:
    """Return a name as the server knows it."""
    if token.startswith('"'):
        return token[1:-1].replace('""', '"')
    # Only letters of ASCII are made small for sure; others by the server's locale, so both count.
    return token.lower()
