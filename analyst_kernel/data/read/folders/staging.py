"""The files of many folders as one table: what is in each, and the view or table ``staged``.

Files that are empty or damaged are left out and named. Columns are put together by their names.
What shares no columns is no table: its files are then datasets of their own.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from analyst_kernel.data.read import columnar, delimited, infer
from analyst_kernel.data.read.archives import compression_of, read_head
from analyst_kernel.data.read.encoding import decode_head
from analyst_kernel.data.read.folders.query import alone_sql, folder_sql, names_of, variables
from analyst_kernel.data.read.folders.tables import FolderTable, values_of
from analyst_kernel.data.read.names import duckdb_path, unique
from analyst_kernel.data.read.options import DelimitedReading, FolderReading, Packing
from analyst_kernel.data.read.workspace import Workspace, column, columns, literal, quoted
from analyst_kernel.protocol.errors import DataError

_HEAD = 1 << 16
_FILES = "files_of_folder"
_WHY = 200
_MOST_HEADERS = 50


@dataclass(frozen=True, slots=True)
class FolderPart:
    """One file: its columns with their types, its rows if they are known, and its size as read."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: int | None
    size: int


@dataclass(frozen=True, slots=True)
class SeenFolder:
    """All files of a folder that can be read, and how."""

    reading: FolderReading
    parts: tuple[FolderPart, ...]

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return sum(part.size for part in self.parts)

    @property
    def rows(self) -> int | None:
        """Rows, where all files say how many they have."""
        counts = [part.rows for part in self.parts]
        return None if None in counts else sum(count or 0 for count in counts)


class NotOneTable(DataError):
    """The folders' names look like those of one table, and the files are none."""

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(
            f"The files in {os.path.basename(folder)} are not one table, though its folders are "
            f"named like one: {why}. Each is a dataset of its own.",
        )


def look(table: FolderTable) -> SeenFolder:
    """Look into every file of a table.

    Raises:
        NotOneTable: The files do not belong together.
        DataError: None can be read.
    """
    if duckdb_path(table.root) is None:
        raise NotOneTable(table.root, "its path has a backslash in it")
    left_out: list[tuple[str, str]] = []
    text = _layout(table) if table.format == "csv" else None
    parts: list[FolderPart] = []
    for name, path in zip(table.files, table.paths, strict=True):
        try:
            parts.append(_part(table, name, path, text))
        except NotOneTable:
            raise
        except (DataError, OSError) as error:
            left_out.append((name, _reason(error)))
    if not parts:
        raise DataError(
            f"None of the {len(table.files):,} files in {os.path.basename(table.root)} can be "
            f"read: {left_out[0][0]} {left_out[0][1]}.",
            "Get them again.",
        )
    _check_alike(table, parts)
    reading = FolderReading(
        keys=table.keys, pattern=table.pattern, files=len(parts), left_out=tuple(left_out),
        text=text,
    )  # fmt: skip
    return SeenFolder(_with_columns(reading, table, parts), tuple(parts))


def _reason(error: Exception) -> str:
    what = error.what if isinstance(error, DataError) else str(error).partition("\n")[0]
    what = " ".join(what.split())[:_WHY].rstrip(".")
    return what if what.startswith(("is ", "holds ")) else f"cannot be read: {what}"


def _part(table: FolderTable, name: str, path: str, text: DelimitedReading | None) -> FolderPart:
    if not os.path.getsize(path):
        raise DataError("is empty (0 bytes)", "")
    if text is not None:
        return _text_part(table, name, path, text)
    if table.format == "csv":  # none of the largest files is text
        delimited.look(path, _packing(path), path)
        raise NotOneTable(table.root, f"{name} is written in another way than the others")
    found, rows, size = columnar.typed_columns(path)
    return FolderPart(name, found, rows, size)


def _layout(table: FolderTable) -> DelimitedReading | None:
    """Return how the largest readable file is written; the others are to be alike."""
    by_size = sorted(table.paths, key=lambda path: (-os.path.getsize(path), path))
    for path in by_size[:20]:
        try:
            found = delimited.look(path, _packing(path), path)
        except DataError:
            continue
        sound = (
            found.header and not found.skip_rows and found.encoding in ("utf-8", "utf-8-sig")
            and found.encoding_errors == "strict" and not delimited.needs_rewrite(found)
            and not found.crooked and not found.explicit_names
        )  # fmt: skip
        if not sound:
            name = os.path.relpath(path, table.root)
            raise NotOneTable(table.root, f"{name} is no plain text of a table in UTF-8")
        return replace(found, encoding="utf-8", packing=Packing())
    return None


def _packing(path: str) -> Packing:
    with open(path, "rb") as file:
        return Packing(compression_of(file.read(16)))


def _text_part(table: FolderTable, name: str, path: str, text: DelimitedReading) -> FolderPart:
    """Return a file of delimited text; its header must be written as the others' are."""
    packing = _packing(path)
    if (packing.compression == "gzip") != path.lower().endswith(".gz"):
        raise DataError("is not packed as its name says", "")
    head, complete = read_head(path, packing, _HEAD)
    line = decode_head(head, "utf-8-sig", complete=complete, errors="strict").splitlines()
    quote = text.quote or None
    rows = csv.reader(
        line[:1], delimiter=text.delimiter, quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )  # fmt: skip
    cells = next(rows, [])
    known = {one.casefold() for one in text.names}
    if not cells:
        raise DataError("holds only blank lines", "")
    if not known & {cell.casefold() for cell in cells}:
        delimited.look(path, packing, path)  # what is no text at all says so
        raise NotOneTable(table.root, f"{name} has other columns than the others")
    if not all(cell.strip() for cell in cells):
        raise NotOneTable(table.root, f"a column of {name} has no name")
    times = 8 if packing.compression else 1
    size = os.path.getsize(path) * times
    return FolderPart(name, tuple((cell, "VARCHAR") for cell in cells), None, size)


def _check_alike(table: FolderTable, parts: Sequence[FolderPart]) -> None:
    """Raise ``NotOneTable`` for a file that shares less than half of its columns with most."""
    for part in parts:
        if len({name.casefold() for name, _ in part.columns}) < len(part.columns):
            raise NotOneTable(table.root, f"{part.name} has two columns of one name")
    sets = [frozenset(name.casefold() for name, _ in part.columns) for part in parts]
    usual, _ = Counter(sets).most_common(1)[0]
    for part, names in zip(parts, sets, strict=True):
        if len(names & usual) * 2 < min(len(names), len(usual)):
            raise NotOneTable(table.root, f"{part.name} has other columns than most")


def _with_columns(
    reading: FolderReading, table: FolderTable, parts: Sequence[FolderPart]
) -> FolderReading:
    """Return the reading with the columns of all files, and what differs between files."""
    first: dict[str, str] = {}
    kinds: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    for part in parts:
        for name, kind in part.columns:
            known = name.casefold()
            first.setdefault(known, name)
            kinds.setdefault(known, set()).add(kind)
            counts[known] += 1
    taken = {name.lower() for name in first.values()}
    in_both = {key.casefold() for key in table.keys} & first.keys()
    added = []
    for key in table.keys:
        added.append(unique(f"{key}_folder" if key.casefold() in in_both else key, taken))
        taken.add(added[-1].lower())
    above = "=" in table.root
    headers: dict[tuple[str, ...], list[str]] = {}
    for part in parts if table.format == "csv" else ():
        headers.setdefault(tuple(name for name, _ in part.columns), []).append(part.name)
    groups = sorted(headers.values(), key=len, reverse=True)[1:]
    if len(groups) > _MOST_HEADERS:
        raise NotOneTable(table.root, f"they have {len(headers)} different headers")
    texts = [part for name in table.files for part in name.split("/")[:-1]]
    return replace(
        reading,
        columns=tuple(first.values()),
        added=tuple(added),
        by_name=bool(in_both) or above,
        escaped=any("%" in text for text in texts),
        missing=tuple((first[n], len(parts) - c) for n, c in counts.items() if c < len(parts)),
        groups=tuple(map(tuple, groups)),
        other_types=tuple(first[name] for name, found in kinds.items() if len(found) > 1),
    )


def stage(work: Workspace, table: FolderTable, seen: SeenFolder, *, view: bool) -> FolderReading:
    """Make ``staged`` from the files, and return the reading with all that they show.

    Raises:
        DataError: They cannot be read as one table.
    """
    reading = _typed_keys(work, table, seen)
    base = duckdb_path(table.root) or table.root
    reading = _all_found(work, base, table, reading)
    try:
        return _stage(work, base, reading, view=view)
    except _duckdb_errors():
        damaged = list(_damaged(work, table, reading))
        if not damaged:
            raise
        gone = {name for name, _ in damaged}
        groups = (tuple(name for name in one if name not in gone) for one in reading.groups)
        rest = replace(
            reading,
            left_out=(*reading.left_out, *damaged),
            groups=tuple(group for group in groups if group),
            files=reading.files - len(damaged),
        )
        if rest.files < 1:
            raise DataError(
                f"None of the files in {os.path.basename(table.root)} can be read: "
                f"{damaged[0][0]} {damaged[0][1]}.",
                "Get them again.",
            ) from None
        return _stage(work, base, rest, view=view)


def _duckdb_errors() -> type[Exception]:
    import duckdb

    return duckdb.Error


def _typed_keys(work: Workspace, table: FolderTable, seen: SeenFolder) -> FolderReading:
    """Return the reading with the types of what the folders say, found as those of columns are."""
    rows = sorted({values_of(part.name) for part in seen.parts}, key=repr)
    width = len(table.keys)
    names = ", ".join(f"{column(place)} VARCHAR" for place in range(width))
    work.run("DROP TABLE IF EXISTS raw")
    work.run(f"CREATE TABLE raw ({names})")
    marks = ", ".join("?" * width)
    for start in range(0, len(rows), 200):
        some = rows[start : start + 200]
        sql = f"INSERT INTO raw VALUES {', '.join(f'({marks})' for _ in some)}"
        work.rows(sql, [value for row in some for value in row])
    found = infer.decide(work, DelimitedReading(names=table.keys))
    work.run("DROP TABLE raw")
    kinds = []
    for kind in found.types:
        plain = not kind.markers and found.decimal == "." and found.thousands is None
        match kind.kind:
            case "integer" if plain and not kind.forced:
                kinds.append("BIGINT")
            case "number" if plain and not kind.forced:
                kinds.append("DOUBLE")
            case "date" if plain and kind.date_format == "%Y-%m-%d":
                kinds.append("DATE")
            case _:
                kinds.append("VARCHAR")
    return replace(seen.reading, kinds=tuple(kinds))


def _all_found(
    work: Workspace, base: str, table: FolderTable, reading: FolderReading
) -> FolderReading:
    """Return the reading without the files that the pattern finds and the folder does not show."""
    known = {os.path.normpath(path) for path in table.paths}
    found = work.rows(f"SELECT file FROM glob({literal(f'{base}/{reading.pattern}')})")
    others = sorted(str(file) for (file,) in found if os.path.normpath(str(file)) not in known)
    names = [os.path.relpath(file, table.root).replace(os.sep, "/") for file in others]
    gone = tuple((name, "is hidden, or a link that leads elsewhere") for name in names)
    return replace(reading, left_out=(*reading.left_out, *gone))


def _damaged(
    work: Workspace, table: FolderTable, reading: FolderReading
) -> Iterator[tuple[str, str]]:
    """Read each file alone; yield those that fail, with the reasons."""
    import duckdb

    gone = {name for name, _ in reading.left_out}
    for name, path in zip(table.files, table.paths, strict=True):
        if name in gone:
            continue
        try:
            sql = alone_sql(duckdb_path(path) or path, reading)
            shown = [quoted(str(row[0])) for row in work.rows(f"DESCRIBE {sql}")]
            every = ", ".join(f"max(CAST({one} AS VARCHAR))" for one in shown)
            work.rows(f"SELECT {every} FROM ({sql})")
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            raise
        except duckdb.Error as error:
            yield name, _reason(error).replace(f"{table.root}/", "")


def _stage(work: Workspace, base: str, reading: FolderReading, *, view: bool) -> FolderReading:
    for name, files in variables(base, reading, _FILES):
        work.run(f"SET VARIABLE {name} = {files}")
    if reading.text is not None:
        reading = _typed_text(work, base, reading)
    reading = _agreeing(work, base, reading)
    names = names_of(reading)
    if len({name.lower() for name in names}) < len(names):
        raise DataError("Two columns have one name.", "Rename one of them.")
    sql = folder_sql(base, reading, stem=_FILES)
    for kind in ("VIEW", "TABLE"):
        _drop(work, kind)
    kind = "VIEW" if view else "TABLE"
    work.run(f"CREATE {kind} staged AS SELECT * FROM ({sql}) AS t({columns(len(names))})")
    return reading


def _drop(work: Workspace, kind: str) -> None:
    found = work.rows(
        "SELECT 1 FROM information_schema.tables WHERE table_name = 'staged' AND "
        f"table_type = {literal('VIEW' if kind == 'VIEW' else 'BASE TABLE')}"
    )
    if found:
        work.run(f"DROP {kind} staged")


def _typed_text(work: Workspace, base: str, reading: FolderReading) -> FolderReading:
    """Return the reading with types that every value of every file has."""
    assert reading.text is not None
    text = replace(reading.text, names=reading.columns, types=())
    own = replace(reading, added=("",) * len(reading.keys), text=text)
    sql = folder_sql(base, own, stem=_FILES, texts=True)
    work.run("DROP TABLE IF EXISTS raw")
    aliases = columns(len(reading.columns))
    work.run(f"CREATE TABLE raw AS SELECT * FROM ({sql}) AS t({aliases})")
    text = delimited.decided(work, text)
    work.run("DROP TABLE raw")
    return replace(reading, text=text)


def _agreeing(work: Workspace, base: str, reading: FolderReading) -> FolderReading:
    """Return the reading without columns of folders that columns of the files equal in each row."""
    known = {name.casefold(): name for name in reading.columns}
    both = [place for place, key in enumerate(reading.keys) if key.casefold() in known]
    if not both:
        return reading
    sql = folder_sql(base, reading, stem=_FILES)
    added = list(reading.added)
    for place in both:
        own = quoted(known[reading.keys[place].casefold()])
        said = quoted(added[place])
        same = (
            f"CAST({own} AS VARCHAR) = CAST({said} AS VARCHAR) OR "
            f"TRY_CAST({own} AS DOUBLE) = TRY_CAST({said} AS DOUBLE)"
        )
        (differ,) = work.row(
            f"SELECT count(*) FILTER (NOT coalesce({same}, {own} IS NULL AND {said} IS NULL)) "
            f"FROM ({sql})"
        )
        if not differ:
            added[place] = ""
    return replace(reading, added=tuple(added))


def conflicts(reading: FolderReading) -> Iterable[tuple[str, str]]:
    """Yield the columns that stand in the files and in the folders' names, and differ: both names.

    The first is the files' own one.
    """
    known = {name.casefold(): name for name in reading.columns}
    for key, name in zip(reading.keys, reading.added, strict=True):
        if name and key.casefold() in known:
            yield known[key.casefold()], name
