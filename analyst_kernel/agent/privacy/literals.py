"""Tokens in code become the values that they stand for, as literals that cannot break out. Pure.

A value may hold quotes, backslashes and line breaks, so where a token stands decides how its value
is written: inside a text of Python or SQL, inside SQL within Python, as a bare operand, in a
comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable

TOKEN = re.compile(r"⟦([vn][0-9]{1,9})⟧")
"""A token; group 1 is its name."""

ValueOf = Callable[[str], str | None]
"""Returns the value of a token by its name, None if there is no such token."""

_RUN = re.compile(r"⟦[vn][0-9]{1,9}⟧(?:[ ]+⟦[vn][0-9]{1,9}⟧)*")
_PYTHON = re.compile(
    r"#[^\n]*|(?P<prefix>(?<!\w)(?i:[rbfut]|[rb][rbft]|[ft]r))?(?P<quote>'''|\"\"\"|'|\")"
    rf"|{_RUN.pattern}"
)
_SQL = re.compile(
    rf"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'?|\"[^\"]*\"?|{_RUN.pattern}", re.DOTALL
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_STATEMENT = re.compile(
    r"\s*(?:select|with|create|insert|update|delete|from)\b.*\b(?:select|from|into|set|where)\b",
    re.IGNORECASE | re.DOTALL,
)
_BEFORE_QUOTE = " \t\n=(,[<>!~%|"


def in_text(text: str, value_of: ValueOf) -> str:
    """Replace tokens in prose; unknown ones stay."""
    return TOKEN.sub(lambda token: _known(token, value_of), text)


def in_python(code: str, value_of: ValueOf) -> str:
    """Replace tokens in Python code; unknown ones stay."""
    parts: list[str] = []
    at = 0
    while (found := _PYTHON.search(code, at)) is not None:
        parts.append(code[at : found.start()])
        quote = found["quote"]
        if quote is None:
            whole = found[0]
            parts.append(
                _one_line(in_text(whole, value_of))
                if whole.startswith("#")
                else _operand(whole, value_of, python_literal)
            )
            at = found.end()
            continue
        end = _end_of_text(code, found.end(), quote)
        content = code[found.end() : end]
        closing = quote if code.startswith(quote, end) else ""
        prefix = found["prefix"] or ""
        prefix, content = _in_python_text(content, prefix, quote, value_of)
        parts.append(f"{prefix}{quote}{content}{closing}")
        at = end + len(closing)
    parts.append(code[at:])
    return "".join(parts)


def in_sql(sql: str, value_of: ValueOf) -> str:
    """Replace tokens in a SQL query; unknown ones stay."""

    def piece(found: re.Match[str]) -> str:
        whole = found[0]
        if whole.startswith("--"):
            return _one_line(in_text(whole, value_of))
        if whole.startswith("/*"):
            inner = in_text(whole[2:].removesuffix("*/"), value_of).replace("*/", "* /")
            return f"/*{inner}*/" if whole.endswith("*/") else f"/*{inner}"
        if whole[0] in "'\"":
            mark = whole[0]
            return TOKEN.sub(lambda t: _known(t, value_of).replace(mark, mark * 2), whole)
        return _operand(whole, value_of, sql_literal)

    return _SQL.sub(piece, sql)


def number_literal(value: str) -> str | None:
    """Return a value as a number of Python and SQL, or None if it is not one."""
    if _NUMBER.fullmatch(value):
        return value
    return value.replace(",", "") if _THOUSANDS.fullmatch(value) else None


def python_literal(value: str) -> str:
    """Return a value as an operand of Python."""
    return number_literal(value) or repr(value)


def sql_literal(value: str) -> str:
    """Return a value as an operand of SQL."""
    return number_literal(value) or "'" + value.replace("'", "''") + "'"


def _known(token: re.Match[str], value_of: ValueOf) -> str:
    value = value_of(token[1])
    return token[0] if value is None else value


def _operand(run: str, value_of: ValueOf, literal: Callable[[str], str]) -> str:
    """Return tokens that stand bare, beside each other, as one operand."""
    if any(value_of(token[1]) is None for token in TOKEN.finditer(run)):
        return run
    return literal(in_text(run, value_of))


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", " ", text)


def _end_of_text(code: str, at: int, quote: str) -> int:
    """Return where a text that began before ``at`` ends, before its closing quote."""
    while at < len(code):
        if code[at] == "\\":
            at += 2
        elif code.startswith(quote, at) or (code[at] == "\n" and len(quote) == 1):
            return at
        else:
            at += 1
    return len(code)


def _in_python_text(content: str, prefix: str, quote: str, value_of: ValueOf) -> tuple[str, str]:
    """Return prefix and content of a text with the values of its tokens."""
    kinds = prefix.lower()
    tokens = [t for t in TOKEN.finditer(content) if value_of(t[1]) is not None]
    if not tokens:
        return prefix, content
    raw = "r" in kinds
    if raw:
        values = "".join(value_of(token[1]) or "" for token in tokens)
        if any(mark in values for mark in ("\\", quote[0], "\n", "\r", "\0")):
            # A raw text cannot hold them; as a plain one it can.
            prefix = "".join(letter for letter in prefix if letter not in "rR")
            raw = False
            content = _plain_from_raw(content, quote)
            tokens = [t for t in TOKEN.finditer(content) if value_of(t[1]) is not None]
    formatted = "f" in kinds or "t" in kinds
    parts: list[str] = []
    at = 0
    for token in tokens:
        parts.append(content[at : token.start()])
        value = value_of(token[1]) or ""
        before = content[: token.start()]
        if formatted and _in_braces(before):
            inner = _inner_quote(before[before.rfind("{") :])
            parts.append(_in_expression(value, inner, quote))
            at = token.end()
            continue
        value = _nested(value, before, content)
        value = value.replace("{", "{{").replace("}", "}}") if formatted else value
        parts.append(value if raw else _escaped(value, quote, binary="b" in kinds))
        at = token.end()
    parts.append(content[at:])
    return prefix, "".join(parts)


def _nested(value: str, before: str, content: str) -> str:
    """Return a value for its place within the text: in a quoted part of it, or in SQL."""
    is_sql = _STATEMENT.match(content) is not None
    inner = _inner_quote(before)
    if not inner:
        return sql_literal(value) if is_sql else value
    if is_sql:
        return value.replace(inner, inner * 2)
    return value.replace("\\", "\\\\").replace(inner, "\\" + inner).replace("\n", "\\n")


def _in_expression(value: str, inner: str, quote: str) -> str:
    """Return a value for an expression within an f-string whose own quote is ``quote``."""
    if inner:
        return _escaped(value, inner, binary=False)
    other = '"' if quote[0] == "'" else "'"
    return number_literal(value) or f"{other}{_escaped(value, other, binary=False)}{other}"


def _inner_quote(before: str) -> str:
    """Return the quote of the quoted part that is open at the end of a text, if one is."""
    inner, at = "", 0
    while at < len(before):
        mark = before[at]
        if mark == "\\":
            at += 1
            mark = before[at] if at < len(before) else ""
        if mark and mark == inner:
            inner = ""
        elif mark in ("'", '"') and not inner:
            ahead = before[:at].rstrip("\\")[-1:]
            # An apostrophe within a word opens nothing.
            inner = mark if not ahead or ahead in _BEFORE_QUOTE else ""
        at += 1
    return inner


def _in_braces(before: str) -> bool:
    """Return whether the end of a part of an f-string lies in an expression."""
    bare = before.replace("{{", "").replace("}}", "")
    return bare.count("{") > bare.count("}")


def _plain_from_raw(content: str, quote: str) -> str:
    kept = content.replace("\\" + quote[0], "\0").replace("\\", "\\\\")
    return kept.replace("\0", "\\\\\\" + quote[0])


def _escaped(value: str, quote: str, *, binary: bool) -> str:
    if binary:
        return "".join(
            chr(b) if 32 <= b < 127 and chr(b) not in ("\\", quote[0]) else f"\\x{b:02x}"
            for b in value.encode("utf-8", "replace")
        )
    return "".join(_escaped_mark(mark, quote[0]) for mark in value)


def _escaped_mark(mark: str, quote: str) -> str:
    if mark in ("\\", quote):
        return "\\" + mark
    return mark if mark.isprintable() else mark.encode("unicode_escape").decode()
