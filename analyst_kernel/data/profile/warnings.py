"""Warnings about what spoils a naive analysis of one table, each with its evidence.

Each check is a function from the profiled table to warnings; a new one goes into ``CHECKS``.
Checks may query the staged table and never change it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from analyst_kernel.data.profile.choices import choices, uncomputed_columns
from analyst_kernel.data.read import values
from analyst_kernel.data.read.infer import CODE_NAME, try_date_sql
from analyst_kernel.data.read.stage import Staged
from analyst_kernel.data.read.workspace import Workspace, column, literal
from analyst_kernel.protocol.datasets import ColumnProfile, DataWarning

MAX_WARNINGS = 60
_TOTALS = r"(grand |sub-?\s?)?totals?([ :].*)?|sum|overall|all|gesamt(summe)?|summe|insgesamt"
_MANY = 50_000
_LOW = (-1, -9, -99, -999, -9999, -99999)
_HIGH = (99, 999, 9999, 99999, 999999, 9999999, 99999999)
_FRACTIONS = ("DOUBLE", "FLOAT")
_FEW_ROWS = 20
_REACH = 10  # times the width of the middle half, from its edge
_GAP = 4  # times as far from the middle as the next value
_EXTREMES = 12
_AT_ONCE = 64  # columns: each takes memory while it is read


@dataclass(frozen=True, slots=True)
class Table:
    """A staged table with the columns that were profiled, each with its place."""

    work: Workspace
    staged: Staged
    columns: tuple[tuple[int, ColumnProfile], ...]
    duplicate_rows: int | None


def find_warnings(table: Table) -> tuple[DataWarning, ...]:
    """Return the warnings of all checks, the most useful first; a cut is itself a warning."""
    found = [warning for check in CHECKS for warning in check(table)]
    if len(found) > MAX_WARNINGS:
        rest = len(found) - MAX_WARNINGS
        found[MAX_WARNINGS:] = [_warn("more-warnings", f"{rest} more warnings are left out.")]
    return tuple(found)


def _warn(
    code: str, message: str, column: str | None = None, about: Iterable[object] = ()
) -> DataWarning:
    texts = tuple(map(str, about))
    return DataWarning(code=code, message=message, column=column, values=texts)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _rows(table: Table) -> Iterator[DataWarning]:
    if not table.staged.rows:
        yield _warn("no-rows", "The table has a header but no rows.")
        return
    if table.duplicate_rows:
        yield _warn(
            "duplicate-rows",
            _counted(table.duplicate_rows, "row is an exact repeat", "rows are exact repeats")
            + " of others.",
        )
    if any(not one.nulls for _, one in table.columns):
        return  # a column has no gaps, so no row is empty
    tests = " AND ".join(f"{column(p)} IS NULL" for p in range(len(table.staged.names)))
    empty = int(table.work.row(f"SELECT count(*) FILTER ({tests}) FROM staged")[0])
    if empty:
        yield _warn(
            "empty-rows", _counted(empty, "row has", "rows have") + " no value in any column."
        )


def _names(table: Table) -> Iterator[DataWarning]:
    names = table.staged.names
    unnamed = [name for name in names if name.startswith("Unnamed: ") or not name.strip()]
    if unnamed:
        yield _warn(
            "unnamed-columns",
            _counted(len(unnamed), "column has", "columns have") + f" no name: {_some(unnamed)}.",
        )
    repeated = [
        name
        for name in names
        if (found := re.fullmatch(r"(.*)\.\d+", name)) and found.group(1) in names
    ]
    if repeated:
        yield _warn(
            "duplicate-column-names", f"Column names occur twice; read as {_some(repeated)}."
        )
    blank = [name for name in names if name != name.strip() or "  " in name]
    if blank:
        yield _warn("blanks-in-names", f"Names have stray blanks: {_some(blank)}.")


def _some(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _reading(table: Table) -> Iterator[DataWarning]:
    said = dict(table.staged.chosen.values)
    for choice in choices(table.staged):
        if choice.key in said:
            continue
        known = [value for value in choice.values if value not in choice.sentence]
        shown = f" ({_some(known)})" if known else ""
        yield _warn(choice.code, choice.sentence[:-1] + shown + ".", choice.column, choice.values)


def _gaps(table: Table) -> Iterator[DataWarning]:
    rows = table.staged.rows
    uncomputed = uncomputed_columns(table.staged.reading)
    for _, one in table.columns:
        if not rows:
            return
        if one.name in uncomputed:
            continue  # another warning says why
        if one.nulls == rows:
            yield _warn("empty-column", "It has no values at all.", one.name)
        elif one.nulls * 2 > rows:
            share = 100 * one.nulls / rows
            yield _warn("mostly-missing", f"{share:.0f} % of its values are missing.", one.name)
        elif one.distinct == 1 and rows > 1 and not one.distinct_is_estimate:
            yield _warn("constant-column", "It has the same value in every row.", one.name)


def _dates(table: Table) -> Iterator[DataWarning]:
    for place, one in table.columns:
        if one.kind != "text" or not one.share_date or not one.date_format:
            continue
        known = values.FORMATS_BY_TEXT[one.date_format]
        name = f"CAST({column(place)} AS VARCHAR)"
        fails = int(table.work.row(
            f"SELECT count(*) FILTER ({name} IS NOT NULL AND {try_date_sql(name, known)} IS NULL) "
            "FROM staged"
        )[0])  # fmt: skip
        other = values.swapped(one.date_format)
        if table.staged.chosen.get("dates", one.name):
            continue
        if other is not None:
            swapped = values.FORMATS_BY_TEXT[other]
            wrong = int(table.work.row(
                f"SELECT count({name}) - count({try_date_sql(name, swapped)})"
                " FROM staged"
            )[0])  # fmt: skip
            if not wrong and not fails:
                yield _warn(
                    "ambiguous-dates",
                    f"Dates as text that read both as {one.date_format} and as {other}: nothing in "
                    "the file says which part is the month. State the choice.",
                    one.name,
                )
                continue
        tail = f"{fails:,} values do not" if fails else "every value does"
        example = _example(table, place, f"{try_date_sql(name, known)} IS NULL") if fails else ""
        yield _warn(
            "dates-as-text",
            f"Text that reads as dates with {one.date_format}; {tail}{example}.",
            one.name,
        )
    for _, one in table.columns:
        low, high = one.minimum, one.maximum
        whole = one.dtype in ("BIGINT", "INTEGER")
        if whole and isinstance(low, float) and isinstance(high, float):
            if 18000101 <= low <= high <= 21001231 and 1 <= low % 100 <= 31 and one.distinct > 3:
                yield _warn("dates-as-numbers", "Numbers that look like dates (%Y%m%d).", one.name)


def _example(table: Table, place: int, test: str) -> str:
    rows = table.work.rows(
        f"SELECT DISTINCT left(CAST({column(place)} AS VARCHAR), 40) AS v FROM staged "
        f"WHERE {column(place)} IS NOT NULL AND {test} ORDER BY v LIMIT 3"
    )
    return f" (such as {', '.join(repr(str(row[0])) for row in rows)})" if rows else ""


def _numbers_as_text(table: Table) -> Iterator[DataWarning]:
    for place, one in table.columns:
        name = f"CAST({column(place)} AS VARCHAR)"
        if one.name in table.staged.mixed:
            yield _warn("mixed-types", "Its cells hold several kinds of values.", one.name)
        if one.kind != "text" or not one.share_number:
            continue
        plain = f"regexp_full_match({name}, {literal(values.PLAIN)})"
        zeros = f"regexp_full_match({name}, {literal(values.LEADING_ZERO)})"
        pattern = literal(f"{values.PLAIN}|{values.CURRENCY}")
        if one.share_number == 1:
            led, simple = table.work.row(
                f"SELECT count(*) FILTER ({zeros}), count(*) FILTER ({plain}) FROM staged"
            )
            present = table.staged.rows - one.nulls
            if led:
                start = _counted(led, "value starts", "values start")
                yield _warn(
                    "leading-zeros",
                    f"{start} with 0, so it stays text (a code, not an amount).",
                    one.name,
                )
            elif simple == present:
                yield _warn(
                    "digits-as-text", "Digits kept as text (too long or typed so).", one.name
                )
            else:
                example = _example(table, place, f"NOT {plain}")
                yield _warn(
                    "numbers-as-text",
                    f"Numbers as text with currency, percent or grouping marks{example}.",
                    one.name,
                )
        elif one.share_number > 0.5:
            example = _example(table, place, f"NOT regexp_full_match({name}, {pattern})")
            yield _warn(
                "mixed-types",
                f"{one.share_number:.1%} of its texts read as numbers, the others do not{example}.",
                one.name,
            )


def _sentinels(table: Table) -> Iterator[DataWarning]:
    said = table.staged.chosen.of("gap")
    for place, one in table.columns:
        if one.name in said:
            continue
        if one.kind == "number":
            for value in _suspects(one):
                n, low, high = table.work.row(
                    f"SELECT count(*) FILTER (v = {value}), min(v) FILTER (v <> {value}), "
                    f"max(v) FILTER (v <> {value}) FROM (SELECT {column(place)} AS v FROM staged)"
                )
                far = _far(value, low, high)
                if n and far:
                    yield _warn(
                        "sentinel",
                        f"{value} occurs {_counted(int(n), 'time', 'times')}, far from all other "
                        f"values ({low} to {high}); it may stand for a missing value.",
                        one.name,
                        [value],
                    )
        elif one.kind == "text" and one.distinct > 1:
            kept = getattr(table.staged.reading, "kept_words", ())
            usual = {marker.strip().lower() for marker in (*values.MARKERS, *values.NULL_TEXTS)}
            usual -= {"x", "*", "none"}
            odd = [
                item
                for item in one.top
                if item.value.strip().lower() in usual and item.value not in kept
            ]
            for item in odd[:2]:
                hold = _counted(item.count, "row holds", "rows hold")
                yield _warn(
                    "missing-as-text",
                    f"{hold} {item.value!r}, which may mean a missing value.",
                    one.name,
                    [item.value],
                )


def _outlying(table: Table) -> Iterator[DataWarning]:
    """Name values so far from all others that they can hardly have been measured.

    Skewed columns (incomes, populations) have far values too, but no gap: each of theirs is within
    a few times of the next.
    """
    if table.staged.rows < _FEW_ROWS:
        return
    for place, one in table.columns:
        middle = (one.p25, one.median, one.p75)
        if one.kind != "number" or CODE_NAME.search(one.name) or None in middle:
            continue
        low, _, high = (float(value) for value in middle if value is not None)
        reach = _REACH * (high - low)
        if not reach:
            continue
        most = max(1, table.staged.rows // 1000)
        name = f"CAST({column(place)} AS DOUBLE)"
        for order, edge, beyond in (("DESC", high, one.maximum), ("ASC", low, one.minimum)):
            # Most columns have nothing outside, and are not looked through.
            if not isinstance(beyond, float) or abs(beyond - edge) <= reach:
                continue
            rows = table.work.rows(
                f"SELECT v, count(*) FROM (SELECT {name} AS v FROM staged) WHERE isfinite(v) "
                f"GROUP BY 1 ORDER BY 1 {order} LIMIT {_EXTREMES + 1}"
            )
            found = _beyond_the_gap([(float(v), int(n)) for v, n in rows], edge, reach, most)
            suspects = {str(value) for value in _suspects(one)}
            found = [value for value in found if f"{value:.0f}" not in suspects]
            if found:
                shown = ", ".join(f"{value:,.10g}" for value in found[:3])
                yield _warn(
                    "far-value",
                    f"{shown} {'is' if len(found) == 1 else 'are'} far from all other values (the "
                    f"middle half is {low:,.6g} to {high:,.6g}); it may be an error.",
                    one.name,
                    [f"{value:.15g}" for value in found],
                )


def _beyond_the_gap(
    extremes: list[tuple[float, int]], edge: float, reach: float, most: int
) -> list[float]:
    """Return the values at one end that a wide gap parts from all others, at most ``most`` rows.

    ``extremes`` are distinct values and their rows, the most extreme first; ``edge`` is the
    quartile that they are measured from.
    """
    rows = 0
    for at, ((value, count), (following, _)) in enumerate(itertools.pairwise(extremes)):
        rows += count
        if rows > most or abs(value - edge) <= reach:
            break
        if abs(value - edge) > _GAP * max(abs(following - edge), reach / _REACH):
            return [far for far, _ in extremes[: at + 1]]
    return []


def _far(value: int, lowest: Any, highest: Any) -> bool:
    """Return whether a value lies far from the others, which are ``lowest`` to ``highest``."""
    if lowest is None or highest is None:
        return False
    low, high = float(lowest), float(highest)
    if value < 0:
        return low >= 0 or low - value > 2 * (high - low)
    return value > 3 * max(abs(high), 1) or (value > high and value - high > 3 * (high - low) > 0)


def _suspects(one: ColumnProfile) -> list[int]:
    low, high = one.minimum, one.maximum
    found = [int(low)] if isinstance(low, float) and low in _LOW else []
    return found + ([int(high)] if isinstance(high, float) and high in _HIGH else [])


def _infinite(table: Table) -> Iterator[DataWarning]:
    floats = [(p, one.name) for p, one in table.columns if one.dtype in _FRACTIONS]
    if not floats or not table.staged.rows:
        return
    row: list[int] = []
    for start in range(0, len(floats), _AT_ONCE):
        some = floats[start : start + _AT_ONCE]
        counts = ", ".join(f"count(*) FILTER (NOT isfinite({column(p)}))" for p, _ in some)
        row += table.work.row(f"SELECT {counts} FROM staged")
    for (_, name), n in zip(floats, row, strict=True):
        if n:
            yield _warn("infinite-values", f"{n:,} values are infinite or NaN.", name)


def _totals(table: Table) -> Iterator[DataWarning]:
    for place, one in table.columns:
        if one.kind != "text" or one.distinct < 2:
            continue
        if one.distinct_is_estimate and one.distinct > _MANY:
            continue  # free text or a key; labels of groups repeat
        # The pattern is slow; most texts are too long for it or lack its words.
        rows = table.work.rows(
            f"SELECT v, count(*) FROM (SELECT CAST({column(place)} AS VARCHAR) AS v FROM staged) "
            "WHERE length(v) < 60 "
            "AND (length(v) < 12 OR contains(v, 'otal') OR contains(v, 'TAL')) "
            f"AND regexp_full_match(lower(trim(v)), {literal(_TOTALS)}) "
            "GROUP BY 1 ORDER BY 1 LIMIT 4"
        )
        count = sum(int(n) for _, n in rows)
        if rows and count * 5 <= table.staged.rows:
            shown = ", ".join(repr(str(value)[:40]) for value, _ in rows)
            yield _warn(
                "total-rows",
                _counted(count, "row looks like a total", "rows look like totals")
                + f" ({shown}); leave {'it' if count == 1 else 'them'} out before summing.",
                one.name,
                [value for value, _ in rows],
            )


def _keys(table: Table) -> Iterator[DataWarning]:
    rows = table.staged.rows
    if rows < 2:
        return
    keys = [
        one.name
        for _, one in table.columns
        if one.distinct == rows and not one.distinct_is_estimate and one.kind in ("text", "number")
        and one.dtype not in _FRACTIONS
    ]  # fmt: skip
    if keys:
        yield _warn("candidate-keys", f"Different in every row: {_some(keys)}.")
    for place, one in table.columns:
        if not CODE_NAME.search(one.name) or one.kind not in ("text", "number"):
            continue
        present = rows - one.nulls
        if one.name in keys and one.kind == "number":
            yield _warn(
                "id-column", "Looks like an identifier: do not sum or average it.", one.name
            )
        elif present * 0.9 <= one.distinct < present and not one.distinct_is_estimate:
            value, n = table.work.row(
                f"SELECT {column(place)}, count(*) AS n FROM staged "
                f"WHERE {column(place)} IS NOT NULL "
                "GROUP BY 1 ORDER BY n DESC, 1 LIMIT 1"
            )
            yield _warn(
                "duplicate-keys",
                f"{present - one.distinct:,} repeats in what looks like a key "
                f"({str(value)[:40]!r} occurs {n} times).",
                one.name,
            )


def _twins(table: Table) -> Iterator[DataWarning]:
    seen: dict[tuple[object, ...], list[tuple[int, str]]] = {}
    for place, one in table.columns:
        if one.distinct > 1:
            top = tuple((item.value, item.count) for item in one.top[:5])
            key = (one.kind, one.nulls, one.distinct, one.minimum, one.maximum, one.mean, top)
            seen.setdefault(key, []).append((place, one.name))
    for group in seen.values():
        first, first_name = group[0]
        for place, name in group[1:4]:
            differs = table.work.row(
                f"SELECT count(*) FROM staged "
                f"WHERE {column(first)} IS DISTINCT FROM {column(place)}"
            )[0]
            if not differs:
                yield _warn("same-column", f"Equal to {first_name!r} in every row.", name)


CHECKS: tuple[Callable[[Table], Iterator[DataWarning]], ...] = (
    _rows, _totals, _dates, _numbers_as_text, _sentinels, _outlying, _reading, _names, _gaps, _keys,
    _twins, _infinite,
)  # fmt: skip
