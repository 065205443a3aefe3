"""The first cells of a recipe: which rows and columns are used, and what is missing.

Of a dataset that stays on disk, a query brings what is needed into memory, in few bytes. Writes SQL
and Python; runs nothing.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyst_kernel.offline.column_roles import (
    is_date,
    is_whole,
    number_as_text,
    sentinels,
    totals,
)
from analyst_kernel.offline.recipes.prose import condition
from analyst_kernel.offline.recipes.recipe import (
    Cell,
    Code,
    code,
    identifier,
    literal,
    marked,
    quoted,
    sql_name,
)
from analyst_kernel.offline.task import DataTask, Filter
from analyst_kernel.offline.words import decimal_comma
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

AGGREGATE = {
    **{name: Code(name) for name in ("mean", "median", "sum", "min", "max", "std")},
    "distinct": Code("nunique"),
    "rows": Code("size"),
    "share": Code("mean"),
}
"""Statistic -> the method of a pandas group-by."""

SHARE = "share in percent"
"""The column that :func:`prepare` adds for the condition whose share is asked: 100 or 0."""

_CUTS = {
    "year": ".dt.year",
    "quarter": '.dt.year.astype(str) + "-Q" + {}.dt.quarter.astype(str)',
    "month": '.dt.strftime("%Y-%m")',
    "month of year": ".dt.month",
    "week": '.dt.strftime("%G-W%V")',
    "day": '.dt.strftime("%Y-%m-%d")',
    "hour of day": ".dt.hour",
}
"""Grain -> what follows a column of dates to call their periods."""

_PERIODS = {
    "quarter": ("Q", "{p.year}-Q{p.quarter}"),
    "month": ("M", "{p:%Y-%m}"),
    "week": ("W", "{p.start_time:%G-W%V}"),
    "day": ("D", "{p:%Y-%m-%d}"),
}
"""Grain -> pandas' frequency, and how one period is called; as :data:`_CUTS` calls it."""


def measured_name(task: DataTask) -> str:
    """Return the column of the rows used that is computed with; empty where rows are counted."""
    return SHARE if task.part else task.measures[0].name if task.measures else ""


def number_type(task: DataTask) -> Code:
    """Return the Python type that keeps the digits of a task's figure."""
    exact = task.statistic in ("sum", "min", "max") and task.measures and is_whole(task.measures[0])
    counts = task.statistic in ("rows", "distinct")
    return Code("int" if exact or counts else "float")


def whole_type(column: ColumnProfile) -> Code:
    """Return the Python type that keeps the digits of a column's values."""
    return Code("int" if is_whole(column) else "float")


def table_of(profile: DatasetProfile) -> Code:
    """Return the variable, or the view, that the setup cell loads a dataset into."""
    return marked(profile.dataset.name)


def variable(column: ColumnProfile, task: DataTask) -> Code:
    """Return a variable for a column's values that hides no dataset, builtin or name in use."""
    name = identifier(column.name)
    datasets = {profile.dataset.name for profile in (task.profile, *task.others)}
    taken = name in datasets or name in _IN_USE or hasattr(builtins, name)
    return Code(f"{name}_values") if taken else name


_IN_USE = frozenset(
    "pd np plt duckdb display missing result outliers q1 q3 low high factor fig ax slope intercept "
    "varied upper_half ends rows_with_it OUTPUT_DIR".split()
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The cells that prepare the rows, and what the next cells can use."""

    cells: tuple[Cell, ...]
    source: Code  # all rows
    frame: Code
    selected: Code  # the rows that meet the conditions, incomplete ones included
    time: str  # the column of ``frame`` with the periods, if any
    observed: Code  # an argument of a group-by whose keys may be categories

    def cell(self, template: str, purpose: str, /, **values: object) -> Cell:
        """Return the cell of a template ("file/key"), which has the names of these variables."""
        names = {"frame": self.frame, "selected": self.selected, "observed": self.observed}
        return Cell(template.partition("/")[2], purpose, code(template, **names, **values), 2)


def prepare(
    task: DataTask,
    *,
    columns: Sequence[ColumnProfile] = (),
    labels: Sequence[str] = (),
) -> Prepared:
    """Write the cell that selects rows, keeps the columns needed and counts what is missing.

    Rows without a value in one of the columns are left out: groups and measures, or ``columns`` in
    their order. Measures are made numbers. ``selected`` has the ``labels`` too.
    """
    name = table_of(task.profile)
    columns = columns or (*task.groups, *task.measures)
    numeric = () if task.statistic == "distinct" else task.measures
    axis, on_disk = task.time, stays(task.profile)
    needed = list(dict.fromkeys(c.name for c in (*columns, *(part.column for part in task.part))))
    if axis is not None and axis.column.name not in needed:
        needed.insert(0, axis.column.name)
    cells: list[Cell] = []
    few: list[ColumnProfile] = []
    source = name
    if on_disk:
        source = Code(f"{name}_rows")
        loaded = [*needed, *(found.column.name for found in task.filters)]
        loaded += [*(label for label, _ in totals(task.profile)), *labels]
        cells.append(load_cell(task.profile, list(dict.fromkeys(loaded)), source))
        changed = (*numeric, *((axis.column,) if axis is not None else ()))
        few = [one for one in categories(task.profile, needed) if one not in changed]
    frame = Code(f"{name}_used")
    summed = totals(task.profile) if numeric else ()
    tests = _tests(source, task.filters)
    tests += [f"(~{_cell(source, label)}.isin({literal(texts)}))" for label, texts in summed]
    selected = Code(f"{name}_selected") if tests else source
    time, cutting = _periods(frame, task, needed)
    dates = axis is not None and axis.grain != "value"
    text = code(
        "rows/rows",
        source=source,
        selected=selected,
        frame=frame,
        tests=[Code(f"{test} &") for test in tests[:-1]] + [Code(test) for test in tests[-1:]],
        needed=needed,
        converted=[
            (_cell(frame, column.name), _as_number(frame, column))
            for column in numeric
            if number_as_text(column) or column.kind == "bool"
        ],
        masked=list(_masked(frame, task, numeric)),
        dates=_cell(frame, axis.column.name) if axis is not None else None,
        date=_as_date(frame, axis.column) if axis is not None and dates else None,
        copy=Code(".copy()" if axis is not None or task.part or few else ""),
        categories=[_cell(frame, column.name) for column in few],
        met=Code(" & ".join(_tests(frame, task.part))),
        cutting=[Code(line) for line in cutting],
        condition=condition(task.filters),
        totals=Code(repr({label: list(texts) for label, texts in summed}) if summed else ""),
    )
    if "pd." in text:
        text = Code(f"import pandas as pd\n\n{text}")
    cells.append(Cell("rows", "Check the rows used and what is missing", text, 1))
    # Without it, an older pandas makes a group of every category that could be.
    observed = Code(", observed=True" if on_disk else "")
    return Prepared(tuple(cells), source, frame, selected, time, observed)


def _cell(frame: Code, name: str) -> Code:
    return Code(f"{frame}[{quoted(name)}]")


def _masked(
    frame: Code, task: DataTask, numeric: Sequence[ColumnProfile]
) -> Iterator[tuple[str, Code, tuple[int, ...], Code]]:
    """Yield what hides the numbers that stand for missing values, and counts them first."""
    for column in numeric:
        values, cell = sentinels(column, task.profile), _cell(frame, column.name)
        if values:
            counts = ", ".join(f"{value}: int(({cell} == {value}).sum())" for value in values)
            yield column.name, cell, values, Code(counts)


def _periods(frame: Code, task: DataTask, needed: Sequence[str]) -> tuple[str, list[str]]:
    """Return the column with the periods, and the lines that make it."""
    axis = task.time
    if axis is None:
        return "", []
    time = axis.column.name
    dates = _cell(frame, time)
    if axis.grain == "value":
        return time, [f"{dates} = {dates}.astype(int)"] if axis.column.nulls else []
    time = axis.word if axis.word not in needed else f"{axis.word} of {time}"
    if not stays(task.profile) or axis.grain not in _PERIODS:
        return time, [f"{_cell(frame, time)} = {dates}{_CUTS[axis.grain].format(dates)}"]
    frequency, name = _PERIODS[axis.grain]
    periods = f"{frame}_periods"
    return time, [  # the name of each period stands once in memory
        f'{periods} = {dates}.dt.to_period("{frequency}").astype("category").cat',
        f"{_cell(frame, time)} = {periods}.rename_categories(",
        f'    [f"{name}" for p in {periods}.categories]',
        ")",
    ]


_NO_DIGITS = r"[eE](?![+-]?[0-9])|(?<![0-9.])[eE]|[^0-9.eE+-]"
"""What is no part of a number; an "e" is one between digits only ("1e5", but not "12 EUR")."""


def _as_number(frame: Code, column: ColumnProfile) -> Code:
    text = f"{_cell(frame, column.name)}.astype(str)"
    if column.kind == "bool":
        return Code(f'{text}.str.lower().map({{"true": 1, "false": 0}})')
    if decimal_comma(item.value for item in column.top):
        text += '.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)'
    text += f'.str.replace(r"{_NO_DIGITS}", "", regex=True)'
    return Code(f'pd.to_numeric({text}, errors="coerce")')


def _as_date(frame: Code, column: ColumnProfile) -> Code:
    known = column.date_format if column.kind == "text" else None
    form = f"format={quoted(known)}, " if known is not None else ""
    return Code(f'pd.to_datetime({_cell(frame, column.name)}, {form}errors="coerce")')


def _tests(source: Code, filters: Sequence[Filter]) -> list[str]:
    tests = []
    for found in filters:
        if found.negated:
            tests.append(f"{_cell(source, found.column.name)}.notna()")
        tests.append(f"{'~' if found.negated else ''}({_condition(source, found)})")
    return tests


def _condition(source: Code, found: Filter) -> str:
    column = found.column
    cell: str = _cell(source, column.name)
    if found.part or (is_date(column) and found.operator != "contains"):
        cut = _ISO.get(found.part)
        cut = f"strftime({cut})" if cut else found.part or "year"
        cell = f"{_as_date(source, column)}.dt.{cut}"
    elif column.kind == "text" and isinstance(found.values[0], float):
        cell = _as_number(source, column)
    elif column.kind == "bool":
        values = [str(value).lower() for value in found.values]
        return f"{cell}.astype(str).str.lower().isin({literal(values)})"
    said = [
        quoted(value) if isinstance(value, str) else repr(_whole(value)) for value in found.values
    ]
    match found.operator:
        case "contains":
            return f"{cell}.str.contains({said[0]}, case=False, regex=False, na=False)"
        case "between":
            return f"{cell}.between({said[0]}, {said[1]})"
        case "is":
            return f"{cell} == {said[0]}" if len(said) == 1 else f"{cell}.isin([{', '.join(said)}])"
        case _:
            return f"{cell} {found.operator} {said[0]}"


_ISO = {"date": '"%Y-%m-%d"', "year-month": '"%Y-%m"'}
"""Part of a date that is compared as text -> its form."""


def _whole(value: str | float) -> str | float | int:
    return int(value) if isinstance(value, float) and value == int(value) else value


_FEW = 10_000
"""Different texts up to which a column is read as categories: one or two bytes a row, not sixty."""


def stays(profile: DatasetProfile) -> bool:
    """Return whether the setup cell leaves the dataset on disk."""
    return profile.dataset.load == "view"


def categories(profile: DatasetProfile, names: Sequence[str]) -> list[ColumnProfile]:
    """Return those of the columns that are read as categories."""
    return [
        column
        for column in profile.columns
        if column.name in names and column.kind == "text" and 0 < column.distinct <= _FEW
    ]


def load_cell(profile: DatasetProfile, names: Sequence[str], target: Code) -> Cell:
    """Write the query that brings columns into memory as the frame ``target``."""
    table = table_of(profile)
    fields, types = [], []
    few = {column.name for column in categories(profile, names)}
    for number, name in enumerate(names, 1):
        column = sql_name(name)
        if name not in few:
            fields.append(column)
            continue
        # Two names may read the same once they are plain, or cut.
        tail = f"_{number}"
        kind = Code(identifier(table, name, "values")[: 40 - len(tail)].rstrip("_") + tail)
        types.append((kind, column))
        fields.append(Code(f"CAST({column} AS {kind}) AS {column}"))
    query = code("rows/load", types=types, fields=Code(", ".join(fields)), table=table)
    return Cell("load", "Load the columns needed", query, 1, target)
