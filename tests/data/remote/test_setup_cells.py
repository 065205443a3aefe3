"""The setup cell of every kind of file: in a kernel without network, and in plain Python with one."""

from __future__ import annotations

import gzip
import io
import os
import sqlite3
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
import pytest_asyncio

from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.remote.fetch import Fetcher
from analyst_kernel.grants import GrantStore
from analyst_kernel.kernel.session import KernelSession
from tests.fakes.web_server import web_server, whole
from tests.support.reading import catalog_here
from tests.support.remote.object_server import ObjectServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.real]

FRAME = pd.DataFrame({"region": ["north", "south", "north"] * 4, "units": range(12)})
CSV = FRAME.to_csv(index=False).encode()
TOTAL = int(FRAME["units"].sum())


def _sqlite(tmp: Path) -> bytes:
    with sqlite3.connect(tmp / "x.sqlite") as connection:
        FRAME.to_sql("in_sqlite", connection, index=False)
    connection.close()
    return (tmp / "x.sqlite").read_bytes()


def _duckdb(tmp: Path) -> bytes:
    with duckdb.connect(str(tmp / "x.duckdb")) as connection:
        connection.register("given", FRAME)
        connection.execute("CREATE TABLE in_duckdb AS SELECT * FROM given")
    return (tmp / "x.duckdb").read_bytes()


def _files(tmp: Path) -> dict[str, bytes]:
    """Return a file of each kind that a setup cell has a way of its own for."""
    excel, parquet, feather, stream, packed = (io.BytesIO() for _ in range(5))
    FRAME.to_excel(excel, index=False)
    FRAME.to_parquet(parquet)
    table = pa.Table.from_pandas(FRAME)
    pyarrow.feather.write_feather(table, feather)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("member_a.csv", CSV)
        archive.writestr("member_b.csv", CSV)
    return {
        "plain.csv": CSV,
        "packed.csv.gz": gzip.compress(CSV),
        "a 'name'.csv": CSV,
        "lines.jsonl": FRAME.to_json(orient="records", lines=True).encode(),
        "records.json.gz": gzip.compress(FRAME.to_json(orient="records").encode()),
        "sheet.xlsx": excel.getvalue(),
        "columns.parquet": parquet.getvalue(),
        "hive/year=2024/part.parquet": parquet.getvalue(),
        "frame.feather": feather.getvalue(),
        "stream.arrow": stream.getvalue(),
        "two.zip": packed.getvalue(),
        "x.sqlite": _sqlite(tmp),
        "x.duckdb": _duckdb(tmp),
    }


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("setup")


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    with web_server() as server:
        server.answers["/d/web.csv"] = whole(CSV)
        yield f"http://{server.place}/d/web.csv"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def granted(store: ObjectServer, here: Path, page: str) -> list[str]:
    for name, body in _files(here).items():
        store.put(f"open/kinds/{name}", body)
    return await Fetcher(env=store.environment()).local(["s3://lake/open/kinds/", page])


async def _catalog(here: Path, granted: list[str], most: int) -> LocalCatalog:
    catalog = catalog_here(notebook=str(here / "n.ipynb"), max_frame_bytes=most)
    await catalog.grant(granted)
    assert catalog.problems == ()
    return catalog


def _check(catalog: LocalCatalog) -> str:
    """Return code that prints the sum of each table's units."""
    lines = ["import duckdb"]
    for one in catalog.datasets:
        if one.load == "frame":
            lines.append(f"print({one.name!r}, int({one.name}['units'].sum()))")
        else:
            query = f'SELECT sum(units) FROM "{one.name}"'
            lines.append(f"print({one.name!r}, int(duckdb.sql({query!r}).fetchall()[0][0]))")
    return "\n".join(lines)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kernel(here: Path, granted: list[str]) -> AsyncIterator[KernelSession]:
    notebook = here / "n.ipynb"
    GrantStore().record_all(str(notebook), granted, analysis="an-1")
    session = KernelSession(
        notebook=str(notebook), require="restricted", start_options={"analysis": "an-1"}
    )
    await session.start()
    yield session
    await session.stop()


async def run(kernel: KernelSession, code: str) -> str:
    execution = await kernel.execute(code, timeout=120)
    assert execution.error is None, f"{execution.error}\n{code}"
    return "".join(getattr(output, "text", "") for output in execution.outputs)


@pytest.mark.parametrize("most", [200_000_000, 1], ids=["frames", "left on disk"])
async def test_every_kind_loads_in_the_kernel_and_elsewhere(
    here: Path, granted: list[str], store: ObjectServer, kernel: KernelSession, most: int
) -> None:
    catalog = await _catalog(here, granted, most)
    expected = {f"{one.name} {TOTAL}" for one in catalog.datasets}
    assert len(expected) == 15
    code = catalog.setup_code()
    assert "remote/trees" not in code  # no path of this machine
    before = len(store.requests)
    shown = await run(kernel, code + "\n" + _check(catalog))
    assert expected <= set(shown.splitlines()), shown
    assert store.requests[before:] == []

    # Elsewhere: another implementation of s3:// for fsspec, and real requests. DuckDB reads the web
    # by an extension that it would download.
    if most == 1:
        catalog.withdraw("web")
        expected.discard(f"web {TOTAL}")
        code = catalog.setup_code()
    head = """
    import os, fsspec, duckdb, obstore.fsspec
    obstore.fsspec.register("s3", asynchronous=False)
    class Client(fsspec.get_filesystem_class("s3")):
        def __init__(self, *a, **k):
            super().__init__(*a, client_options={"allow_http": True}, **k)
    fsspec.register_implementation("s3", Client, clobber=True)
    duckdb.register_filesystem(fsspec.filesystem("s3"))
    duckdb.sql("SET autoinstall_known_extensions = false")
    def display(*_): pass
    """
    done = subprocess.run(
        [sys.executable, "-c", f"{textwrap.dedent(head)}\n{code}\n{_check(catalog)}"],
        cwd=here, env={**os.environ, **store.environment()}, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert expected <= set(done.stdout.splitlines()), done.stderr[-1500:]
    assert store.requests[before:]


LINES = [
    'print(pd.read_csv("s3://lake/open/kinds/plain.csv")["units"].sum())',
    'print(pd.read_parquet("s3://lake/open/kinds/columns.parquet")["units"].sum())',
    'print(pd.read_parquet("s3://lake/open/kinds/hive/")["units"].sum())',
    'print(pq.read_table("s3://lake/open/kinds/columns.parquet")["units"].to_pandas().sum())',
    'print(pq.ParquetDataset("s3://lake/open/kinds/hive/").read()["units"].to_pandas().sum())',
    "print(duckdb.sql(\"SELECT sum(units) FROM 's3://lake/open/kinds/plain.csv'\").fetchall()[0][0])",
    "print(duckdb.connect().sql(\"SELECT sum(units) FROM 's3://lake/open/kinds/*.parquet'\")"
    ".fetchall()[0][0])",
    'print(pd.read_csv(fsspec.open("s3a://lake/open/kinds/plain.csv").open())["units"].sum())',
    'print(66 if fsspec.filesystem("s3").ls("lake/open/kinds/hive") else 0)',
    'print(pd.read_csv("PAGE")["units"].sum())',
    "print(duckdb.sql(\"SELECT sum(units) FROM read_csv('PAGE')\").fetchall()[0][0])",
]


async def test_other_lines_read_the_copies_too(kernel: KernelSession, page: str) -> None:
    code = "import duckdb, fsspec\nimport pandas as pd\nimport pyarrow.parquet as pq\n"
    shown = await run(kernel, code + "\n".join(LINES).replace("PAGE", page))
    assert shown.split() == [str(TOTAL)] * len(LINES)


async def test_what_is_not_attached_is_said_so_and_nothing_can_be_written(
    kernel: KernelSession, store: ObjectServer
) -> None:
    before = len(store.requests)
    for line, words in (
        ('pd.read_csv("s3://lake/open/base/sales.csv")', "not attached to this analysis"),
        ('pd.read_parquet("gs://other/x.parquet")', "not attached"),
        ('open(fsspec.open_local("simplecache::s3://lake/open/base/sales.csv"))', "not attached"),
        ('pd.DataFrame({"a": [1]}).to_csv("s3://lake/open/new.csv")', "read-only"),
    ):
        execution = await kernel.execute(f"import fsspec\nimport pandas as pd\n{line}", timeout=60)
        assert execution.error is not None
        assert words in execution.error.message
    assert store.requests[before:] == []
