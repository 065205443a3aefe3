from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import date, datetime
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

from analyst_kernel.protocol.errors import DataError


def rows_of(sql: str) -> list[Any]:
    return duckdb.execute(sql).fetchall()


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "id": range(1, 41),
            "name": ["x", "y"] * 20,
            "value": [None, *(n / 3 for n in range(39))],
            "when": pd.date_range("2024-01-01", periods=40, freq="D"),
            "flag": [True, False] * 20,
        }
    )


async def test_workbook_with_two_sheets_and_a_header_on_the_third_row(load, tmp_path):
    book = openpyxl.Workbook()
    first = book.active
    first.title = "Sales 2024"
    for row in (["Report"], [], ["day", "city", "amount"], [date(2024, 1, 1), "Rome", 2.5],
                [date(2024, 1, 2), "Oslo", None]):  # fmt: skip
        first.append(row)
    second = book.create_sheet("costs")
    for row in (["code", "eur"], ["a", 1], ["b", 2]):
        second.append(row)
    book.create_sheet("empty")
    book.save(tmp_path / "book.xlsx")
    got = await load(tmp_path / "book.xlsx")
    assert set(got.profiles) == {"book_Sales_2024", "book_costs"}
    assert got.profiles["book_Sales_2024"].dataset.table == "Sales 2024"
    assert got.names["book_Sales_2024"]["amount"].sum() == 2.5
    assert "header=2" in got.code


async def test_workbook_with_one_sheet_needs_no_options(load, tmp_path, frame):
    frame.to_excel(tmp_path / "one.xlsx", index=False)
    got = await load(tmp_path / "one.xlsx")
    assert 'one = pd.read_excel("../one.xlsx")' in got.code


async def test_sqlite(load, tmp_path):
    path = tmp_path / "shop's.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE "order lines" (id INTEGER, price REAL, day TEXT, odd)')
        connection.executemany(
            'INSERT INTO "order lines" VALUES (?, ?, ?, ?)',
            [
                (n, n / 4 if n else None, f"2024-02-{n + 1:02d}", "t" if n % 2 else n)
                for n in range(9)
            ],
        )
        connection.execute("CREATE TABLE empty (a INTEGER)")
        connection.commit()
    got = await load(path)
    assert set(got.profiles) == {"order_lines", "empty"}
    lines = got.profiles["order_lines"]
    assert lines.columns[2].kind == "date"
    assert "mixed-types" in {one.code for one in lines.warnings}
    assert got.profiles["empty"].dataset.rows == 0


async def test_a_big_sqlite_table_goes_to_duckdb_in_pieces(load, tmp_path):
    path = tmp_path / "big.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE events (id INTEGER, what TEXT)")
        rows = ((n, f"w{n % 5}") for n in range(5000))
        connection.executemany("INSERT INTO events VALUES (?, ?)", rows)
        connection.commit()
    got = await load(path, max_frame_bytes=1000)
    assert got.profile.dataset.load == "view"
    assert rows_of("SELECT count(*), sum(id) FROM events") == [(5000, 12497500)]


async def test_duckdb_file_is_opened_for_reading_only(load, tmp_path, frame):
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE measures AS SELECT * FROM frame")
        connection.execute("CREATE SCHEMA raw")
        connection.execute("CREATE TABLE raw.tiny AS SELECT 1 AS a")
    before = path.read_bytes()
    got = await load(path)
    assert set(got.profiles) == {"measures", "tiny"}
    assert "READ_ONLY" in got.code
    assert path.read_bytes() == before
    rows_of("DETACH store_file")


async def test_parquet_with_and_without_index(load, tmp_path, frame):
    frame.to_parquet(tmp_path / "plain.parquet")
    got = await load(tmp_path / "plain.parquet")
    assert 'plain = pd.read_parquet("../plain.parquet")' in got.code
    frame.set_index("name").to_parquet(tmp_path / "named.parquet")
    got = await load(tmp_path / "named.parquet")
    assert got.profile.dataset.columns[0] == "name"
    frame[frame["id"] > 10].to_parquet(tmp_path / "filtered.parquet")
    got = await load(tmp_path / "filtered.parquet")
    assert got.profile.dataset.columns == tuple(frame.columns)


async def test_big_files_become_views_with_the_same_values(load, tmp_path, frame):
    frame.to_parquet(tmp_path / "big_parquet.parquet")
    got = await load(tmp_path / "big_parquet.parquet", max_frame_bytes=10)
    assert got.profile.dataset.load == "view"
    assert rows_of("SELECT count(*) FROM big_parquet") == [(40,)]
    text = "Id;Amount;id;day\n" + "".join(
        f"{n};{n},5;0{n};0{n % 9 + 1}.05.2024\n" for n in range(50)
    )
    (tmp_path / "big_csv.csv").write_text(text)
    got = await load(tmp_path / "big_csv.csv", max_frame_bytes=10)
    assert "read_csv" in got.code
    assert got.profile.dataset.columns == ("Id", "Amount", "id_2", "day")
    ((total, first, day),) = rows_of('SELECT sum("Amount"), min(id_2), max(day) FROM big_csv')
    assert total == got.column("Amount").mean * 50
    assert first == "00"
    assert day == date(2024, 5, 9)
    (tmp_path / "big_latin.csv").write_bytes(text.replace("day", "Täg").encode("latin-1"))
    got = await load(tmp_path / "big_latin.csv", max_frame_bytes=10)
    assert "chunksize" in got.code
    assert rows_of('SELECT count(*), sum("Amount") FROM big_latin') == [(50, total)]


async def test_arrow_and_feather(load, tmp_path, frame):
    frame.to_feather(tmp_path / "f.feather")
    got = await load(tmp_path / "f.feather")
    assert "pd.read_feather" in got.code
    table = pa.Table.from_pandas(frame)
    with (
        pa.OSFile(str(tmp_path / "s.arrows"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    got = await load(tmp_path / "s.arrows")
    assert "open_stream" in got.code


async def test_json_lines(load, tmp_path):
    path = tmp_path / "log.jsonl"
    rows = [{"id": n, "code": f"0{n}", "at": f"2024-01-{n + 1:02d}T10:00:00"} for n in range(12)]
    path.write_text("\n".join(json.dumps(row) for row in [*rows, {"id": 12}]) + "\n")
    got = await load(path)
    assert got.column("code").kind == "text"
    assert got.column("code").nulls == 1
    assert got.frame["at"].iloc[0] == datetime(2024, 1, 1, 10)


@pytest.mark.parametrize(
    ("document", "columns", "rows"),
    [
        ([{"a": 1, "b": {"c": 2, "d": "x"}}, {"a": 3, "b": {"c": 4}}], ("a", "b.c", "b.d"), 2),
        ({"meta": 1, "items": [{"a": 1}, {"a": 2}]}, ("a",), 2),
        ({"x": [1, 2, 3], "y": ["a", "b", "c"]}, ("x", "y"), 3),
        ({"k1": {"v": 1}, "k2": {"v": 2}}, ("key", "v"), 2),
        ({"columns": ["p", "q"], "index": [0], "data": [[1, 2]]}, ("p", "q"), 1),
        ([[1, "a"], [2, "b"]], ("0", "1"), 2),
        ([{"tags": [1, 2], "n": 1}], ("tags", "n"), 1),
        ({"name": "one", "size": 3}, ("name", "size"), 1),
    ],
)
async def test_shapes_of_json(load, tmp_path, document, columns, rows):
    path = tmp_path / "doc.json"
    path.write_text(json.dumps(document))
    got = await load(path)
    assert got.profile.dataset.columns == columns
    assert got.profile.dataset.rows == rows


@pytest.mark.parametrize("text", ["{", "[]", "3", '[{"a": 1},'])
async def test_invalid_json_is_refused(load, tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        await load(path)
    assert caught.value.remedy


async def test_damaged_files_are_refused_as_damaged(load, tmp_path, frame):
    frame.to_parquet(tmp_path / "d.parquet")
    whole = (tmp_path / "d.parquet").read_bytes()
    (tmp_path / "d.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "d.xlsx").write_bytes(b"PK\x03\x04 not a workbook xl/ at all" * 10)
    (tmp_path / "d.sqlite").write_bytes(b"SQLite format 3\x00" + b"\x07" * 4000)
    for name in ("d.parquet", "d.xlsx", "d.sqlite"):
        with pytest.raises(DataError) as caught:
            await load(tmp_path / name)
        assert name in caught.value.what
        assert caught.value.remedy
