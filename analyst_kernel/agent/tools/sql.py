"""Turns a SQL query into the plain Python cell that runs it: notebooks need nothing of ours."""

from __future__ import annotations

import keyword
import re

_COMMENTS = re.compile(r"\s*(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_NO_RESULT = re.compile(
    r"(?:create|insert|update|delete|drop|alter|copy|set|reset|attach|detach|use|install|load"
    r"|begin|commit|rollback|export|import)\b",
    re.IGNORECASE,
)


def sql_cell(sql: str, name: str, *, import_duckdb: bool) -> str:
    """Write the cell: ``name = duckdb.sql(...).df()`` and then ``name``, which displays it.

    Args:
        sql: One or several statements; the last one's result is kept.
        name: Variable for the result; ignored where the statement has none (``CREATE VIEW``...).
        import_duckdb: Whether the cell must import duckdb itself.
    """
    query = sql.strip().rstrip(";").rstrip()
    call = f"duckdb.sql({_literal(query)})"
    body = f"{name} = {call}.df()\n{name}" if _has_result(query) else call
    return f"import duckdb\n\n{body}" if import_duckdb else body


def is_variable(name: str) -> bool:
    """Say whether a name can hold a result."""
    return name.isidentifier() and not keyword.iskeyword(name)


def _has_result(query: str) -> bool:
    last = _STRINGS.sub("''", query).rpartition(";")[2]
    while (match := _COMMENTS.match(last)) is not None:
        last = last[match.end() :]
    return not _NO_RESULT.match(last.lstrip())


def _literal(query: str) -> str:
    """Quote a query so that it stays readable wherever Python's quoting allows it."""
    if '"""' in query or "\r" in query or "\0" in query:
        return repr(query)
    prefix = "r" if "\\" in query else ""
    # Line breaks at both ends keep a quote or backslash away from the closing quotes.
    return f'{prefix}"""\n{query}\n"""'
