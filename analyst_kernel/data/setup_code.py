"""The setup cell: plain pandas and DuckDB calls that load the datasets as they were profiled.

Pure text building. The code needs nothing of this package, runs in the notebook's folder, and
works with pandas 2.2 and 3.
"""

from __future__ import annotations

import builtins
import keyword
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import assert_never
from urllib.parse import quote

from analyst_kernel.data.read import relation
from analyst_kernel.data.read.database import duckdb_table_sql
from analyst_kernel.data.read.json import big_file_sql
from analyst_kernel.data.read.options import (
    ArrowReading,
    DelimitedReading,
    DuckdbReading,
    ExcelReading,
    JsonReading,
    Packing,
    ParquetReading,
    Source,
    SqliteReading,
)
from analyst_kernel.data.read.workspace import literal, quoted
from analyst_kernel.protocol.datasets import Dataset

_IMPORTS = (
    "import duckdb",
    "import matplotlib.pyplot as plt",
    "import numpy as np",
    "import pandas as pd",
)
_WIDTH = 100
_CHUNK_ROWS = 200_000
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


@dataclass
class _Cell:
    """The lines of the code and the imports that they need."""

    folder: str
    imports: set[str]
    lines: list[str]

    def path(self, path: str) -> str:
        """Return a quoted path relative to the notebook, with slashes on every system."""
        return _text(relative(path, self.folder))


def relative(path: str, folder: str) -> str:
    """Return a path relative to a folder, with forward slashes; absolute if the drives differ."""
    try:
        short = os.path.relpath(path, folder)
    except ValueError:
        short = path
    return PurePath(short).as_posix()


def setup_code(datasets: Sequence[tuple[Dataset, Source]], folder: str) -> str:
    """Return the code that loads the datasets from their sources.

    Args:
        datasets: What to load, in order.
        folder: The notebook's folder, absolute; the code runs there.
    """
    cell = _Cell(os.path.realpath(folder), set(), [])
    for dataset, source in datasets:
        cell.lines += ["", _comment(dataset)]
        _load(cell, dataset, source)
    head: list[str] = sorted(cell.imports, key=lambda line: (line.startswith("from"), line))
    head += ["", *_IMPORTS] if head else _IMPORTS
    return "\n".join([*head, *cell.lines]).strip()


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


def _comment(dataset: Dataset) -> str:
    rows = "" if dataset.rows is None else f"{dataset.rows:,} rows x "
    where = "" if dataset.load == "frame" else ", kept on disk and queried with SQL"
    table = f" ({' '.join(dataset.table.split())[:60]})" if dataset.table else ""
    return f"# {dataset.name}{table}: {rows}{len(dataset.columns):,} columns{where}"


def _load(cell: _Cell, dataset: Dataset, source: Source) -> None:
    reading = source.reading
    assert reading is not None, "a dataset is granted only after it was read"
    name = dataset.name
    match reading:
        case DelimitedReading():
            _delimited(cell, dataset, source, reading)
        case JsonReading():
            _json(cell, dataset, source, reading)
        case ExcelReading():
            _excel(cell, name, source.path, reading)
        case SqliteReading():
            _sqlite(cell, dataset, source.path, reading)
        case DuckdbReading():
            _duckdb(cell, dataset, source.path, reading)
        case ParquetReading():
            _parquet(cell, dataset, source.path, reading)
        case ArrowReading(stream=stream):
            if stream:
                cell.imports.add("import pyarrow as pa")
                cell.lines.append(f"with pa.OSFile({cell.path(source.path)}) as file:")
                cell.lines.append(f"    {name} = pa.ipc.open_stream(file).read_pandas()")
            else:
                cell.lines.append(f"{name} = pd.read_feather({cell.path(source.path)})")
        case _:
            assert_never(reading)


def _call(target: str, arguments: Sequence[str]) -> list[str]:
    """Return a call on one line, or with one argument per line if it is long."""
    line = f"{target}({', '.join(arguments)})"
    if len(line) <= _WIDTH:
        return [line]
    return [f"{target}(", *(f"    {argument}," for argument in arguments), ")"]


def _text(value: str) -> str:
    """Return a text literal, in double quotes if that needs no escapes."""
    return f'"{value}"' if value.isprintable() and not set(value) & set('"\\') else repr(value)


def _pairs(items: dict[str, str]) -> str:
    return "{" + ", ".join(f"{_text(key)}: {value}" for key, value in items.items()) + "}"


def _delimited(cell: _Cell, dataset: Dataset, source: Source, reading: DelimitedReading) -> None:
    arguments = csv_arguments(reading)
    name, path = dataset.name, cell.path(source.path)
    if dataset.load == "view":
        _big_csv(cell, name, source, reading, arguments)
        return
    packing = reading.packing
    if packing.compression == "zip" and packing.members > 1:
        cell.imports.add("import zipfile")
        cell.lines.append(f"with zipfile.ZipFile({path}) as archive:")
        cell.lines.append(f"    with archive.open({_text(packing.member or '')}) as file:")
        for line in _call(f"{name} = pd.read_csv", ["file", *arguments]):
            cell.lines.append(f"        {line}")
        return
    cell.lines += _call(
        f"{name} = pd.read_csv", [path, *arguments, *_compression(source.path, packing)]
    )


def _compression(path: str, packing: Packing) -> list[str]:
    """Return the argument for a compression that the file's name does not give away."""
    suffix = {"gzip": ".gz", "bz2": ".bz2", "xz": ".xz", "zip": ".zip"}
    known = packing.compression
    if known is None:
        wrong = path.lower().endswith((*suffix.values(), ".zst", ".tar"))
        return ["compression=None"] if wrong else []
    return [] if path.lower().endswith(suffix[known]) else [f'compression="{known}"']


def csv_arguments(reading: DelimitedReading) -> list[str]:
    """Return the arguments of ``pd.read_csv`` that differ from its own guesses."""
    found = (
        (reading.delimiter != ",", f"sep={_separator(reading.delimiter)}"),
        (reading.decimal != ".", f"decimal={_text(reading.decimal)}"),
        (reading.thousands, f"thousands={_text(reading.thousands or '')}"),
        (reading.encoding != "utf-8", f"encoding={_text(reading.encoding)}"),
        (reading.quote != '"', f"quotechar={_text(reading.quote)}"),
        (reading.escape, f"escapechar={reading.escape!r}"),
        (reading.skip_rows, f"skiprows={reading.skip_rows}"),
        (not reading.header, "header=None"),
        (reading.header and reading.explicit_names, "header=0"),
        (reading.explicit_names, f"names=[{', '.join(map(_text, reading.names))}]"),
        (reading.trailing_delimiter, "index_col=False"),
        (reading.skip_initial_space, "skipinitialspace=True"),
        (reading.bad_rows, 'on_bad_lines="skip"'),
    )
    return [text for wanted, text in found if wanted] + _value_arguments(reading)


def _value_arguments(reading: DelimitedReading) -> list[str]:
    found: list[str] = []
    typed = list(zip(reading.names, reading.types, strict=True))
    texts = {name: "str" for name, kind in typed if kind.forced}
    if texts:
        found.append("dtype=str" if len(texts) == len(typed) else f"dtype={_pairs(texts)}")
    markers = {n: f"[{', '.join(map(_text, k.markers))}]" for n, k in typed if k.markers}
    if markers:
        found.append(f"na_values={_pairs(markers)}")
    dates = {name: _text(kind.date_format) for name, kind in typed if kind.date_format}
    if dates:
        found.append(f"parse_dates=[{', '.join(map(_text, dates))}]")
        formats = set(dates.values())
        found.append(f"date_format={formats.pop() if len(formats) == 1 else _pairs(dates)}")
    if reading.whole_column_types:
        found.append("low_memory=False")
    return found


def _separator(delimiter: str) -> str:
    return r'"\t"' if delimiter == "\t" else r'r"\s+"' if delimiter == r"\s+" else _text(delimiter)


def _big_csv(
    cell: _Cell, name: str, source: Source, reading: DelimitedReading, arguments: list[str]
) -> None:
    gzip = reading.packing.compression == "gzip"
    plain = reading.encoding in ("utf-8", "utf-8-sig") and reading.bad_rows == 0
    crooked = reading.skip_initial_space or reading.trailing_delimiter or reading.escape
    if (reading.packing.compression in (None, "gzip")) and plain and not crooked:
        file = relation.direct(relative(source.path, cell.folder), reading, gzip=gzip)
        _view(cell, name, relation.typed_sql(file, reading, reading.names))
        return
    argument = cell.path(source.path)
    if reading.packing.compression == "zip" and reading.packing.members > 1:
        cell.imports.add("import zipfile")
        member = _text(reading.packing.member or "")
        argument = f"zipfile.ZipFile({argument}).open({member})"
    else:
        arguments = arguments + _compression(source.path, reading.packing)
    arguments = [one for one in arguments if one != "low_memory=False"]
    _chunked(cell, name, _call("pd.read_csv", [argument, *arguments, f"chunksize={_CHUNK_ROWS}"]))


def _view(cell: _Cell, name: str, sql: str) -> None:
    statement = f"CREATE OR REPLACE VIEW {quoted(name)} AS {sql}"
    marks = '"""' if '"""' not in statement and not statement.endswith('"') else "'''"
    raw = "r" if "\\" in statement else ""
    if len(statement) < 70 and '"' not in statement:
        cell.lines.append(f'duckdb.sql({raw}"{statement}")')
        return
    cell.lines += [f"duckdb.sql({raw}{marks}", statement, f"{marks})"]


def _chunked(cell: _Cell, name: str, source: list[str]) -> None:
    """Add a loop that fills a DuckDB table piece by piece, so that no frame holds all of it."""
    cell.lines.append(f'duckdb.sql("DROP TABLE IF EXISTS {name}")')
    cell.lines.append(
        f"for part, rows in enumerate({source[0]}" + ("" if len(source) > 1 else "):")
    )
    cell.lines += [f"    {line}" for line in source[1:-1]]
    if len(source) > 1:
        cell.lines.append(f"{source[-1]}):")
    cell.lines += [
        "    if part == 0:",
        f'        duckdb.sql("CREATE TABLE {name} AS SELECT * FROM rows")',
        "    else:",
        f'        duckdb.sql("INSERT INTO {name} SELECT * FROM rows")',
    ]


def _json(cell: _Cell, dataset: Dataset, source: Source, reading: JsonReading) -> None:
    name, path = dataset.name, cell.path(source.path)
    if reading.on_disk:
        file = big_file_sql(relative(source.path, cell.folder), reading)
        _view(cell, name, f"SELECT * FROM {file}")
        return
    cell.imports.add("import json")
    match reading.packing.compression:
        case None:
            cell.lines.append(f'with open({path}, encoding="utf-8-sig") as file:')
        case "zip":
            cell.imports.add("import zipfile")
            member = _text(reading.packing.member or "")
            cell.lines.append(f"with zipfile.ZipFile({path}).open({member}) as file:")
        case "gzip" | "bz2" | "xz":
            module = {"gzip": "gzip", "bz2": "bz2", "xz": "lzma"}[reading.packing.compression]
            cell.imports.add(f"import {module}")
            cell.lines.append(f'with {module}.open({path}, "rt", encoding="utf-8-sig") as file:')
    document = "json.load(file)"
    if reading.lines:
        document = "[json.loads(line) for line in file if line.strip()]"
    match reading.shape:
        case "lines" | "records" | "columns" | "rows":
            code = f"pd.DataFrame({document})"
        case "nested":
            code = (
                f"pd.json_normalize({document}{f'[{_text(reading.key)}]' if reading.key else ''})"
            )
        case "index":
            code = f'pd.DataFrame.from_dict({document}, orient="index").reset_index(names="key")'
        case "split":
            cell.lines.append(f"    document = {document}")
            code = 'pd.DataFrame(document["data"], columns=document["columns"])'
        case _:
            assert_never(reading.shape)
    rename = ".rename(columns=str)" if reading.shape in ("rows", "split") else ""
    cell.lines.append(f"    {name} = {code}{rename}")
    _dates(cell, name, reading.dates)


def _dates(cell: _Cell, name: str, dates: Sequence[tuple[str, str]]) -> None:
    for column, text in dates:
        key = f"{name}[{_text(column)}]"
        cell.lines.append(f"{key} = pd.to_datetime({key}, format={_text(text)})")


def _excel(cell: _Cell, name: str, path: str, reading: ExcelReading) -> None:
    arguments = [cell.path(path)]
    if not reading.only_sheet:
        arguments.append(f"sheet_name={_text(reading.sheet)}")
    if reading.header_row is None:
        arguments += ["header=None", f"names=[{', '.join(map(_text, reading.names))}]"]
    elif reading.header_row:
        arguments.append(f"header={reading.header_row}")
    cell.lines += _call(f"{name} = pd.read_excel", arguments)
    _dates(cell, name, reading.dates)


def _sqlite(cell: _Cell, dataset: Dataset, path: str, reading: SqliteReading) -> None:
    cell.imports |= {"import sqlite3", "from contextlib import closing"}
    url = f"file:{quote(relative(path, cell.folder))}?mode=ro"
    cell.lines.append(f"with closing(sqlite3.connect({_text(url)}, uri=True)) as connection:")
    arguments = [_text(f"SELECT * FROM {quoted(reading.table)}"), "connection"]
    if dataset.load == "view":
        inner = _Cell(cell.folder, cell.imports, [])
        arguments.append(f"chunksize={_CHUNK_ROWS}")
        _chunked(inner, dataset.name, [f"pd.read_sql_query({', '.join(arguments)})"])
        cell.lines += [f"    {line}" for line in inner.lines]
        return
    cell.lines += [
        f"    {line}" for line in _call(f"{dataset.name} = pd.read_sql_query", arguments)
    ]
    _dates(cell, dataset.name, reading.dates)


def _duckdb(cell: _Cell, dataset: Dataset, path: str, reading: DuckdbReading) -> None:
    stem = identifier(os.path.basename(path).rsplit(".", 1)[0])
    catalog = f"{stem}_file"
    attach = f"ATTACH IF NOT EXISTS {literal(relative(path, cell.folder))} AS {catalog} (READ_ONLY)"
    line = f"duckdb.sql({_text(attach)})"
    if line not in cell.lines:
        cell.lines.append(line)
    table = duckdb_table_sql(reading, catalog)
    if dataset.load == "view":
        _view(cell, dataset.name, f"SELECT * FROM {table}")
    else:
        cell.lines.append(f"{dataset.name} = duckdb.sql({_text(f'SELECT * FROM {table}')}).df()")


def _parquet(cell: _Cell, dataset: Dataset, path: str, reading: ParquetReading) -> None:
    if dataset.load == "view":
        file = literal(relative(path, cell.folder))
        _view(cell, dataset.name, f"SELECT * FROM read_parquet({file})")
        return
    tail = ""
    if reading.index:
        tail = ".reset_index(drop=True)" if reading.unnamed_index else ".reset_index()"
    cell.lines.append(f"{dataset.name} = pd.read_parquet({cell.path(path)}){tail}")
