"""Files that are made to harm whoever parses them: each maker writes one into a folder."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

MIB = 1 << 20
SECRET = "never-granted-to-anybody"


def duckdb_view(query: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "view.duckdb"
        (folder / "neighbour.csv").write_text(f"a\n{SECRET}\n")
        with duckdb.connect(str(path)) as connection:
            connection.execute("CREATE TABLE plain AS SELECT 1 AS a")
            connection.execute(
                "CREATE VIEW spy AS " + query.replace("NEIGHBOUR", str(folder / "neighbour.csv"))
            )
        return path

    return make


def sqlite_view(query: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "view.sqlite"
        connection = sqlite3.connect(path)
        connection.execute(f"CREATE VIEW bomb AS {query}")
        connection.close()
        return path

    return make


def packed(name: str, compress: Callable[[bytes], bytes], repeat: int) -> Callable[[Path], Path]:
    """One compressed member of many; the last is small, so that the noted size is."""

    def make(folder: Path) -> Path:
        path = folder / name
        member = compress(b"[" + b"0," * (4 * MIB) + b"0]")
        with path.open("wb") as file:
            for _ in range(repeat):
                file.write(member)
            file.write(compress(b"\n"))
        return path

    return make


def zipped(folder: Path) -> Path:
    path = folder / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("inside.json", "w") as member,
    ):
        for _ in range(40):
            member.write(b" " * MIB)
    return path


def long_gzip(folder: Path) -> Path:
    path = folder / "long.csv.gz"
    member = gzip.compress(b"1,2\n" * (16 * MIB))
    with path.open("wb") as file:
        file.write(gzip.compress(b"a,b\n"))
        for _ in range(100):
            file.write(member)
    return path


def arrow(folder: Path) -> Path:
    path = folder / "bomb.arrow"
    zeros = pa.array(memoryview(bytes(64 * MIB)).cast("q"))
    table = pa.record_batch([zeros] * 16, names=[f"c{n}" for n in range(16)])
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as w,
    ):
        w.write_batch(table)
    return path


def parquet(folder: Path) -> Path:
    path = folder / "bomb.parquet"
    zeros = pa.table({"a": pa.array(memoryview(bytes(8 * MIB)).cast("q"))})
    with pq.ParquetWriter(path, zeros.schema, compression="zstd") as writer:
        for _ in range(400):
            writer.write_table(zeros)
    return path


def workbook(strings: bytes, count: int, head: bytes = b"") -> Callable[[Path], Path]:
    """An Excel workbook whose table of texts is ``strings``, so many times."""

    def make(folder: Path) -> Path:
        book, plain = openpyxl.Workbook(), io.BytesIO()
        book.active.append(["a", "b"])
        book.active.append(["x", 1])
        book.save(plain)
        path = folder / "bomb.xlsx"
        begin = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        with (
            zipfile.ZipFile(plain) as source,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for entry in source.namelist():
                content = source.read(entry)
                if entry == "[Content_Types].xml":
                    content = content.replace(b"</Types>", SHARED_STRINGS + b"</Types>")
                if entry != "xl/sharedStrings.xml":
                    target.writestr(entry, content)
            with target.open("xl/sharedStrings.xml", "w") as member:
                member.write(head + begin)
                block = strings * 1000
                for _ in range(count // 1000):
                    member.write(block)
                member.write(b"</sst>")
        return path

    return make


SHARED_STRINGS = (
    b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/'
    b'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)


def text(name: str, content: str | bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


LAUGHS = b'<!DOCTYPE sst [<!ENTITY a0 "ha">' + b"".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">'.encode() for n in range(1, 10)
) + b"]>"  # fmt: skip

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"

HARMLESS = frozenset(
    {
        "NaN and infinity in JSON", "a view of a file that was not granted",
        "a view of the environment", "a view of a folder"
    }
)  # fmt: skip
"""Those that can be read after all."""

LONG = frozenset({
    "an endless DuckDB view", "an endless SQLite view", "many SQLite zeroblobs",
    "a gzip that takes long", "a Parquet file of zeros", "a workbook of many texts",
})  # fmt: skip
"""Those that only a limit of time ends."""

FILES: dict[str, Callable[[Path], Path]] = {
    "a view of a file that was not granted": duckdb_view("SELECT * FROM read_csv('NEIGHBOUR')"),
    "a view of the environment": duckdb_view("SELECT * FROM read_text('/proc/self/environ')"),
    "a view of a folder": duckdb_view("SELECT * FROM glob('/*')"),
    "a view of settings": duckdb_view("SELECT * FROM duckdb_secrets()"),
    "an endless DuckDB view": duckdb_view(
        "SELECT count(*) AS n FROM range(1000000000) a, range(1000000000) b WHERE a.range <> b.range"
    ),
    "SQLite zeroblobs": sqlite_view(
        "SELECT zeroblob(900000000) AS a FROM (SELECT 1 UNION SELECT 2)"
    ),
    "many SQLite zeroblobs": sqlite_view(
        f"SELECT CAST(zeroblob(30000000) AS TEXT) AS a FROM ({ENDLESS})"
    ),
    "an endless SQLite view": sqlite_view(ENDLESS),
    "a small bzip2 of JSON": packed("bomb.json.bz2", bz2.compress, 6),
    "a small xz of JSON": packed("bomb.json.xz", lambda raw: lzma.compress(raw, preset=0), 6),
    "a gzip of many members": packed("bomb.json.gz", gzip.compress, 6),
    "a zip of blanks": zipped,
    "a gzip that takes long": long_gzip,
    "an Arrow file of zeros": arrow,
    "a Parquet file of zeros": parquet,
    "a workbook of many texts": workbook(b"<si><t>a</t></si>", 30_000_000),
    "a workbook of one long text": workbook(b"a" * 1000, 1_500_000, b""),
    "a workbook of entities": workbook(b"<si><t>&a9;</t></si>", 1000, LAUGHS),
    "lists in a list": text("lists.json", "[" + "[]," * (10 * MIB) + "[]]"),
    "a list of lists of lists": text("lists3.json", "[" + "[[[]],[[]]]," * (2 * MIB) + "[]]"),
    "deep JSON": text("deep.json", "[" * 200_000 + "]" * 200_000),
    "deep objects": text("deep2.json", '{"a":' * 200_000 + "1" + "}" * 200_000),
    "deep JSON lines": text("deep.jsonl", ("[" * 100_000 + "]" * 100_000 + "\n") * 2),
    "mixed JSON lines": text("mixed.jsonl", '{"a": 1}\n[1, 2]\n"three"\n4\nnull\n'),
    "JSON of ragged columns": text("ragged.json", '{"columns": ["a"], "data": [[1, 2], 3, {}]}'),
    "huge numbers in JSON": text("huge.json", f'[{{"a": {"9" * 10_000}}}]'),
    "NaN and infinity in JSON": text("nan.json", '[{"a": NaN}, {"a": Infinity}, {"a": 1e999}]'),
    "more columns than an answer takes": text(
        "wide.csv", ",".join(f"c{n}" for n in range(20_000)) + "\n" + "1," * 19_999 + "1\n"
    ),
    "a field without an end": text("quote.csv", 'a,b\n"' + "x" * (70 * MIB)),
    "lone surrogates in JSON": text("surrogate.json", json.dumps([{"a\ud800": "\udfff"}])),
    "control characters in names": text("control.csv", "a\x1b]0;x\x07,b\x00\n1,2\n"),
}
