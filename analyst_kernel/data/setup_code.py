"""The setup cell: plain pandas and DuckDB calls that load the datasets as they were profiled.

The code needs nothing of this package, runs in the notebook's folder, and works with pandas 2.2 and
3. Names of files, columns and tables reach it as literals only, see ``_code``.
"""

from __future__ import annotations

import builtins
import keyword
import os
import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, assert_never
from urllib.parse import quote

from analyst_kernel._code import Block, Comment, Name, Part, as_written, source, statements
from analyst_kernel.data.read import relation
from analyst_kernel.data.read.database import attach_sql, duckdb_table_sql
from analyst_kernel.data.read.excel import pandas_options
from analyst_kernel.data.read.json import big_file_sql
from analyst_kernel.data.read.names import read_sql, unique
from analyst_kernel.data.read.options import (
    ArrowReading,
    DelimitedReading,
    DuckdbReading,
    ExcelReading,
    FolderReading,
    JsonReading,
    Packing,
    ParquetReading,
    Source,
    SqliteReading,
    StatReading,
)
from analyst_kernel.data.read.workspace import quoted
from analyst_kernel.data.setup_cell import SetupCell, add_arrow, add_folder, add_statistics
from analyst_kernel.data.setup_options import csv_options
from analyst_kernel.protocol.datasets import Dataset

_IMPORTS = (
    "import duckdb",
    "import matplotlib.pyplot as plt",
    "import numpy as np",
    "import pandas as pd",
)
_CHUNK_ROWS = 200_000
_EXACT = {"dtype_backend": "numpy_nullable"}
"""Whole numbers with gaps stay whole numbers: as floats, long ones would be rounded."""
_RESERVED = frozenset(
    """pd np plt duckdb pandas numpy matplotlib sns scipy sklearn json csv re os sys math random
    sqlite3 zipfile closing gzip datetime date time itertools collections statistics output_dir
    display df

    all analyse analyze and any array as asc asymmetric both case cast check collate column
    constraint create default deferrable desc describe distinct do else end except false fetch for
    foreign from group having in initially intersect into lambda lateral leading limit not null
    offset on only or order pivot placing primary qualify references returning select show some
    summarize symmetric table then to trailing true union unique unpivot using variadic when where
    window with""".split()
)
"""Names that setup code or a model's code binds, and words that SQL refuses as a table name."""
_QUOTED_IN_SQL = frozenset(
    """anti asof at authorization binary by collation concurrently cross freeze full glob grant
    ilike inner isnull join left like natural notnull outer overlaps pivot_longer pivot_wider
    positional right semi similar tablesample unpack verbose""".split()
)
"""Words that some DuckDB takes as a table name in quotes only; datasets may have these names."""


_PASSING = (
    "about", "archive", "bz2", "connection", "document", "file", "lzma", "overview", "pa", "part",
    "pq", "rows",
)  # fmt: skip
"""Names that the code binds beside those of the datasets."""
_PIECES = """
duckdb.sql(DROP)
for PART, ROWS in enumerate({pieces}):
    if PART == 0:
        duckdb.sql(CREATE)
    else:
        duckdb.sql(INSERT)
"""

_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""What pandas reads addresses with, by scheme; ``https`` needs nothing."""

OVERVIEW = """
def overview(name, table):
    ranges = table.select_dtypes(["number", "datetime", "datetimetz"])
    columns = {"missing": table.isna().sum(), "smallest": ranges.min(), "largest": ranges.max()}
    display(pd.concat(columns, axis=1).rename_axis(f"{name}: {len(table):,} rows"))
"""
"""Displays a table's rows, missing values and ranges; holds no name of anybody's."""


def setup_code(
    datasets: Sequence[tuple[Dataset, Source]],
    folder: str,
    every: Sequence[tuple[Dataset, Source]] = (),
) -> str:
    """Return the code that loads the datasets from their sources.

    Args:
        datasets: What to load, in order.
        folder: The notebook's folder, absolute; the code runs there.
        every: All datasets of the analysis, whose names the code leaves alone.
    """
    every = every or datasets
    taken = {dataset.name.lower() for dataset, _ in every}
    free = {name.upper(): Name(unique(name, taken)) for name in _PASSING}
    cell = SetupCell(os.path.realpath(folder), _catalogs(every), free, identifier)
    cell.addresses = {origin.path: dataset.address for dataset, origin in every if dataset.address}
    cell.taken = taken | {name.lower() for name in free.values()}
    cell.parts += _elsewhere([dataset.address for dataset, _ in datasets if dataset.address])
    for dataset, origin in datasets:
        cell.parts += [None, _comment(dataset), *_assumed(dataset)]
        _load(cell, dataset, origin)
    _show(cell, [dataset for dataset, _ in datasets if dataset.load == "frame"])
    head: list[str] = sorted(cell.imports, key=lambda line: (line.startswith("from"), line))
    parts: list[Part] = [*statements("\n".join(head)), None, *statements("\n".join(_IMPORTS))]
    return source([*parts, *cell.parts])


def _elsewhere(addresses: Sequence[str]) -> list[Part]:
    """Return what a reader should know of a cell that reads remote data."""
    if not addresses:
        return []
    schemes = dict.fromkeys(address.partition("://")[0] for address in addresses)
    needed = dict.fromkeys(_PACKAGES[one] for one in schemes if one in _PACKAGES)
    lines = ["Analyst Kernel reads the copies that were made when the data was attached."]
    if needed:
        lines.append(f"Elsewhere this needs the package {' and '.join(needed)} and credentials.")
    return [None, *map(Comment, lines)]


def loading_code(dataset: Dataset, origin: Source) -> str:
    """Return the setup cell's statements that load one table, with absolute paths.

    The reader runs them, so that a profile is of what the cell loads. They need pandas and DuckDB.
    """
    free = {name.upper(): Name(unique(name, {dataset.name.lower()})) for name in _PASSING}
    cell = SetupCell(None, {}, free, identifier)
    _load(cell, dataset, origin)
    return source([*statements("\n".join(sorted(cell.imports))), *cell.parts])


def _show(cell: SetupCell, loaded: Sequence[Dataset]) -> None:
    """Display what was loaded, so that a reader sees it and an answer can rest on it.

    What stays on disk is not looked through for this.
    """
    if not loaded:
        return
    name = cell.free["OVERVIEW"]
    about = Comment("What was loaded: rows, missing values, and the range of each column.")
    cell.parts += [None, about, *as_written(OVERVIEW.replace("overview", name, 1)), None, None]
    for dataset in loaded:
        cell.add("OVERVIEW(LABEL, TABLE)", LABEL=dataset.name, TABLE=Name(dataset.name))


def _catalogs(every: Sequence[tuple[Dataset, Source]]) -> dict[str, str]:
    """Give each DuckDB file a name: two of the same name in two folders must not be one."""
    found: dict[str, str] = {}
    for _, origin in every:
        if isinstance(origin.reading, DuckdbReading) and origin.path not in found:
            stem = identifier(os.path.basename(origin.path).rsplit(".", 1)[0])
            found[origin.path] = unique(f"{stem}_file", {name.lower() for name in found.values()})
    return found


def identifier(stem: str) -> str:
    """Return a Python identifier for a file stem that is safe in SQL too.

    ``Sales 2024`` becomes ``Sales_2024``; ``2024`` becomes ``data_2024``; ``class`` becomes
    ``class_data``.
    """
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    name = re.sub(r"[^0-9A-Za-z]+", "_", plain).strip("_")[:60].rstrip("_")
    if not name:
        return "dataset"
    if name[0].isdigit():
        name = f"data_{name}"
    if keyword.iskeyword(name) or name in dir(builtins) or name.lower() in _RESERVED:
        name = f"{name}_data"
    return name


def _comment(dataset: Dataset) -> Comment:
    rows = "" if dataset.rows is None else f"{dataset.rows:,} rows x "
    where = "" if dataset.load == "frame" else ", kept on disk and queried with SQL"
    table = f" ({' '.join(dataset.table.split())[:60]})" if dataset.table else ""
    return Comment(f"{dataset.name}{table}: {rows}{len(dataset.columns):,} columns{where}")


def _assumed(dataset: Dataset) -> list[Part]:
    """Return what was chosen when the file was read, for whoever reads the cell."""
    found = dataset.options.get("assumptions")
    return [Comment(f"- {one}") for one in found] if isinstance(found, list) else []


def _load(cell: SetupCell, dataset: Dataset, origin: Source) -> None:
    reading, name, path = origin.reading, Name(dataset.name), cell.path(origin.path)
    assert reading is not None, "a dataset is granted only after it was read"
    match reading:
        case DelimitedReading() if dataset.load == "view":
            _big_csv(cell, name, origin, reading)
        case DelimitedReading():
            _delimited(cell, name, origin.path, reading)
        case JsonReading():
            _json(cell, name, origin, reading)
        case ExcelReading():
            _excel(cell, name, path, reading)
        case SqliteReading():
            _sqlite(cell, name, origin.path, reading, in_pieces=dataset.load == "view")
        case DuckdbReading():
            _duckdb(cell, name, origin.path, reading, view=dataset.load == "view")
        case ParquetReading() if dataset.load == "view":
            _big_parquet(cell, name, origin.path)
        case ParquetReading():
            _parquet(cell, name, origin.path, reading)
        case FolderReading():
            add_folder(cell, name, origin.path, reading, view=dataset.load == "view")
        case StatReading():
            add_statistics(cell, name, origin.path, reading)
        case ArrowReading():
            add_arrow(cell, name, origin.path, reading)
        case _:
            assert_never(reading)
    if isinstance(reading, ExcelReading):  # pandas compares numbers of a sheet with no text
        gaps = reading.chosen.gaps
        _gaps(cell, name, {c: text for c, text in gaps.items() if _number(text) is not None})
    elif not isinstance(reading, DelimitedReading | DuckdbReading):
        _gaps(cell, name, reading.chosen.gaps)
        if isinstance(reading, JsonReading | SqliteReading) and dataset.load == "frame":
            _dates(cell, name, reading.dates)


def _delimited(cell: SetupCell, name: Name, origin: str, reading: DelimitedReading) -> None:
    path = cell.path(origin)
    packing, options = reading.packing, csv_options(reading)
    if packing.compression == "zip" and packing.members > 1:
        cell.imports.add("import zipfile")
        template = """
with zipfile.ZipFile(PATH) as ARCHIVE:
    with ARCHIVE.open(MEMBER) as FILE:
        NAME = pd.read_csv(FILE, **OPTIONS)
"""
        cell.add(
            template,
            NAME=name,
            PATH=cell.file(origin),
            MEMBER=packing.member or "",
            OPTIONS=options,
        )
        return
    options |= _compression(path, packing)
    cell.add("NAME = pd.read_csv(PATH, **OPTIONS)", NAME=name, PATH=path, OPTIONS=options)


def _compression(path: str, packing: Packing) -> dict[str, Any]:
    """Return the argument for a compression that the file's name does not give away."""
    suffix = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zip": ".zip"}
    known, lower = packing.compression, path.lower()
    chained = "::" in path  # pandas looks at the part before it, as in the addresses of fsspec
    if known is None:
        wrong = lower.endswith((*suffix.values(), ".zst", ".tar")) or chained
        return {"compression": None} if wrong else {}
    plain = lower.endswith(suffix[known]) and not lower.endswith(f".tar{suffix[known]}")
    plain = plain and not chained
    return {} if plain else {"compression": known}


def _big_csv(cell: SetupCell, name: Name, origin: Source, reading: DelimitedReading) -> None:
    packing, path = reading.packing, cell.path(origin.path)
    known = cell.duckdb_path(origin.path)
    plain = reading.encoding in ("utf-8", "utf-8-sig") and reading.bad_rows == 0
    ends = reading.skip_initial_space or reading.trailing_delimiter
    crooked = ends or reading.crooked or reading.escape is not None
    if known and packing.compression in (None, "gzip") and plain and not crooked:
        file = relation.direct(known, reading, gzip=packing.compression == "gzip")
        _view(cell, name, relation.typed_sql(file, reading, reading.names))
        return
    options, opened = csv_options(reading) | {"chunksize": _CHUNK_ROWS}, "PATH"
    options.pop("low_memory", None)
    where: str | Name = path
    if packing.compression == "zip" and packing.members > 1:
        cell.imports.add("import zipfile")
        opened, where = "zipfile.ZipFile(PATH).open(MEMBER)", cell.file(origin.path)
    else:
        size = options.pop("chunksize")
        options |= _compression(path, packing) | {"chunksize": size}
    _pieces(
        cell, name, f"pd.read_csv({opened}, **OPTIONS)",
        PATH=where, MEMBER=packing.member or "", OPTIONS=options,
    )  # fmt: skip


def _view(cell: SetupCell, name: Name, sql: str) -> None:
    view = f"CREATE OR REPLACE VIEW {quoted(name)} AS {sql}"
    # A line break in a name stays an escape, so that no line of the cell is somebody's own.
    cell.add("duckdb.sql(SQL)", SQL=Block(view) if view.isprintable() else view)


def _pieces(cell: SetupCell, name: Name, pieces: str, within: str = "", **holes: Any) -> None:
    """Add a loop that fills a DuckDB table piece by piece, so that no frame holds all of it.

    Args:
        cell: Where to add it.
        name: The table.
        pieces: The template of an expression that gives the pieces.
        within: The head of a ``with`` statement around the loop.
        holes: What stands in the templates.
    """
    loop = _PIECES.format(pieces=pieces).strip()
    rows = cell.free["ROWS"]
    table = quoted(name) if name.lower() in _QUOTED_IN_SQL else name
    cell.add(
        f"{within}\n{textwrap.indent(loop, '    ')}" if within else loop,
        DROP=f"DROP TABLE IF EXISTS {table}",
        CREATE=f"CREATE TABLE {table} AS SELECT * FROM {rows}",
        INSERT=f"INSERT INTO {table} SELECT * FROM {rows}",
        **holes,
    )


def _json(cell: SetupCell, name: Name, origin: Source, reading: JsonReading) -> None:
    if reading.on_disk:
        known = cell.duckdb_path(origin.path) or cell.addresses.get(origin.path, origin.path)
        _view(cell, name, f"SELECT * FROM {big_file_sql(known, reading)}")
        return
    cell.imports.add("import json")
    module = None
    text = "encoding=ENCODING" + (", errors=ERRORS" if reading.encoding_errors != "strict" else "")
    match reading.packing.compression:
        case None:
            opened = f"open(PATH, {text})"
        case "zip":
            cell.imports.add("import zipfile")
            opened = "zipfile.ZipFile(PATH).open(MEMBER)"
        case "gzip":
            cell.imports.add("import gzip")
            opened = f'gzip.open(PATH, "rt", {text})'
        case "bz2" | "xz":
            module = cell.module({"bz2": "bz2", "xz": "lzma"}[reading.packing.compression])
            opened = f'MODULE.open(PATH, "rt", {text})'
    document = "json.load(FILE)"
    if reading.lines:
        document = "[json.loads(line) for line in FILE if line.strip()]"
    apart = reading.shape in ("split", "headed") or bool(reading.exact)
    keys = {f"KEY{n}": key for n, key in enumerate(reading.path)}
    named = {f"NAMED{n}": key for n, key in enumerate(reading.names_path)}
    part = ("DOCUMENT" if apart else document) + "".join(f"[{key}]" for key in keys)
    names = "DOCUMENT" + "".join(f"[{key}]" for key in named)
    match reading.shape:
        case "lines" | "records" | "columns" | "rows":
            frame = f"pd.DataFrame({part})"
        case "nested":
            frame = f"pd.json_normalize({part})"
        case "frame":
            frame = f"pd.DataFrame({part}).reset_index({'drop=True' if reading.numbered else ''})"
        case "index":
            frame = f'pd.DataFrame.from_dict({part}, orient="index").reset_index(names="key")'
        case "split":
            given = f"pd.DataFrame({names})[BY].tolist()" if reading.named_by else names
            frame = f"pd.DataFrame({part}, columns={given})"
        case "headed":
            frame = f"pd.DataFrame({part}[1:], columns={part}[0])"
        case _:
            assert_never(reading.shape)
    renamed = ("rows", "split", "frame", "headed")
    rename = ".rename(columns=str)" if reading.shape in renamed else ""
    before = f"    DOCUMENT = {document}\n" if apart else ""
    cell.add(
        f"with {opened} as FILE:\n{before}    NAME = {frame}{rename}",
        NAME=name, PATH=cell.file(origin.path), MEMBER=reading.packing.member or "", MODULE=module,
        ENCODING=reading.encoding, ERRORS=reading.encoding_errors, BY=reading.named_by,
        **keys, **named,
    )  # fmt: skip
    for column in reading.exact:
        cell.add(
            f'NAME[COLUMN] = pd.DataFrame({part}, dtype=object)[COLUMN].astype("Int64")',
            NAME=name, COLUMN=column, **keys,
        )  # fmt: skip


def _gaps(cell: SetupCell, name: Name, gaps: Mapping[str, str]) -> None:
    """Take out the values that the user says stand for a missing one."""
    for column, text in gaps.items():
        number = _number(text)
        known: list[object] = [text] if number is None else [number, text]
        cell.add(
            "NAME[COLUMN] = NAME[COLUMN].mask(NAME[COLUMN].isin(VALUES))",
            NAME=name, COLUMN=column, VALUES=known,
        )  # fmt: skip


def _number(text: str) -> int | float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return int(found) if found.is_integer() and abs(found) < 1 << 53 else found


def _dates(cell: SetupCell, name: Name, dates: Sequence[tuple[str, str]]) -> None:
    for column, text in dates:
        cell.add(
            "NAME[COLUMN] = pd.to_datetime(NAME[COLUMN], format=FORMAT)",
            NAME=name, COLUMN=column, FORMAT=text,
        )  # fmt: skip


def _excel(cell: SetupCell, name: Name, path: str, reading: ExcelReading) -> None:
    options: dict[str, Any] = {} if reading.only_sheet else {"sheet_name": reading.sheet}
    options |= pandas_options(reading)
    if texts := options.get("dtype"):
        options["dtype"] = dict.fromkeys(texts, Name("str"))
    cell.add("NAME = pd.read_excel(PATH, **OPTIONS)", NAME=name, PATH=path, OPTIONS=options)
    for place, first, last in reading.merged:
        cell.add(
            "NAME.iloc[ROWS_OF_IT, PLACE] = NAME.iloc[FIRST, PLACE]",
            NAME=name, ROWS_OF_IT=list(range(first, last + 1)), FIRST=first, PLACE=place,
        )  # fmt: skip
    for column, whole in reading.filled:
        number = '.astype("int64")' if whole else ""
        cell.add(f"NAME[COLUMN] = NAME[COLUMN].ffill(){number}", NAME=name, COLUMN=column)
    _dates(cell, name, reading.dates)


def _sqlite(
    cell: SetupCell, name: Name, path: str, reading: SqliteReading, *, in_pieces: bool
) -> None:
    cell.imports |= {"import sqlite3", "from contextlib import closing"}
    how = "?mode=ro" + ("&immutable=1" if reading.immutable else "")
    file, url = cell.file(path), "URL"
    holes: dict[str, Any] = {"URL": f"file:{quote(os.fsencode(file))}{how}"}
    if isinstance(file, Name):  # its path is known only where the code runs
        url, holes = "URL.format(COPY)", {"COPY": file, "URL": f"file:{{}}{how}"}
    within = f"with closing(sqlite3.connect({url}, uri=True)) as CONNECTION:"
    query = f"SELECT * FROM {quoted(reading.table)}"
    if in_pieces:
        pieces = f"pd.read_sql_query(QUERY, CONNECTION, chunksize={_CHUNK_ROWS})"
        _pieces(cell, name, pieces, within, QUERY=query, **holes)
        return
    cell.add(
        f"{within}\n    NAME = pd.read_sql_query(QUERY, CONNECTION, **OPTIONS)",
        NAME=name,
        QUERY=query,
        OPTIONS=_EXACT if reading.exact else {},
        **holes,
    )


def _duckdb(cell: SetupCell, name: Name, path: str, reading: DuckdbReading, *, view: bool) -> None:
    catalog = cell.catalogs[path]
    if path not in cell.attached:
        cell.attached.add(path)
        file = cell.file(path)
        if isinstance(file, Name):
            cell.add("duckdb.sql(SQL.format(COPY))", SQL=attach_sql("{}", catalog), COPY=file)
        else:
            cell.add("duckdb.sql(SQL)", SQL=attach_sql(file, catalog))
    query = f"SELECT * FROM {duckdb_table_sql(reading, catalog)}"
    if view:
        _view(cell, name, query)
        return
    cell.add("NAME = duckdb.sql(SQL).df()", NAME=name, SQL=query)


def _parquet(cell: SetupCell, name: Name, origin: str, reading: ParquetReading) -> None:
    path = cell.path(origin)
    web = path.startswith(("https://", "http://"))
    tail = ".reset_index(drop=True)" if reading.unnamed_index else ".reset_index()"
    how: dict[str, Any] = {"partitioning": None} if "=" in path else {}
    how |= _EXACT if reading.exact else {}
    # Without, pandas asks pyarrow's own client, which has other settings than s3fs.
    how |= {"storage_options": {}} if origin in cell.addresses and not web else {}
    cell.add(
        f"NAME = pd.read_parquet(PATH, **OPTIONS){tail if reading.index else ''}",
        NAME=name, PATH=path, OPTIONS=how,
    )  # fmt: skip
    for column in reading.decimals:
        cell.add("NAME[COLUMN] = NAME[COLUMN].astype(float)", NAME=name, COLUMN=column)


def _big_parquet(cell: SetupCell, name: Name, path: str) -> None:
    known = cell.duckdb_path(path)
    if known is not None:
        _view(cell, name, f"SELECT * FROM {read_sql('read_parquet', known)}")
        return
    cell.module("pq")
    pieces = f"PQ.ParquetFile(FILE).iter_batches(batch_size={_CHUNK_ROWS})"
    _pieces(cell, name, pieces, 'with open(PATH, "rb") as FILE:', PATH=cell.file(path))
