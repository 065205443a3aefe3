"""Parquet and Arrow files: their footers, and how pandas turns them into a frame."""

from __future__ import annotations

import json
import os
from typing import Any

from analyst_kernel.data.read.names import duckdb_path, named, read_sql
from analyst_kernel.data.read.options import ArrowReading, ParquetReading
from analyst_kernel.data.read.workspace import Workspace, column, columns
from analyst_kernel.protocol.errors import DataError


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


def look_parquet(path: str) -> tuple[ParquetReading, tuple[str, ...], int, int]:
    """Return how a Parquet file is read, its columns, rows, and bytes in memory (estimate).

    Raises:
        DataError: Its footer cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            meta, schema = file.metadata, file.schema_arrow
            size = sum(meta.row_group(n).total_byte_size for n in range(meta.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    index, unnamed = _index(schema.metadata)
    return ParquetReading(index, unnamed), tuple(schema.names), int(meta.num_rows), int(size)


def typed_columns(path: str) -> tuple[tuple[tuple[str, str], ...], int, int]:
    """Return the columns of a Parquet file with their types, its rows, and bytes in memory.

    Raises:
        DataError: Its footer cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            meta, schema = file.metadata, file.schema_arrow
            size = sum(meta.row_group(n).total_byte_size for n in range(meta.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    found = tuple((field.name, str(field.type)) for field in schema)
    return found, int(meta.num_rows), int(size)


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
