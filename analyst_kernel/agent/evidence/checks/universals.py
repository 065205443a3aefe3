"""Checks words of all against shown tables: "rises in every year", "all shops sold over 100".

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf

from analyst_kernel.agent.evidence.checks.comparisons import COMPARED, LESS, MORE
from analyst_kernel.agent.evidence.checks.directions import MOVE, SPAN
from analyst_kernel.agent.evidence.checks.mismatch import Mismatch, TableVerdict, decided
from analyst_kernel.agent.evidence.checks.prose import (
    ALL,
    Clause,
    columns_meant,
    labels_in,
    number_text,
    signed,
    stem,
)
from analyst_kernel.agent.evidence.checks.shown import TIMES, ShownTable

_NOT_ALL = re.compile(
    r"\b(?:not (?:all|every|each|both)|(?:almost|nearly|virtually|practically|but|at|above|after"
    r"|first"
    r"|over|of) all|in all\b(?!\s+(?:[a-z]|[0-9]+ [a-z]))|all (?:but|in all|told|together"
    r"|the same|other|others)|all-?time|no(?:t)? (?:longer"
    r"|more)|(?:almost|nearly) (?:every|each|always|none|no)|except\w*|apart from"
    r"|with one exception"
    r"|mostly|generally|usually|in general|tend\w*|overall|each other|one each|every (?:other"
    r"|second"
    r"|third)|most|together|combined|in total|altogether|but)\b|n['’]t\b",
    re.IGNORECASE,
)
_EACH_TIME = re.compile(
    rf"\b(?:every|each|all(?: the)?)\s+(?:single\s+)?(?:{'|'.join(sorted(TIMES))})s?\b"
    rf"|\b(?:steadily"
    r"|consistently|monotonically|continuously|without exception|(?:year|month|quarter|week)"
    r" (?:after|on|over|by) (?:year|month|quarter|week))\b",
    re.IGNORECASE,
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_WEEKDAYS = (
    "mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday".split()
)
_QUANTIFIED = re.compile(
    r"\b(?P<none>none|no)?(?P<all>every|each|all|both)?\s+(?:of\s+)?(?:the\s+"
    r"|these\s+)?(?:[0-9]+\s+"
    r"|two\s+|three\s+|four\s+|five\s+|six\s+|seven\s+)?(?P<noun>[^\W\d_]+)",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\b(?:(?P<more>more than|over|above|at least|exceed(?:s|ed|ing)?|greater than|higher than"
    r"|no (?:fewer|less) than|larger than)|(?P<less>less than|under|below|at most|fewer than"
    r"|lower than"
    r"|no more than|smaller than))\s+[$€£¥]?-?$",
    re.IGNORECASE,
)
_BARELY = re.compile(
    rf"\b(?:(?P<more>{MORE})|(?P<less>{LESS}))\b(?!.*\b(?:than|[0-9])\b)", re.IGNORECASE
)
_NONE = re.compile(r"\b(?:no|none)\b", re.IGNORECASE)
_NEVER = re.compile(
    r"\bnever (?P<move>(?:fell|rose|dropped|declined|decreased|increased|grew|shrank|sank))\b",
    re.IGNORECASE,
)
_SIGNED = re.compile(
    r"\b(?:is|are|was|were|stays?|remains?)\s+(?P<sign>positive|negative)\b", re.IGNORECASE
)
_GROUP_WORDS = frozenset("group category class segment row value line entry one".split())
_DENIED_BUT_NONE = re.compile(r"\b(?:not|never|whether|if|would|could|might|may|should)\b|n['’]t\b")


def mismatched_universals(
    found: Sequence[Clause], tables: Sequence[ShownTable]
) -> Iterator[Mismatch]:
    """Yield each clause that says "every", "all" or "none" against a shown counterexample."""
    for clause in found:
        for check in (_never, _throughout, _bounded, _ranged):
            mismatch = check(clause, tables)
            if mismatch is not None:
                yield mismatch
                break


def _never(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    """Check "sales never fell": then they rose, or stayed, at each step."""
    match = _NEVER.search(clause.plain)
    if match is None or clause.denied(match.start()):
        return None
    move = MOVE.search(clause.plain, match.end() - len(match["move"]))
    if move is None or re.match(
        r"\s*(?:below|under|above|over|to|by|more|less)\b", clause.plain[move.end() :]
    ):
        return None
    return decided("every", clause, _steps(clause, move, tables, up=move["up"] is None))


def _throughout(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    every = ALL.search(clause.plain)
    if (
        every is None
        or _NOT_ALL.search(clause.plain)
        or re.search(r"\b(?:no|none)\b", clause.plain)
    ):
        return None
    moves = [m for m in MOVE.finditer(clause.plain) if not clause.denied(m.start())]
    if _EACH_TIME.search(clause.plain) and len({bool(m["up"]) for m in moves}) == 1:
        return decided(
            "every", clause, _steps(clause, moves[0], tables, up=moves[0]["up"] is not None)
        )
    span = SPAN.search(clause.text)
    if span is not None and len({bool(m["up"]) for m in moves}) == 1:
        return decided("every", clause, _each_moved(clause, moves[0], span, tables))
    match = COMPARED.search(clause.plain) or _BARELY.search(clause.plain)
    if match is not None and not clause.denied(match.start()):
        return decided("every", clause, _groups(clause, match, tables))
    return None


def _steps(
    clause: Clause, move: re.Match[str], tables: Sequence[ShownTable], *, up: bool
) -> Iterator[TableVerdict]:
    """Yield whether each column over time only rises, or only falls."""
    years = [int(y) for y in re.findall(r"\b(?:19|20)[0-9]{2}\b", clause.text)]
    for table in tables:
        at = next((i for i in range(len(table.names)) if _times(table, i) is not None), None)
        if at is None:
            continue
        times = _times(table, at)
        assert times is not None
        named = {label for _, label in labels_in(clause.text, table)}
        named -= {labels[at] for labels in table.labels}
        columns, _ = columns_meant(table, clause, move.start())
        for column in columns:
            rows = [
                (time, labels[at], values[column])
                for time, labels, values in zip(times, table.labels, table.values, strict=True)
                if named <= set(labels)
            ]
            if len(years) == 2:
                rows = (
                    [r for r in rows if years[0] <= int(r[0]) <= years[1]]
                    if _is_years(rows)
                    else rows
                )
            rows = sorted((r for r in rows if r[2] is not None), key=lambda row: row[0])
            if len(rows) < 2 or len({row[0] for row in rows}) < len(rows):
                continue
            wrong = next(
                (
                    (a, b)
                    for a, b in pairwise(rows)
                    if a[2] is not None
                    and b[2] is not None
                    and ((b[2] < a[2]) if up else (b[2] > a[2]))
                ),
                None,
            )
            what = ""
            if wrong is not None:
                (_, first, x), (_, last, y) = wrong
                assert x is not None
                assert y is not None
                what = f"{number_text(x)} for {first} and then {number_text(y)} for {last}"
            yield TableVerdict(table.cell, wrong is None, what)


def _is_years(rows: Sequence[tuple[float, str, float | None]]) -> bool:
    return all(1500 <= time < 2200 for time, _, _ in rows)


def _times(table: ShownTable, at: int) -> list[float] | None:
    """Return a label column's places in time, or None if it is none."""
    named = set(re.findall(r"[a-z]+", table.names[at].lower())) & TIMES
    places: list[float] = []
    for labels in table.labels:
        label = labels[at].strip()
        month = label[:3].lower()
        date = re.fullmatch(r"([12][0-9]{3})(?:[-/Q ]+([0-9]{1,2}))?(?:[-/]([0-9]{1,2}))?.*", label)
        if re.fullmatch(r"[0-9]{1,4}", label) and (named or len(label) == 4):
            places.append(float(label))
        elif date is not None:
            places.append(float(date[1]) + float(date[2] or 0) / 100 + float(date[3] or 0) / 10_000)
        elif label.lower() in _WEEKDAYS or (len(label) == 3 and month in _WEEKDAYS):
            places.append(float(_WEEKDAYS.index(label.lower()) % 7))
        elif month in _MONTHS and label.isalpha():
            places.append(float(_MONTHS.index(month)))
        elif (part := re.fullmatch(r"[QW]?\s?([0-9]{1,2})", label, re.IGNORECASE)) and named:
            places.append(float(part[1]))
        else:
            return None
    return places


def _each_moved(
    clause: Clause, move: re.Match[str], span: re.Match[str], tables: Sequence[ShownTable]
) -> Iterator[TableVerdict]:
    """Yield whether each group moved one way: "in every country it fell from 2010 to 2020"."""
    up = move["up"] is not None
    for table in tables:
        for group, before, after in _ends(clause, move, span, table):
            wrong = [(g, a, b) for g, a, b in zip(group, before, after, strict=True) if a != b]
            wrong = [(g, a, b) for g, a, b in wrong if (b > a) is not up]
            if len(group) > 1:
                what = ""
                if wrong:
                    g, a, b = wrong[0]
                    what = f"for {g} {number_text(a)} and then {number_text(b)}"
                yield TableVerdict(table.cell, not wrong, what)


def _ends(
    clause: Clause, move: re.Match[str], span: re.Match[str], table: ShownTable
) -> Iterator[tuple[list[str], list[float], list[float]]]:
    """Yield for each measure the groups with their values at both ends of a span."""
    if len(table.names) == 1 and len(table.columns) > 1:
        ends = [labels_in(part, _headers_of(table)) for part in (span[1], span[2])]
        if all(ends) and ends[0][0][1] != ends[1][0][1]:
            at = [table.columns.index(found[0][1]) for found in ends]
            rows = [
                (labels[0], values[at[0]], values[at[1]])
                for labels, values in zip(table.labels, table.values, strict=True)
            ]
            full = [(g, a, b) for g, a, b in rows if a is not None and b is not None]
            yield [g for g, _, _ in full], [a for _, a, _ in full], [b for _, _, b in full]
    if len(table.names) != 2:
        return
    ends = [labels_in(part, table) for part in (span[1], span[2])]
    if not all(ends):
        return
    first, last = ends[0][0][1], ends[1][0][1]
    for level in (0, 1):
        inside = {labels[level] for labels in table.labels}
        if first == last or not {first, last} <= inside:
            continue
        for column in columns_meant(table, clause, move.start())[0]:
            value = {(labels[1 - level], labels[level]): v for labels, v in table.column(column)}
            groups = [
                g
                for g in dict.fromkeys(g for g, _ in value)
                if (g, first) in value and (g, last) in value
            ]
            yield groups, [value[g, first] for g in groups], [value[g, last] for g in groups]


def _headers_of(table: ShownTable) -> ShownTable:
    """Return the headers of a table's columns as labels."""
    heads = tuple((column,) for column in table.columns)
    return ShownTable(table.cell, ("",), ("",), heads, tuple((None,) for _ in heads))


def _groups(
    clause: Clause, match: re.Match[str], tables: Sequence[ShownTable]
) -> Iterator[TableVerdict]:
    """Yield whether one label is above another in each group: "males weigh more everywhere"."""
    more = match["more"] is not None
    for table in tables:
        one, other, sides = _sides(clause, match, table)
        if not sides:
            continue
        for pairs in sides:
            wrong = [(g, a, b) for g, a, b in pairs if (a < b) is more and a != b]
            if len(pairs) < 2:
                continue
            what = ""
            if wrong:
                group, a, b = wrong[0]
                what = f"for {group} {number_text(a)} ({one}) and {number_text(b)} ({other})"
            yield TableVerdict(table.cell, not wrong, what)


def _sides(
    clause: Clause, match: re.Match[str], table: ShownTable
) -> tuple[str, str, list[list[tuple[str, float, float]]]]:
    """Return the compared labels, and for each measure the pairs of their values per group."""
    heads = _headers_of(table)
    if len(table.names) == 1 and len(table.columns) >= 2:
        one, other = _two(clause, match, heads, table.columns)
        if one and other:
            a, b = table.columns.index(one), table.columns.index(other)
            both = [
                (labels[0], values[a], values[b])
                for labels, values in zip(table.labels, table.values, strict=True)
            ]
            return one, other, [[(g, x, y) for g, x, y in both if x is not None and y is not None]]
    for level in range(len(table.names)) if len(table.names) == 2 else ():
        inside = tuple(dict.fromkeys(labels[level] for labels in table.labels))
        one, other = _two(clause, match, table, inside)
        if not one or not other:
            continue
        sides = []
        columns, _ = columns_meant(table, clause, match.start())
        for column in columns:
            value = dict(table.column(column))
            groups = dict.fromkeys(labels[1 - level] for labels in table.labels)
            pairs = []
            for group in groups:
                keys = [(x, group) if level == 0 else (group, x) for x in (one, other)]
                if all(key in value for key in keys):
                    pairs.append((group, value[keys[0]], value[keys[1]]))
            sides.append(pairs)
        return one, other, sides
    return "", "", []


def _two(
    clause: Clause, match: re.Match[str], table: ShownTable, inside: Sequence[str]
) -> tuple[str, str]:
    """Return which of the labels is compared with which other one."""
    before = [x for _, x in labels_in(clause.text[: match.start()], table) if x in inside]
    after = [x for _, x in labels_in(clause.text[match.end() :], table) if x in inside]
    if len(set(before)) != 1:
        return "", ""
    if len(set(after)) == 1 and after[0] != before[0]:
        return before[0], after[0]
    rest = [label for label in inside if label != before[0]]
    if not after and len(rest) == 1 and match.re is _BARELY:
        return before[0], rest[0]
    return "", ""


def _bounded(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    """Check "all islands have more than 50" and "no island has fewer than 50"."""
    bounds = [
        (n, m) for n in clause.numbers if (m := _BOUND.search(clause.text[: n.start])) is not None
    ]
    if len(bounds) != 1 or not _speaks_of_all(clause, bounds[0][1].start()):
        return None
    number, match = bounds[0]
    none = _NONE.search(clause.plain[: match.start()]) is not None
    above = (match["more"] is not None) is not none
    inclusive = (re.match(r"at|no", match[0], re.IGNORECASE) is not None) is not none
    limit, percent = signed(number), "%" in number.text
    if above:
        limits = (limit, inf) if inclusive else (_after(limit), inf)
    else:
        limits = (-inf, limit) if inclusive else (-inf, -_after(-limit))
    return decided("every", clause, _outside(clause, number.end, tables, limits, percent))


def _ranged(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    """Check "all scores lie between 50 and 70" and "all changes are positive"."""
    sign = _SIGNED.search(clause.plain)
    if sign is not None and _speaks_of_all(clause, sign.start()):
        above = (sign["sign"].lower() == "positive") is not bool(_NONE.search(clause.plain))
        limits = (0.0, inf) if above else (-inf, 0.0)
        return decided("every", clause, _outside(clause, sign.start(), tables, limits))
    for low, high in pairwise(clause.numbers):
        before = re.search(r"\b(?:between|from)\s+[$€£¥]?-?$", clause.text[: low.start])
        between = re.fullmatch(
            r"\s?\S{0,8}\s*(?:and|to)\s+[$€£¥]?-?", clause.text[low.end : high.start]
        )
        if before is None or between is None or _NONE.search(clause.plain):
            continue
        if signed(low) < signed(high) and _speaks_of_all(clause, before.start()):
            limits = (signed(low), signed(high))
            percent = "%" in low.text or "%" in high.text
            return decided("every", clause, _outside(clause, high.end, tables, limits, percent))
    return None


def _speaks_of_all(clause: Clause, at: int) -> bool:
    if _NOT_ALL.search(clause.plain) or _DENIED_BUT_NONE.search(clause.plain):
        return False
    every = ALL.search(clause.plain)
    return every is not None and every.start() <= at


def _after(limit: float) -> float:
    """Return the least value above a limit that counts as above it: a rounded one may be equal."""
    return limit + 1e-9 * max(abs(limit), 1.0) if limit == int(limit) else limit


def _outside(
    clause: Clause,
    at: int,
    tables: Sequence[ShownTable],
    limits: tuple[float, float],
    percent: bool = False,
) -> Iterator[TableVerdict]:
    """Yield whether the rows of the tables that a clause speaks of all lie within limits."""
    nouns = {stem(q["noun"]) for q in _QUANTIFIED.finditer(clause.plain) if q["all"] or q["none"]}
    for table in tables:
        names = {stem(w) for name in table.names for w in re.findall(r"[^\W\d_]+", name)}
        if not nouns & (names | _GROUP_WORDS) and len(table.names) == 1 and table.names[0]:
            continue
        columns, are_meant = columns_meant(table, clause, at)
        for column in columns:
            rows = table.column(column)
            scale = 0.01 if percent and all(abs(value) <= 1 for _, value in rows) else 1.0
            low, high = limits[0] * scale, limits[1] * scale
            wrong = [(labels, value) for labels, value in rows if not low <= value <= high]
            if len(rows) < 2 or (len(wrong) == len(rows) and not are_meant):
                continue  # Another measure altogether.
            what = f"{number_text(wrong[0][1])} for {' '.join(wrong[0][0])}" if wrong else ""
            yield TableVerdict(table.cell, not wrong, what)
