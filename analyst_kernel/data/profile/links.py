"""Columns that seem to link two tables: names that fit, and how many values they share."""

from __future__ import annotations

from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile, DataWarning

_MAX_DISTINCT = 200_000
MAX_BYTES = 64 << 20
"""Files above this size are not read again to compare values."""


def shared_columns(
    one: DatasetProfile, other: DatasetProfile
) -> list[tuple[ColumnProfile, ColumnProfile]]:
    """Pair columns of two tables whose names and kinds agree (``id`` fits ``<table>_id`` too)."""
    found = []
    for mine in one.columns:
        for theirs in other.columns:
            if mine.kind != theirs.kind or mine.kind not in ("text", "number"):
                continue
            if _plain(mine.name) not in _ways(theirs.name, other) or not mine.distinct > 1:
                continue
            few = max(mine.distinct, theirs.distinct) <= _MAX_DISTINCT
            if few and _whole(mine) and _whole(theirs):
                found.append((mine, theirs))
    return found


def _plain(name: str) -> str:
    return "".join(mark for mark in name.lower() if mark.isalnum())


def _ways(name: str, profile: DatasetProfile) -> set[str]:
    plain = _plain(name)
    if plain not in ("id", "code", "key"):
        return {plain}
    table = _plain(profile.dataset.name)
    return {plain, table + plain, table.removesuffix("s") + plain}


def _whole(column: ColumnProfile) -> bool:
    return column.kind == "text" or column.dtype not in ("DOUBLE", "FLOAT")


def known_overlap(mine: ColumnProfile, theirs: ColumnProfile) -> int | None:
    """Count the distinct values of ``mine`` that occur in ``theirs``, if the profiles hold all."""
    if len(mine.top) == mine.distinct and len(theirs.top) == theirs.distinct:
        there = {item.value for item in theirs.top}
        return sum(item.value in there for item in mine.top)
    return None


def link_warning(
    other: DatasetProfile,
    mine: ColumnProfile,
    theirs: ColumnProfile,
    found: int | None,
) -> DataWarning | None:
    """Return a warning about how well two columns link, or ``None`` if few values are shared.

    Args:
        other: The table referred to.
        mine: The column that refers.
        theirs: The column of ``other``.
        found: How many distinct values of ``mine`` occur in ``theirs``; None if not known.
    """
    if found is None or not mine.distinct or found * 2 < mine.distinct:
        return None
    return DataWarning(
        code="foreign-key",
        message=(
            f"{found / mine.distinct:.0%} of its {mine.distinct:,} values occur in "
            f"{other.dataset.name}[{theirs.name!r}], which tells its rows apart."
        ),
        column=mine.name,
    )
