"""The query that reads the files of many folders as one table; the setup cell has the same one."""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.data.read import relation
from analyst_kernel.data.read.folders.tables import NO_VALUE
from analyst_kernel.data.read.names import unique
from analyst_kernel.data.read.options import FolderReading
from analyst_kernel.data.read.values import SIGNS
from analyst_kernel.data.read.workspace import literal, quoted


def variables(base: str, reading: FolderReading, stem: str) -> list[tuple[str, str]]:
    """Return DuckDB's variables that hold the names of files, and what they are set to.

    There are none where the pattern says it all. New files that fit it are found when it is run.

    Args:
        base: The folder, as DuckDB reads it.
        reading: Names the files that are left out, and those that are read apart.
        stem: What the variables are called.
    """
    if not reading.left_out and not reading.groups:
        return []
    found = []
    for number, group in enumerate(reading.groups, 2):
        names = ", ".join(literal(f"{base}/{name}") for name in group)
        found.append((f"{stem}_{number}", f"[{names}]"))
    others = (*(name for name, _ in reading.left_out), *(n for one in reading.groups for n in one))
    ends = [literal(f"/{name}") for name in others]
    kept = " AND ".join(f"NOT ends_with(file, {end})" for end in ends)
    every = literal(f"{base}/{reading.pattern}")
    listed = f"(SELECT list(file ORDER BY file) FROM glob({every}) WHERE {kept})"
    return [(stem, listed), *found]


def alone_sql(path: str, reading: FolderReading) -> str:
    """Return a query for all columns of one of the files, as DuckDB reads it."""
    return f"SELECT * FROM {_call(literal(path), reading, ['hive_partitioning = false'], SIGNS)}"


def folder_sql(
    base: str, reading: FolderReading, *, stem: str, texts: bool = False, gap: str = " "
) -> str:
    """Return the query.

    Args:
        base: The folder, as DuckDB reads it.
        reading: How.
        stem: As for :func:`variables`, which are set before.
        texts: Every column of delimited text stays as it is written, but for signs of gaps.
        gap: What stands between its parts: a line end, for readers.
    """
    known = [name for name, _ in variables(base, reading, stem)]
    listed = [f"getvariable({literal(name)})" for name in known]
    listed = listed or [literal(f"{base}/{reading.pattern}")]
    file = unique("file_of_row", {name.lower() for name in reading.columns})
    # Delimited files would all be held open for it; there, each header is read apart.
    options = ["union_by_name = true"] if reading.text is None else []
    if reading.by_name:
        options += ["hive_partitioning = false", f"filename = {literal(file)}"]
    else:
        kinds = zip(reading.keys, reading.kinds, strict=True)
        types = ", ".join(f"{literal(key)}: {kind}" for key, kind in kinds)
        options += ["hive_partitioning = true", f"hive_types = {{{types}}}"]
    nulls = SIGNS if texts or reading.text is None else relation.missing_texts(reading.text)
    shown = [*_own(reading, texts=texts), *_keys(reading, file)]
    calls = [_call(files, reading, options, nulls, gap) for files in listed]
    if len(calls) > 1:
        each = f"{gap}UNION ALL BY NAME{gap}".join(f"SELECT * FROM {call}" for call in calls)
        calls = [f"({gap}{each}{gap})"]
    return f"SELECT {', '.join(shown)}{gap}FROM {calls[0]}"


def _call(
    files: str,
    reading: FolderReading,
    options: Sequence[str],
    nulls: Sequence[str],
    gap: str = " ",
) -> str:
    """Return the call that reads files; ``nulls`` stand for gaps in delimited text."""
    text, between = reading.text, "," + (gap if gap == " " else f"{gap}    ")
    if text is None:
        return f"read_parquet({between.join((files, *options))})"
    how = (
        *options, "all_varchar = true", "header = true", "skip = 0", "comment = ''",
        f"delim = {relation.mark_sql(text.delimiter)}", f"quote = {literal(text.quote)}",
        f"escape = {literal(text.quote)}", f"nullstr = [{', '.join(map(literal, nulls))}]",
    )  # fmt: skip
    return f"read_csv({between.join((files, *how))})"


def _own(reading: FolderReading, *, texts: bool) -> list[str]:
    """Return the expressions of the files' own columns."""
    text = reading.text
    if text is None or texts:
        return [quoted(name) for name in reading.columns]
    found = []
    for name, kind in zip(text.names, text.types, strict=True):
        value = relation.value_sql(quoted(name), kind, text, "VARCHAR")
        found.append(value if value == quoted(name) else f"{value} AS {quoted(name)}")
    return found


def _keys(reading: FolderReading, file: str) -> list[str]:
    """Return the expressions of the columns that the folders' names give."""
    found = []
    for key, kind, name in zip(reading.keys, reading.kinds, reading.added, strict=True):
        if not name:
            continue
        if not reading.by_name:
            found.append(quoted(key))
            continue
        pattern = literal(rf".*[/\\]{_plain(key)}=([^/\\]*)[/\\]")
        value = f"nullif(regexp_extract({quoted(file)}, {pattern}, 1), '{NO_VALUE}')"
        value = f"url_decode({value})" if reading.escaped else value
        found.append(f"CAST({value} AS {kind}) AS {quoted(name)}")
    return found


def _plain(text: str) -> str:
    """Return a pattern for just this text."""
    return "".join(mark if mark.isalnum() or mark in "_ " else f"\\{mark}" for mark in text)


def names_of(reading: FolderReading) -> tuple[str, ...]:
    """Return the names of the table's columns, in order."""
    return (*reading.columns, *(name for name in reading.added if name))
