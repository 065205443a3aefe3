"""Questions that mean whole datasets: which ones, and how those on disk are counted there. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.models.offline.code_text import quoted
from analyst_kernel.models.offline.on_disk import stays
from analyst_kernel.models.offline.prose import listed
from analyst_kernel.models.offline.task import Task
from analyst_kernel.protocol.datasets import DatasetProfile

_MANY = 12
"""Datasets that one answer tells of; it names the others."""


def tables_of(task: Task) -> tuple[DatasetProfile, ...]:
    """Return the datasets that the question means, as many as one answer tells of."""
    return (task.profile, *task.also)[:_MANY]


def left_out(task: Task) -> tuple[str, ...]:
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
