"""Look for words of a question among the values of text columns, with a cell, and read its result.

Pure; writes code and reads what it showed.
"""

from __future__ import annotations

from typing import Any

from analyst_kernel.offline.reader import FoundValue
from analyst_kernel.offline.recipes.recipe import Cell, Code, code, quoted
from analyst_kernel.offline.recipes.rows import stays, table_of
from analyst_kernel.offline.task import LookUp
from analyst_kernel.offline.words import stem


def lookup_goal(reading: LookUp) -> str:
    """Return the plan's step for it."""
    said = " and ".join(f"“{phrase}”" for phrase in reading.phrases)
    return f"Look for {said} in the text columns of {reading.profile.dataset.name}"


def lookup_cell(reading: LookUp) -> Cell:
    """Write the cell that searches.

    A dataset on disk is searched by a query per column, which brings the hits alone.
    """
    table = table_of(reading.profile)
    listing = ", ".join(f"{quoted(p)}: {quoted(_bare(p))}" for p in reading.phrases)
    values = {"table": table, "columns": reading.columns, "phrases": Code(listing)}
    purpose = lookup_goal(reading)[:90]
    if not stays(reading.profile):
        return Cell("lookup", purpose, code("rows/lookup", **values), 1)
    words = " OR ".join(
        f"contains(lower(value), {_sql_text(_bare(phrase).lower())})" for phrase in reading.phrases
    )
    query = (
        "SELECT value, count(*) AS n "
        f"FROM (SELECT CAST({{name}} AS VARCHAR) AS value FROM {table}) "
        f"WHERE {words} "
        "GROUP BY value ORDER BY n DESC, value"
    )
    return Cell("lookup", purpose, code("rows/lookup on disk", query=query, **values), 1)


def _sql_text(text: str) -> str:
    """Return an SQL string, inside an f-string of Python."""
    return "'" + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"


def _hits(shown: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return the hits that have the expected form; a user may have edited the cell."""
    found = shown.get("found")
    rows = found if isinstance(found, list) else []
    return [row for row in rows if isinstance(row, tuple) and len(row) == 4]


def _bare(phrase: str) -> str:
    """Return the phrase without a plural's s."""
    last = phrase.rpartition(" ")[2]
    if last.casefold().endswith("s") and stem(last) == last.casefold()[:-1]:
        return phrase[:-1]
    return phrase


def read_lookup(reading: LookUp, shown: dict[str, Any] | None) -> tuple[FoundValue, ...]:
    """Choose, for each phrase, the value it names: spelled the same first, then most rows."""
    if shown is None:
        return ()
    chosen: list[FoundValue] = []
    for phrase in reading.phrases:
        hits = [hit for hit in _hits(shown) if hit[0] == phrase]
        names = {phrase.casefold(), _bare(phrase).casefold()}
        exact = [hit for hit in hits if str(hit[2]).casefold() in names]
        if exact:
            best = max(exact, key=lambda hit: hit[3])
            chosen.append(FoundValue(phrase, best[1], str(best[2])))
        elif len(hits) == 1:
            chosen.append(FoundValue(phrase, hits[0][1], str(hits[0][2])))
        elif hits and len({hit[1] for hit in hits}) == 1:
            chosen.append(FoundValue(phrase, hits[0][1], _bare(phrase), whole=False))
    return tuple(chosen)
