"""Reads a query and says which part of a table it gives whole, if it surely does. Pure.

A query that may give few rows (conditions, groups, joins, samples) gives nothing that is known
here: only what is certain keeps a cell from running.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from analyst_kernel.agent.loads.tables import Part

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|'(?P<text>(?:[^']|'')*)'|"(?P<name>(?:[^"]|"")*)"
    |(?P<word>[^\W\d]\w*)|(?P<number>\d[\w.]*)|(?P<mark>.)""",
    re.DOTALL | re.VERBOSE,
)
_CLAUSES = frozenset(
    """select from where group having order limit qualify window using union except intersect
    offset fetch tablesample pivot unpivot""".split()
)
_UNSURE = frozenset(
    """where group having qualify window using union except intersect offset fetch tablesample
    pivot unpivot""".split()
)
_EACH_ROW = frozenset(
    """abs age cast ceil ceiling chr coalesce concat concat_ws contains date date_part date_trunc
    datepart datetrunc day dayname dayofweek dayofyear epoch extract floor format greatest hour if
    ifnull isfinite isnan isodow least left length ln log lower lpad ltrim make_date md5 minute
    month monthname nullif power quarter regexp_extract regexp_replace replace right round rpad
    rtrim second sign split_part sqrt starts_with strftime strip strptime substr substring
    to_timestamp trim trunc try_cast try_strptime upper week year""".split()
)
"""Functions with a value for each row; any other may fold them, or unfold one."""
_FILES = frozenset(
    """read_csv read_csv_auto read_parquet parquet_scan read_json read_json_auto read_ndjson
    read_ndjson_auto sniff_csv""".split()
)
_MOST_TOKENS = 5000
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class _Token:
    """A text, a quoted name, a word, a number or another mark, by ``kind``."""

    kind: str
    text: str

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words


_Tokens: TypeAlias = Sequence[_Token]


@dataclass(frozen=True, slots=True)
class Made:
    """A table or a view that a statement makes, and the part that it holds, if that is certain."""

    name: str
    part: Part | None
    is_view: bool


class Queries:
    """Reads queries over named tables and files."""

    def __init__(
        self,
        named: Callable[[str], Part | None],
        at: Callable[[str], Part | None],
    ) -> None:
        """Take what finds a table by its name, and what finds it by the path of its file."""
        self._named = named
        self._at = at

    def part(self, sql: str) -> Part | None:
        """Return what the last statement of a query gives, or None if that is not certain."""
        statements = _statements(sql)
        return self._query(statements[-1], {}, 0) if statements else None

    def made(self, sql: str) -> list[Made]:
        """Return what the statements of a text create, in order."""
        found = []
        for tokens in _statements(sql):
            if not tokens[0].is_word("create"):
                continue
            rest = list(tokens[1:])
            while rest and rest[0].is_word("or", "replace", "temp", "temporary"):
                rest.pop(0)
            if not rest or not rest[0].is_word("view", "table"):
                continue
            is_view = rest.pop(0).is_word("view")
            while rest and rest[0].is_word("if", "not", "exists"):
                rest.pop(0)
            if not rest or rest[0].kind not in ("name", "word"):
                continue
            name = rest.pop(0).text
            part = None
            if rest and rest[0].is_word("as"):
                part = self._query(rest[1:], {}, 0)
            found.append(Made(name, part, is_view))
        return found

    def _query(self, tokens: _Tokens, known: Mapping[str, Part | None], depth: int) -> Part | None:
        if depth > _DEEPEST:
            return None
        tokens = _bare(tokens)
        if tokens and tokens[0].is_word("with"):
            read = self._with(tokens, known, depth)
            if read is None:
                return None
            tokens, known = read
        clauses = _clauses(tokens)
        if clauses is None or "from" not in clauses or set(clauses) & _UNSURE:
            return None
        part = self._source(clauses["from"], known, depth)
        if part is not None and "select" in clauses:
            part = _selected(part, clauses["select"])
        if part is None or "limit" not in clauses:
            return part
        match clauses["limit"]:
            case [_Token("number", text)] if text.isdigit():
                return part.limited(int(text))
        return None

    def _with(
        self, tokens: _Tokens, known: Mapping[str, Part | None], depth: int
    ) -> tuple[_Tokens, Mapping[str, Part | None]] | None:
        """Read the named queries before a query."""
        found, rest = dict(known), list(tokens[1:])
        if rest and rest[0].is_word("recursive"):
            return None
        while len(rest) > 2 and rest[0].kind in ("name", "word"):
            name = rest.pop(0).text
            if not rest.pop(0).is_word("as"):
                return None
            while rest and rest[0].is_word("not", "materialized"):
                rest.pop(0)
            inner, rest = _in_brackets(rest)
            if inner is None:
                return None
            found[name.lower()] = self._query(inner, found, depth + 1)
            if rest and rest[0] == _Token("mark", ","):
                rest = rest[1:]
                continue
            return rest, found
        return None

    def _source(self, tokens: _Tokens, known: Mapping[str, Part | None], depth: int) -> Part | None:
        """Return the one table that stands after FROM."""
        if not tokens:
            return None
        first, rest = tokens[0], list(tokens[1:])
        part: Part | None
        if first == _Token("mark", "("):
            inner, rest = _in_brackets(tokens)
            part = None if inner is None else self._query(inner, known, depth + 1)
        elif first.kind == "text":
            part = self._at(first.text)
        elif first.is_word(*_FILES) and rest and rest[0] == _Token("mark", "("):
            inner, rest = _in_brackets(rest)
            if not inner or inner[0].kind != "text":
                return None
            part = self._at(inner[0].text)
        elif first.kind in ("name", "word"):
            name = first.text
            while len(rest) > 1 and rest[0] == _Token("mark", "."):
                name, rest = rest[1].text, rest[2:]
            part = known[name.lower()] if name.lower() in known else self._named(name)
        else:
            return None
        if rest and rest[0].is_word("as"):
            rest = rest[1:]
        alias = len(rest) == 1 and rest[0].kind in ("name", "word")
        return part if not rest or alias else None


def _statements(sql: str) -> list[list[_Token]]:
    found: list[list[_Token]] = [[]]
    for count, match in enumerate(_TOKEN.finditer(sql)):
        if count > _MOST_TOKENS:
            return []
        kind = match.lastgroup
        if kind == "space" or kind is None:
            continue
        text = match[kind]
        if kind == "mark" and text == ";":
            found.append([])
        else:
            quote = {"text": "'", "name": '"'}.get(kind, "")
            text = text.replace(quote * 2, quote) if quote else text
            found[-1].append(_Token(kind, text))
    return [one for one in found if one]


def _in_brackets(tokens: _Tokens) -> tuple[list[_Token] | None, list[_Token]]:
    """Return what stands in the brackets that open first, and what comes after them."""
    depth = 0
    for place, token in enumerate(tokens):
        if token.kind == "mark":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return (list(tokens[1:place]) if place else None), list(tokens[place + 1 :])
    return None, []


def _bare(tokens: _Tokens) -> _Tokens:
    """Return a query without brackets around all of it."""
    while tokens and tokens[0] == _Token("mark", "("):
        inner, rest = _in_brackets(tokens)
        if rest or not inner:
            break
        tokens = inner
    return tokens


def _clauses(tokens: _Tokens) -> dict[str, list[_Token]] | None:
    """Return the parts of a query by the words that they begin with; None if it is none."""
    if not tokens or not tokens[0].is_word("select", "from"):
        return None
    found: dict[str, list[_Token]] = {}
    depth, now = 0, ""
    for place, token in enumerate(tokens):
        if token.kind == "mark":
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        word = token.text.lower()
        of_column = place > 0 and tokens[place - 1] == _Token("mark", ".")
        if depth == 0 and token.kind == "word" and word in _CLAUSES and not of_column:
            if word in found:
                return None
            now = word
            found[now] = []
        else:
            found[now].append(token)
    return found


def _selected(part: Part, tokens: _Tokens) -> Part | None:
    """Return the columns that a list of them gives; None if it may fold or unfold rows."""
    if tokens and tokens[0].is_word("all"):
        tokens = tokens[1:]
    if not tokens or tokens[0].is_word("distinct"):
        return None
    kept: list[str] = []
    computed = 0
    by_lower = {name.lower(): name for name in part.columns}
    for item in _items(tokens):
        star = next((n for n, t in enumerate(item[:3]) if t == _Token("mark", "*")), None)
        if star is not None and star in (0, 2) and (star == 0 or item[1].text == "."):
            rest = item[star + 1 :]
            gone: set[str] = set()
            if rest:
                if not rest[0].is_word("exclude", "except"):
                    return None
                gone = {t.text.lower() for t in rest[1:] if t.kind in ("word", "name")}
            kept += [name for low, name in by_lower.items() if low not in gone]
            computed += part.computed
            continue
        if any(t.is_word("over", "columns", "unnest") for t in item):
            return None
        for place, token in enumerate(item[:-1]):
            called = item[place + 1] == _Token("mark", "(")
            if called and token.kind in ("word", "name") and not token.is_word(*_EACH_ROW):
                if not token.is_word("in", "and", "or", "not", "when", "then", "else", "case"):
                    return None
        name = _column_of(item)
        if name is not None and name.lower() in by_lower:
            kept.append(by_lower[name.lower()])
        else:
            computed += 1
    return replace(part, columns=tuple(dict.fromkeys(kept)), computed=computed)


def _items(tokens: _Tokens) -> list[list[_Token]]:
    found: list[list[_Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "mark":
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.text, 0)
        if depth == 0 and token == _Token("mark", ","):
            found.append([])
        else:
            found[-1].append(token)
    return [one for one in found if one]


def _column_of(item: _Tokens) -> str | None:
    """Return the column that an item of a list is, under whatever name."""
    item = list(item)
    if len(item) > 2 and item[-2].is_word("as"):
        item = item[:-2]
    while len(item) > 2 and item[1] == _Token("mark", "."):
        item = item[2:]
    return item[0].text if len(item) == 1 and item[0].kind in ("name", "word") else None
