"""Every failure of a real server is one sentence that names no password, and leaves nothing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from analyst_kernel.connections.attached import AttachedConnections
from analyst_kernel.connections.entries import ConnectionEntry, checked_entry
from analyst_kernel.connections.outside import DatabaseFailed, DatabaseWorker
from analyst_kernel.protocol.errors import AnalystError, DataError, InputError, KeyStoreError
from tests.connections.server import ODD_COLUMN, ODD_TABLE, PASSWORD, Postgres

pytestmark = pytest.mark.real

REFUSED = (
    ("select nope from orders", "nope"),
    ("select * from no_such_table", "no_such_table"),
    ("selec 1", 'syntax error at or near "selec"'),
    ("", "end of input"),
    ("select * from hidden", "permission denied"),
    ("select 1 / 0", "division by zero"),
    ("select pg_sleep(1e5)", r"longer than 2 s, the limit of shop"),
    ("select * from generate_series(1, 2000)", "more than 1,500 rows, the limit of shop"),
    ("select repeat('x', 400000) from generate_series(1, 20)", "more than 1 MB"),
    ("select address from kinds", r"'address' is of the type inet.*CAST\(\.\.\. AS text\)"),
    ("select price from kinds", r"type money.*AS numeric"),
    ("select parts from kinds", r"type numeric\[\].*float8\[\]"),
    ("select 1 as a, 2 as a", "Several columns .* 'a'"),
    ("select '\0'", "zero byte"),
)


async def test_what_a_query_does_wrong_is_said_in_a_sentence(
    shop: ConnectionEntry, tmp_path: Path
) -> None:
    entry = shop.model_copy(update={"max_seconds": 2.0, "max_rows": 1_500, "max_megabytes": 1})
    otherwise = {}
    async with DatabaseWorker() as worker:
        for sql, said in REFUSED:
            with pytest.raises(DatabaseFailed) as found:
                await worker.ask(entry, "fetch", sql=sql, target=str(tmp_path / "rows.arrow"))
            text = str(found.value)
            if not re.search(said, text) or "\n" in text or "DECLARE" in text:
                otherwise[sql] = text
    assert otherwise == {}
    assert list(tmp_path.iterdir()) == []


async def test_who_cannot_connect_is_told_why(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGHT", PASSWORD)
    monkeypatch.setenv("WRONG", "Ver5ehen")
    cases: tuple[tuple[str, str, type[AnalystError], str], ...] = (
        (postgres.address(), "env:WRONG", DatabaseFailed, "the password was refused"),
        (postgres.address(), "libpq", DatabaseFailed, "the password was refused"),
        (postgres.address(), "env:MISSING", KeyStoreError, "MISSING, which is not set"),
        (postgres.address(), "keyring", KeyStoreError, "the keyring, which has none"),
        (postgres.address(database="nope"), "env:RIGHT", DatabaseFailed, "no such database"),
        (postgres.local("nobody_here"), "libpq", DatabaseFailed, "no such role"),
        (postgres.address(database="guarded"), "env:RIGHT", DatabaseFailed, "do not let"),
        (postgres.address(sslmode="require"), "env:RIGHT", DatabaseFailed, "encrypted connection"),
        ("postgresql://reader@127.0.0.1:1/shop", "env:RIGHT", DatabaseFailed, "no server answers"),
        ("postgresql:///?service=nowhere", "libpq", DatabaseFailed, "service"),
        (f"postgresql://reader@/shop?host={postgres.folder}/none", "libpq", DatabaseFailed, "no server"),
    )  # fmt: skip
    said = {}
    async with DatabaseWorker() as worker:
        for number, (address, source, kind, named) in enumerate(cases):
            entry = checked_entry("shop", address, password_from=source)
            with pytest.raises(kind) as found:
                await worker.ask(entry, "test")
            text = str(found.value)
            assert PASSWORD not in text
            assert "Ver5ehen" not in text
            if named not in text or "\n" in text:
                said[number] = text
    assert said == {}


async def test_a_service_file_is_read(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, passwords = tmp_path / "service", tmp_path / "pgpass"
    service.write_text(f"[shop]\nhost=127.0.0.1\nport={postgres.port}\ndbname=shop\nuser=reader\n")
    passwords.write_text(f"127.0.0.1:{postgres.port}:shop:reader:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    entry = checked_entry("shop", "postgresql:///?service=shop")
    async with DatabaseWorker() as worker:
        assert (await worker.ask(entry, "test"))["role"] == "reader"


async def test_a_server_that_goes_in_the_middle(
    postgres: Postgres, shop: ConnectionEntry, tmp_path: Path
) -> None:
    ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    async with DatabaseWorker() as worker:
        target = str(tmp_path / "rows.arrow")
        asked = asyncio.create_task(
            worker.ask(shop, "fetch", sql="select pg_sleep(1e5)", target=target)
        )
        while not asked.done() and not await asyncio.to_thread(postgres.rows, ends):
            await asyncio.sleep(0.05)
        with pytest.raises(DatabaseFailed, match="broke the connection in the middle"):
            await asked
        assert (await worker.ask(shop, "fetch", sql="select 1", target=target))["rows"] == 1


async def test_values_arrive_as_they_are(shop: ConnectionEntry, tmp_path: Path) -> None:
    target = tmp_path / "rows.arrow"

    async def fetched(worker: DatabaseWorker, sql: str) -> tuple[list[str], pa.Table]:
        result = await worker.ask(shop, "fetch", sql=sql, target=str(target))
        with pa.memory_map(str(target)) as source:
            return result["notes"], pa.ipc.open_file(source).read_all()

    async with DatabaseWorker() as worker:
        notes, table = await fetched(worker, "select * from orders order by id")
        assert notes == []
        assert table.num_rows == 500
        row = table.slice(9, 1).to_pylist()[0]
        assert (row["id"], row["amount"], row["note"], row["tags"]) == (
            10,
            None,
            "note 2",
            ["a", "b"],
        )
        assert table.slice(0, 1).to_pylist()[0]["amount"] == "1.25"
        notes, table = await fetched(worker, "select id, big, long, bytes, clock, color from kinds")
        assert ["'big'" in notes[0], "'long'" in notes[1]] == [True, True]
        assert table["bytes"].to_pylist() == [b"\x00\xff", None]
        notes, table = await fetched(worker, "select * from orders where false")
        assert (table.num_rows, table.num_columns) == (0, 11)
        _, table = await fetched(worker, f'select {ODD_COLUMN} as "it\'s ""so" from {ODD_TABLE}')
        assert table.to_pydict() == {"it's \"so": [7, None]}
        _, table = await fetched(worker, "select g, g * 2 as h from generate_series(1, 300000) g")
        assert (table.num_rows, sum(table["g"].to_pylist())) == (300_000, 300_000 * 300_001 // 2)


async def test_tables_are_listed_and_described_by_the_server(shop: ConnectionEntry) -> None:
    databases = AttachedConnections([shop], None)
    try:
        assert await databases.look() == ()
        text = databases.describe(question="orders")
        assert (
            "- public.orders (table, about 500 rows): id bigint key, customer_id integer -> "
            in text
        )
        assert "public.customers.id" in text
        assert '- "odd ""names"."Order\'s ""list"' in text
        assert "hidden" not in text
        assert "Ada" not in text
        assert len(databases.describe(budget=40)) < 400
        profile = await databases.profile("shop.public.orders")
        by_name = {column.name: column for column in profile.columns}
        assert profile.dataset.rows == 500
        amount = by_name["amount"]
        assert (amount.nulls, amount.distinct, amount.minimum, amount.maximum) == (
            50,
            450,
            1.25,
            623.75,
        )
        assert by_name["note"].top[0].count == 125
        assert by_name["placed"].minimum == "2026-01-01"
        odd = await databases.profile("shop.Order's \"list")
        assert odd.columns[0].name == "a \"b' c"
        assert odd.head == (("7", "x"), (None, None))
        with pytest.raises(DataError, match="The nearest is shop"):
            await databases.profile("shop.public.order")
        with pytest.raises(DataError, match="no column 'nope'"):
            await databases.profile("shop.orders", columns=["nope"])
    finally:
        await databases.aclose()


@pytest.mark.parametrize(
    ("name", "address", "source", "said"),
    [
        ("Shop", "postgresql://a@b/c", "libpq", "cannot be the name"),
        ("shop", "mysql://a@b/c", "libpq", "engine that is supported"),
        ("shop", "postgresql://a:Gehe1m@b/c", "libpq", "holds a password"),
        ("shop", f"postgresql://a@b/c?password={PASSWORD}", "libpq", "holds a password"),
        ("shop", "postgresql://a@b/c?options=-csuperuser", "libpq", "'options'"),
        ("shop", "postgresql://a@b:port/c", "libpq", "no address"),
        ("shop", "postgresql://a@b/c", PASSWORD, "no source of a password"),
        ("shop", "postgresql://a@b/c", "env:not a name", "no source"),
    ],
)
def test_what_is_no_connection_is_refused(name: str, address: str, source: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as found:
        checked_entry(name, address, password_from=source)
    assert "Gehe1m" not in str(found.value)


def test_limits_are_checked() -> None:
    bad: dict[str, Any] = {"max_rows": 0}
    with pytest.raises(InputError, match="max_rows"):
        checked_entry("shop", "postgresql://a@b/c", **bad)
