"""Questions in many ways of saying, each with its right answer from pandas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pandas as pd

from tests.offline.asked.tables import Table, tables


@dataclass(frozen=True)
class Case:
    """A question; ``right`` is a number, numbers by name, or ``None`` for: must be refused.

    With ``best``, the first name of the answer has to be the first of ``right``.
    """

    table: Table
    question: str
    right: Any
    best: bool = False
    chart: str = ""
    earlier: tuple[str, ...] = ()


def said(name: str) -> str:
    """Return a column's name as it is typed: without unit in brackets, lines as blanks."""
    return re.sub(r"\s*\(.*\)", "", name).replace("_", " ")


_AGGREGATES = {
    "mean": ("average", "mean", "avg"),
    "median": ("median",),
    "sum": ("total", "sum of"),
    "max": ("highest", "maximum", "max"),
    "min": ("lowest", "minimum", "smallest"),
}


def _stat(values: pd.Series, method: str) -> float:
    return float(getattr(values, method)())


def _by(grouped: Any, method: str) -> dict[str, float]:
    return {str(k): float(v) for k, v in getattr(grouped, method)().items()}


def _first(values: dict[str, float], *, high: bool) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda pair: pair[1], reverse=high))


def _unique_best(values: dict[str, float], *, high: bool) -> bool:
    ordered = sorted(values.values(), reverse=high)
    return len(ordered) < 2 or ordered[0] != ordered[1]


def scalars(table: Table) -> Iterator[Case]:
    """One number of one column, of all rows or of some."""
    frame = table.frame
    ways = cycle(
        (
            "What is the {a} {m}?",
            "{a} {m}",
            "show me the {a} {m} please",
            "What was the {a} {m} overall?",
        )
    )
    filtered = cycle(
        (
            "What is the {a} {m} for {v}?",
            "{a} {m} in {v}",
            "{a} {m} of {n} with {g} {v}",
            "{a} {m} where {g} is {v}",
            "Give me the {a} {m} for {g} {v}",
        )
    )
    denied = cycle(
        (
            "{a} {m} excluding {v}",
            "{a} {m} without {v}",
            "What is the {a} {m} for all {n} except {v}?",
            "{a} {m} where {g} is not {v}",
            "{a} {m} of {n} that are not {v}",
        )
    )
    for place, m in enumerate(table.measures):
        for n, (method, words) in enumerate(_AGGREGATES.items()):
            word = words[(n + place) % len(words)]
            yield Case(table, next(ways).format(a=word, m=said(m)), _stat(frame[m], method))
            g = table.groups[(n + place) % len(table.groups)]
            values = list(dict.fromkeys(frame[g]))
            v = values[n % len(values)]
            names = {"a": word, "m": said(m), "v": v, "g": said(g), "n": table.rows}
            here = frame[frame[g] == v]
            yield Case(table, next(filtered).format(**names), _stat(here[m], method))
            rest = frame[frame[g] != v]
            if n < 3:
                yield Case(table, next(denied).format(**names), _stat(rest[m], method))


def grouped(table: Table) -> Iterator[Case]:
    """One number for each value of a column."""
    frame = table.frame
    ways = cycle(
        (
            "{a} {m} by {g}",
            "What is the {a} {m} per {g}?",
            "{a} {m} for each {g}",
            "Show the {a} {m} grouped by {g}",
        )
    )
    ranked = cycle(
        (
            "Which {g} has the {s} {a} {m}?",
            "What {g} had the {s} {a} {m}?",
            "top {g} by {a} {m}",
        )
    )
    for m in table.measures:
        for n, g in enumerate(table.groups):
            for method in ("mean", "sum", "median", "max")[n : n + 2]:
                word = _AGGREGATES[method][0]
                right = _by(frame.groupby(g)[m], method)
                names = {"a": word, "m": said(m), "g": said(g)}
                yield Case(table, next(ways).format(**names), right)
            right = _by(frame.groupby(g)[m], "sum")
            for size, high in (("highest", True), ("lowest", False)):
                way = next(ranked)
                if way.startswith("top") and not high:
                    continue
                if _unique_best(right, high=high):
                    names = {"a": "total", "m": said(m), "g": said(g), "s": size}
                    yield Case(table, way.format(**names), _first(right, high=high), best=True)
    g, other = table.groups[0], table.groups[1]
    m, v = table.measures[0], frame[table.groups[1]].iloc[1]
    here = frame[frame[other] == v]
    yield Case(table, f"average {said(m)} by {said(g)} for {v}", _by(here.groupby(g)[m], "mean"))
    rest = frame[frame[other] != v]
    yield Case(
        table, f"total {said(m)} per {said(g)} excluding {v}", _by(rest.groupby(g)[m], "sum")
    )
    both = frame.groupby([g, other])[m].sum()
    yield Case(
        table,
        f"total {said(m)} by {said(g)} and {said(other)}",
        {", ".join(map(str, key)): float(value) for key, value in both.items()},
    )
    total = frame.groupby(g)[m].sum() * 100 / frame[m].sum()
    yield Case(
        table,
        f"{said(m)} by {said(g)} as a percentage of the total",
        {str(key): round(float(value), 2) for key, value in total.items()},
    )


def counts(table: Table) -> Iterator[Case]:
    """Numbers of rows and of different values, shares, and columns of 0 and 1."""
    frame, noun = table.frame, table.rows
    yield Case(table, f"How many {noun} are there?", len(frame))
    yield Case(table, f"number of {noun}", len(frame))
    for n, g in enumerate(table.groups):
        right = {str(k): float(v) for k, v in frame[g].value_counts().items()}
        yield Case(table, f"How many {noun} per {said(g)}?", right)
        yield Case(table, f"number of {noun} by {said(g)}", right)
        yield Case(table, f"how many different values of {said(g)} are there", len(right))
        for high, most in ((True, "most"), (False, "fewest")):
            if _unique_best(right, high=high):
                question = f"Which {said(g)} has the {most} {noun}?"
                yield Case(table, question, _first(right, high=high), best=True)
        other = table.groups[1 - n]
        for v in list(dict.fromkeys(frame[g]))[:3]:
            rows = frame[frame[g] == v]
            yield Case(table, f"How many {noun} are {v}?", len(rows))
            yield Case(table, f"How many {noun} have {said(g)} {v}?", len(rows))
            yield Case(table, f"How many {noun} are not {v}?", len(frame) - len(rows))
        v = frame[g].iloc[0]
        share = (frame[g] == v).groupby(frame[other]).mean() * 100
        right = {str(k): round(float(x), 4) for k, x in share.items()}
        yield Case(table, f"what share of {noun} is {v} per {said(other)}", right)
        whole = round(100 * float((frame[g] == v).mean()), 2)
        yield Case(table, f"What percentage of {noun} are {v}?", whole)
        w = frame[other].iloc[1]
        here = frame[frame[other] == w]
        inside = round(100 * float((here[g] == v).mean()), 2)
        yield Case(table, f"What percentage of {w} {noun} are {v}?", inside)
        by = {str(k): float(x) for k, x in here[g].value_counts().items()}
        yield Case(table, f"how many {noun} per {said(g)} for {w}", by)
    if table.flag:
        flag, g = table.flag, table.groups[0]
        yes = frame[flag].astype(int)
        by = {str(k): float(x) for k, x in yes.groupby(frame[g]).sum().items()}
        yield Case(table, f"how many {said(flag)} by {said(g)}", by)
        yield Case(table, f"How many {noun} are {said(flag)}?", int(yes.sum()))
        yield Case(table, f"how many {noun} are not {said(flag)}", int((1 - yes).sum()))
        m = table.measures[0]
        sides = {str(k): float(x) for k, x in frame.groupby(flag)[m].mean().items()}
        yield Case(table, f"average {said(m)} by {said(flag)}", sides)
        if _unique_best(by, high=True):
            question = f"which {said(g)} has the most {said(flag)}"
            yield Case(table, question, _first(by, high=True), best=True)
        rate = {str(k): round(float(x) * 100, 4) for k, x in yes.groupby(frame[g]).mean().items()}
        yield Case(table, f"what share of {noun} is {said(flag)} by {said(g)}", rate)


def numbers(table: Table) -> Iterator[Case]:
    """Conditions on numbers."""
    frame, noun = table.frame, table.rows
    for m in table.measures:
        low, high = (int(x) for x in frame[m].quantile([0.3, 0.7]))
        if low < 0:
            continue
        g, other = table.groups[0], frame[m]
        for phrase, rows in {
            f"over {high}": frame[other > high],
            f"above {high}": frame[other > high],
            f"below {low}": frame[other < low],
            f"of at least {high}": frame[other >= high],
            f"between {low} and {high}": frame[other.between(low, high)],
            f"not over {high}": frame[~(other > high)],
        }.items():
            yield Case(table, f"How many {noun} have {said(m)} {phrase}?", len(rows))
        rows = frame[other > low]
        by = {str(k): float(v) for k, v in rows[g].value_counts().items()}
        yield Case(table, f"number of {noun} per {said(g)} with {said(m)} over {low}", by)
        best = frame.nlargest(3, m)[m].tolist()
        names = {str(i): float(x) for i, x in enumerate(best)}
        yield Case(table, f"top 3 {noun} by {said(m)}", names)
    if len(table.measures) > 1:
        m, condition = table.measures[:2]
        high = int(frame[condition].median())
        rows = frame[frame[condition] > high]
        question = f"average {said(m)} of {noun} with {said(condition)} over {high}"
        yield Case(table, question, float(rows[m].mean()))


def times(table: Table) -> Iterator[Case]:
    """Periods: as groups and as conditions."""
    if not table.date:
        return
    frame, noun, m = table.frame, table.rows, table.measures[0]
    days = pd.to_datetime(frame[table.date])
    month = days.dt.strftime("%Y-%m")
    quarter = days.dt.year.astype(str) + "-Q" + days.dt.quarter.astype(str)
    by_month = _by(frame.groupby(month)[m], "sum")
    yield Case(table, f"total {said(m)} by month", by_month)
    yield Case(table, f"{said(m)} per quarter, in total", _by(frame.groupby(quarter)[m], "sum"))
    yield Case(table, f"average {said(m)} by quarter", _by(frame.groupby(quarter)[m], "mean"))
    rows = {str(k): float(v) for k, v in month.value_counts().items()}
    yield Case(table, f"How many {noun} per month?", rows)
    if _unique_best(by_month, high=True):
        question = f"Which month has the highest total {said(m)}?"
        yield Case(table, question, _first(by_month, high=True), best=True)
    in_2024 = frame[days.dt.year == 2024]
    yield Case(table, f"total {said(m)} in 2024", float(in_2024[m].sum()))
    yield Case(table, f"How many {noun} in 2023?", int((days.dt.year == 2023).sum()))
    march = frame[month == "2024-03"]
    yield Case(table, f"average {said(m)} in March 2024", float(march[m].mean()))
    first = frame[quarter == "2024-Q1"]
    yield Case(table, f"total {said(m)} in Q1 2024", float(first[m].sum()))
    g = table.groups[0]
    v = frame[g].iloc[0]
    here = frame[frame[g] == v]
    months = _by(here.groupby(month[here.index])[m], "sum")
    yield Case(table, f"total {said(m)} for {v} by month", months)


def follow_ups(table: Table) -> Iterator[Case]:
    """Questions that continue the one before."""
    frame, m, (g, other) = table.frame, table.measures[0], table.groups
    v, w = frame[other].iloc[0], frame[other].iloc[1]
    before = f"average {said(m)} by {said(g)}"
    here, rest = frame[frame[other] == v], frame[frame[other] != v]
    total = frame.groupby(g)[m].sum()
    there = frame[frame[other] == w]
    for question, right in {
        f"only for {v}": _by(here.groupby(g)[m], "mean"),
        f"and for {w}?": _by(there.groupby(g)[m], "mean"),
        f"without {v}": _by(rest.groupby(g)[m], "mean"),
        "and the median?": _by(frame.groupby(g)[m], "median"),
        "what about the total?": _by(frame.groupby(g)[m], "sum"),
        f"and by {said(other)}?": _by(frame.groupby(other)[m], "mean"),
        "as a pie chart": None,  # averages are no parts of a whole
    }.items():
        yield Case(table, question, right, earlier=(before,))
    right = {str(k): round(float(x), 2) for k, x in (100 * total / total.sum()).items()}
    yield Case(table, "as a percentage", right, earlier=(f"total {said(m)} by {said(g)}",))
    yield Case(
        table, "and the median?", float(here[m].median()), earlier=(f"average {said(m)} for {v}",)
    )


def charts(table: Table) -> Iterator[Case]:
    """Kinds of charts that are asked for by name."""
    frame, m, (g, other) = table.frame, table.measures[0], table.groups
    total = _by(frame.groupby(g)[m], "sum")
    yield Case(table, f"pie chart of total {said(m)} by {said(g)}", total, chart="pie")
    yield Case(table, f"Draw a bar chart of total {said(m)} by {said(g)}", total, chart="bar")
    yield Case(table, f"histogram of {said(m)}", float(frame[m].median()), chart="histogram")
    both = {", ".join(map(str, k)): float(v) for k, v in frame.groupby([g, other])[m].sum().items()}
    question = f"stacked bar chart of total {said(m)} by {said(g)} and {said(other)}"
    yield Case(table, question, both, chart="stacked")
    question = f"heat map of total {said(m)} by {said(g)} and {said(other)}"
    yield Case(table, question, both, chart="heat")
    yield Case(table, f"box plot of {said(m)} by {said(g)}", _by(frame.groupby(g)[m], "mean"), chart="box")  # fmt: skip
    yield Case(table, f"sankey diagram of {said(m)} by {said(g)}", None)
    yield Case(table, f"violin plot of {said(m)} by {said(g)}", None)
    if len(table.measures) > 1:
        a, b = table.measures[:2]
        r = round(float(frame[a].corr(frame[b])), 4)
        yield Case(table, f"scatter plot of {said(a)} against {said(b)}", r, chart="scatter")


def several(table: Table) -> Iterator[Case]:
    """More than one request in a question: all are answered, or none."""
    frame, m = table.frame, table.measures[0]
    yield Case(
        table,
        f"mean and median {said(m)}",
        {"first": _stat(frame[m], "mean"), "second": _stat(frame[m], "median")},
    )
    yield Case(
        table,
        f"What is the total {said(m)} and how many {table.rows} are there?",
        {"first": _stat(frame[m], "sum"), "second": len(frame)},
    )
    yield Case(
        table,
        f"highest and lowest {said(m)}",
        {"first": _stat(frame[m], "max"), "second": _stat(frame[m], "min")},
    )
    yield Case(
        table,
        f"highest {said(m)} and how many are missing",
        {"first": _stat(frame[m], "max"), "second": 0},
    )


def refusals(table: Table) -> Iterator[Case]:
    """Questions with a part that nothing in the table answers."""
    m, (g, _) = said(table.measures[0]), map(said, table.groups)
    v = table.frame[table.groups[0]].iloc[0]
    for question in (
        f"average {m} by zodiac",
        f"average {m} for Atlantis",
        f"total {m} by {g} for the previous owner",
        f"average {m} by {g} adjusted for inflation",
        f"average {m} weighted by shoe size",
        f"total {m} for {v} or any similar {g}",
        f"median {m} excluding outliers by {g}",
        f"forecast the {m} by {g}",
        f"why is the {m} of {v} so high",
        f"average {m} by {g} and horoscope",
        f"moving average of {m}",
        f"average {m} of the largest group by {g} variance",
        f"ratio of {m} to {m} squared by {g}",
        f"cumulative {m} by {g}",
        f"average {m} by {g} if it rains",
        f"year over year growth of {m}",
        f"average {m} not by {g}",
        f"90th percentile of {m} by {g}",
        f"how many unicorns per {g}",
        f"average {m} over 1 million by {g}",
    ):
        yield Case(table, question, None)


KINDS = (
    scalars, grouped, counts, numbers, times, follow_ups, charts, several, refusals,
)  # fmt: skip


def cases() -> Iterator[tuple[str, Case]]:
    """Yield all cases, with the kind of each."""
    for table in tables():
        for kind in KINDS:
            for case in kind(table):
                yield kind.__name__, case
