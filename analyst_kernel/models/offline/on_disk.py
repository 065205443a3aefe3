"""Datasets that stay on disk: what of them comes into memory, and in how few bytes.

Writes SQL and Python; runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.models.offline.code_text import identifier, quoted, sql_name
from analyst_kernel.models.offline.recipe import Cell
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

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
