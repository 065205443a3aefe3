"""Many tables: what links them, and that each file is read by a reader of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path

import duckdb
import pytest

from analyst_kernel.data.profile.inspected import ColumnSketch
from analyst_kernel.data.reader.inside import answer_to
from analyst_kernel.data.reader.outside import FileReader, ReadFile
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.sandbox.reader import ReaderEnded
from tests.support.reading import catalog_here


def table(path: Path, header: str, rows: list[str]) -> None:
    path.write_text(header + "\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")


async def links(folder: Path, name: str) -> dict[str, str]:
    """Return by column what the profile of a dataset says of links."""
    catalog = catalog_here(notebook=str(folder / "n.ipynb"))
    await catalog.grant([str(folder)])
    return said(await catalog.profile(name))


def said(profile: DatasetProfile) -> dict[str, str]:
    codes = ("foreign-key", "many-to-many", "more-links")
    return {f"{w.code} {w.column}": w.message for w in profile.warnings if w.code in codes}


async def test_a_column_is_a_key_only_where_no_value_repeats(tmp_path):
    table(tmp_path / "visits.csv", "store_id,n", [f"S{n % 20},{n}" for n in range(200)])
    table(tmp_path / "sales.csv", "store_id,m", [f"S{n % 20},{n}" for n in range(300)])
    found = await links(tmp_path, "sales")
    assert [*found] == ["many-to-many store_id"]
    assert "key of neither" in found["many-to-many store_id"]
    assert "visits['store_id']" in found["many-to-many store_id"]
    table(tmp_path / "stores.csv", "store_id,city", [f"S{n},c{n % 3}" for n in range(20)])
    found = await links(tmp_path, "sales")
    assert [*found] == ["foreign-key store_id"]
    assert "100% of its 20 values occur in stores['store_id']" in found["foreign-key store_id"]


async def test_names_may_differ_where_the_values_tell(tmp_path):
    table(tmp_path / "products.csv", "sku,title", [f"AB-{n:05},t{n}" for n in range(400)])
    table(tmp_path / "lines.csv", "item,pieces", [f"AB-{n % 90:05},{n % 7}" for n in range(900)])
    found = await links(tmp_path, "lines")
    assert [*found] == ["foreign-key item"]  # small whole numbers occur in anything
    assert "products['sku']" in found["foreign-key item"]


async def test_a_large_key_is_estimated_and_says_so(tmp_path):
    table(tmp_path / "customers.csv", "id,name", [f"{n},n{n}" for n in range(1, 60_001)])
    table(tmp_path / "orders.csv", "customer_id,x", [f"{n * 20},{n}" for n in range(1, 4001)])
    found = await links(tmp_path, "orders")
    assert found["foreign-key customer_id"].startswith("about 7")  # 3,000 of the 4,000


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
async def test_declared_keys_come_first_and_are_tested(kind, tmp_path):
    path = tmp_path / f"shop.{kind}"
    statements = [
        "CREATE TABLE people (nr INTEGER PRIMARY KEY, name VARCHAR)",
        "CREATE TABLE orders (buyer INTEGER REFERENCES people(nr), amount INTEGER)",
        *(f"INSERT INTO people VALUES ({n}, 'n{n}')" for n in range(1, 9)),
        *(f"INSERT INTO orders VALUES ({n % 8 + 1}, {n})" for n in range(30)),
    ]
    connect = sqlite3.connect if kind == "sqlite" else duckdb.connect
    connection = connect(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    found = await links(tmp_path, "orders")
    assert found == {
        "foreign-key buyer": "declared as a reference to people['nr']; 100% of its 8 values occur "
        "there."
    }


async def test_one_column_is_compared_with_a_few_keys_whatever_the_number_of_tables(tmp_path):
    for n in range(30):
        table(tmp_path / f"t{n:02}.csv", "place_code,v", [f"P{k:03},{k * n}" for k in range(40)])
    found = await links(tmp_path, "t00")
    (message,) = {key for key in found if key.startswith("foreign-key")}
    assert message == "foreign-key place_code"


def test_a_sketch_that_is_none_is_refused():
    for hashes in ("AAAA", "?", "AAAAAAAAAAE=AAAA"):
        with pytest.raises(ValueError, match=r"sketch|bytes"):
            ColumnSketch(column="x", distinct=9, unique=True, hashes=hashes).numbers()


@pytest.mark.real
async def test_each_of_many_files_has_a_reader_of_its_own(tmp_path, monkeypatch):
    """A file that cannot be read is named, and those beside it are read nevertheless."""
    for n in range(5):
        table(tmp_path / f"t{n}.csv", "id,name", [f"{k},n{k * n}" for k in range(20)])
    (tmp_path / "bad.csv").write_bytes(b"\x00\x01\x02" * 50)
    (tmp_path / "t1.dictionary.json").write_text('{"rows": ["thing"]}')
    names = ["t0.csv", "bad.csv", "gone.csv", *(f"t{n}.csv" for n in range(1, 5))]
    paths = [str(tmp_path / name) for name in names]
    reader = FileReader()
    started = []
    begin = reader._started
    monkeypatch.setattr(reader, "_started", lambda *of: started.append(of[0]) or begin(*of))
    found = dict(zip(names, await reader.read_all(paths, 10**9, {}), strict=True))
    assert sorted(len(shown) for shown in started) == [1, 1, 1, 1, 1, 2]
    assert "gone.csv cannot be opened" in str(found["gone.csv"])
    assert isinstance(found["bad.csv"], DataError)
    assert "bad.csv" in str(found["bad.csv"])
    for n in range(5):
        read = found[f"t{n}.csv"]
        assert isinstance(read, ReadFile)
        assert read.tables[0].source.path == str(tmp_path / f"t{n}.csv")
        assert read.tables[0].profile.dataset.rows == 20
        assert (read.dictionary is not None) == (n == 1)


class _Ends(FileReader):
    """A reader that a limit ends at one file."""

    starts = 0

    @asynccontextmanager
    async def _started(self, shown, limits):
        self.starts += 1
        yield self

    async def ask(self, line: bytes) -> bytes:
        """Answer as a reader does, unless the file is the one that takes too much."""
        if b"greedy.csv" in line:
            raise ReaderEnded("memory")
        return await asyncio.to_thread(answer_to, line)


async def test_a_file_that_met_a_limit_is_named_alone(tmp_path):
    names = [f"t{n}.csv" for n in range(6)]
    names[2] = "greedy.csv"
    for name in names:
        table(tmp_path / name, "id,name", ["1,a", "2,b"])
    reader = _Ends()
    found = await reader.read_all([str(tmp_path / name) for name in names], 10**9, {})
    problems = [str(one) for one in found if isinstance(one, DataError)]
    assert len(problems) == 1
    assert problems[0].startswith("greedy.csv takes more than the 2.0 GiB of memory")
    assert reader.starts == 6


async def test_what_the_folders_of_a_single_file_say_is_told(tmp_path):
    place = tmp_path / "year=2024/region=__HIVE_DEFAULT_PARTITION__"
    place.mkdir(parents=True)
    table(place / "part.csv", "Region,n", ["X,1", "Y,2"])
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    (dataset,) = await catalog.grant([str(tmp_path)])
    warnings = (await catalog.profile(dataset.name)).warnings
    assert [one.message[:45] for one in warnings if one.code == "folder-value"] == [
        "its folder gives 'year' '2024' for all of its",
        "its folder gives 'region' no value, and so do",
    ]
