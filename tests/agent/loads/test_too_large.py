"""Cells that would load more than the kernel has memory for, and cells that would not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.loads.check import Room, TooLarge, too_large
from analyst_kernel.protocol.datasets import ColumnProfile, Dataset, DatasetProfile
from analyst_kernel.protocol.outputs import Frame

GIB = 1 << 30
ROWS = 60_000_000
NAMES = ("id", "city", "amount", "qty", "day", "note")
KINDS = (
    ("number", "BIGINT"), ("text", "VARCHAR"), ("number", "DOUBLE"), ("number", "BIGINT"),
    ("date", "DATE"), ("text", "VARCHAR"),
)  # fmt: skip
SETUP = """
import duckdb
import pandas as pd

duckdb.sql('CREATE OR REPLACE VIEW "trips" AS SELECT CAST("id" AS BIGINT) AS "id" FROM read_csv()')
small = pd.read_csv("data/small.csv")
lake_copy = fsspec.open_local("simplecache::s3://lake/big/lake.parquet")
"""


def table(
    name: str, path: str, rows: int = ROWS, *, load: str = "view", address: str = "",
    size: int | None = None,
) -> tuple[Dataset, DatasetProfile]:  # fmt: skip
    columns = tuple(
        ColumnProfile.model_validate(
            {"name": n, "kind": kind, "dtype": dtype, "nulls": 0, "distinct": min(rows, 900)}
        )
        for n, (kind, dtype) in zip(NAMES, KINDS, strict=True)
    )
    dataset = Dataset.model_validate(
        {
            "name": name, "path": path, "rows": rows, "columns": NAMES, "load": load,
            "format": path.rpartition(".")[2], "bytes": rows * 60 if size is None else size,
            "address": address,
        }
    )  # fmt: skip
    head = (("1", "Berlin", "2.5", "3", "2024-01-01", "a note of some length"),)
    return dataset, DatasetProfile(dataset=dataset, columns=columns, head=head)


ATTACHED = [
    table("trips", "/home/ada/work/data/trips.csv"),
    table("rides", "/home/ada/work/data/rides.parquet", size=200_000_000),
    table("small", "/home/ada/work/data/small.csv", 10_000, load="frame"),
    table("lake", "/var/cache/ab/lake.parquet", address="s3://lake/big/lake.parquet"),
    *(table(f"part_{n}", f"/home/ada/hive/year={n}/p.csv", 4_000_000) for n in range(20, 30)),
]


def found(
    code: str, *, room: int = 2 * GIB, earlier: tuple[str, ...] = (), frames: tuple[Frame, ...] = ()
) -> list[int]:
    return [one.line for one in said(code, room=room, earlier=earlier, frames=frames)]


def said(
    code: str, *, room: int = 2 * GIB, earlier: tuple[str, ...] = (), frames: tuple[Frame, ...] = ()
) -> tuple[TooLarge, ...]:
    datasets = [one for one, _ in ATTACHED]
    profiles = {one.name: profile for one, profile in ATTACHED}
    return too_large(code, datasets, profiles, Room(room, frames), earlier=earlier, setup=[SETUP])


TOO_LARGE = [
    'pd.read_csv("data/trips.csv")',
    'pd.read_csv("./trips.csv")',
    'pd.read_csv("/home/ada/work/data/trips.csv", usecols=None, nrows=None)',
    'pd.read_csv(filepath_or_buffer="../work/data/trips.csv")',
    'path = "data/trips.csv"; pd.read_csv(path)',
    'folder = "data"; pd.read_csv(f"{folder}/trips.csv")',
    'from pathlib import Path; pd.read_csv(Path("data") / "trips.csv")',
    'from pathlib import Path; p = Path("data", "trips.csv"); pd.read_csv(str(p.resolve()))',
    'import os; pd.read_csv(os.path.join("data", "trips.csv"))',
    'import os; pd.read_csv(os.path.join(os.getcwd(), "data", "trips.csv"))',
    'pd.read_csv(base / "trips.csv")',
    'from pandas import read_csv as load; load("data/trips.csv")',
    'import pandas; pandas.read_csv("data/trips.csv", dtype={"city": "category"})',
    'pd.read_csv("data/trips.csv").head()',
    'with open("data/trips.csv") as file: pd.read_csv(file)',
    'open("data/trips.csv").read()',
    'from pathlib import Path; Path("data/trips.csv").read_text()',
    'with open("data/trips.csv", "r") as f: rows = f.readlines()',
    'pd.concat(pd.read_csv("data/trips.csv", chunksize=100_000))',
    'pd.concat([part for part in pd.read_csv("data/trips.csv", chunksize=9)])',
    'chunks = pd.read_csv("data/trips.csv", iterator=True); list(chunks)',
    'pd.read_parquet("data/rides.parquet")',  # 200 MB on disk
    'pd.read_parquet("data/rides.parquet", columns=["id", "note", "city", "amount"])',
    'pd.read_parquet("s3://lake/big/lake.parquet")',
    "pd.read_parquet(lake_copy)",
    'import polars as pl; pl.read_csv("data/trips.csv")',
    'import polars as pl; pl.scan_csv("data/trips.csv").collect()',
    'import polars as pl; pl.scan_parquet("data/rides.parquet").sort("id").collect()',
    'import pyarrow.parquet as pq; pq.read_table("data/rides.parquet")',
    'import pyarrow.parquet as pq; pq.ParquetFile("data/rides.parquet").read()',
    'import pyarrow.dataset as ds; ds.dataset("data/rides.parquet").to_table()',
    'import numpy as np; np.loadtxt("data/trips.csv")',
    'duckdb.sql("SELECT * FROM trips").df()',
    'duckdb.sql("SELECT * FROM trips;").fetchall()',
    'x = duckdb.sql("""\n-- all of it\nselect t.* from trips as t order by id\n""").df()',
    'duckdb.sql("FROM trips").df()',
    'duckdb.sql("SELECT id, city, note, upper(city) AS big FROM trips").to_df()',
    'duckdb.sql("SELECT * EXCLUDE (note) FROM trips").df()',
    'duckdb.sql("SELECT * FROM (SELECT * FROM trips) AS a").df()',
    'duckdb.sql("WITH a AS (SELECT id, note FROM trips) SELECT * FROM a").df()',
    "duckdb.sql(\"SELECT * FROM 'data/rides.parquet'\").df()",
    "duckdb.sql(\"SELECT * FROM read_csv('data/trips.csv', header = true)\").df()",
    'duckdb.sql("SELECT * FROM trips LIMIT 50000000").df()',
    'rel = duckdb.sql("SELECT * FROM trips")\nrel.df()',
    'rel = duckdb.sql("SELECT * FROM trips")\nduckdb.sql("SELECT * FROM rel").df()',
    'con = duckdb.connect()\ncon.execute("SELECT * FROM trips").fetchdf()',
    'q = "SELECT * FROM trips"\nduckdb.sql(q).pl()',
    'duckdb.table("trips").df()',
    'duckdb.read_parquet("data/rides.parquet").df()',
    'duckdb.sql("CREATE VIEW v AS SELECT * FROM trips")\nduckdb.sql("SELECT * FROM v").df()',
    'pd.read_sql("SELECT * FROM trips", con)',
    'import glob; pd.concat([pd.read_csv(p) for p in glob.glob("../hive/*/p.csv")])',
    'import glob; pd.concat(pd.read_csv(p) for p in sorted(glob.glob("/home/ada/hive/**/*.csv")))',
    'from pathlib import Path; pd.concat([pd.read_csv(p) for p in Path("../hive").rglob("*.csv")])',
    'pd.read_parquet("../hive")',
    "duckdb.sql(\"SELECT * FROM '../hive/*/p.csv'\").df()",
    'def load():\n    return pd.read_csv("data/trips.csv")\nload()',
    'for name in ["data/small.csv", "data/trips.csv"]:\n    pd.read_csv(name)',
    'try:\n    x = pd.read_csv("data/trips.csv")\nexcept MemoryError:\n    pass',
    'if (x := pd.read_csv("data/trips.csv")) is not None: pass',
]

FINE = [
    'pd.read_csv("data/small.csv")',
    'pd.read_csv("data/trips.csv", nrows=1000)',
    'n = 5000; pd.read_csv("data/trips.csv", nrows=n)',
    'pd.read_csv("data/trips.csv", nrows=count())',
    'for part in pd.read_csv("data/trips.csv", chunksize=100_000): total += part.amount.sum()',
    'pd.read_csv("data/trips.csv", usecols=["amount"])',
    'pd.read_csv("data/trips.csv", usecols=[2])',
    'wanted = ["amount", "qty"]; pd.read_csv("data/trips.csv", usecols=wanted[:1])',
    'pd.read_csv("data/trips.csv", usecols=lambda name: name == "amount")',
    'pd.read_csv("data/trips.csv", skiprows=lambda n: n % 100)',
    'pd.read_csv("data/trips.csv", **options)',
    'pd.read_csv("data/trips.csv", usecols=["qty"], dtype={"qty": "int8"})',
    'pd.concat([p[p.amount > 9] for p in pd.read_csv("data/trips.csv", chunksize=9)])',
    'pd.read_parquet("data/rides.parquet", columns=["qty"])',
    'pd.read_parquet("data/rides.parquet", filters=[("qty", "==", 1)])',
    'import polars as pl; pl.scan_csv("data/trips.csv").group_by("city").len().collect()',
    'import polars as pl; pl.scan_csv("data/trips.csv").head(5).collect()',
    'import polars as pl; pl.scan_csv("data/trips.csv").select("qty").collect()',
    'import polars as pl; pl.read_csv("data/trips.csv", n_rows=10)',
    'import pyarrow.dataset as ds; ds.dataset("data/rides.parquet").to_table(columns=["qty"])',
    'import pyarrow.dataset as ds; ds.dataset("data/rides.parquet").to_table(filter=f)',
    'import pyarrow.parquet as pq; pq.ParquetFile("data/rides.parquet").metadata',
    'import dask.dataframe as dd; dd.read_csv("data/trips.csv")',
    'duckdb.sql("SELECT * FROM trips LIMIT 10").df()',
    'duckdb.sql("SELECT * FROM trips").limit(10).df()',
    'duckdb.sql("SELECT * FROM trips").show()',
    'duckdb.sql("SELECT * FROM trips").aggregate("sum(amount)").df()',
    'duckdb.sql("SELECT * FROM trips").fetchmany(5)',
    'duckdb.sql("SELECT count(*) FROM trips").df()',
    'duckdb.sql("SELECT city, avg(amount) FROM trips GROUP BY city").df()',
    'duckdb.sql("SELECT city, avg(amount) FROM trips GROUP BY ALL").df()',
    'duckdb.sql("SELECT DISTINCT city FROM trips").df()',
    'duckdb.sql("SELECT * FROM trips WHERE id < 10").df()',
    'duckdb.sql("SELECT * FROM trips USING SAMPLE 1000").df()',
    'duckdb.sql("SELECT * FROM trips TABLESAMPLE 1%").df()',
    'duckdb.sql("SELECT * FROM trips JOIN small USING (id)").df()',
    'duckdb.sql("SELECT * FROM trips LIMIT 1%").df()',
    'duckdb.sql("SELECT qty FROM trips").df()',
    'duckdb.sql("SELECT max(amount) OVER () FROM trips LIMIT 3").df()',
    "duckdb.sql(\"SELECT 'FROM trips' AS text\").df()",
    'duckdb.sql("SELECT * FROM (SELECT city, count(*) FROM trips GROUP BY 1)").df()',
    'duckdb.sql("SUMMARIZE trips").df()',
    'duckdb.sql("DESCRIBE SELECT * FROM trips").df()',
    'duckdb.sql("CREATE TABLE some AS SELECT * FROM trips WHERE qty = 1")',
    'duckdb.sql("CREATE OR REPLACE TEMP TABLE trips AS SELECT 1 AS a")\n'
    'duckdb.sql("SELECT * FROM trips").df()',
    'open("data/trips.csv").readline()',
    'with open("data/trips.csv") as file: head = file.read(100)',
    'with open("data/trips.csv") as file:\n    for line in file: pass',
    'small.query("id > 3")',
    'df.select("trips").collect()',
    "\"pd.read_csv('data/trips.csv')\"",
    'pd.read_csv("data/other.csv")',
    "pd.read_csv(path_of_somebody)",
    'import glob; sizes = [len(p) for p in glob.glob("../hive/*/p.csv")]',
    'import glob\nfor p in glob.glob("../hive/*/p.csv"):\n    one = pd.read_csv(p)',
    'import glob; pd.concat([pd.read_csv(p, usecols=["qty"]) for p in glob.glob("../hive/*/p.csv")])',
    "not python (",
]


@pytest.mark.parametrize("code", TOO_LARGE)
def test_what_does_not_fit_is_found(code: str) -> None:
    code = code.replace("; ", "\n", 1) if code.startswith(("import", "from")) else code
    assert len(found(code)) == 1


@pytest.mark.parametrize("code", FINE)
def test_what_may_fit_is_left_alone(code: str) -> None:
    code = code.replace("; ", "\n", 1) if code.startswith(("import", "from")) else code
    assert found(code) == []


@pytest.mark.parametrize("code", TOO_LARGE)
def test_everything_fits_a_large_kernel(code: str) -> None:
    assert found(code, room=400 * GIB) == []


def test_without_a_known_limit_nothing_is_too_large() -> None:
    assert found('pd.read_csv("data/trips.csv")', room=0) == []


def test_names_of_earlier_cells_are_followed() -> None:
    earlier = ('where = "data/trips.csv"\n', 'rel = duckdb.sql("SELECT * FROM trips")')
    assert found("x = 1\npd.read_csv(where)", earlier=earlier) == [2]
    assert found("rel.df()", earlier=earlier) == [1]
    assert found("pd.read_csv(where)", earlier=(*earlier, "where = choose()")) == []
    assert found('duckdb.sql("SELECT * FROM small").df()', earlier=("small = 1",)) == []


def test_what_the_kernel_holds_leaves_less_room() -> None:
    code = 'pd.read_csv("data/trips.csv", usecols=["amount"])'
    held = Frame(name="x", type="pandas.DataFrame", shape=(150_000_000, 1))
    assert found(code) == []
    assert found(code, frames=(held,)) == [1]


@pytest.mark.parametrize(
    ("code", "sql"),
    [
        (
            'df = pd.read_csv("data/trips.csv")\ndf.groupby("city")["amount"].mean()',
            "SELECT city, avg(amount) AS mean_amount FROM trips GROUP BY city",
        ),
        (
            'df = pd.read_csv("data/trips.csv")\ndf.groupby(["city", "qty"]).size()',
            "SELECT city, qty, count(*) AS number FROM trips GROUP BY city, qty",
        ),
        (
            'df = pd.read_csv("data/trips.csv")\ndf.groupby("city").id.nunique().plot()',
            "SELECT city, count(DISTINCT id) AS nunique_id FROM trips GROUP BY city",
        ),
        ('df = pd.read_csv("data/trips.csv")\ndf["qty"].hist()', "SELECT qty FROM trips"),
        (
            'pd.read_csv("data/trips.csv")',
            "SELECT city, count(*) AS number, avg(id) AS mean FROM trips GROUP BY 1",
        ),
    ],
)
def test_the_query_that_would_do_is_named(code: str, sql: str) -> None:
    import duckdb

    (one,) = said(code)
    assert f'duckdb.sql("{sql}").df()' in one.message
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE trips (id BIGINT, city TEXT, amount DOUBLE, qty BIGINT, day DATE, "
            "note TEXT)"
        )
        connection.execute(sql)
    assert found(f'duckdb.sql("{sql}").df()') == []


@given(st.text(max_size=200), st.sampled_from(TOO_LARGE))
def test_any_code_is_read_without_an_exception(text: str, known: str) -> None:
    found(text)
    found(f"{known}\n{text}")
    found(f"duckdb.sql({text!r}).df()")
    found(f"duckdb.sql({'SELECT * FROM trips ' + text!r}).df()")
    found(f"pd.read_csv({text!r})")
