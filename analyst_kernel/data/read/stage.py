"""Any source as the table ``staged (c0, c1, ...)`` of a workspace, with what reading it showed.

The one module that dispatches on all formats; profiles are computed on the staged table alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from analyst_kernel.data.chosen import Chosen
from analyst_kernel.data.read import (
    columnar,
    database,
    delimited,
    excel,
    json,
    relation,
)
from analyst_kernel.data.read import frame as frame_stage
from analyst_kernel.data.read.archives import unpacked_bytes
from analyst_kernel.data.read.discover import folder_table
from analyst_kernel.data.read.folders import staging
from analyst_kernel.data.read.folders.query import names_of
from analyst_kernel.data.read.names import (
    all_unique,
    duckdb_path,
    named,
    not_readable_by_name,
)
from analyst_kernel.data.read.options import (
    ArrowReading,
    DelimitedReading,
    DuckdbReading,
    ExcelReading,
    FolderReading,
    JsonReading,
    ParquetReading,
    Reading,
    Source,
    SqliteReading,
    StatReading,
    packing_options,
)
from analyst_kernel.data.read.workspace import Workspace, column, columns
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.errors import DataError

_FLOAT = 1 << 53
_CELL_BYTES = 12  # a frame's memory for one cell, on average; only for choosing frame or view


@dataclass(frozen=True, slots=True)
class Staged:
    """A source after reading.

    Attributes:
        names: Column names in order, as the setup cell's frame has them.
        labels: Type names of columns that are known more exactly than the staged type.
        mixed: Columns whose cells hold several kinds of values.
        lines: The place in the file of each row, if that is known.
        load: Whether the setup cell loads a frame or a view of the table on disk.
    """

    reading: Reading
    names: tuple[str, ...]
    rows: int
    labels: dict[str, str]
    mixed: tuple[str, ...] = ()
    short_rows: int = 0
    load: Literal["frame", "view"] = "frame"
    lines: Sequence[int] = ()

    @property
    def chosen(self) -> Chosen:
        """What the user said of the reading."""
        return Chosen() if isinstance(self.reading, DuckdbReading) else self.reading.chosen


def stage(work: Workspace, source: Source, max_frame_bytes: int) -> Staged:
    """Read a source into ``staged``; above ``max_frame_bytes`` it is to be left on disk.

    Raises:
        DataError: It cannot be read as a table.
        duckdb.OutOfMemoryException: Not within the memory of the workspace.
    """
    import duckdb

    try:
        staged = _stage(work, source, max_frame_bytes)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{os.path.basename(source.path)} cannot be read: {reason}.",
            "Export it again as CSV (UTF-8) or Parquet.",
        ) from error
    if not staged.names:
        raise DataError(
            f"{os.path.basename(source.path)} has no columns.", "Check the export that made it."
        )
    return staged


def _stage(work: Workspace, source: Source, max_frame_bytes: int) -> Staged:
    if isinstance(source.reading, FolderReading):
        return _folders(work, source, max_frame_bytes)
    match source.format:
        case "csv" | "tsv":
            return _delimited(work, source, max_frame_bytes)
        case "json" | "jsonl":
            return _json(work, source)
        case "excel":
            assert isinstance(source.reading, ExcelReading)
            reading, lines = excel.look(source.path, excel.as_said(source.reading, source.chosen))
            frame = excel.frame(source.path, reading)
            names = tuple(map(str, frame.columns))
            mixed = frame_stage.stage_frame(work, frame).mixed
            dates = frame_stage.convert_dates(work, names, source.chosen)
            reading = replace(reading, dates=dates, names=names)
            return Staged(reading, names, _count(work), _zones(dates), mixed, lines=lines)
        case "sqlite":
            assert isinstance(source.reading, SqliteReading)
            names, mixed = database.stage_sqlite(work, source.path, source.reading)
            dates = frame_stage.convert_dates(work, names, source.chosen)
            rows = _count(work)
            load = _load(rows * len(names) * _CELL_BYTES, max_frame_bytes)
            if load == "view":
                dates = ()
            exact = load == "frame" and bool(_long_with_gaps(work, names))
            sqlite_reading = replace(source.reading, dates=dates, exact=exact, chosen=source.chosen)
            return Staged(sqlite_reading, names, rows, _zones(dates), mixed, 0, load)
        case "duckdb":
            assert isinstance(source.reading, DuckdbReading)
            return _duckdb(work, source.path, source.reading, max_frame_bytes)
        case "parquet":
            return _parquet(work, source, max_frame_bytes)
        case "arrow":
            arrow_reading, names = columnar.stage_arrow(work, source.path)
            arrow_reading = replace(arrow_reading, chosen=source.chosen)
            return Staged(arrow_reading, names, _count(work), {})
        case "stata" | "spss" | "sas":
            stat_reading, frame, _ = columnar.read_statistics(source.path, source.chosen)
            mixed = frame_stage.stage_frame(work, frame).mixed
            names = tuple(map(str, frame.columns))
            return Staged(stat_reading, names, _count(work), {}, mixed)
        case _:
            assert_never(source.format)


def _load(size: int, limit: int) -> Literal["frame", "view"]:
    return "view" if size > limit else "frame"


def _count(work: Workspace) -> int:
    return int(work.row("SELECT count(*) FROM staged")[0])


def _long_with_gaps(work: Workspace, names: Sequence[str]) -> list[str]:
    """Return the columns of whole numbers with gaps and more digits than a float holds."""
    kinds = [str(row[1]) for row in work.rows("DESCRIBE staged")]
    places = [n for n, kind in enumerate(kinds) if kind in ("BIGINT", "UBIGINT")]
    if not places:
        return []
    tests = ", ".join(
        f"count({column(n)}) < count(*) AND "
        f"coalesce(max({column(n)}) > {_FLOAT} OR min({column(n)}) < -{_FLOAT}, false)"
        for n in places
    )
    found = work.row(f"SELECT {tests} FROM staged")
    return [names[n] for n, long in zip(places, found, strict=True) if long]


def _zones(dates: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {name: "TIMESTAMP WITH TIME ZONE" for name, text in dates if text.endswith("%z")}


def _delimited(work: Workspace, source: Source, max_frame_bytes: int) -> Staged:
    name = source.packing.member or source.path
    reading = delimited.look(source.path, source.packing, name, source.chosen)
    load = _load(unpacked_bytes(source.path, source.packing), max_frame_bytes)
    if load == "view":
        # SQL ignores the letter case of names; a frame does not.
        names = all_unique(reading.names)
        explicit = reading.explicit_names or names != reading.names
        reading = replace(reading, names=names, explicit_names=explicit)
    text = delimited.stage(work, source.path, reading)
    labels = {
        name: relation.type_label(kind)
        for name, kind in zip(text.reading.names, text.reading.types, strict=True)
    }
    return Staged(
        text.reading, text.reading.names, _count(work), labels, (), text.short_rows, load,
        text.lines,
    )  # fmt: skip


def _json(work: Workspace, source: Source) -> Staged:
    size = unpacked_bytes(source.path, source.packing)
    reading, document = json.look(
        source.path, source.packing, lines=source.format == "jsonl", size=size
    )
    if reading.on_disk:
        if duckdb_path(source.path) is None:
            raise not_readable_by_name(source.path)  # nor could the setup cell read it
        file = json.big_file_sql(named(work, source.path), reading)
        names = work.names(file)
        aliases = columns(len(names))
        work.run(f"CREATE OR REPLACE TABLE staged AS SELECT * FROM {file} AS file({aliases})")
        return Staged(reading, names, _count(work), {}, load="view")
    try:
        "".join((*reading.path, *reading.names_path)).encode()
        frame = json.frame(reading, document)
    except UnicodeEncodeError as error:
        raise DataError(
            f"{os.path.basename(source.packing.member or source.path)} holds a part of a character "
            f"that is no text ({error.object[error.start]!a}).",
            "Export it again as UTF-8.",
        ) from error
    names = tuple(map(str, frame.columns))
    held = frame_stage.stage_frame(work, frame)
    dates = frame_stage.convert_dates(work, names, source.chosen)
    labels = held.labels | _zones(dates)
    reading = replace(reading, dates=dates, chosen=source.chosen)
    return Staged(reading, names, _count(work), labels, held.mixed)


def _duckdb(work: Workspace, path: str, reading: DuckdbReading, max_frame_bytes: int) -> Staged:
    database.attach_duckdb(work, path)
    table = database.duckdb_table_sql(reading)
    names = work.names(table)
    aliases = columns(len(names))
    work.run(f"CREATE OR REPLACE TEMP VIEW staged AS SELECT * FROM {table} AS file({aliases})")
    rows = _count(work)
    load = _load(rows * len(names) * _CELL_BYTES, max_frame_bytes)
    return Staged(reading, names, rows, {}, load=load)


def _parquet(work: Workspace, source: Source, max_frame_bytes: int) -> Staged:
    reading, stored, rows, size = columnar.look_parquet(source.path)
    reading = replace(reading, chosen=source.chosen)
    columnar.stage_parquet(work, source.path, stored)
    # A column of few values takes next to nothing in the file, and as much as others in a frame.
    held = rows * len(stored) * _CELL_BYTES
    load = _load(max(size, source.bytes, held), max_frame_bytes)
    if load == "frame":
        kinds = [str(row[1]) for row in work.rows("DESCRIBE staged")]
        reading = replace(
            reading,
            exact=bool(_long_with_gaps(work, stored)),
            decimals=tuple(
                name
                for name, kind in zip(stored, kinds, strict=True)
                if kind.startswith("DECIMAL(")
            ),
        )
    named = tuple(name for name in reading.index if not name.startswith("__index_level_"))
    if load == "view" or not reading.index:
        return Staged(reading, stored, rows, {}, load=load)
    # reset_index() puts the index first; an index without a name is only a row number.
    order = [stored.index(name) for name in named]
    order += [n for n, name in enumerate(stored) if name not in reading.index]
    picked = ", ".join(f"{column(old)} AS {column(new)}" for new, old in enumerate(order))
    work.run("ALTER VIEW staged RENAME TO stored")
    work.run(f"CREATE VIEW staged AS SELECT {picked} FROM stored")
    return Staged(reading, tuple(stored[n] for n in order), rows, {}, load=load)


def _folders(work: Workspace, source: Source, max_frame_bytes: int) -> Staged:
    table = folder_table(source.path, source.table)
    assert table is not None, "a source is listed from the same folder"
    seen = staging.look(table)
    load = _load(max(seen.size, source.bytes), max_frame_bytes)
    reading = staging.stage(work, table, seen, view=load == "view")
    names = names_of(reading)
    exact = load == "frame" and bool(_long_with_gaps(work, names))
    reading = replace(reading, exact=exact, chosen=source.chosen)
    return Staged(reading, names, _count(work), {}, load=load)


def options_of(reading: Reading) -> dict[str, Json]:
    """Return what reading needs beyond the format itself, for users to see."""
    found: dict[str, Json] = {}
    dates: tuple[tuple[str, str], ...] = ()
    match reading:
        case DelimitedReading():
            return reading.options()
        case JsonReading():
            dates = reading.dates
            found = {"shape": reading.shape} | packing_options(reading.packing)
            found |= {"key": ".".join(reading.path)} if reading.path else {}
        case ExcelReading():
            dates = reading.dates
            found = {"header_row": reading.header_row}
        case SqliteReading():
            dates = reading.dates
        case DuckdbReading():
            found = {} if reading.schema == "main" else {"schema": reading.schema}
        case ParquetReading() | ArrowReading():
            pass
        case StatReading():
            found = {"encoding": reading.encoding} if reading.encoding else {}
        case FolderReading():
            found = {"files": reading.files, "folders": ", ".join(reading.keys)}
            found |= {"delimiter": reading.text.delimiter} if reading.text else {}
        case _:
            assert_never(reading)
    if dates:
        found["dates"] = dict(dates)
    return found
