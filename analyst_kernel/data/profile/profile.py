"""The profile of one source: its columns, some rows, and warnings.

Blocking; it runs in a reader. Nothing here depends on the dataset's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analyst_kernel.data.chosen import ReadingNotKept
from analyst_kernel.data.loading import stage_loaded
from analyst_kernel.data.profile.columns import is_exact, profile_columns
from analyst_kernel.data.profile.declared import declared_keys
from analyst_kernel.data.profile.inspected import DeclaredKey, Inspected
from analyst_kernel.data.profile.sketches import column_sketches
from analyst_kernel.data.profile.stated import reading_choices, sentence_of, takes_gaps
from analyst_kernel.data.profile.warnings import Table, find_warnings
from analyst_kernel.data.read.options import FolderReading, Source
from analyst_kernel.data.read.stage import Staged, options_of, stage
from analyst_kernel.data.read.workspace import Stop, Workspace, column, workspace
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.datasets import ColumnProfile, DataFormat, Dataset, DatasetProfile

HEAD, SAMPLE, TINY = 5, 3, 100
_CELL, _SHOWN_COLUMNS = 200, 200
_AT_ONCE = 32  # columns
_FULLEST = 6  # columns with most values
_ESTIMATES = (
    "Counts, extremes, means and top values come from all rows; distinct counts and quartiles "
    "are estimates, shares of numbers and dates come from the first 100,000 values."
)


def inspect(
    source: Source,
    name: str,
    *,
    max_frame_bytes: int,
    columns: Sequence[str] = (),
    stop: Stop | None = None,
) -> Inspected:
    """Return a source's profile after reading it.

    Args:
        source: What to read.
        name: The dataset's name.
        max_frame_bytes: Above this size the setup cell leaves the table on disk.
        columns: Profile only these; all when empty.
        stop: Ends the work from another thread.

    Raises:
        DataError: It cannot be read.
        ReadingNotKept: It cannot be read as the user said.
        ReadingStopped: ``stop`` was set.
        duckdb.OutOfMemoryException: It takes more memory than reading may use.
    """
    import duckdb

    _check_format(source)
    try:
        return _inspect(source, name, max_frame_bytes, columns, stop, sparing=False)
    except duckdb.OutOfMemoryException:
        return _inspect(source, name, max_frame_bytes, columns, stop, sparing=True)


def _inspect(
    source: Source, name: str, max_frame_bytes: int, columns: Sequence[str], stop: Stop | None,
    *, sparing: bool,
) -> Inspected:  # fmt: skip
    with workspace(stop, source.path, sparing=sparing) as work:
        staged = stage_loaded(work, source, stage(work, source, max_frame_bytes))
        _check_gaps(source, staged)
        dataset = Dataset(
            name=name,
            path=source.path,
            format=source.format,
            bytes=source.bytes,
            rows=staged.rows,
            columns=staged.names,
            table=source.table,
            options=options_of(staged.reading),
            load=staged.load,
        )
        wanted = [n for n, one in enumerate(staged.names) if not columns or one in columns]
        found = profile_columns(work, staged.names, staged.rows, staged.labels, wanted)
        duplicates = _duplicates(work, staged, dict(zip(wanted, found, strict=True)))
        table = Table(work, staged, tuple(zip(wanted, found, strict=True)), duplicates)
        warnings = find_warnings(table)
        made = reading_choices(work, staged, warnings)
        assumed: dict[str, Json] = {"assumptions": [sentence_of(c) for c in made if c.sentence]}
        options = dataset.options | (assumed if assumed["assumptions"] else {})
        profile = DatasetProfile(
            dataset=dataset.model_copy(update={"choices": made, "options": options}),
            columns=tuple(found),
            head=_texts(work, len(staged.names), f"LIMIT {TINY if staged.rows <= TINY else HEAD}"),
            sample=_sample(work, staged),
            duplicate_rows=duplicates,
            sampled=False,
            sample_note="" if is_exact(staged.rows, len(staged.names)) else _ESTIMATES,
            warnings=warnings,
        )
        return Inspected(
            replace(source, reading=staged.reading),
            profile,
            column_sketches(work, source.bytes, list(zip(wanted, found, strict=True))),
            tuple(
                DeclaredKey(column=mine, table=other, other_column=theirs)
                for mine, other, theirs in declared_keys(work, source)
            ),
        )


_LABELLED: tuple[DataFormat, ...] = ("stata", "spss", "sas")
_KEPT_BY: Mapping[str, tuple[DataFormat, ...]] = {
    "header": ("csv", "tsv", "excel"),
    "encoding": ("csv", "tsv"),
    "decimal": ("csv", "tsv"),
    "dates": ("csv", "tsv", "excel", "json", "jsonl", "sqlite"),
    "rows": ("csv", "tsv", "excel"),
    "word": ("csv", "tsv", "excel"),
    "gap": ("csv", "tsv", "excel", "json", "jsonl", "sqlite", "parquet", "arrow", *_LABELLED),
    "hidden-sheets": ("excel",),
    "labels": _LABELLED,
}
"""What may be chosen for which formats."""


def _check_format(source: Source) -> None:
    for key, _ in source.chosen.values:
        kind = key.partition(".")[0]
        if isinstance(source.reading, FolderReading) and kind != "gap":
            raise ReadingNotKept(key, f"Nothing can be said of {kind} for files in folders.")
        if source.format not in _KEPT_BY[kind]:
            raise ReadingNotKept(key, f"Nothing can be said of {kind} for a {source.format} file.")


def _check_gaps(source: Source, staged: Staged) -> None:
    """Raise ``ReadingNotKept`` for a column that is gone, or of a table that stays on disk."""
    for kind in ("gap", "dates", "labels"):
        for name in source.chosen.of(kind):
            if name not in staged.names:
                raise ReadingNotKept(f"{kind}.{name}", f"The table has no column {name!r}.")
            ways = takes_gaps(staged) if kind == "gap" else True
            if not ways or (kind == "dates" and staged.load == "view" and not _is_text(source)):
                raise ReadingNotKept(
                    f"{kind}.{name}", "The table stays on disk, where its values stay as they are."
                )


def _is_text(source: Source) -> bool:
    return source.format in ("csv", "tsv")


def _duplicates(work: Workspace, staged: Staged, known: Mapping[int, ColumnProfile]) -> int | None:
    """Return how many rows repeat others; None where that is not counted.

    The few columns with most values usually tell all rows apart, and then the others, which may be
    hundreds, need not be read.
    """
    import duckdb

    if not is_exact(staged.rows, len(staged.names)):
        return None
    every = range(len(staged.names))
    fullest = sorted(known, key=lambda place: -known[place].distinct)[:_FULLEST]
    if len(fullest) < len(every) and not _repeats(work, fullest):
        return 0
    try:
        return _repeats(work, every)
    except duckdb.OutOfMemoryException:
        return None


def _repeats(work: Workspace, places: Sequence[int]) -> int:
    if not places:
        return 1
    # A 64-bit hash of each row instead of the rows: a false repeat has odds of 1 in 10 million.
    distinct = f"count(DISTINCT hash({', '.join(map(column, places))}))"
    return int(work.row(f"SELECT count(*) - {distinct} FROM staged")[0])


def _texts(work: Workspace, width: int, clause: str) -> tuple[tuple[str | None, ...], ...]:
    rows: list[list[str | None]] = []
    shown = range(min(width, _SHOWN_COLUMNS))
    # A few columns at a time: of a Parquet file, each takes room for a part of all of its rows.
    for start in range(0, len(shown), _AT_ONCE):
        fields = (f"left(CAST({column(p)} AS VARCHAR), {_CELL})" for p in shown[start:][:_AT_ONCE])
        found = work.rows(f"SELECT {', '.join(fields)} FROM staged {clause}")
        rows = rows or [[] for _ in found]
        for row, more in zip(rows, found, strict=True):
            row += [None if cell is None else str(cell) for cell in more]
    return tuple(map(tuple, rows))


def _sample(work: Workspace, staged: Staged) -> tuple[tuple[str | None, ...], ...]:
    """Return a few rows spread evenly over the table, the same every time."""
    if staged.rows <= TINY:
        return ()
    found: list[tuple[str | None, ...]] = []
    for part in range(1, SAMPLE + 1):
        offset = staged.rows * part // (SAMPLE + 1)
        found += _texts(work, len(staged.names), f"LIMIT 1 OFFSET {offset}")
    return tuple(found)
