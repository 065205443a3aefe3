"""Loads a table with the setup cell's own code, in a reader.

A profile is computed from what this gives. So the table that a model is told of and the table that
the cells compute on are one, whatever the parsers think of a file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analyst_kernel.data.read import delimited
from analyst_kernel.data.read.frame import stage_frame
from analyst_kernel.data.read.options import (
    DelimitedReading,
    ExcelReading,
    FolderReading,
    LeftOut,
    Source,
)
from analyst_kernel.data.read.rows.totals import total_rows
from analyst_kernel.data.read.stage import Staged
from analyst_kernel.data.read.workspace import Workspace, column
from analyst_kernel.data.setup_code import loading_code
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_TABLE = "table"
_LOADED = ("csv", "tsv", "json", "jsonl", "excel", "sqlite", "stata", "spss", "sas")
"""Formats that one library finds out about and another one loads."""


def stage_loaded(work: Workspace, source: Source, staged: Staged) -> Staged:
    """Replace ``staged`` by what the setup cell's code loads, and return it with its reading.

    Tables that stay on disk are left as they are: their code is the query that was staged.

    Raises:
        DataError: The code cannot load the file.
    """
    chosen = source.chosen
    others = ("parquet", "arrow") if chosen.gaps else ()
    folders = isinstance(staged.reading, FolderReading)
    if staged.load != "frame" or not (folders or source.format in (*_LOADED, *others)):
        return staged
    if source.format == "parquet" and not folders:  # a view; a table is to take its place
        work.run("ALTER VIEW staged RENAME TO as_written")
        work.run("CREATE TABLE staged AS SELECT * FROM as_written")
    frame, staged = _loaded(work, source, staged)
    totals = total_rows(frame)
    lines = staged.lines
    if totals and len(lines) == len(frame):
        texts = ["" if value is None else str(value) for value in frame.iloc[totals[0]].tolist()]
        shown = ", ".join(text for text in texts if text not in ("", "nan", "NaT", "<NA>"))[:60]
        left = LeftOut("total", tuple(lines[place] for place in totals), shown)
        if chosen.get("rows", "total") == "keep":
            staged = _keeping(staged, left)
        elif (again := _without(work, source, staged, left)) is not None:
            frame, staged = _loaded(work, source, again)
    return _restaged(work, staged, frame)


def _keeping(staged: Staged, left: LeftOut) -> Staged:
    """Return the table with a note of rows that the user wants kept."""
    reading = staged.reading
    if not isinstance(reading, DelimitedReading | ExcelReading):
        return staged
    return replace(staged, reading=replace(reading, kept_rows=(*reading.kept_rows, left)))


def _without(work: Workspace, source: Source, staged: Staged, left: LeftOut) -> Staged | None:
    """Return the table read again without some rows."""
    match staged.reading:
        case DelimitedReading() as reading:
            rows = reading.last_rows and reading.last_rows - len(left.lines)
            fewer = replace(reading, left_out=(*reading.left_out, left), last_rows=rows)
            fewer, short = delimited.read_again(work, source.path, fewer)
            fewer = delimited.finished(work, source.path, fewer)
            return replace(
                staged,
                reading=fewer,
                rows=staged.rows - len(left.lines),
                short_rows=short,
                lines=_rest(staged.lines, left),
            )
        case ExcelReading() as reading:
            sheet = replace(reading, left_out=(*reading.left_out, left))
            return replace(staged, reading=sheet, lines=_rest(staged.lines, left))
    return None


def _rest(lines: Sequence[int], left: LeftOut) -> tuple[int, ...]:
    gone = set(left.lines)
    return tuple(line for line in lines if line not in gone)


def _loaded(work: Workspace, source: Source, staged: Staged) -> tuple[pd.DataFrame, Staged]:
    """Return the frame, and the reading that loaded it: the first may not be the last."""
    try:
        frame = _run(source, staged)
    except (MemoryError, RecursionError):
        raise
    except Exception as error:
        plain = _without_quotes(work, source, staged)
        if plain is None:
            reason = str(error).strip().partition("\n")[0][:200].rstrip(".")
            raise DataError(
                f"{os.path.basename(source.path)} was read, but pandas cannot load it: {reason}.",
                "Export it again as CSV (UTF-8) or Parquet.",
            ) from error
        staged = plain
        frame = _run(source, staged)
    wrong = _other_types(staged, frame)
    if wrong and isinstance(staged.reading, DelimitedReading):
        again, short = delimited.read_again(work, source.path, staged.reading)
        again = delimited.finished(work, source.path, again)
        if again != staged.reading:
            staged = replace(staged, reading=again, short_rows=short)
            frame = _run(source, staged)
    return frame, staged


def _without_quotes(work: Workspace, source: Source, staged: Staged) -> Staged | None:
    """Return the table read with quotes as plain characters, if it has any that might be."""
    reading = staged.reading
    if not isinstance(reading, DelimitedReading) or not reading.quote:
        return None
    bare = replace(
        reading, quote="", left_out=(), last_rows=None, added=0, spare=0, replaced_header=False,
        names=reading.names[: len(reading.names) - reading.added],
    )  # fmt: skip
    bare, seen = delimited.look_at_rows(work, source.path, bare)
    if seen.wide_count or seen.rows < staged.rows:
        return None
    bare, short = delimited.read_again(work, source.path, bare)
    bare = delimited.finished(work, source.path, bare)
    return replace(
        staged, reading=bare, names=bare.names, rows=seen.rows, short_rows=short, lines=seen.lines
    )


def _run(source: Source, staged: Staged) -> pd.DataFrame:
    import duckdb
    import pandas as pd

    dataset = Dataset(
        name=_TABLE, path=source.path, format=source.format, bytes=source.bytes, rows=None,
        columns=staged.names, table=source.table, load="frame",
    )  # fmt: skip
    code = loading_code(dataset, replace(source, reading=staged.reading))
    names: dict[str, Any] = {"pd": pd, "duckdb": duckdb}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "<setup>", "exec"), names)  # noqa: S102 - templates of ours and literals
    frame: pd.DataFrame = names[_TABLE]
    return frame


def _other_types(staged: Staged, frame: pd.DataFrame) -> list[str]:
    """Return the columns of a delimited file that were loaded as another type than was found."""
    from pandas.api import types

    reading = staged.reading
    if not isinstance(reading, DelimitedReading):
        return []
    tests = {
        "integer": types.is_numeric_dtype,
        "number": types.is_numeric_dtype,
        "date": types.is_datetime64_any_dtype,
    }
    return [
        name
        for place, (name, kind) in enumerate(zip(reading.names, reading.types, strict=True))
        if kind.kind in tests and not tests[kind.kind](frame.dtypes.iloc[place])
    ]


def _restaged(work: Workspace, staged: Staged, frame: pd.DataFrame) -> Staged:
    """Fill ``staged`` with a frame; types that pandas has no word for stay as they were found."""
    known = [str(row[1]) for row in work.rows("DESCRIBE staged")]
    names = tuple(map(str, frame.columns))
    found = stage_frame(work, frame)
    if names == staged.names and len(known) == len(names):
        for place, (old, (_, new, *_rest)) in enumerate(
            zip(known, work.rows("DESCRIBE staged"), strict=True)
        ):
            _retype(work, column(place), str(old), str(new))
    labels = {name: label for name, label in staged.labels.items() if name in names}
    same = dict(zip(names, work.rows("DESCRIBE staged"), strict=True))
    labels = {name: label for name, label in labels.items() if _agree(label, str(same[name][1]))}
    rows = int(work.row("SELECT count(*) FROM staged")[0])
    return replace(staged, names=names, rows=rows, labels=labels | found.labels, mixed=found.mixed)


def _agree(label: str, dtype: str) -> bool:
    return label == dtype or (label.startswith("TIMESTAMP") and dtype.startswith("TIMESTAMP"))


def _retype(work: Workspace, name: str, old: str, new: str) -> None:
    """Give a column the type that it has in the file, where a frame's is only a stand-in."""
    if (old, new) == ("BIGINT", "DOUBLE"):  # whole numbers with gaps
        exact = f"{name} = trunc({name}) AND abs({name}) < 9e15"
    elif old == "DATE" and new.startswith("TIMESTAMP"):
        exact = f"{name} = date_trunc('day', {name})"
    else:
        return
    if not work.row(f"SELECT count(*) FILTER (NOT ({exact})) FROM staged")[0]:
        work.run(f"ALTER TABLE staged ALTER {name} TYPE {old}")
