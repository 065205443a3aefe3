"""Turns what the kernel saw of a cell into hints: what to look at twice, and why. Pure.

A hint's message has the facts (tables, rows before and after, columns, values), its advice what to
check; the message may hold text of the data, the advice never does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from analyst_kernel.agent.lineage.silenced import silenced
from analyst_kernel.agent.lineage.trace import CellTrace, TraceEvent
from analyst_kernel.agent.lineage.watching import ambiguous_dates
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import LineageHint
from analyst_kernel.protocol.records import IterationRecord

_SAMPLE_WORDS = re.compile(
    r"\b(?:sampl\w*|random\w*|first|last|head|tail|bootstrap\w*|subset|latest|recent|train\w*"
    r"|preview|glimpse)\b",
    re.IGNORECASE,
)
_MADE_WORDS = re.compile(
    r"\b(?:simulat\w*|random\w*|synthetic|made[- ]up|monte|hypothetical|toy|dummy|example data)\b",
    re.IGNORECASE,
)
_MEAN_WORDS = re.compile(r"\b(?:average[sd]?|means?|avg)\b", re.IGNORECASE)
_EQUAL_WORDS = re.compile(
    r"\b(?:unweighted|macro|equal(?:ly)?[- ]weight\w*|equally)\b", re.IGNORECASE
)


def hints(
    code: str, trace: CellTrace | None, *, question: str, profiles: Iterable[DatasetProfile]
) -> tuple[LineageHint, ...]:
    """Return what is doubtful in a cell that ran, each matter once."""
    found: list[LineageHint] = []
    quiet = silenced(code)
    if quiet:
        found.append(
            LineageHint(
                code="warnings-silenced",
                message=f"warnings are silenced: {quiet[0][:120]}",
                advice="Leave warnings on: they tell of values that were lost or changed.",
            )
        )
    if trace is None:
        return tuple(found)
    dates = ambiguous_dates(profiles)
    for event in trace.events:
        judge = _JUDGES.get(event.kind)
        hint = judge(event) if judge is not None else None
        if hint is None or not _asked_otherwise(event, question, trace, dates):
            continue
        if all((hint.code, hint.message) != (one.code, one.message) for one in found):
            found.append(hint)
    return tuple(found)


def _asked_otherwise(
    event: TraceEvent, question: str, trace: CellTrace, dates: dict[str, str]
) -> bool:
    """Return whether a matter stands, given what the user asked for and what else is known."""
    match event.kind:
        case "sample":
            return not _SAMPLE_WORDS.search(question)
        case "made-up":
            return not trace.reads and not _MADE_WORDS.search(question)
        case "example":
            name = event.what.rpartition(".")[2].removeprefix("load_").removeprefix("fetch_")
            return not _MADE_WORDS.search(question) and name not in question.lower()
        case "mean-of-means":
            twice = len(_MEAN_WORDS.findall(question)) > 1
            return not twice and not _EQUAL_WORDS.search(question)
        case "dates":
            return event.column in dates
        case _:
            return True


def _join(event: TraceEvent) -> LineageHint | None:
    if event.use == "self":
        return None
    example = f" (such as {event.values[0]})" if event.values and event.values[0] else ""
    most = f", up to {event.high} times" if isinstance(event.high, int) and event.high > 1 else ""
    return LineageHint(
        code="join-multiplies-rows",
        message=(
            f"the join of {event.label} ({_n(event.rows)} rows) with {event.other} "
            f"({_n(event.other_rows)} rows) on {event.column!r} gave {_n(event.after)} rows: "
            f"{_times(event.count, 'key repeats', 'keys repeat')} in {event.other}{example}{most}, "
            f"and keys repeat in {event.label}, so rows are multiplied"
        ),
        advice=(
            "Check which side should have one row per key; deduplicate or aggregate that side "
            "first, and compare the row count after the join."
        ),
    )


def _fan(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="join-repeats-values",
        message=(
            f"{event.what} of {event.column!r}: the join repeated the rows of {event.label} "
            f"({_n(event.rows)} before, {_n(event.after)} after), so its values count more than "
            "once"
        ),
        advice="Aggregate the column before the join, or on one row per key.",
    )


def _twice(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="rows-twice",
        message=(
            f"{_n(event.count)} of the {_n(event.other_rows)} rows of {event.other} stand in "
            f"{event.label} ({_n(event.rows)} rows) already; together there are "
            f"{_n(event.after)} rows, and duplicates count twice"
        ),
        advice="Do not stack a table on a part of itself; drop the repeated rows.",
    )


def _sideways(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="rows-misaligned",
        message=(
            f"side by side, {event.label} ({_n(event.rows)} rows) and {event.other} "
            f"({_n(event.other_rows)} rows) gave {_n(event.after)} rows: their indexes differ, "
            "so rows were multiplied by missing values"
        ),
        advice="Join on a key, or reset both indexes if the rows are in the same order.",
    )


def _sample(event: TraceEvent) -> LineageHint:
    whole = f"{_n(event.before)} rows" if event.before >= 0 else "all rows"
    about = f" of {event.column!r}" if event.column else ""
    return LineageHint(
        code="sample-as-whole",
        message=(
            f"the result{about} rests on {_n(event.rows)} rows of {event.label} "
            f"({event.what}), not on its {whole}: a sample is taken for the whole"
        ),
        advice="Compute it from all rows, or say in the answer that it is a sample.",
    )


def _made_up(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="made-up-data",
        message=(
            f"the cell reads no granted dataset: it computes on {event.made} ({event.what}), "
            "which is made-up data"
        ),
        advice="Use the datasets; if they cannot answer the question, say so.",
    )


def _example(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="made-up-data",
        message=f"{event.what} loads a library's example data, which is no granted dataset",
        advice="Use the datasets; if they cannot answer the question, say so.",
    )


def _changed(event: TraceEvent) -> LineageHint:
    how = event.what if not event.what.startswith("SQL") else f"replaced by {event.what}"
    parts = []
    if event.before >= 0 and event.after >= 0 and event.after != event.before:
        parts.append(f"{_n(event.after)} of {_n(event.before)} rows are left"
                     if event.after < event.before
                     else f"{_n(event.before)} rows became {_n(event.after)}")  # fmt: skip
    for said, names in (("new", event.added), ("removed", event.gone), ("changed", event.values)):
        if names:
            parts.append(f"{said} columns: {', '.join(map(repr, names))}")
    facts = f" ({'; '.join(parts)})" if parts else ""
    return LineageHint(
        code="dataset-changed",
        message=f"the dataset {event.label} was {how}{facts}; later cells see the changed data",
        advice="Give the result a name of its own (a copy), and leave the dataset as loaded.",
    )


def _nothing(event: TraceEvent) -> LineageHint | None:
    if not (event.near or event.types) and event.use not in ("rows", "partly"):
        return None
    if event.use == "partly" and not event.near:
        return None
    signs = {"isin": "is one of", "like": "contains", "eq": "=="}
    sign = signs.get(event.operator, event.operator)
    wanted = ", ".join(event.values)
    if event.operator == "!=":
        lead = f"{event.column!r} != {wanted} excludes nothing"
    else:
        lead = f"{event.column!r} {sign} {wanted}: no row matches, the filter gives nothing"
    if event.near:
        there = f"; the nearest values are {', '.join(event.near)}"
    elif event.low is not None:
        there = f"; its values run from {event.low} to {event.high}"
    elif event.there:
        there = f"; its values are such as {', '.join(event.there)}"
    else:
        there = ""
    if event.types:
        there += "; the types differ: numbers on one side, text on the other"
    return LineageHint(
        code="filter-matches-nothing",
        message=lead + there,
        advice="Look at the values that are really there, and filter by those.",
    )


def _sentinel(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="sentinel-aggregated",
        message=(
            f"{event.what} of {event.column!r} takes in {', '.join(event.values)}, which "
            f"{_times(event.count, 'row has', 'rows have')} of {_n(event.rows)} and which may "
            f"stand for a missing value ({event.label})"
        ),
        advice="Leave such values out, or say why they are real.",
    )


def _totals(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="totals-among-parts",
        message=(
            f"{event.what} takes in {_times(event.count, 'row', 'rows')} of {_n(event.rows)} that "
            f"are totals of others ({event.column!r}: {', '.join(map(repr, event.values))}, "
            f"{event.label})"
        ),
        advice="Leave the total rows out before aggregating.",
    )


def _repeats(event: TraceEvent) -> LineageHint:
    same = (
        f"repeat a key that {event.column!r} holds already"
        if event.column
        else ("are exact duplicates of others")
    )
    return LineageHint(
        code="repeated-keys",
        message=(
            f"{event.what} counts {_times(event.count, 'row', 'rows')} of {_n(event.rows)} that "
            f"{same} ({event.label})"
        ),
        advice="Check whether repeated rows are real; deduplicate if they are not.",
    )


def _dates(event: TraceEvent) -> LineageHint:
    chosen = f" ({event.what})" if event.what else ""
    return LineageHint(
        code="day-month-order",
        message=(
            f"the dates in {event.column!r} are read{chosen}, but day and month may be swapped: "
            "every value reads both ways"
        ),
        advice=(
            "Give the format, look for what decides it (order of rows, another column), and state "
            "the choice as an assumption."
        ),
    )


def _lost(event: TraceEvent) -> LineageHint:
    example = f" (such as {event.values[0]})" if event.values else ""
    return LineageHint(
        code="values-lost",
        message=(
            f"{event.what} turned {_n(event.count)} of {_n(event.rows)} values of "
            f"{event.column!r} into missing ones{example}"
        ),
        advice="Read them with the right format, or say in the answer how many are left out.",
    )


def _means(event: TraceEvent) -> LineageHint:
    by = ", ".join(map(repr, event.by)) or "group"
    return LineageHint(
        code="average-of-averages",
        message=(
            f"this is an average of averages: {event.column!r} holds the means of "
            f"{_n(event.count)} groups by {by} with {event.low} to {event.high} rows each, and "
            "every group weighs the same"
        ),
        advice="Average the rows themselves (or weight by size), unless groups should count alike.",
    )


def _ones(event: TraceEvent) -> LineageHint:
    by = ", ".join(map(repr, event.by))
    return LineageHint(
        code="groups-of-one",
        message=(
            f"{event.what} of {event.column!r} by {by}: {event.count} of {event.groups} groups "
            f"{'has' if event.count == 1 else 'have'} a single row"
        ),
        advice="Show the group sizes with the result; one row says little, and has no spread.",
    )


def _skips(event: TraceEvent) -> LineageHint:
    return LineageHint(
        code="rows-skipped",
        message=f"{event.label} is read with {event.what}, which leaves out rows silently",
        advice="Count what was left out and say so.",
    )


def _n(count: int) -> str:
    return f"{count:,}" if count >= 0 else "?"


def _times(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


_JUDGES: dict[str, Callable[[TraceEvent], LineageHint | None]] = {
    "join": _join, "fan": _fan, "twice": _twice, "sideways": _sideways, "sample": _sample,
    "made-up": _made_up, "example": _example, "changed": _changed, "nothing": _nothing,
    "sentinel": _sentinel, "totals": _totals, "repeats": _repeats, "dates": _dates, "lost": _lost,
    "mean-of-means": _means, "ones": _ones, "skips": _skips,
}  # fmt: skip
"""For each kind of event what it means."""

_MENTIONS = {
    "join-multiplies-rows": r"\bjoin|merg|duplicat|repeat|multipl",
    "join-repeats-values": r"\bjoin|merg|duplicat|repeat|weight",
    "rows-twice": r"duplicat|twice|repeat|double",
    "rows-misaligned": r"align|index",
    "sample-as-whole": r"sampl|first [\d,]+|last [\d,]+|limit|subset|only [\d,]+ rows|nrows",
    "made-up-data": r"made[- ]up|simulat|random|synthetic|example data|hypothe|illustrat|invent",
    "dataset-changed": r"overwr|replac|chang|modif|remov|dropp|exclud|clean|fill|filter",
    "filter-matches-nothing": r"no (?:row|match|such|record)|nothing|none|not found|does not occur",
    "sentinel-aggregated": r"sentinel|placeholder|missing|exclud|left out|code[sd]? (?:as|for)",
    "totals-among-parts": r"total",
    "repeated-keys": r"duplicat|repeat",
    "day-month-order": r"\bday\b|\bmonth\b|format|dd/mm|mm/dd",
    "values-lost": r"missing|could not|unread|unpars|coerc|invalid|left out|exclud",
    "average-of-averages": r"unweight|average of|mean of (?:the )?(?:\w+ )?(?:mean|average)|equal",
    "groups-of-one": r"single|one (?:row|value|record|observation)|only one|n ?= ?1\b",
    "rows-skipped": r"skip|left out|bad line|malformed",
}
"""How an answer may speak of each matter. A code that is missing here is none for an answer."""


def lineage_caveats(
    iterations: Iterable[IterationRecord], cells: Iterable[CellId | str], texts: Iterable[str]
) -> tuple[str, ...]:
    """Return a caveat for each matter of the cells that the texts of the answer do not mention."""
    said = " ".join(texts)
    relied = set(cells)
    found: dict[str, str] = {}
    for record in iterations:
        if record.cell not in relied or record.outcome != "ok":
            continue
        for hint in record.hints:
            pattern = _MENTIONS.get(hint.code)
            if pattern and _matters(hint) and not re.search(pattern, said, re.IGNORECASE):
                text = hint.message[:1].upper() + hint.message[1:]
                found[hint.message] = f"Cell {record.iteration}: {text}."
    return tuple(found.values())


def _matters(hint: LineageHint) -> bool:
    """Return whether a matter changes numbers; a further column of a dataset does not."""
    return (
        hint.code != "dataset-changed"
        or " row" in hint.message
        or "changed columns" in hint.message
    )
