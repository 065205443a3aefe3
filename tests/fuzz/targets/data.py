"""Files of users, and what a reader answers about them."""

from __future__ import annotations

import ast
import atexit
import gzip
import io
import itertools
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from analyst_kernel.data.dictionary import read_dictionary, with_dictionary
from analyst_kernel.data.profile.describe import describe
from analyst_kernel.data.profile.profile import inspect
from analyst_kernel.data.read import names as file_names
from analyst_kernel.data.read.discover import sources
from analyst_kernel.data.read.encoding import decode_head, detect_encoding
from analyst_kernel.data.read.formats import looks_like_data, stem_of, suffix_of
from analyst_kernel.data.read.sniff import sniff
from analyst_kernel.data.reader.wire import (
    ProfiledTable,
    ReaderAnswer,
    ReadTable,
    UnusableAnswer,
    inspected,
    read_answer,
    with_name,
)
from analyst_kernel.data.remote.address import parse_address
from analyst_kernel.data.setup_code import identifier, setup_code
from analyst_kernel.protocol.errors import DataError
from tests.fuzz.target import Seed, Target, hold, only

_MAX_FRAME = 200_000_000
_CSV = "name,born,height\nAda,1815-12-10,1.65\nBo,,1.7\n"


@cache
def _folder() -> Path:
    made = tempfile.mkdtemp(prefix="ak-fuzz-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def written(name: str, data: bytes) -> str:
    """Write an input as a file; return its path."""
    path = _folder() / name
    path.write_bytes(data)
    return str(path)


def look(name: str, data: bytes) -> None:
    """Read a file as a reader does, and take the answer as the asking process does."""
    path = written(name, data)
    with only(DataError, MemoryError, RecursionError, of_libraries=True):
        tables = tuple(
            ProfiledTable(table=ReadTable.of(one.source), profile=one.profile)
            for one in (inspect(s, "data", max_frame_bytes=_MAX_FRAME) for s in sources(path))
        )
        answer(
            ReaderAnswer(tables=tables).model_dump_json().encode(), path, len(data), refuse=False
        )


def answer(raw: bytes, path: str, size: int, *, refuse: bool = True) -> None:
    """Take what a reader sent; what is accepted can be described, and be loaded by code."""
    with only(*((DataError, UnusableAnswer) if refuse else ())):
        for found in inspected(read_answer(raw), path, size):
            one = with_name(found, "data")
            text = describe(one.profile)
            text.encode()
            one.profile.model_dump_json().encode()
            with only(DataError):
                code = setup_code([(one.profile.dataset, one.source)], "/folder")
                ast.parse(code)


def _layout(data: bytes) -> None:
    for complete in (True, False):
        encoding = detect_encoding(data, complete=complete)
        if encoding is None:
            continue
        with only(DataError):
            text = decode_head(data, encoding, complete=complete)
            found = sniff(text, complete=complete)
            hold(found.names, "a table has columns")
            hold(all(isinstance(name, str) for name in found.names), "names are texts")
            hold(len(set(found.names)) == len(found.names), "names differ")
            hold(
                0 <= found.skip_rows <= text.count("\n") + text.count("\r"),
                "lines to skip are there",
            )


def _layout_text(text: str) -> None:
    with only(DataError):
        sniff(text, complete=True)


def _names(text: str) -> None:
    cells = text.split(",")
    unique = file_names.all_unique(cells)
    hold(len({name.lower() for name in unique}) == len(cells), "names differ in any letter case")
    hold(file_names.all_unique(unique) == unique, "unique names stay")
    loaded = file_names.loaded_names(cells)
    hold(len(set(loaded)) == len(cells), "pandas' names differ")
    name = identifier(text)
    hold(name.isidentifier() and name.isascii(), "a dataset's name is one of Python")
    suffix_of(text), stem_of(text), looks_like_data(text)
    with only(DataError):
        parse_address(text)
    if "\0" in text:
        return
    file_names.shown(text).encode("utf-8", "surrogateescape")
    pattern = file_names.duckdb_path(text)
    if pattern is not None:
        with only(DataError):
            file_names.read_sql("read_csv", text)


def _dictionary(data: bytes) -> None:
    found = read_dictionary(written("x.dictionary.json", data))
    found.model_dump_json().encode()
    with_dictionary(_profile(), found).model_dump_json()


def _answer(raw: bytes) -> None:
    answer(raw, "/folder/data.csv", 100)


@cache
def _profile() -> Any:
    return _inspected("x.csv", _CSV.encode())[0].profile


def _inspected(name: str, data: bytes) -> list[Any]:
    return [inspect(s, "data", max_frame_bytes=_MAX_FRAME) for s in sources(written(name, data))]


# --- seeds -------------------------------------------------------------------------------------


def _csv_seeds() -> Iterator[Seed]:
    yield _CSV
    yield "a;b\n1,5;2\n\n3,0;x\n"
    yield "# made by x\nTitle\n\nx\ty\n1\t2\n3\t4\n"
    yield 'a,"b ""c"""\n"1\n2",3\n'
    yield "'a';'b'\n'1';'2'\n"
    yield '"a\\"b",c\n1,2\n'
    yield "x   y\n1   2\n3   4\n5   6\n"
    yield "a, b, c\n1, 2, 3,\n4, 5, 6,\n"
    yield "day,n\n01.02.2024,1.234,5\n31.12.2024 10:00,n/a,7\n"
    yield "t,v\n2024-01-01T10:00:00+02:00,12%\n2024-01-02T10:00:00Z,$5\n"
    yield "a,b\n1,2,3\n4\n"
    yield "\ufeffa,b\r\n1,2\r\n"
    yield "näme,ß\nä,1\n".encode("cp1252")
    yield "a,b\n1,2\n".encode("utf-16")
    yield "a,a,,a.1\n1,2,3,4\n"
    yield "1,2\n3,4\n"
    yield 'a,b\n"1,2\n'


def _file_seeds() -> Iterator[Seed]:
    """Yield a few of them: each is a table of a database."""
    yield from itertools.islice(_csv_seeds(), 1, None, 3)


def _json_seeds() -> Iterator[Seed]:
    yield [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    yield {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}
    yield {"rows": [{"a": {"b": 1}, "day": "2024-01-01"}], "n": 1}
    yield {"a": [1, 2], "b": ["x", "y"]}
    yield {"k1": {"a": 1}, "k2": {"a": 2.5}}
    yield [[1, "x"], [2, "y"]]
    yield '{"a": 1}\n{"a": 2, "b": [1]}\n'
    yield {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {"a": 1}, "geometry": None}],
    }


def _excel_seeds() -> Iterator[Seed]:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["Title"], [], ["a", "b"], [1, "x"], [2, None]):
        book.active.append(row)
    book.create_sheet("Two").append([1, 2, 3])
    file = io.BytesIO()
    book.save(file)
    small = io.BytesIO()
    with zipfile.ZipFile(file) as parts, zipfile.ZipFile(small, "w") as stored:
        for name in parts.namelist():  # not packed, so that changes reach the XML
            if "theme" not in name:
                stored.writestr(name, parts.read(name))
    yield small.getvalue()


def _parquet_seeds() -> Iterator[Seed]:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index([5, 6], name="k"))
    for compression in ("none", "snappy"):
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(frame), file, compression=compression)
        yield file.getvalue()


def _arrow_seeds() -> Iterator[Seed]:
    import pyarrow as pa

    table = pa.table({"a": [1, 2], "b": ["x", None], "c": [[1], []]})
    for make in (pa.ipc.new_file, pa.ipc.new_stream):
        file = io.BytesIO()
        with make(file, table.schema) as sink:
            sink.write_table(table)
        yield file.getvalue()


def _sqlite_seeds() -> Iterator[Seed]:
    path = _folder() / "seed.sqlite"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "PRAGMA page_size = 512; CREATE TABLE t (a INTEGER, b TEXT, c);"
        "INSERT INTO t VALUES (1, 'x', 2.5), (2, NULL, 'y'); CREATE VIEW v AS SELECT a + 1 AS n FROM t"
    )
    connection.close()
    yield path.read_bytes()


def _duckdb_seeds() -> Iterator[Seed]:
    import duckdb

    path = _folder() / "seed.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path), config={"default_block_size": "16384"}) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
    raw = path.read_bytes()
    yield raw[: 3 * 4096 + 2 * 16384]


def _packed_seeds() -> Iterator[Seed]:
    import bz2
    import lzma

    plain = _CSV.encode()
    yield gzip.compress(plain, mtime=0)
    yield bz2.compress(plain)
    yield lzma.compress(plain)
    for names in (("x.csv",), ("a.csv", "b/c.json", "__MACOSX/a.csv", "readme.txt")):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), "[]" if "json" in name else plain)
        yield file.getvalue()


def _name_seeds() -> Iterator[Seed]:
    yield "a,A,a_2,,a.1,Unnamed: 3"
    yield "data/sales 2024.csv.gz"
    yield "s3://bucket/x[1].csv"
    yield "~/x?.tsv,./y=2/z.parquet"
    yield "C:\\data\\x.csv"


def _dictionary_seeds() -> Iterator[Seed]:
    yield {
        "rows": ["car"],
        "columns": {"name": {"label": "the name", "unit": "m", "synonyms": ["x"], "values": {"a": ["Ada"]}}},
    }  # fmt: skip


def _answer_seeds() -> Iterator[Seed]:
    for name, data in (
        ("data.csv", _CSV.encode()),
        ("data.json", b'[{"a": 1, "d": "2024-01-01"}]'),
    ):
        one = _inspected(name, data)[0]
        profile = json.loads(one.profile.model_dump_json())
        profile["dataset"]["path"] = f"/folder/{name}"
        table = json.loads(ReadTable.of(one.source).model_dump_json())
        table["stem"] = "data"
        yield {"tables": [{"table": table, "profile": profile}]}
    yield {"found": {"format": "csv", "rows": 5, "columns": ["a"]}}
    yield {"what": "x.csv is damaged.", "remedy": "Get it again.", "shared": [1, None]}


def _file(name: str, seeds: Callable[[], Iterator[Seed]], longest: int = 4096) -> Target:
    suffix = name.rpartition(".")[2]
    return Target(f"file-{suffix}", "bytes", partial(look, name), seeds, longest)


_CSV_TOKENS = (
    "\n", "\r\n", ",", ";", "\t", "|", '"', "'", '\\"', "#", "NA", "n/a", "1.5", "1,5", "1.234,5",
    "2024-01-01", "01/02/2024", "12:30", "T", "Z", "%", "$", "True", "\ufeff", "  ", "-", "1e5",
)  # fmt: skip
_JSON_TOKENS = ("[", "]", "{", "}", ":", ",", '"a"', "NaN", "1e999", "null", "\n", '"\\ud800"')
TARGETS = (
    Target("text-layout", "bytes", _layout, _csv_seeds),
    Target("text-layout-time", "text", _layout_text, _csv_seeds, 512, _CSV_TOKENS, grows=True),
    Target("file-csv", "text", lambda text: look("x.csv", _bytes(text)), _file_seeds, 2048, _CSV_TOKENS),
    Target("file-json", "text", lambda text: look("x.json", _bytes(text)), _json_seeds, 2048, _JSON_TOKENS),
    Target("file-jsonl", "text", lambda text: look("x.jsonl", _bytes(text)), _json_seeds, 2048, _JSON_TOKENS),
    _file("x.xlsx", _excel_seeds, 16384),
    _file("x.parquet", _parquet_seeds),
    _file("x.arrow", _arrow_seeds),
    _file("x.sqlite", _sqlite_seeds, 8192),
    _file("x.duckdb", _duckdb_seeds, 65536),
    Target("file-packed", "bytes", partial(look, "x.csv.gz"), _packed_seeds),
    Target("names", "text", _names, _name_seeds, 1024, (".csv", ".gz", "/", "*", "?", "[", "=", "file:")),
    Target("dictionary", "bytes", _dictionary, _dictionary_seeds, 2048),
    Target("reader-answer", "json", lambda value: _answer(json.dumps(value).encode()), _answer_seeds, 16384),
    Target("reader-answer-bytes", "bytes", _answer, _answer_seeds, 8192),
)  # fmt: skip


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
