"""How many values of one dataset's column occur in a column of another."""

from __future__ import annotations

import os

from analyst_kernel.agent.errors import DataError
from analyst_kernel.data.engine import Stop, Workspace, column, workspace
from analyst_kernel.data.readings import Source
from analyst_kernel.data.staging import stage
from analyst_kernel.protocol.datasets import ColumnProfile

_MAX_BYTES = 64 << 20


def overlaps(
    one: Source, mine: ColumnProfile, other: Source, theirs: ColumnProfile, stop: Stop
) -> int | None:
    """Count the distinct values of ``mine`` that occur in ``theirs``.

    Both columns are compared as text where all their values are known already; otherwise the files
    are read again. ``None`` where that would take too long (files above 64 MB) or a file is gone.
    """
    if len(mine.top) == mine.distinct and len(theirs.top) == theirs.distinct:
        there = {item.value for item in theirs.top}
        return sum(item.value in there for item in mine.top)
    try:
        if max(os.path.getsize(one.path), os.path.getsize(other.path)) > _MAX_BYTES:
            return None
        with workspace(stop) as work:
            _keep(work, one, mine.name, "mine")
            _keep(work, other, theirs.name, "theirs")
            return int(work.row("SELECT count(*) FROM mine SEMI JOIN theirs USING (v)")[0])
    except (OSError, DataError):
        return None


def _keep(work: Workspace, source: Source, name: str, table: str) -> None:
    """Keep one column's distinct values as text."""
    staged = stage(work, source, 1 << 60)
    v = column(staged.names.index(name))
    work.run(
        f"CREATE TABLE {table} AS SELECT DISTINCT CAST({v} AS VARCHAR) AS v FROM staged "
        f"WHERE {v} IS NOT NULL"
    )
    work.run(
        f"DROP {'VIEW' if source.format in ('parquet', 'duckdb') else 'TABLE'} IF EXISTS staged"
    )
