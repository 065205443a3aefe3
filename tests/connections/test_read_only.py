"""What reaches a real PostgreSQL can only read: attacks, and how much of the server they change."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path

import pytest

from analyst_kernel.connections.entries import ConnectionEntry, checked_entry
from analyst_kernel.connections.guard import called_names
from analyst_kernel.connections.outside import DatabaseFailed, DatabaseWorker
from tests.connections.server import ODD_COLUMN, ODD_TABLE, Postgres

pytestmark = pytest.mark.real

ATTACKS = {
    "commit; delete from orders": "one query",
    "select 1; delete from orders": "one query",
    "select 1) q; delete from orders; --": "refused",
    "set transaction read write; delete from orders": "one query",
    "set session characteristics as transaction read write": "one query",
    "set default_transaction_read_only = off": "one query",
    "select set_config('transaction_read_only', 'off', false)": "set_config",
    "select set_config('statement_timeout', '0', false)": "set_config",
    "delete from orders returning 1": "one query",
    "with x as (delete from orders returning 1) select * from x": "can only|Only queries",
    "copy orders to '/tmp/analyst-attack'": "one query",
    "copy orders to program 'touch /tmp/analyst-attack'": "one query",
    "select * into stolen from orders": "refused",
    "select pg_read_file('/etc/passwd')": "pg_read_file",
    "select pg_ls_dir('/')": "pg_ls_dir|permission denied",
    "select lo_import('/etc/passwd')": "lo_import",
    "select lo_create(4242)": "lo_create",
    "select dblink_exec('dbname=shop', 'delete from orders')": "does not exist|dblink",
    "select enters()": "enters",
    "select enters_quietly()": "Only queries",
    "select of_row(c) from customers c": "of_row",
    "select c.of_row from customers c": "of_row",
    "select (c).of_row from customers c": "of_row",
    "select * from orders for update": "Only queries",
    "select nextval('tickets')": "nextval",
    "select setval('tickets', 77)": "setval",
    "select pg_advisory_lock(1)": "pg_advisory_lock",
    "select pg_catalog . /* /* a */ b */ pg_advisory_lock -- c\n (1)": "pg_advisory_lock",
    'select "pg_advisory_lock"(1)': "pg_advisory_lock",
    'select U&"pg\\005fadvisory\\005flock"(1)': "Unicode escapes",
    "select PG_TRY_ADVISORY_LOCK(1)": "pg_try_advisory_lock",
    "select query_to_xml('select pg_advisory_lock(1)', true, true, '')": "query_to_xml",
    "select pg_notify('a', 'b')": "pg_notify",
    "select pg_terminate_backend(pid) from pg_stat_activity": "pg_terminate_backend",
    "select E'\\'', pg_advisory_lock(1) --'": "pg_advisory_lock",
    "select $a$ ' $a$, pg_advisory_lock(1)": "pg_advisory_lock",
    "prepare p as delete from orders": "one query",
    "execute p": "one query",
    "do $$ begin delete from orders; end $$": "one query",
    "call enters()": "one query|enters",
    "explain analyze delete from orders": "one query",
    "listen a": "one query|refused",
    "lock table orders": "one query",
}
"""Each with what the refusal names."""

GOOD = (
    "select count(*) from orders",
    "select count(*) from orders;",
    "select 'a ; delete from orders' as text -- and a comment",
    "with x as (select customer_id, sum(amount) s from orders group by 1) select * from x",
    "values (1, 'a')",
    "table customers",
    "select random() as r, now() as t, round(1.5::numeric, 1) as n",
    f"select {ODD_COLUMN} from {ODD_TABLE}",
    "select 'pg_advisory_lock(1)' as text /* pg_sleep(9) */",
)

STATE = """
SELECT (SELECT count(*) FROM orders), (SELECT sum(id) FROM customers),
       (SELECT last_value FROM tickets), (SELECT is_called FROM tickets),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
       (SELECT count(*) FROM pg_largeobject_metadata),
       (SELECT count(*) FROM pg_class WHERE relname = 'stolen'),
       (SELECT count(*) FROM pg_prepared_statements),
       current_setting('default_transaction_read_only')
"""


async def test_attacks_are_refused_and_change_nothing(
    postgres: Postgres, shop: ConnectionEntry, tmp_path: Path
) -> None:
    before = postgres.rows(STATE)
    said: dict[str, str] = {}
    async with DatabaseWorker() as worker:
        for sql in ATTACKS:
            target = tmp_path / "rows.arrow"
            try:
                await worker.ask(shop, "fetch", sql=sql, target=str(target))
            except DatabaseFailed as error:
                said[sql] = str(error)
            assert not list(tmp_path.iterdir())
        for sql in list(ATTACKS)[::3]:  # nor does asking for the columns alone run anything
            with contextlib.suppress(DatabaseFailed):
                await worker.ask(shop, "describe", sql=sql)
        for sql in list(ATTACKS)[1::3]:  # nor does asking for an estimate
            with contextlib.suppress(DatabaseFailed):
                await worker.ask(shop, "estimate", sql=sql)
        for sql in GOOD:
            assert (await worker.ask(shop, "estimate", sql=sql))["rows"] > 0, sql
            result = await worker.ask(shop, "fetch", sql=sql, target=str(tmp_path / "good.arrow"))
            assert result["rows"] > 0, sql
    assert set(ATTACKS) - set(said) == set(), "these ran"
    otherwise = {
        sql: said[sql] for sql, named in ATTACKS.items() if not re.search(named, said[sql])
    }
    assert otherwise == {}
    assert postgres.rows(STATE) == before
    assert not Path("/tmp/analyst-attack").exists()


@pytest.mark.parametrize(("role", "why"), [("postgres", "superuser"), ("filer", "server's files")])
async def test_mighty_roles_are_refused_when_they_connect(
    postgres: Postgres, role: str, why: str
) -> None:
    entry = checked_entry("shop", postgres.local(role))
    before = postgres.rows(STATE)
    async with DatabaseWorker() as worker:
        for kind in ("test", "schema", "fetch"):
            with pytest.raises(DatabaseFailed, match=why):
                await worker.ask(
                    entry, kind, sql="copy orders to program 'touch /tmp/analyst-attack'"
                )
    assert postgres.rows(STATE) == before


RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


async def _until(postgres: Postgres, count: int) -> None:
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(postgres.rows, RUNNING))[0][0] != count:
            await asyncio.sleep(0.05)


async def test_a_cancelled_query_ends_on_the_server(
    postgres: Postgres, shop: ConnectionEntry, tmp_path: Path
) -> None:
    async with DatabaseWorker() as worker:
        target = str(tmp_path / "rows.arrow")
        asked = asyncio.create_task(
            worker.ask(shop, "fetch", sql="select pg_sleep(1e5)", target=target)
        )
        await _until(postgres, 1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await _until(postgres, 0)
        # The next task has a process of its own.
        assert (await worker.ask(shop, "fetch", sql="select 1", target=target))["rows"] == 1


async def test_a_query_ends_with_the_process_that_asked(
    postgres: Postgres, shop: ConnectionEntry, tmp_path: Path
) -> None:
    async with DatabaseWorker() as worker:
        asked = asyncio.create_task(
            worker.ask(shop, "fetch", sql="select pg_sleep(1e5)", target=str(tmp_path / "r.arrow"))
        )
        await _until(postgres, 1)
        assert worker._process is not None
        worker._process.kill()
        with pytest.raises(DatabaseFailed, match="ended without an answer"):
            await asked
        await _until(postgres, 0)


async def test_a_process_that_nothing_is_asked_ends_and_comes_again(shop: ConnectionEntry) -> None:
    async with DatabaseWorker() as worker:
        worker.idle_seconds = 0.0
        await worker.ask(shop, "test")
        first = worker._process
        assert first is not None
        await first.wait()
        assert (await worker.ask(shop, "test"))["role"] == "reader"
        assert worker._process is not first


@pytest.mark.parametrize(
    ("sql", "called"),
    [
        ("select f(1), g (2), h /* x */ (3), i -- y\n(4)", {"f", "g", "h", "i"}),
        ("select 'f(1)', \"G\"(2), E'\\'f(', $$ f( $$, $t$ f( $$ $t$", {"G"}),
        ("select a$b$(1), x.y(2), 1f(3), ünï(4)", {"a$b$", "y", "f", "ünï"}),
        ("select /* f( /* g( */ h( */ 1", set()),
        ("select 'open", set()),
        ('select "a""b"(1) /* open f(', {'a"b'}),
    ],
)
def test_called_functions_are_found_as_the_server_reads(sql: str, called: set[str]) -> None:
    assert called_names(sql).called == called


def test_names_behind_a_dot_and_escapes_are_found() -> None:
    assert called_names("select c.f from (select 1) c").dotted == {"f"}
    assert called_names('select c . "F"').dotted == {"F"}
    assert called_names("select U&'d\\0061t'").escapes
    assert not called_names("select u & 1, 'U&'").escapes
