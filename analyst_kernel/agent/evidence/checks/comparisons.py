"""Checks comparisons and superlatives against the numbers beside them, and against shown tables.

"Biscoe (20) is higher than Dream (22)", "B has the most". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from analyst_kernel.agent.evidence.checks.mismatch import Mismatch, TableVerdict, decided
from analyst_kernel.agent.evidence.checks.prose import (
    ALL,
    Clause,
    columns_meant,
    comparable,
    labels_in,
    number_text,
    signed,
    stem,
    unit_after,
    upto,
)
from analyst_kernel.agent.evidence.checks.shown import ShownTable
from analyst_kernel.agent.evidence.numbers import Number

MORE = (
    r"higher|greater|larger|bigger|longer|heavier|taller|wider|deeper|older|more (?:expensive"
    r"|common"
    r"|frequent|numerous|often)|more|exceed(?:s|ed|ing)?|outnumber(?:s|ed)?|outweigh(?:s|ed)?"
    r"|surpass(?:es|ed)?"
    r"|above"
)
LESS = (
    r"lower|smaller|fewer|shorter|lighter|narrower|shallower|younger|cheaper|less (?:expensive"
    r"|common"
    r"|frequent|numerous|often)|less|below"
)
COMPARED = re.compile(
    rf"\b(?:(?P<more>{MORE})|(?P<less>{LESS}))\b(?P<what>(?:\s+[^\s,;]+){{0,8}}?)"
    r"(?:\s+than\b|(?<=exceed)|(?<=exceeds)|(?<=exceeded)|(?<=outnumber)|(?<=outnumbers)"
    r"|(?<=outnumbered)|(?<=outweigh)|(?<=outweighs)|(?<=outweighed)|(?<=surpass)"
    r"|(?<=surpasses)|(?<=surpassed)|(?<=above)|(?<=below))",
    re.IGNORECASE,
)
_TIMES = {
    "twice": 2.0,
    "double": 2.0,
    "triple": 3.0,
    "half": 0.5,
    "two times": 2.0,
    "three times": 3.0,
    "four times": 4.0,
    "five times": 5.0,
    "ten times": 10.0,
}
_TIMES_AS = re.compile(
    r"(?:\b(?P<over>more than|over|at least)\s+|\b(?P<less>almost|nearly|about"
    r"|close to)\s+)?\b(?P<times>twice|double|triple|half|(?:two|three|four"
    r"|five|ten|[0-9]+(?:\.[0-9]+)?) times)\s+(?:as\s+[^,;]{1,40}?\bas\b|that of|the (?:size"
    r"|number|amount"
    r"|value|rate|mean|average|total|weight|length|price) of|those of)",
    re.IGNORECASE,
)
_VERSUS = re.compile(r"\s*\S{0,12}\s*(?:vs\.?|versus|against|compared (?:with|to))\s+[$€£¥]?-?$")
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|be|been|weighs?|averages?|averaged|stays?)\b"
)
_DIFFERENCE = re.compile(r"\s*(?:%|[\w/°²³µ.-]+\s+){0,3}$")
_TOP = re.compile(
    r"\b(?:(?P<most>highest|largest|greatest|biggest|longest|heaviest|tallest|widest|oldest|deepest"
    r"|the most(?! of\b)|most (?:common|frequent|numerous|expensive|often|popular|populous)"
    r"|busiest|hottest|warmest|richest|best-selling|top-selling|leads(?! to\b)|peak(?:s|ed|ing)?)"
    r"|(?P<least>lowest|smallest|shortest|lightest|narrowest|youngest|fewest"
    r"|cheapest|coldest|poorest|the least|least (?:common|frequent|numerous|expensive|often)"
    r"|bottomed out))\b",
    re.IGNORECASE,
)
_MILD = re.compile(
    r"\b(?:second|third|fourth|fifth|next|another|one of|among|amongst|nearly|almost|except\w*"
    r"|apart from|other than|besides|after|excluding|joint|tied|ties|both|at (?:most|least)"
    r"|single|individual|ever|record|reading|observation|outlier|possible|likely|recent|quartile"
    r"|quintile|decile|bin|class|remaining|rest|otherwise|relative|tend|tends)\b|[0-9](?:nd|rd"
    r"|th)\b"
    r"|most (?!common|frequent|numerous|expensive|often)\w+ly\b",
    re.IGNORECASE,
)
_SHARES = frozenset("share proportion rate percentage ratio fraction margin efficiency".split())
_SCOPE = re.compile(
    r"^(?!.*\b(?:is|are|was|were|goes|went|belongs?)\b).*\b(?:for|among|within|of)\s+(?:the\s+)?$"
)
"""The label is what is looked at ("the highest year of Poland"), not what comes first."""
_DERIVED = frozenset(
    """growth increase decrease drop decline change difference gap rise jump spread range variation
    variance variability improvement correlation association effect share proportion rate percentage
    ratio fraction margin loss gain deviation error uncertainty interval impact contribution
    efficiency""".split()
)


def mismatched_comparisons(
    found: Sequence[Clause], tables: Sequence[ShownTable]
) -> Iterator[Mismatch]:
    """Yield each clause whose comparison or superlative its numbers or a table contradict."""
    for clause in found:
        for check in (_higher, _times, _topmost):
            mismatch = check(clause, tables)
            if mismatch is not None:
                yield mismatch
                break


def _higher(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    matches = list(COMPARED.finditer(clause.plain))
    if len(matches) != 1 or clause.denied(matches[0].start()):
        return None
    (match,) = matches
    more = match["more"] is not None
    what = (match["what"] or "").split()
    word = (match["more"] or match["less"]).lower()
    if word in ("more", "less") and what and not _is_amount(what[0]):
        return None
    pair = _versus(clause, match.start())
    left = [n for n in clause.numbers if n.end <= match.start() or _within(clause, match, n)]
    right = [n for n in clause.numbers if n.start >= match.end()]
    left = [
        n
        for n in left
        if n.start > match.start() or not _is_difference(clause.plain[n.end : match.start()])
    ]
    if pair is not None:
        left, right = [pair[0]], [pair[1]]
    elif right and word in ("more", "less", "fewer", "above", "below"):
        # "More than 50 of them": a bound of its own, unless the numbers stand side by side.
        direct = not clause.plain[match.end() : right[0].start].strip(" $€£¥~'’")
        gap = clause.plain[left[-1].end : match.start()] if left else " of "
        units = {unit_after(clause.text, number) for number in (left[-1:] + right[:1])}
        if direct and (
            len(units) > 1 or re.search(r"\b(?:of|in|from|out|with|for)\b|\)|\w+\s+\w+\s+\w+", gap)
        ):
            return None
    if right and re.match(r"\s?%?\s+of\b", clause.plain[right[0].end :]) and pair is None:
        return None
    pairs = [(a, b) for a in left for b in right if comparable(clause, a, b)]
    if pairs:
        if all((signed(a) < signed(b)) is more and signed(a) != signed(b) for a, b in pairs):
            a, b = pairs[-1][0], pairs[0][1]
            than = "less" if more else "more"
            return Mismatch(
                "comparison",
                clause.text.strip(),
                f"{a.text.strip()} is {than} than {b.text.strip()}",
            )
        return None
    if ALL.search(clause.plain) or _MILD.search(clause.plain):
        return None
    return decided("comparison", clause, _by_label(clause, match, more, tables))


def _times(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    """Check "A (40) is twice B (30)" and "A is twice as long as B"."""
    matches = list(_TIMES_AS.finditer(clause.plain))
    if len(matches) != 1 or clause.denied(matches[0].start()):
        return None
    (match,) = matches
    word = match["times"].lower()
    factor = _TIMES.get(word) or float(word.split()[0])
    low, high = 0.85 * factor, 1.2 * factor
    if match["over"]:
        low, high = 0.97 * factor, 1.5 * factor + 0.5
    elif match["less"]:
        low, high = 0.75 * factor, 1.1 * factor
    left = [n for n in clause.numbers if n.end <= match.start()]
    right = [n for n in clause.numbers if n.start >= match.end()]
    if len(left) == 1 and len(right) == 1 and comparable(clause, left[0], right[0]):
        if signed(right[0]) <= 0:
            return None
        ratio = signed(left[0]) / signed(right[0])
        if low <= ratio <= high:
            return None
        against = f"{left[0].text.strip()} is {ratio:.2f} times {right[0].text.strip()}"
        return Mismatch("factor", clause.text.strip(), against)
    if left or right or ALL.search(clause.plain):
        return None
    evidence = [
        TableVerdict(cell, low <= a / b <= high, f"{shown}: {a / b:.2f} times")
        for cell, a, b, shown in _sides_by_label(clause, match, tables)
        if b > 0
    ]
    return decided("factor", clause, evidence)


def _within(clause: Clause, match: re.Match[str], number: Number) -> bool:
    """Return whether a number stands in brackets between "more" and "than"."""
    return (
        match.start() < number.start < match.end()
        and "(" in clause.text[max(0, number.start - 3) : number.start]
    )


def _is_amount(word: str) -> bool:
    """Return whether "more WORD" counts things, instead of comparing a quality."""
    return word.endswith("s") and not word.endswith(("ous", "less", "ss"))


def _is_difference(gap: str) -> bool:
    """Return whether a number right before "more" says by how much."""
    return _DIFFERENCE.fullmatch(gap) is not None and not _VERB.search(gap)


def _versus(clause: Clause, at: int) -> tuple[Number, Number] | None:
    every = [n for n in clause.numbers if n.start > at]
    for first, last in pairwise(every):
        gap = clause.text[first.end : last.start]
        before = clause.text[max(0, first.start - 8) : first.start]
        if _VERSUS.fullmatch(gap) and re.search(r"[(,:–—]\s*\S{0,3}$", before):
            return first, last
    return None


def _by_label(
    clause: Clause, match: re.Match[str], more: bool, tables: Sequence[ShownTable]
) -> Iterator[TableVerdict]:
    """Yield what tables show of the two labels that a clause compares."""
    for cell, a, b, shown in _sides_by_label(clause, match, tables):
        if a != b:
            yield TableVerdict(cell, (a > b) is more, shown)


def _sides_by_label(
    clause: Clause, match: re.Match[str], tables: Sequence[ShownTable]
) -> Iterator[tuple[int, float, float, str]]:
    """Yield the cell, the values of the two labels around a comparison, and their words."""
    # "Sold more units than the South, at a lower price": the price is another matter.
    clause = upto(clause, match.end())
    for table in _both_ways(tables):
        before = {label for _, label in labels_in(clause.text[: match.start()], table)}
        after = {label for _, label in labels_in(clause.text[match.end() :], table)}
        one = [label for label in before if label not in after]
        other = [label for label in after if label not in before]
        # "Males weigh more on Biscoe than females": both sides may share labels of one level.
        if len(one) != 1 or len(other) != 1:
            continue
        columns, _ = columns_meant(table, clause, match.start(), (one[0], other[0]))
        rows = {
            label: [at for at, labels in enumerate(table.labels) if label in labels]
            for label in (one[0], other[0])
        }
        if any(len(at) != 1 for at in rows.values()):
            continue
        for column in columns:
            a = table.values[rows[one[0]][0]][column]
            b = table.values[rows[other[0]][0]][column]
            if a is not None and b is not None:
                shown = f"{number_text(a)} for {one[0]}, {number_text(b)} for {other[0]}"
                yield table.cell, a, b, shown


def _both_ways(tables: Sequence[ShownTable]) -> Iterator[ShownTable]:
    """Yield tables, and those with several columns turned as well: columns may be the groups."""
    for table in tables:
        yield table
        if len(table.columns) > 1 and len(table.names) == 1 and len(table.labels) <= 50:
            yield ShownTable(
                cell=table.cell,
                names=("",),
                columns=tuple(labels[0] for labels in table.labels),
                labels=tuple((column,) for column in table.columns),
                values=tuple(zip(*table.values, strict=True)),
                code=table.code,
            )


def _topmost(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    matches = list(_TOP.finditer(clause.plain))
    if len(matches) != 1 or clause.denied(matches[0].start()) or _MILD.search(clause.plain):
        return None
    (match,) = matches
    if clause.plain[match.end() :].lstrip()[:1].isdigit():
        return None
    most = match["most"] is not None
    derived = clause.words & _DERIVED
    evidence: list[TableVerdict] = []
    for table in tables:
        evidence += _extreme(clause, table, most, derived, match.start())
    return decided("superlative", clause, evidence)


def _extreme(
    clause: Clause, table: ShownTable, most: bool, derived: frozenset[str], at: int
) -> Iterator[TableVerdict]:
    """Yield whether a label of the clause stands at the end of a table's column."""
    named = {
        label
        for place, label in labels_in(clause.text, table)
        if not _SCOPE.search(clause.plain[at:place])
    }
    if not named or len(set(table.labels)) < len(table.labels):
        return
    if len(table.names) > 1 and not all(any(x in named for x in row) for row in table.labels):
        level = [{row[n] for row in table.labels} & named for n in range(len(table.names))]
        if not all(level):
            return  # Some level is left open: what is asked for may be a sum over it.
    columns, are_meant = columns_meant(table, clause, at, named)
    if derived:
        heads = {
            column: {stem(w) for w in re.findall(r"[a-z]+", table.columns[column].lower())}
            for column in columns
        }
        columns = [
            column
            for column in columns
            if heads[column] & derived
            or (derived <= _SHARES and any(v != int(v) for _, v in table.column(column)))
        ]
    series = [table.column(column) for column in columns]
    if len(columns) > 1 and not are_meant:
        series.append(
            [
                (labels, sum(v for v in values if v is not None))
                for labels, values in zip(table.labels, table.values, strict=True)
            ]
        )
    verdicts: list[TableVerdict] = []
    for rows in series:
        mine = [
            value
            for labels, value in rows
            if set(labels) & named
            and (len(labels) == 1 or len(set(labels) & named) >= min(2, len(labels)))
        ]
        if not mine or len(rows) < 2:
            continue
        end = (max if most else min)(value for _, value in rows)
        own = (max if most else min)(mine)
        winner = next(labels for labels, value in rows if value == end)
        word = "the most" if most else "the least"
        verdicts.append(
            TableVerdict(
                table.cell,
                own == end,
                f"{number_text(own)} for {_name(named, rows, own)}, but {word}, "
                f"{number_text(end)}, for {' '.join(winner)}",
            )
        )
    yield from verdicts


def _name(named: set[str], rows: Sequence[tuple[tuple[str, ...], float]], own: float) -> str:
    return next(" ".join(labels) for labels, value in rows if value == own and set(labels) & named)
