"""Connections over REST and the socket: what a panel does with them, and where no password lies."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.connections.outside import DatabaseWorker
from analyst_kernel.protocol.errors import AnalystError
from tests.connections.server import ODD_SCHEMA, PASSWORD, Postgres
from tests.fakes.turns import call, say, script
from tests.server.browser import TOKEN, Answer, Browser
from tests.server.conftest import Server, StartServer

pytestmark = pytest.mark.real

ROUTE = "api/connections"


async def add(browser: Browser, postgres: Postgres, **changed: Any) -> Answer:
    body = {
        "name": "shop",
        "address": postgres.address(),
        "password_from": "stored",
        "password": PASSWORD,
        **changed,
    }
    return await browser.call("POST", ROUTE, body)


async def test_a_connection_from_its_adding_to_its_removal(
    server: Server, postgres: Postgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.app.log.setLevel(logging.DEBUG)
    browser = server.browser
    own = tmp_path / "data" / "analyst-kernel"
    said: list[bytes] = []

    async def asked(method: str, path: str = "", body: object = None, **query: str) -> Answer:
        answer = await browser.call(method, ROUTE + path, body, **query)
        said.append(answer.body)
        return answer

    empty = (await asked("GET")).json
    assert (empty["connections"], empty["password_place"]) == ([], "file")
    assert empty["engines"][0]["name"] == "postgresql"
    # What cannot be added is refused in a sentence that quotes no secret.
    for changed, part in (
        ({"address": f"postgresql://reader:{PASSWORD}@localhost/shop"}, "holds a password"),
        ({"address": "https://example.org"}, "does not begin with the name of an engine"),
        ({"address": 7}, "needs the text"),
        ({"name": "Shop!"}, "cannot be the name"),
        ({"password_from": PASSWORD}, "no source of a password"),
        ({"password": ""}, "no password"),
        ({"max_rows": -1}, "max_rows cannot be used"),
        ({"max_rows": "many"}, "max_rows cannot be used"),
    ):
        refused = await add(browser, postgres, **changed)
        said.append(refused.body)
        assert refused.status == 400, refused.body
        assert part in refused.json["message"], refused.body
    assert (await asked("GET")).json["connections"] == []
    added = await add(browser, postgres)
    assert (added.status, added.json["password_from"]) == (201, "stored")
    said.append(added.body)
    file = own / "passwords.json"
    assert json.loads(file.read_text()) == {"shop": PASSWORD}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = (await asked("GET")).json["connections"]
    assert [one["address"] for one in listed] == [postgres.address()]
    # It is tried, in one sentence.
    tried = (await asked("POST", "/shop")).json
    assert tried["said"].startswith("shop: shop on PostgreSQL ")
    assert tried["said"].endswith(", as reader.")
    assert "may change 3 tables" in tried["warning"]
    # What is in it: bounded, found by the names of tables and columns.
    found = (await asked("GET", "/shop/tables")).json
    assert found["total"] == found["found"] == 4
    orders = next(one for one in found["tables"] if one["name"] == "orders")
    assert orders == {
        "schema": "public", "name": "orders", "kind": "table", "rows": 500, "columns": 11,
    }  # fmt: skip
    found = (await asked("GET", "/shop/tables", search="CUSTOMER_ID")).json
    assert [one["name"] for one in found["tables"]] == ["orders"]
    columns = (await asked("GET", "/shop/tables", schema="public", table="orders")).json
    assert columns["columns"][:2] == [
        {"name": "id", "type": "bigint", "key": True, "refers_to": ""},
        {
            "name": "customer_id",
            "type": "integer",
            "key": False,
            "refers_to": "public.customers.id",
        },
    ]
    odd = ODD_SCHEMA[1:-1].replace('""', '"')
    columns = (await asked("GET", "/shop/tables", schema=odd, table="Order's \"list")).json
    assert [one["name"] for one in columns["columns"]] == ["a \"b' c", "select"]
    assert (await asked("GET", "/shop/tables", schema="a", table="b")).status == 404
    # What goes wrong is one sentence, and nothing is lost.
    await add(browser, postgres, password="Falsch-9")
    wrong = await asked("POST", "/shop")
    assert (wrong.status, wrong.json["message"]) == (
        400, "shop could not be asked: the password was refused.",
    )  # fmt: skip
    await add(browser, postgres, name="gone", address="postgresql://a@127.0.0.1:1/b")
    assert "no server answers there" in (await asked("GET", "/gone/tables")).json["message"]
    assert "There is no connection 'nope'" in (await asked("POST", "/nope")).json["message"]
    await add(browser, postgres, password_from="env:NOT_SET_ANYWHERE")
    assert json.loads(file.read_text()) == {"gone": PASSWORD}
    assert "NOT_SET_ANYWHERE, which is not set" in (await asked("POST", "/shop")).json["message"]
    for name in ("shop", "gone"):
        assert (await asked("DELETE", f"/{name}")).status == 200
    assert json.loads(file.read_text()) == {}
    (own / "connections.json").write_text("{")
    assert "cannot be read" in (await asked("GET")).json["problem"]
    assert "cannot be read" in (await add(browser, postgres)).json["message"]
    assert json.loads(file.read_text()) == {}
    everything = b"".join([*said, caplog.text.encode()])
    everything += b"".join(one.read_bytes() for one in own.rglob("*") if one.is_file())
    for secret in (PASSWORD, "Falsch-9", "Gehe1m"):
        assert secret.encode() not in everything


async def test_where_an_administrator_keeps_secrets_no_password_is_stored(
    start_server: StartServer, postgres: Postgres, tmp_path: Path
) -> None:
    browser = (await start_server(locked={"keys": True})).browser
    assert (await browser.call("GET", ROUTE)).json["password_place"] == ""
    refused = await add(browser, postgres)
    assert "administrator of this server decides" in refused.json["message"]
    assert (await add(browser, postgres, password_from="env:SHOP_PASSWORD")).status == 201
    assert not (tmp_path / "data" / "analyst-kernel" / "passwords.json").exists()


async def test_a_look_ends_when_the_browser_goes(
    browser: Browser, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: asyncio.Queue[str] = asyncio.Queue()
    ask: Callable[..., Any] = DatabaseWorker.ask

    async def noted(*arguments: Any, **keywords: Any) -> Any:
        try:
            return await ask(*arguments, **keywords)
        except asyncio.CancelledError:
            ends.put_nowait("cancelled")
            raise
        except AnalystError:
            ends.put_nowait("failed")
            raise

    monkeypatch.setattr(DatabaseWorker, "ask", noted)
    reached = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        address = f"postgresql://reader@127.0.0.1:{port}/shop"
        assert (await add(browser, postgres, address=address)).status == 201
        host, _, base = browser.base.partition("/")
        reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
        writer.write(
            f"POST /{base}analyst-kernel/{ROUTE}/shop HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: token {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        await reached.wait()
        writer.close()
        assert await ends.get() == "cancelled"
        assert reader.at_eof() or await reader.read() == b""


async def test_a_database_is_attached_asked_stopped_and_taken_back(
    browser: Browser, postgres: Postgres, tmp_path: Path
) -> None:
    assert (await add(browser, postgres)).status == 201
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    refused = await tab.command("attach_connection", analysis, name="store")
    assert refused["message"].startswith("There is no connection 'store'")
    # Before there is a notebook.
    await tab.do("attach_connection", analysis, name="shop")
    await tab.event("analysis_configured", connections=["shop"])
    model = script(
        tmp_path,
        call("run_sql", connection="shop", sql="SELECT count(*) AS n FROM orders", name="number"),
        call("run_sql", connection="shop", sql="SELECT pg_sleep(1e5)", name="slow"),
        say("It was stopped."),
    )
    await tab.do("ask_question", analysis, question="How many?", model=model)
    running = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while not (pids := await asyncio.to_thread(postgres.rows, running)):
        assert not tab.of("run_finished"), tab.of("run_finished")
        await asyncio.sleep(0.05)
    (pid,) = pids[0]
    # While it is at work, nothing is attached or taken back.
    busy = await tab.command("detach_connection", analysis, name="shop")
    assert busy["message"].startswith("A run is at work with this database.")
    await tab.do("cancel_run", analysis)
    finished = await tab.event("run_finished")
    assert finished["status"] == "cancelled"
    while await asyncio.to_thread(
        postgres.rows, f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"
    ):
        await asyncio.sleep(0.05)
    await browser.ended(analysis)
    outcomes = [one["outcome"] for one in tab.of("iteration_finished")]
    assert outcomes == ["ok", "cancelled"]
    # Taken back: what it gave is gone, and the cell says why it has nothing.
    code = tab.of("iteration_started")[0]["code"]
    await tab.do("detach_connection", analysis, name="shop")
    await tab.event("analysis_configured", start=len(tab.frames) - 3, connections=[])
    start = len(tab.frames)
    await tab.do("run_code", analysis, code=code)
    ended = await tab.event("iteration_finished", start=start)
    assert ended["outcome"] == "error"
    assert not list((tmp_path / "data" / "analyst-kernel" / "fetched").glob("*/*.arrow"))
    await browser.ended(analysis)
    # Attached anew, in the opened analysis.
    start = len(tab.frames)
    await tab.do("attach_connection", analysis, name="shop")
    await tab.do("run_code", analysis, code=code)
    again = await tab.event("iteration_finished", start=start)
    assert again["outcome"] == "ok", again
