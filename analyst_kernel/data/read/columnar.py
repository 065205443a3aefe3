"""Parquet and Arrow files, and those of Stata, SPSS and SAS: what they say of their columns."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analyst_kernel.data.chosen import Chosen, ReadingNotKept
from analyst_kernel.data.read.frame import is_missing
from analyst_kernel.data.read.names import duckdb_path, named, read_sql
from analyst_kernel.data.read.options import ArrowReading, ParquetReading, StatReading
from analyst_kernel.data.read.workspace import Workspace, column, columns
from analyst_kernel.protocol.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_STATISTICS = (
    (b"$FL", "read_sav"), (b"<stata_dta>", "read_dta"), (b"HEADER RECORD", "read_xport"),
    (b"\0" * 12 + b"\xc2\xea\x81\x60", "read_sas7bdat"),
)  # fmt: skip
_BY_SUFFIX = {
    ".dta": "read_dta", ".sav": "read_sav", ".zsav": "read_sav", ".por": "read_por",
    ".sas7bdat": "read_sas7bdat", ".xpt": "read_xport",
}  # fmt: skip
_PROGRAMS = {"read_dta": "Stata", "read_sav": "SPSS", "read_por": "SPSS"}
_LONGEST_TEXT = 600
_MOST_MEANINGS = 60


def _index(metadata: dict[bytes, bytes] | None) -> tuple[tuple[str, ...], bool]:
    """Return the columns that pandas keeps in the index, and whether one of them has no name."""
    try:
        stored = json.loads((metadata or {}).get(b"pandas", b"{}"))
    except (ValueError, RecursionError):
        return (), False
    kept = stored.get("index_columns") if isinstance(stored, dict) else None
    names = tuple(name for name in kept if isinstance(name, str)) if isinstance(kept, list) else ()
    unnamed = any(name.startswith("__index_level_") for name in names)
    return names, unnamed


def _damaged(path: str, error: Exception) -> DataError:
    if isinstance(error, MemoryError):  # Arrow's error for it is one of its own too
        raise error
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(
        f"{os.path.basename(path)} is damaged: {reason}.", "Get the file again or export it again."
    )


def _footer(path: str) -> tuple[Any, int, int]:
    """Return the schema of a Parquet file, its rows, and bytes in memory (estimate)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            meta, schema = file.metadata, file.schema_arrow
            size = sum(meta.row_group(n).total_byte_size for n in range(meta.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    return schema, int(meta.num_rows), int(size)


def look_parquet(path: str) -> tuple[ParquetReading, tuple[str, ...], int, int]:
    """Return how a Parquet file is read, its columns, rows, and bytes in memory (estimate).

    Raises:
        DataError: Its footer cannot be read.
    """
    schema, rows, size = _footer(path)
    index, unnamed = _index(schema.metadata)
    return ParquetReading(index, unnamed), tuple(schema.names), rows, size


def typed_columns(path: str) -> tuple[tuple[tuple[str, str], ...], int, int]:
    """Return the columns of a Parquet file with their types, its rows, and bytes in memory.

    Raises:
        DataError: Its footer cannot be read.
    """
    schema, rows, size = _footer(path)
    found = tuple((field.name, str(field.type)) for field in schema)
    return found, rows, size


def stage_parquet(work: Workspace, path: str, names: tuple[str, ...]) -> None:
    """Create the view ``staged`` on the file; only one that DuckDB cannot name is copied."""
    if duckdb_path(path) is None:
        _copy_parquet(work, path, names)
        file = "copied"
    else:
        file = read_sql("read_parquet", named(work, path))
    work.run(
        f"CREATE OR REPLACE VIEW staged AS SELECT * FROM {file} AS file({columns(len(names))})"
    )


def _copy_parquet(work: Workspace, path: str, names: tuple[str, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    aliases = [column(place) for place in range(len(names))]
    with pq.ParquetFile(path) as file:
        work.stage(file.schema_arrow.empty_table().rename_columns(aliases))
        for batch in file.iter_batches():
            work.stage(pa.table(batch.columns, names=aliases), append=True)
    work.run("DROP TABLE IF EXISTS copied")
    work.run("ALTER TABLE staged RENAME TO copied")


def stage_arrow(work: Workspace, path: str) -> tuple[ArrowReading, tuple[str, ...]]:
    """Copy an Arrow file batch by batch into ``staged``; return how it is read and its columns.

    Raises:
        DataError: It is damaged, or of the old Feather version 1.
    """
    import pyarrow as pa

    try:
        with pa.OSFile(path) as handle:
            head = bytes(handle.read(6))
        stream = head != b"ARROW1"
        with pa.memory_map(path) as mapped:
            reader = pa.ipc.open_stream(mapped) if stream else pa.ipc.open_file(mapped)
            names = tuple(reader.schema.names)
            aliases = [column(place) for place in range(len(names))]
            batches = 0
            for batch in _batches(reader, stream):
                work.stage(pa.table(batch.columns, names=aliases), append=batches > 0)
                batches += 1
            if not batches:
                work.stage(reader.schema.empty_table().rename_columns(aliases))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    return ArrowReading(stream), names


def _batches(reader: Any, stream: bool) -> Any:
    if stream:
        yield from reader
    else:
        for place in range(reader.num_record_batches):
            yield reader.get_batch(place)


def _pyreadstat(name: str, program: str) -> Any:
    try:
        import pyreadstat
    except ImportError:
        raise DataError(
            f"{name} is a file of {program}, and reading it needs the package pyreadstat.",
            "Run: pip install 'analyst-kernel[statistics]'",
        ) from None
    return pyreadstat


def read_statistics(
    path: str, chosen: Chosen, *, rows: bool = True
) -> tuple[StatReading, pd.DataFrame, int | None]:
    """Return how a file of Stata, SPSS or SAS is read, its frame, and how many rows it says it has.

    Args:
        path: The file.
        chosen: What the user said of labels.
        rows: Otherwise the frame is empty, and the labels are not looked at.

    Raises:
        ReadingNotKept: The user chose labels for a column that has none.
        DataError: It is damaged, or pyreadstat is not installed.
    """
    name = os.path.basename(path)
    with open(path, "rb") as file:
        head = file.read(16)
    known = [function for start, function in _STATISTICS if head.startswith(start)]
    function = known[0] if known else _BY_SUFFIX.get(os.path.splitext(path)[1].lower(), "read_dta")
    program = _PROGRAMS.get(function, "SAS")
    library = _pyreadstat(name, program)
    how: dict[str, Any] = {} if rows else {"metadataonly": True}
    encoding = None
    try:
        try:
            frame, about = getattr(library, function)(path, dates_as_pandas_datetime=True, **how)
        except (UnicodeDecodeError, library.ReadstatError) as error:
            if "conver" not in str(error).lower() and "codec" not in str(error).lower():
                raise
            encoding = "LATIN1"
            frame, about = getattr(library, function)(
                path, dates_as_pandas_datetime=True, encoding=encoding, **how
            )
    except (library.ReadstatError, library.PyreadstatError, ValueError, OverflowError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(
            f"{name} cannot be read as a file of {program}: {reason}.",
            "It is damaged, or not what its name says; export it again.",
        ) from error
    texts = {name: text for name, text in about.column_names_to_labels.items() if text}
    reading = StatReading(
        function,
        encoding,
        descriptions=tuple((one, str(text)[:_LONGEST_TEXT]) for one, text in texts.items()),
        chosen=chosen,
    )
    count = about.number_rows
    if rows:
        reading, frame = _labelled(reading, frame, dict(about.variable_value_labels))
    return reading, frame, None if count is None or count < 0 else int(count)


def _labelled(
    reading: StatReading, frame: pd.DataFrame, every: dict[str, dict[Any, Any]]
) -> tuple[StatReading, pd.DataFrame]:
    """Return the reading with the columns that get labels: all of their values have one."""
    said = reading.chosen.of("labels")
    for name in said:
        if name not in every:
            raise ReadingNotKept(f"labels.{name}", f"The file has no labels for {name!r}.")
    labelled, coded, meanings = [], [], []
    for name, labels in every.items():
        if name not in frame.columns or not labels:
            continue
        whole = all(value in labels for value in frame[name].unique() if not is_missing(value))
        distinct = len({str(text) for text in labels.values()}) == len(labels)
        if said.get(name, "labels" if whole and distinct else "codes") == "labels":
            labelled.append(name)
            frame[name] = frame[name].replace(labels)
        else:
            coded.append(name)
            shown = list(labels.items())[:_MOST_MEANINGS]
            meanings.append((name, tuple((str(text)[:100], _code(code)) for code, text in shown)))
    return replace(
        reading, labelled=tuple(labelled), coded=tuple(coded), meanings=tuple(meanings)
    ), frame


def _code(code: object) -> str:
    """Return a code as text, whole numbers without a point."""
    return str(int(code)) if isinstance(code, float) and code.is_integer() else str(code)
