from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from analyst_kernel._text import relative_path
from analyst_kernel.data.read.names import duckdb_path
from analyst_kernel.data.setup_code import _QUOTED_IN_SQL, identifier
from analyst_kernel.protocol.errors import DataError
from tests.support.reading import catalog_here


def stored(path: Path, value: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE {path.parent.name} AS SELECT {value} AS id FROM range(9)")
    return path


async def test_variables_of_the_code_leave_datasets_alone(load, tmp_path):
    """Datasets may be called as the code calls what it needs in passing."""
    rows = "".join(f"{n},x\n" for n in range(4))
    for name in ("rows", "part", "file", "archive", "pa", "lzma"):
        (tmp_path / f"{name}.csv").write_text(f"id,{name}\n{rows}")
    (tmp_path / "document.json").write_text(json.dumps({"columns": ["a"], "data": [[1], [2]]}))
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.execute("CREATE TABLE big (id INTEGER)")
        connection.executemany("INSERT INTO big VALUES (?)", [(n,) for n in range(100)])
        connection.execute("CREATE TABLE connection (id INTEGER, connection TEXT)")
        connection.execute("INSERT INTO connection VALUES (1, 'x')")
        connection.commit()
    shutil.copy(tmp_path / "rows.csv", tmp_path / "Rows_of_all.csv")
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    got = await load(*sorted(files), max_frame_bytes=1000)
    assert duckdb.sql("SELECT count(*), max(id) FROM big").fetchall() == [(100, 99)]
    for name in ("rows", "part", "file", "archive", "pa", "lzma", "connection"):
        assert list(got.names[name].columns) == ["id", name]
    assert list(got.names["document"].columns) == ["a"]
    later = got.catalog.setup_code(["big"])
    assert "for part_2, rows_2 in" in later, "a later cell knows the datasets of the others"


async def test_two_databases_of_one_name_stay_two(load, tmp_path):
    one, other = (
        stored(tmp_path / "one" / "shop.duckdb", 1),
        stored(tmp_path / "two" / "shop.duckdb", 2),
    )
    got = await load(one, other)
    assert got.names["one"]["id"].tolist() == [1] * 9
    assert got.names["two"]["id"].tolist() == [2] * 9
    for catalog in ("shop_file", "shop_file_2"):
        duckdb.sql(f"DETACH {catalog}")


async def test_values_of_two_databases_are_compared(tmp_path):
    for place, name in enumerate(("orders", "customers")):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            rows = f"range({place * 50}, {place * 50 + 100})"
            key = "customer_id" if name == "orders" else "id"
            connection.execute(f"CREATE TABLE {name} AS SELECT range AS {key} FROM {rows}")
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    await catalog.grant([str(tmp_path)])
    warnings = (await catalog.profile("orders")).warnings
    (link,) = [one for one in warnings if one.code == "foreign-key"]
    assert "50% of its 100 values" in link.message


@pytest.mark.skipif(os.name != "posix", reason="a name that is not UTF-8")
async def test_a_name_that_is_no_text_is_refused_in_one_sentence(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.csv").write_text("a,b\n1,2\n")
    bad = os.path.join(folder, os.fsdecode(b"b\xffd.csv"))
    shutil.copy(folder / "good.csv", bad)
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    with pytest.raises(DataError, match=r"b\\xffd.csv"):
        await catalog.grant([bad])
    assert [one.name for one in await catalog.grant([str(folder)])] == ["good"]
    ((path, reason),) = catalog.problems
    (path + reason).encode()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("data/a.csv", "data/a.csv"),
        ("../a b.csv", "../a b.csv"),
        ("~a.csv", "./~a.csv"),
        ("~/a.csv", "./~/a.csv"),
        ("file:/a.csv", "./file:/a.csv"),
        ("12:30.csv", "./12:30.csv"),
        ("../12:30.csv", "../12:30.csv"),
        ("a/12:30.csv", "a/12:30.csv"),
    ],
)
def test_a_relative_path_means_nothing_else(tmp_path, name, written):
    assert relative_path(os.path.join(tmp_path, name), str(tmp_path)) == written


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("a/b c.csv", "a/b c.csv"),
        ("a*.csv", "a[*].csv"),
        ("a[1]?.csv", "a[[]1][?].csv"),
        ("./12:30.csv", "./12:30.csv"),
        ("./12:30[1].csv", None),
        ("./~/a.csv", None),
        ("a\\b.csv", None),
        ("\udcff.csv", None),
    ],
)
def test_what_duckdb_calls_a_file(path, known):
    assert duckdb_path(path) == known


async def test_a_folder_named_as_a_value_is_no_column(load, tmp_path):
    folder = tmp_path / "year=1999" / "city=Rome"
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"year": [2024, 2025], "n": [1, 2]})
    frame.to_parquet(folder / "p.parquet")
    frame.to_csv(folder / "c.csv", index=False)
    got = await load(folder, max_frame_bytes=1)
    for name in ("p", "c"):
        assert duckdb.sql(f"SELECT * FROM {name}").fetchall() == [(2024, 1), (2025, 2)]
        assert got.profiles[name].dataset.columns == ("year", "n")
        assert got.profiles[name].columns[0].maximum == 2025


def test_every_dataset_can_be_a_table():
    connection = duckdb.connect()
    for (word,) in connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall():
        name = identifier(word)
        table = f'"{name}"' if name.lower() in _QUOTED_IN_SQL else name
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(f"CREATE TABLE {table} AS SELECT 1 AS a")
        assert connection.execute(f"SELECT a FROM {table}").fetchall() == [(1,)], word
