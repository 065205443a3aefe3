"""Sketches of the columns of the table ``staged (c0, c1, ...)``; it runs in a reader."""

from __future__ import annotations

import base64
import sys
from array import array

from analyst_kernel.data.profile.inspected import MAX_HASHES, ColumnSketch
from analyst_kernel.data.read.workspace import Workspace, column
from analyst_kernel.protocol.datasets import ColumnProfile

MAX_BYTES = 64 << 20
"""Of files above this size no sketch is made: it takes a pass over each column."""
MAX_COLUMNS = 60
_FEW_HASHES = 1024  # enough of a column that refers to another one
_MOST_DISTINCT = 200_000
_LONGEST = 120  # characters; longer texts are prose


def column_sketches(
    work: Workspace, size: int, columns: list[tuple[int, ColumnProfile]]
) -> tuple[ColumnSketch, ...]:
    """Return the sketches of those columns of ``staged`` that may link two tables.

    Args:
        work: Holds the table ``staged``.
        size: Bytes of the file.
        columns: Places and profiles.
    """
    if size > MAX_BYTES:
        return ()
    wanted = [(place, one) for place, one in columns if _may_link(one)]
    return tuple(_sketch(work, place, one) for place, one in wanted[:MAX_COLUMNS])


def _may_link(one: ColumnProfile) -> bool:
    if not 1 < one.distinct <= _MOST_DISTINCT:
        return False
    if one.kind == "text":
        return (one.max_length or 0) <= _LONGEST and one.dtype not in ("LIST", "STRUCT")
    return one.kind == "number" and one.dtype not in ("DOUBLE", "FLOAT")


def _sketch(work: Workspace, place: int, one: ColumnProfile) -> ColumnSketch:
    name = column(place)
    count, distinct = (
        int(number)
        for number in work.row(f"SELECT count({name}), count(DISTINCT {name}) FROM staged")
    )
    unique = count == distinct
    # Hashes of equal texts are equal in every file: they depend on the text and DuckDB alone.
    rows = work.rows(
        f"SELECT DISTINCT hash(CAST({name} AS VARCHAR)) AS h FROM staged WHERE {name} IS NOT NULL "
        f"ORDER BY h LIMIT {MAX_HASHES if unique else _FEW_HASHES}"
    )
    found = array("Q", (row[0] for row in rows))
    if sys.byteorder == "big":
        found.byteswap()
    return ColumnSketch(
        column=one.name,
        distinct=distinct,
        unique=unique,
        hashes=base64.b64encode(found.tobytes()).decode(),
    )
