"""Questions to a real database: the analysis, its sandbox, its notebook, and what a model sees."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.agent.ports import Approval, User
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import Embedding, open_analysis
from analyst_kernel.analysis.databases import attach
from analyst_kernel.analysis.settings import AnalysisSettings
from analyst_kernel.analysis.verify import verify_notebook
from analyst_kernel.connections.entries import ConnectionEntry, checked_entry, connections_of_user
from analyst_kernel.grants import GrantStore
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.records import PrivacyMode
from tests.connections.server import PASSWORD, Postgres
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import Turn, call, finish, python
from tests.fakes.wire_server import WireServer
from tests.support.cli import cells, notebook_at
from tests.support.command import run

pytestmark = pytest.mark.real

TOTALS = (
    "SELECT c.name, sum(o.amount) AS total, count(*) AS n, max(o.placed) AS newest\n"
    "FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY 1 ORDER BY 1"
)
Script = Sequence[Turn | Callable[[dict[str, Any]], Turn]]


@pytest.fixture
def listed(shop: ConnectionEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for notebooks, and a user whose list has the connection."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    connections_of_user().put(shop)
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@asynccontextmanager
async def opened(
    notebook: Path,
    script: Script,
    *,
    privacy: PrivacyMode = "full",
    connections: Sequence[str] = (),
    user: User | None = None,
) -> AsyncIterator[tuple[Analysis, WireServer]]:
    with WireServer(script, keys=[FAKE_KEY]) as server:
        analysis = await open_analysis(
            notebook=notebook,
            connections=connections,
            user=user,
            settings=AnalysisSettings(
                model="anthropic:claude-sonnet-5-5", privacy=privacy, own_instructions=False
            ),
            embedding=Embedding(
                env={"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": FAKE_KEY}
            ),
        )
        try:
            yield analysis, server
        finally:
            await analysis.close()


def sent_by(server: WireServer) -> str:
    bodies = [json.loads(one.data) for one in server.requests if one.method == "POST"]
    return json.dumps(bodies, ensure_ascii=False)


def everything_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_a_question_to_a_database(
    postgres: Postgres, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = listed / "orders.ipynb"
    script = (
        call("profile_dataset", name="shop.public.orders"),
        call("run_sql", connection="shop", sql=TOTALS + ";", name="totals"),
        call("run_sql", connection="shop", sql="DELETE FROM orders", name="gone"),
        call("run_sql", connection="shop", sql="SELECT nope FROM orders", name="nope"),
        call("run_sql", connection="store", sql="SELECT 1", name="one"),
        python("import os\nprint('env', [v for v in os.environ.values() if 'Gehe1m' in v])\n"
               "round(totals['total'].sum(), 2)"),
        finish("Together 140625.0 [cell 4]."),
    )  # fmt: skip
    async with opened(notebook, script, connections=["shop"]) as (analysis, server):
        finished = await analysis.ask("How much did each customer order?")
        assert (finished.status, finished.reason) == ("answered", "")
        sent = sent_by(server)
    assert "Databases, for run_sql with `connection`:" in sent
    assert "amount: number" in sent or "'amount'" in sent
    assert "takes one query that reads at a time" in sent
    assert "does not exist" in sent
    assert "no connection has this name; there is: shop" in sent
    done = cells(notebook_at(notebook), "iteration")
    assert [cell.metadata.analyst_kernel.outcome for cell in done] == ["ok", "error", "error", "ok"]
    assert 'os.environ["SHOP_DATABASE"]' in done[0].source
    assert "env []" in done[3].outputs[0].text
    assert postgres.rows("SELECT count(*) FROM orders") == [(500,)]
    # The password is in nothing that was written or sent.
    assert PASSWORD not in sent
    assert PASSWORD.encode() not in everything_below(tmp_path)
    # Elsewhere the same cell gives the same table, with the driver itself and the user's address.
    code = done[0].source + "\nprint(totals)\nprint(totals.dtypes.to_dict())"
    env = {**os.environ, "SHOP_DATABASE": postgres.local()}
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.startswith(done[0].outputs[0].data["text/plain"])
    assert "dtype('float64')" in elsewhere.stdout
    # Verification asks again, and says what it cannot.
    report = await verify_notebook(notebook)
    assert report.summary == "reproduced 5 of 5", report.checks
    # What was not granted to a copy is not asked for it.
    copy = listed / "copy.ipynb"
    copy.write_bytes(notebook.read_bytes())
    report = await verify_notebook(copy)
    details = [check.detail for check in report.checks]
    assert any("SHOP_DATABASE, which is not attached here" in detail for detail in details), details
    monkeypatch.setenv("SHOP_PASSWORD", "another")
    report = await verify_notebook(copy, connections=["shop"])
    assert any("the password was refused" in check.detail for check in report.checks)
    assert len(list((tmp_path / "jupyter" / "analyst-kernel" / "fetched").iterdir())) == 1


async def test_stop_ends_the_query_and_the_kernel_goes_on(postgres: Postgres, listed: Path) -> None:
    script = (
        call("run_sql", connection="shop", sql="SELECT pg_sleep(1e5)", name="slow"),
        call("run_sql", connection="shop", sql="SELECT 41 + 1 AS answer", name="fast"),
        finish("It is 42 [cell 2]."),
    )
    running = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    async with opened(listed / "a.ipynb", script, connections=["shop"]) as (analysis, _):
        asked = asyncio.create_task(analysis.ask("How long?"))
        while not asked.done() and (await asyncio.to_thread(postgres.rows, running)) == [(0,)]:
            await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        while (await asyncio.to_thread(postgres.rows, running)) != [(0,)]:
            await asyncio.sleep(0.05)
        assert (await analysis.ask("What is it?")).status == "answered"
    outcomes = [
        c.metadata.analyst_kernel.outcome
        for c in cells(notebook_at(listed / "a.ipynb"), "iteration")
    ]
    assert outcomes == ["cancelled", "ok"]


class Decider:
    """A user who decides about cells as they are told, and notes what they were asked."""

    def __init__(self, *decisions: str) -> None:
        self.decisions = list(decisions)
        self.asked: list[str] = []

    async def approve(self, ask: str, code: str, purpose: str) -> Approval:
        self.asked.append(purpose)
        return Approval(self.decisions.pop(0))  # type: ignore[arg-type]  # one of the four

    async def answer(
        self, ask: str, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        return default, False


async def test_a_large_query_waits_for_the_user_with_its_estimate(
    postgres: Postgres, shop: ConnectionEntry, listed: Path
) -> None:
    limited = shop.model_copy(update={"ask_above_rows": 100, "ask_above_cost": 1_000.0})
    connections_of_user().put(limited)
    everything = "SELECT * FROM orders o CROSS JOIN orders p"
    by_hand = (
        "import os\nimport adbc_driver_postgresql.dbapi as driver\n"
        'with driver.connect(os.environ["SHOP_DATABASE"]) as connection:\n'
        "    with connection.cursor() as cursor:\n"
        "        cursor.execute('SELECT id FROM orders')\n"
        "        ids = cursor.fetch_arrow_table().to_pandas()\n"
        "len(ids)"
    )
    script = (
        call("run_sql", connection="shop", sql=everything, name="pairs"),
        python(by_hand),
        call("run_sql", connection="shop", sql="SELECT count(*) AS n FROM orders", name="number"),
        finish("There are 500 orders [cell 3]."),
    )
    # Nobody is there: what is over a limit is not asked, however its cell was written.
    async with opened(listed / "a.ipynb", script, connections=["shop"]) as (analysis, server):
        assert (await analysis.ask("How many?")).status == "answered"
        sent = sent_by(server)
    done = cells(notebook_at(listed / "a.ipynb"), "iteration")
    outcomes = [cell.metadata.analyst_kernel.outcome for cell in done]
    assert outcomes == ["rejected", "rejected", "ok"]
    assert "over a limit of the user's, and nobody is there to approve" in sent
    assert "250,000" not in sent
    # Somebody is: they see the estimate and decide, whatever they said of other cells.
    user = Decider("skip", "run")
    async with opened(listed / "b.ipynb", script, connections=["shop"], user=user) as (analysis, _):
        assert (await analysis.ask("How many?")).status == "answered"
    done = cells(notebook_at(listed / "b.ipynb"), "iteration")
    outcomes = [cell.metadata.analyst_kernel.outcome for cell in done]
    assert outcomes == ["rejected", "ok", "ok"]
    first, second = user.asked
    assert "shop estimates 250,000 rows, over your limit of 100." in first
    assert "over your limit of 1,000." in first
    assert "shop estimates 500 rows, over your limit of 100." in second
    assert "cost" not in second
    assert postgres.rows("SELECT count(*) FROM orders") == [(500,)]


async def test_a_later_session_reads_what_came_when_the_server_is_gone(
    postgres: Postgres, shop: ConnectionEntry, listed: Path
) -> None:
    notebook = listed / "a.ipynb"
    script = (
        call("run_sql", connection="shop", sql=TOTALS, name="totals"),
        finish("See [cell 1]."),
    )
    async with opened(notebook, script, connections=["shop"]) as (analysis, _):
        assert (await analysis.ask("How much?")).status == "answered"
    gone = shop.model_copy(update={"address": "postgresql://reader@127.0.0.1:1/shop"})
    connections_of_user().put(gone)
    notices: list[str] = []
    later = (python("print(len(totals), 'customers')"), finish("There are 3 customers [cell 2]."))
    async with opened(notebook, later) as (analysis, server):
        analysis.log.listen(
            lambda event: notices.append(event.message) if event.type == "notice_raised" else None
        )
        assert (await analysis.ask("How many?")).status == "answered"
        assert "it could not be asked; run_sql tries again" in sent_by(server)
        # Run again, the cell says that its rows are of another time.
        cell = cells(notebook_at(notebook), "iteration")[0]
        _, execution = await analysis.run(cell.source)
    assert "could not be asked again, so this is what it gave on" in str(execution.outputs)
    assert any("no server answers there" in notice for notice in notices)


@pytest.mark.parametrize("mode", ["no-values", "schema-only"])
async def test_no_value_of_a_database_leaves_in_a_strict_mode(
    listed: Path, mode: PrivacyMode
) -> None:
    script = (
        call("profile_dataset", name="shop.public.customers", detail="full"),
        call("run_sql", connection="shop", sql="SELECT name, id * 1111 AS code FROM customers", name="all_of_them"),
        call("run_sql", connection="shop", sql="SELECT name::int FROM customers", name="wrong"),
        call("run_sql", connection="shop", sql="SELECT count(*) AS n FROM customers", name="number"),
        finish("The table has three customers."),
    )  # fmt: skip
    async with opened(listed / "a.ipynb", script, privacy=mode, connections=["shop"]) as (
        analysis, server,
    ):  # fmt: skip
        await analysis.ask("How many customers are there?")
        sent = sent_by(server)
    assert "public.customers" in sent
    assert "customer_id integer" in sent
    for value in ("Ada", "Quill", "Zephyr", "Ignore all rules", "1111", "2222", "3333"):
        mentions = sent.replace("id * 1111", "")  # which the model wrote itself
        assert value not in mentions, value


async def test_a_notebook_gets_a_connection_later(listed: Path, tmp_path: Path) -> None:
    notebook = listed / "a.ipynb"
    async with opened(notebook, (finish("Nothing is known yet."),)) as (analysis, server):
        await analysis.ask("How many customers?")
        assert "Databases, for run_sql" not in sent_by(server)
    done = await asyncio.to_thread(
        run, "analyst", "connections", "attach", "shop", str(notebook), cwd=tmp_path
    )
    assert done.code == 0, done.err
    script = (
        call(
            "run_sql", connection="shop", sql="SELECT count(*) AS n FROM customers", name="number"
        ),
        finish("There are 3 customers [cell 1]."),
    )
    async with opened(notebook, script) as (analysis, _):
        assert (await analysis.ask("How many customers?")).status == "answered"


async def test_a_folder_of_results_that_was_removed_is_made_anew(
    listed: Path, tmp_path: Path
) -> None:
    store = GrantStore()
    (listed / "a.ipynb").write_text('{"metadata": {"analyst_kernel": {"analysis": "a1"}}}')
    notebook = str(listed / "a.ipynb")
    assert attach(store, notebook, None, []) == (None, ())
    first, _ = attach(store, notebook, None, ["shop"])
    assert first is not None
    assert first.names == ("shop",)
    shutil.rmtree(tmp_path / "jupyter" / "analyst-kernel" / "fetched")
    assert attach(store, notebook, None, []) == (None, ())
    again, _ = attach(store, notebook, None, ["shop"])
    assert again is not None
    assert again.names == ("shop",)
    connections_of_user().remove("shop")
    _, gone = attach(store, notebook, None, [])
    assert gone == ("The connection shop was attached earlier and is no longer in your list.",)


async def test_a_connection_that_is_not_in_the_list_attaches_nothing(listed: Path) -> None:
    with pytest.raises(InputError, match="There is no connection 'store'"):
        await open_analysis(notebook=listed / "a.ipynb", connections=["store"])
    assert list(listed.iterdir()) == []
    checked_entry("shop", "postgresql://a@b/c")
