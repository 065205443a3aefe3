"""Checks percentages whose two numbers are known: in the clause itself, or in a shown cross table.

"12 of 50 (36 %)" is another share than 12 of 50. "61 % of Gentoo are on Biscoe" where 61 % is the
share of Biscoe that is Gentoo. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from analyst_kernel.agent.evidence.checks.mismatch import Mismatch
from analyst_kernel.agent.evidence.checks.prose import Clause, labels_in, number_text, stem
from analyst_kernel.agent.evidence.checks.shown import ShownTable
from analyst_kernel.agent.evidence.numbers import Number, find_numbers

_OF = re.compile(
    r"\s*(?:[^\W\d_]+\s+){0,2}?(?:(?:of|out of|in)\s+|/\s*)(?:the\s+|all\s+|these\s+|its\s+)*"
)
_WORDS = r"(?:[\s/-]+[^\W\d_][\w'’-]*){0,4}"
_LEAD = (
    r"\s*(?:about|around|roughly|approximately|nearly|almost|some|just|ca\."
    r"|~|≈|or|i\.e\.|is|are|=|which is|that is)*\s*"
)
_THEN = re.compile(
    rf"{_WORDS}\s*(?:,|\(|=|:|–|—|\bare\b|\bis\b|\bor\b|\bmakes?\b){_LEAD}", re.IGNORECASE
)
_ELSEWHERE = re.compile(
    r"\s*(?:of\b(?!\s+(?:them|the total|all|these|those|the (?:rows|data|whole|sample)))|more\b"
    r"|less\b"
    r"|higher\b|lower\b|fewer\b|above\b|below\b|up\b|down\b|growth|increase|decrease|CI\b"
    r"|confidence"
    r"|points?\b|margin|faster|slower|off\b|discount)",
    re.IGNORECASE,
)
_ROUGH_PERCENT = 3.0
_FRACTIONS = {
    "most": (0.5, 1.0), "the majority": (0.5, 1.0), "a majority": (0.5, 1.0),
    "a minority": (0.0, 0.5), "half": (0.44, 0.56), "a third": (0.28, 0.38),
    "one third": (0.28, 0.38), "a quarter": (0.2, 0.3), "one quarter": (0.2, 0.3),
    "two thirds": (0.61, 0.72), "three quarters": (0.7, 0.8), "a fifth": (0.16, 0.24),
    "one fifth": (0.16, 0.24),
}  # fmt: skip
_FRACTION = re.compile(
    r"(?:\b(?P<more>more than|over|at least)\s+|\b(?P<less>less than|fewer than|under|at most)\s+)?"
    r"\b(?P<word>most|(?:the|a) majority|a minority|half|(?:a|one)[ -](?:third|quarter|fifth)"
    r"|two[ -]thirds|three[ -]quarters)\b",
    re.IGNORECASE,
)


def misstated_shares(
    found: Sequence[Clause], tables: Sequence[ShownTable], totals: Sequence[float]
) -> Iterator[Mismatch]:
    """Yield each clause with a percentage of another whole than the one that it names.

    ``totals`` are numbers that the cells show; they may say which whole it is a share of.
    """
    for clause in found:
        mismatch = _stated(clause, totals) or _worded(clause) or _crossed(clause, tables)
        if mismatch is not None:
            yield mismatch


def _stated(clause: Clause, totals: Sequence[float]) -> Mismatch | None:
    for part, whole, percent in _triples(clause):
        a, b, p = (number.readings[0].value for number in (part, whole, percent))
        if not 0 <= a <= b or b < 2 or clause.denied(part.start):
            continue
        share = 100 * a / b
        if _agree(p, share, percent) or _agree(p, 100 - share, percent):
            continue
        others = {t for t in totals if t > a and t != b and _agree(p, 100 * a / t, percent)}
        instead = f"; {p:g} % is {number_text(a)} of {number_text(min(others))}" if others else ""
        return Mismatch(
            "share",
            clause.text.strip(),
            f"{part.text.strip()} of {whole.text.strip()} is {share:.3g} %, not "
            f"{percent.text.strip()}{instead}",
        )
    return None


def _worded(clause: Clause) -> Mismatch | None:
    """Check "most shops (20 of 50)" and "a third of the shops, 12 of 50"."""
    words = list(_FRACTION.finditer(clause.plain))
    every = [n for n in find_numbers(clause.text) if not n.date]
    pairs = [(a, b) for a, b in pairwise(every) if _OF.fullmatch(clause.text[a.end : b.start])]
    if len(words) != 1 or len(pairs) != 1 or clause.denied(words[0].start()):
        return None
    (match,), ((part, whole),) = words, pairs
    gap = clause.plain[match.end() : part.start] if part.start > match.end() else ""
    if not re.fullmatch(
        r"(?:\s+of)?(?:\s+[^\W\d_]+){0,4}\s*[(,:=–—]\s*(?:i\.e\.\s*|namely\s+)?", gap
    ):
        return None
    if any(map(_is_percent, (part, whole))):
        return None
    a, b = part.readings[0].value, whole.readings[0].value
    if not 0 <= a <= b or b < 2:
        return None
    low, high = _FRACTIONS[" ".join(match["word"].lower().replace("-", " ").split())]
    if match["more"]:
        low, high = (low + high) / 2, 1.0
    elif match["less"]:
        low, high = 0.0, (low + high) / 2
    if low <= a / b <= high:
        return None
    share = f"{part.text.strip()} of {whole.text.strip()} is {100 * a / b:.3g} %"
    return Mismatch("share", clause.text.strip(), share)


def _agree(stated: float, computed: float, percent: Number) -> bool:
    decimals = max(percent.readings[0].decimals, 0)
    slack = _ROUGH_PERCENT if percent.rough else 0.5 * 10.0**-decimals * 1.02
    # A share cut off instead of rounded is no matter to ask about.
    return abs(stated - computed) <= slack or 0 <= computed - stated < 10.0**-decimals


def _triples(clause: Clause) -> Iterator[tuple[Number, Number, Number]]:
    """Yield part, whole and percentage where they stand together in one of the usual forms."""
    text = clause.text
    every = [n for n in find_numbers(text) if not n.date]
    for one, two, three in zip(every, every[1:], every[2:], strict=False):
        gaps = text[one.end : two.start], text[two.end : three.start]
        kinds = "".join("p" if _is_percent(n) else "n" for n in (one, two, three))
        if kinds == "nnp" and _THEN.fullmatch(gaps[1]):
            if _ELSEWHERE.match(text[three.end :]):
                continue
            if gaps[1].rstrip("~≈ ").endswith("(") and not re.match(
                r"\s*(?:[),;:]|of\b)", text[three.end :]
            ):
                continue  # 12 of 50 (36 % battery)
            if _OF.fullmatch(gaps[0]):
                yield one, two, three  # 12 of 50 shops (24 %)
            elif re.search(
                r"\bof\s+(?:the\s+|all\s+)*$", text[: one.start], re.IGNORECASE
            ) and re.match(rf"{_WORDS}\s*,\s*(?:only\s+)?", gaps[0]):
                if re.fullmatch(rf"{_WORDS}\s*,\s*(?:only\s+|[^\W\d_]+\s+)?", gaps[0]):
                    yield two, one, three  # of 50 shops, 12 closed (24 %)
        elif kinds == "npn" and re.fullmatch(r"[^\d.;]{0,24}\(\s*", gaps[0]):
            if re.fullmatch(r"\s*\)\s*(?:out )?of\s+(?:the\s+|all\s+|these\s+)*", gaps[1]):
                yield one, three, two  # 12 (24 %) of 50
        elif kinds == "pnn" and _OF.fullmatch(gaps[1]):
            if re.fullmatch(
                r"(?:\s+of\s+(?:the\s+)?[^\W\d_]+)?(?:\s[^\W\d_]+){0,3}\s*(?:\(|,|=|:)\s*", gaps[0]
            ):
                yield two, three, one  # 24 % (12 of 50)


def _is_percent(number: Number) -> bool:
    return re.search(r"%|\bper ?cent\b", number.text) is not None


def _crossed(clause: Clause, tables: Sequence[ShownTable]) -> Mismatch | None:
    """Check "61 % of A are B" against the cross tables of counts or shares that hold A and B."""
    for percent in find_numbers(clause.text):
        if not _is_percent(percent) or clause.denied(percent.start):
            continue
        match = re.match(r"\s*of\s+(?:all\s+|the\s+|these\s+)*", clause.text[percent.end :])
        if match is None:
            continue
        start = percent.end + match.end()
        wrong: list[Mismatch] = []
        for table in tables:
            verdict = _share_of(clause, start, percent, table)
            if verdict is True:
                wrong = []
                break
            if isinstance(verdict, Mismatch):
                wrong.append(verdict)
        if wrong:
            return wrong[-1]
    return None


def _share_of(clause: Clause, start: int, percent: Number, table: ShownTable) -> Mismatch | bool:
    """Return whether a table has the share as stated, or the mismatch; False if it cannot say."""
    counts = _cross(table)
    if counts is None:
        return False
    rows = list(dict.fromkeys(row for row, _ in counts))
    columns = list(dict.fromkeys(column for _, column in counts))
    heads = ShownTable(
        table.cell,
        ("",),
        ("",),
        tuple((c,) for c in [*rows, *columns]),
        tuple((None,) for _ in [*rows, *columns]),
    )
    named = labels_in(clause.text, heads)
    whole = next((label for at, label in named if start <= at <= start + 4), None)
    parts = {label for _, label in named} - {whole}
    if whole is None or len(parts) != 1:
        return False
    part = parts.pop()
    if (whole in rows) == (part in rows):
        return False
    row, column = (whole, part) if whole in rows else (part, whole)
    inner = counts.get((row, column))
    if inner is None:
        return False
    in_row = sum(v for (r, _), v in counts.items() if r == row)
    in_column = sum(v for (_, c), v in counts.items() if c == column)
    of_whole, of_part = (in_row, in_column) if whole in rows else (in_column, in_row)
    value = percent.readings[0].value
    if not of_whole or not of_part:
        return False
    if _agree(value, 100 * inner / of_whole, percent):
        return True
    total = sum(counts.values())
    right = f"{number_text(inner)} of {number_text(of_whole)} is {100 * inner / of_whole:.3g} %"
    for size, name in ((of_part, part), (total, "all")):
        if _agree(value, 100 * inner / size, percent):
            return Mismatch(
                "share",
                clause.text.strip(),
                f"cell {table.cell} shows {percent.text.strip()} as the share of {name} "
                f"({number_text(inner)} of {number_text(size)}), and of {whole} {right}",
            )
    return False


def _cross(table: ShownTable) -> dict[tuple[str, str], float] | None:
    """Return a table of counts or shares as (row, column) to value, without its margins."""
    if len(table.names) == 1 and len(table.columns) >= 2:
        cells = {
            (labels[0], column): value
            for labels, values in zip(table.labels, table.values, strict=True)
            for column, value in zip(table.columns, values, strict=True)
            if value is not None
        }
    elif len(table.names) == 2 and len(table.columns) >= 1:
        cells = {(labels[0], labels[1]): value for labels, value in table.column(0)}
    else:
        return None
    margins = {"all", "total", "sum", "count", "n"}
    cells = {key: v for key, v in cells.items() if not {stem(k) for k in key} & margins}
    if not cells or any(value < 0 for value in cells.values()):
        return None
    whole = all(value == int(value) for value in cells.values())
    return cells if whole else None
