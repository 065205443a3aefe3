"""The first cell of a recipe: which rows and columns are used, and what is missing.

Writes code; runs nothing.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from dataclasses import dataclass

from analyst_kernel.offline.column_roles import is_date, number_as_text, sentinels, totals
from analyst_kernel.offline.recipes.prose import condition, figure, listed, rows_of
from analyst_kernel.offline.recipes.recipe import (
    Cell,
    Shown,
    identifier,
    quoted,
    quoted_list,
    sql_name,
)
from analyst_kernel.offline.task import DataTask, Filter
from analyst_kernel.offline.words import decimal_comma
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

SHARE = "share in percent"
"""The column that :func:`prepare` adds for the condition whose share is asked: 100 or 0."""

CUTS = {
    "year": ".dt.year",
    "quarter": '.dt.year.astype(str) + "-Q" + {}.dt.quarter.astype(str)',
    "month": '.dt.strftime("%Y-%m")',
    "month of year": ".dt.month",
    "week": '.dt.strftime("%G-W%V")',
    "day": '.dt.strftime("%Y-%m-%d")',
    "hour of day": ".dt.hour",
}


def variable(column: ColumnProfile, task: DataTask) -> str:
    """Return a variable for a column's values that hides no dataset, builtin or name in use."""
    name = identifier(column.name)
    datasets = {profile.dataset.name for profile in (task.profile, *task.others)}
    taken = name in datasets or name in _IN_USE or hasattr(builtins, name)
    return f"{name}_values" if taken else name


_IN_USE = frozenset(
    "pd np plt duckdb display missing result outliers q1 q3 low high factor fig ax slope intercept "
    "varied upper_half ends rows_with_it OUTPUT_DIR".split()
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The cells that prepare the rows, and what the next cells can use.

    Attributes:
        cells: One, or two where the dataset stays on disk.
        frame: Variable with the rows used.
        selected: Variable with the rows that meet the conditions, incomplete ones included.
        time: Column of ``frame`` with the periods, if any.
        observed: Argument of a group-by whose keys may be categories; empty where none are.
    """

    cells: tuple[Cell, ...]
    frame: str
    selected: str
    time: str = ""
    observed: str = ""


def prepare(
    task: DataTask,
    columns: Sequence[ColumnProfile],
    *,
    numeric: Sequence[ColumnProfile] = (),
    labels: Sequence[ColumnProfile] = (),
) -> Prepared:
    """Write the cell that selects rows, keeps the columns needed and counts what is missing.

    Args:
        task: The task.
        columns: Columns that the computation needs; rows without one of them are left out.
        numeric: Those of them that have to be numbers.
        labels: Columns that ``selected`` also has to have.
    """
    name = task.profile.dataset.name
    columns = (*columns, *(found.column for found in task.part))
    needed = list(dict.fromkeys(column.name for column in columns))
    if task.time is not None and task.time.column.name not in needed:
        needed.insert(0, task.time.column.name)
    axis = task.time
    cells: list[Cell] = []
    source = name
    few: list[ColumnProfile] = []
    if stays(task.profile):
        source = f"{name}_rows"
        loaded = [*needed, *(found.column.name for found in task.filters)]
        loaded += [*(label for label, _ in totals(task.profile)), *(one.name for one in labels)]
        cells.append(load_cell(task.profile, list(dict.fromkeys(loaded)), source))
        changed = (*numeric, *((axis.column,) if axis is not None else ()))
        few = [one for one in categories(task.profile, needed) if one not in changed]
    frame = f"{name}_used"
    summed = totals(task.profile) if numeric else ()
    selected = f"{name}_selected" if task.filters or summed else source
    lines = _selection(selected, source, task, summed)
    listing = ", ".join(quoted(column) for column in needed)
    lines.append(f"{frame} = {selected}[[{listing}]].copy()" if needed else f"{frame} = {selected}")
    masked, cleaning = _numbers(frame, task, numeric)
    lines += cleaning
    if axis is not None and axis.grain != "value":
        lines.append(f"{frame}[{quoted(axis.column.name)}] = {_as_date(frame, axis.column)}")
    if needed:
        copy = ".copy()" if axis is not None or task.part or few else ""
        lines += [f"missing = {frame}.isna().sum().to_dict()", f"{frame} = {frame}.dropna(){copy}"]
        lines += without_unused(frame, few)
    if task.part:
        met = " & ".join(_tests(frame, task.part))
        lines.append(f"{frame}[{quoted(SHARE)}] = 100.0 * ({met})")
    time, cutting = _periods(frame, task, needed)
    lines += cutting
    lines += ["", "{", f'    "rows": len({source}),']
    if task.filters:
        lines.append(f'    "condition": {quoted(condition(task.filters))},')
        lines.append(f'    "rows selected": len({selected}),')
    if summed:
        marked = {label: list(texts) for label, texts in summed}
        lines.append(f'    "rows with totals": int({source}.isin({marked!r}).any(axis=1).sum()),')
    if masked:
        lines.append('    "taken as missing": taken_as_missing,')
    if needed:
        lines.append('    "missing": missing,')
    lines += [f'    "rows used": len({frame}),', "}"]
    code = "\n".join(lines)
    if "pd." in code:
        code = "import pandas as pd\n\n" + code
    cells.append(Cell("rows", "Check the rows used and what is missing", code, 1))
    # Without it, an older pandas makes a group of every category that could be.
    observed = ", observed=True" if stays(task.profile) else ""
    return Prepared(tuple(cells), frame, selected, time, observed)


def _periods(frame: str, task: DataTask, needed: Sequence[str]) -> tuple[str, list[str]]:
    """Return the column with the periods, and the lines that make it."""
    axis = task.time
    if axis is None:
        return "", []
    time = axis.column.name
    if axis.grain == "value":
        cell = f"{frame}[{quoted(time)}]"
        return time, [f"{cell} = {cell}.astype(int)"] if axis.column.nulls else []
    dates = f"{frame}[{quoted(time)}]"
    time = axis.word if axis.word not in needed else f"{axis.word} of {time}"
    small = cut_period(frame, dates, axis.grain, quoted(time)) if stays(task.profile) else []
    plain = f"{frame}[{quoted(time)}] = {dates}{CUTS[axis.grain].format(dates)}"
    return time, small or [plain]


def _selection(
    selected: str, source: str, task: DataTask, summed: Sequence[tuple[str, tuple[str, ...]]]
) -> list[str]:
    """Return lines that keep the rows that meet the conditions and are no totals of others."""
    tests = _tests(source, task.filters)
    tests += [f"(~{source}[{quoted(label)}].isin({quoted_list(texts)}))" for label, texts in summed]
    return [f"{selected} = {source}[", *_joined(tests), "]"] if tests else []


def _numbers(
    frame: str, task: DataTask, numeric: Sequence[ColumnProfile]
) -> tuple[bool, list[str]]:
    """Return lines that make numbers of texts, and hide numbers that stand for missing values."""
    lines: list[str] = []
    counted: list[str] = []
    hidden: list[str] = []
    for column in numeric:
        cell = f"{frame}[{quoted(column.name)}]"
        if number_as_text(column):
            lines.append(f"{cell} = {_as_number(frame, column)}")
        values = sentinels(column, task.profile)
        if values:
            counts = ", ".join(f"{value}: int(({cell} == {value}).sum())" for value in values)
            counted.append(f"    {quoted(column.name)}: {{{counts}}},")
            hidden.append(f"{cell} = {cell}.mask({cell}.isin({list(values)}))")
    if counted:
        lines += ["taken_as_missing = {", *counted, "}", *hidden]
    return bool(counted), lines


_NO_DIGITS = r"[eE](?![+-]?[0-9])|(?<![0-9.])[eE]|[^0-9.eE+-]"
"""What is no part of a number; an "e" is one between digits only ("1e5", but not "12 EUR")."""


def _as_number(frame: str, column: ColumnProfile) -> str:
    text = f"{frame}[{quoted(column.name)}].astype(str)"
    if decimal_comma(item.value for item in column.top):
        text += '.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)'
    text += f'.str.replace(r"{_NO_DIGITS}", "", regex=True)'
    return f'pd.to_numeric({text}, errors="coerce")'


def _as_date(frame: str, column: ColumnProfile) -> str:
    known = column.date_format if column.kind == "text" else None
    form = f"format={quoted(known)}, " if known is not None else ""
    return f'pd.to_datetime({frame}[{quoted(column.name)}], {form}errors="coerce")'


def _tests(source: str, filters: Sequence[Filter]) -> list[str]:
    tests = []
    for found in filters:
        if found.negated:
            tests.append(f"{source}[{quoted(found.column.name)}].notna()")
        tests.append(f"{'~' if found.negated else ''}({_condition(source, found)})")
    return tests


def _joined(tests: Sequence[str]) -> list[str]:
    return [f"    {test}" + (" &" if i + 1 < len(tests) else "") for i, test in enumerate(tests)]


def _condition(source: str, found: Filter) -> str:
    column = found.column
    cell = f"{source}[{quoted(column.name)}]"
    if found.part or (is_date(column) and found.operator != "contains"):
        cell = f"{_as_date(source, column)}.dt.{found.part or 'year'}"
    elif column.kind == "text" and isinstance(found.values[0], float):
        cell = _as_number(source, column)
    elif column.kind == "bool":
        values = [str(value).lower() for value in found.values]
        return f"{cell}.astype(str).str.lower().isin({json.dumps(values)})"
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


def _whole(value: str | float) -> str | float | int:
    return int(value) if isinstance(value, float) and value == int(value) else value


# --- what the first cell says in the answer ---------------------------------------------


def basis(task: DataTask, rows: Shown) -> str:
    """Say how many rows the answer stands on, and which tables like this one it leaves out."""
    used, whole = rows["rows used"], rows["rows"]
    where = f" where {condition(task.filters)}" if task.filters else ""
    name = f"`{task.profile.dataset.name}`"
    alike = f", not {listed(f'`{other}`' for other in task.alike)}" if task.alike else ""
    if used == whole:
        return f"This uses all {rows_of(whole)} of {name}{alike}."
    return f"This uses {figure(used)} of the {rows_of(whole)} of {name}{where}{alike}."


def dropped(rows: Shown) -> tuple[str, ...]:
    """Say which rows were left out: missing values, what stands for them, totals."""
    said = []
    gaps = [
        f"{figure(count)} without `{name}`"
        for name, count in dict(rows.get("missing", {})).items()
        if count
    ]
    if gaps:
        said.append(f"Rows left out because of missing values: {listed(gaps)}.")
    for name, found in dict(rows.get("taken as missing", {})).items():
        for value, count in found.items():
            said.append(f"{value} in `{name}` is taken to mean a missing value ({rows_of(count)}).")
    if rows.get("rows with totals"):
        said.append(f"{rows_of(rows['rows with totals'])} of totals left out.")
    return tuple(said)


_FEW = 10_000
"""Different texts up to which a column is read as categories: one or two bytes a row, not sixty."""

_PERIODS = {
    "quarter": ("Q", "{p.year}-Q{p.quarter}"),
    "month": ("M", "{p:%Y-%m}"),
    "week": ("W", "{p.start_time:%G-W%V}"),
    "day": ("D", "{p:%Y-%m-%d}"),
}
"""Grain -> pandas' frequency, and how one period is called; as :data:`rows.CUTS` calls it."""


def stays(profile: DatasetProfile) -> bool:
    """Whether the setup cell leaves the dataset on disk."""
    return profile.dataset.load == "view"


def categories(profile: DatasetProfile, names: Sequence[str]) -> list[ColumnProfile]:
    """Return those of the columns that are read as categories."""
    return [
        column
        for column in profile.columns
        if column.name in names and column.kind == "text" and 0 < column.distinct <= _FEW
    ]


def load_cell(profile: DatasetProfile, names: Sequence[str], target: str) -> Cell:
    """Write the query that brings columns into memory as the frame ``target``."""
    table = profile.dataset.name
    fields, types = [], []
    few = {column.name for column in categories(profile, names)}
    for number, name in enumerate(names, 1):
        column = sql_name(name)
        if name not in few:
            fields.append(column)
            continue
        # Two names may read the same once they are plain.
        kind = identifier(table, name, "values", str(number))
        types.append(
            f"CREATE OR REPLACE TYPE {kind} AS ENUM (\n"
            f"    SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY 1\n"
            ");"
        )
        fields.append(f"CAST({column} AS {kind}) AS {column}")
    if types:
        types.insert(0, "-- Texts of few values become categories: a byte or two a row.")
    query = "\n".join([*types, f"SELECT {', '.join(fields)}", f"FROM {table}"])
    return Cell("load", "Load the columns needed", query, 1, target)


def without_unused(frame: str, columns: Sequence[ColumnProfile]) -> list[str]:
    """Return lines that forget the categories that no row of ``frame`` has any more."""
    cells = [f"{frame}[{quoted(column.name)}]" for column in columns]
    return [f"{cell} = {cell}.cat.remove_unused_categories()" for cell in cells]


def cut_period(frame: str, dates: str, grain: str, time: str) -> list[str]:
    """Return lines that name each row's period, each name once in memory; none for other grains."""
    if grain not in _PERIODS:
        return []
    frequency, name = _PERIODS[grain]
    periods = f"{frame}_periods"
    return [
        f'{periods} = {dates}.dt.to_period("{frequency}").astype("category").cat',
        f"{frame}[{time}] = {periods}.rename_categories(",
        f'    [f"{name}" for p in {periods}.categories]',
        ")",
    ]


_MANY = 12
"""Datasets that one answer tells of; it names the others."""


def tables_of(task: DataTask) -> tuple[DatasetProfile, ...]:
    """Return the datasets that the question means, as many as one answer tells of."""
    return (task.profile, *task.also)[:_MANY]


def left_out(task: DataTask) -> tuple[str, ...]:
    """Name the datasets that were too many."""
    rest = (task.profile, *task.also)[_MANY:]
    if not rest:
        return ()
    return (f"Not looked at: {listed(f'`{other.dataset.name}`' for other in rest)}.",)


def one_row(profile: DatasetProfile, fields: Sequence[str]) -> str:
    """Return the expression of one row of figures of a dataset on disk."""
    sql = f"SELECT {', '.join(fields)} FROM {profile.dataset.name}"
    return f"duckdb.sql({quoted(sql)}).fetchall()[0]"


def imports(tables: Sequence[DatasetProfile], *more: str) -> list[str]:
    """Return the lines that import what the tables, and ``more``, need."""
    names = [*more, *(("duckdb",) if any(map(stays, tables)) else ())]
    lines = ["import pandas as pd" if name == "pandas" else f"import {name}" for name in names]
    return [*sorted(lines), ""] if lines else []
