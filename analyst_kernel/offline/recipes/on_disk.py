"""Cells that compute on a dataset on disk by SQL: no row of it comes into memory.

They stand in for those of a frame where a task needs plain columns alone; the outputs have the same
form, so that one answer is made of either. Writes code; runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel._code import block_literal, text_literal
from analyst_kernel.offline.column_roles import (
    is_date,
    may_overflow,
    number_as_text,
    sentinels,
    totals,
)
from analyst_kernel.offline.recipes.prose import condition
from analyst_kernel.offline.recipes.recipe import Cell, Code, code, sql_name
from analyst_kernel.offline.recipes.rows import number_type, stays, table_of, whole_type
from analyst_kernel.offline.task import DataTask, Filter
from analyst_kernel.protocol.datasets import ColumnProfile

_AGGREGATES = {
    "mean": "avg({})", "median": "median({})", "sum": "sum({})", "min": "min({})",
    "max": "max({})", "std": "stddev_samp({})", "distinct": "count(DISTINCT {})",
}  # fmt: skip
"""Statistic -> SQL of it; a missing value is in none of them."""

_CUTS = {
    "year": "year({})", "month": "month({})", "quarter": "quarter({})",
    "year-month": "strftime({}, '%Y-%m')", "date": "strftime({}, '%Y-%m-%d')",
}  # fmt: skip


def fits(task: DataTask) -> bool:
    """Return whether SQL alone can compute a task, as its columns are what they are stored as."""
    if not stays(task.profile) or task.time is not None or task.part or task.wants_chart:
        return False
    if task.statistic == "sum" and any(
        may_overflow(one, task.profile.dataset.rows) for one in task.measures
    ):
        return False
    summed = task.measures and totals(task.profile)
    plain = all(
        one.kind == "number" and not sentinels(one, task.profile)
        for one in (task.measures if task.statistic != "distinct" else ())
    )
    return plain and not summed and all(map(_plain, task.filters))


def _plain(found: Filter) -> bool:
    column = found.column
    if number_as_text(column) and not isinstance(found.values[0], str):
        return False
    if found.part:
        return column.kind == "date"
    if is_date(column):
        return False
    return column.kind == "bool" or isinstance(found.values[0], str) == (column.kind == "text")


def _text(value: str | float) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(int(value) if value == int(value) else value)


def _condition(found: Filter) -> str:
    column = found.column
    cell: str = sql_name(column.name)
    cell = _CUTS[found.part].format(cell) if found.part else cell
    if column.kind == "bool":
        listed = ", ".join(_text(str(value).lower()) for value in found.values)
        test = f"lower(CAST({cell} AS VARCHAR)) IN ({listed})"
    elif found.operator == "contains":
        test = f"contains(lower({cell}), lower({_text(found.values[0])}))"
    elif found.operator == "between":
        test = f"{cell} BETWEEN {_text(found.values[0])} AND {_text(found.values[1])}"
    elif found.operator == "is":
        test = f"{cell} IN ({', '.join(map(_text, found.values))})"
    else:
        test = f"{cell} {found.operator} {_text(found.values[0])}"
    return f"({cell} IS NOT NULL AND NOT {test})" if found.negated else f"({test})"


def _missing(column: ColumnProfile) -> str:
    cell = sql_name(column.name)
    if column.dtype.upper() in ("DOUBLE", "FLOAT", "REAL"):
        return f"({cell} IS NULL OR isnan({cell}))"  # as pandas counts them
    return f"{cell} IS NULL"


def _query(text: str) -> Code:
    """Return the Python of an SQL text, whatever names and values it holds."""
    return Code(block_literal(text) or text_literal(text))


def _lines(fields: Sequence[str], table: str) -> str:
    listed = ",\n    ".join(fields)
    return f"SELECT\n    {listed}\nFROM {table}"


def rows_cell(task: DataTask, columns: Sequence[ColumnProfile]) -> Cell:
    """Write the cell that counts the rows used, and makes a view of them."""
    needed = list({column.name: column for column in columns}.values())
    met = " AND ".join(map(_condition, task.filters)) or "true"
    used = " AND ".join([met, *(f"NOT {_missing(column)}" for column in needed)])
    gaps = [f"count(*) FILTER (WHERE {met} AND {_missing(column)})" for column in needed]
    counts = [
        "count(*)",
        f"count(*) FILTER (WHERE {met})",
        *gaps,
        f"count(*) FILTER (WHERE {used})",
    ]
    table = table_of(task.profile)
    text = code(
        "disk/rows",
        view=_query(
            f"CREATE OR REPLACE TEMP VIEW {view_of(task)} AS\nSELECT * FROM {table}\nWHERE {used}"
        ),
        counts=_query(_lines(counts, table)),
        names=[column.name for column in needed],
        condition=condition(task.filters),
    )
    return Cell("rows", "Check the rows used and what is missing", text, 1)


def view_of(task: DataTask) -> Code:
    """Return the name of the view with the rows that are used."""
    return Code(f"{table_of(task.profile)}_asked")


def scalar_cells(task: DataTask, labels: Sequence[str]) -> tuple[Cell, ...]:
    """Write the cells of one statistic of a column."""
    column = task.measures[0]
    cell, view = sql_name(column.name), view_of(task)
    fields = ", ".join(map(sql_name, labels)) or "*"
    named = ("avg({})", "median({})", "min({})", "max({})")
    figures = [one.format(cell) for one in (_AGGREGATES[task.statistic], *named)]
    text = code(
        "disk/scalar",
        figures=_query(_lines(figures, view)),
        having=_query(f"SELECT count(*) FROM {view} WHERE {cell} = ?"),
        rows=_query(f"SELECT {fields} FROM {view} WHERE {cell} = ? LIMIT 10"),
        statistic=task.statistic,
        labels=labels,
        figure=number_type(task),
        number=whole_type(column),
        extreme=task.statistic in ("max", "min"),
    )
    number = Cell("scalar", "Compute the number asked for", text, 2)
    return (rows_cell(task, task.measures), number)


def count_cells(task: DataTask) -> tuple[Cell, ...]:
    """Write the cells of a number of rows that meet conditions."""
    columns = list({one.column.name: one.column for one in task.filters}.values())
    gaps = [f"count(*) FILTER (WHERE {_missing(column)})" for column in columns]
    text = code(
        "disk/count",
        counts=_query(_lines(["count(*)", *gaps], table_of(task.profile))),
        matching=_query(f"SELECT count(*) FROM {view_of(task)}"),
        names=[column.name for column in columns],
    )
    return (rows_cell(task, ()), Cell("count", "Count the rows", text, 2))


def counted_query(task: DataTask) -> Code:
    """Return the query of the rows of each value of a column."""
    cell = sql_name(task.groups[0].name)
    view = view_of(task)
    return _query(
        f"SELECT {cell}, count(*) AS rows\nFROM {view}\nGROUP BY ALL\nORDER BY rows DESC, 1"
    )


def grouped_query(task: DataTask) -> Code:
    """Return the query of a statistic of each group."""
    keys = ", ".join(sql_name(column.name) for column in task.groups)
    value = "count(*)"
    if task.measures:
        value = _AGGREGATES[task.statistic].format(sql_name(task.measures[0].name))
        if task.statistic == "sum" and number_type(task) == "int":
            value = f"CAST({value} AS BIGINT)"  # pandas has no longer whole numbers
    view = view_of(task)
    fields = [keys, f"{value} AS value", "count(*) AS rows"]
    return _query(f"{_lines(fields, view)}\nGROUP BY ALL\nORDER BY {keys}")


def overall_query(task: DataTask) -> Code:
    """Return the query of the statistic over all rows that are used."""
    value = _AGGREGATES[task.statistic].format(sql_name(task.measures[0].name))
    return _query(f"SELECT {value} FROM {view_of(task)}")
