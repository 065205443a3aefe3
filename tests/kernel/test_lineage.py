"""Cells that are followed: what is seen of their tables, and that nothing else of them changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from analyst_kernel.agent.lineage.trace import CellTrace
from analyst_kernel.agent.ports import DatasetWatcher, Execution
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.kernel.startup import read_trace
from analyst_kernel.protocol.outputs import ErrorOutput, ResultOutput, StreamOutput
from tests.kernel.conftest import MakeSession

SECONDS = 120.0
SETUP = """
import duckdb
import numpy as np
import pandas as pd
orders = pd.DataFrame({"order": range(40), "shop": [i % 4 for i in range(40)], "paid": 2.5})
shops = pd.DataFrame({"shop": [0, 1, 2, 3, 3], "area": list("NSEWX")})
"""
WATCHED: Mapping[str, Any] = {"orders": {"rows": 40}, "shops": {"rows": 5}}


@pytest.fixture(params=["pandas 3", "pandas 2"])
async def session(request: pytest.FixtureRequest, make_session: MakeSession) -> KernelSession:
    """Return a session over each major version of pandas that follows two tables."""
    if request.param == "pandas 2":
        made = make_session(kernel_name=request.getfixturevalue("pandas2_kernel"))
    else:
        made = make_session(kernel_name="analyst")
    await made.start()
    await made.execute(SETUP, timeout=SECONDS)
    assert isinstance(made, DatasetWatcher)
    made.watch(json.dumps(WATCHED))
    return made


async def run(session: KernelSession, code: str) -> tuple[Execution, CellTrace]:
    execution = await session.execute(code, timeout=SECONDS)
    assert execution.trace is not None
    assert execution.trace.problem == ""
    return execution, execution.trace


async def test_joins_samples_and_origins_are_seen(session: KernelSession) -> None:
    _, trace = await run(session, "both = orders.merge(shops, on='shop')\nfew = orders.head(9)")
    (join,) = trace.events
    assert (join.kind, join.label, join.other, join.after, join.high) == (
        "join", "orders", "shops", 50, 2,
    )  # fmt: skip
    assert trace.frames["both"].others == [("shops", 5)]
    assert trace.frames["few"].sample == "head(9)"
    _, later = await run(session, "few.groupby('shop')['paid'].sum()")
    assert [(event.kind, event.rows, event.before) for event in later.events] == [("sample", 9, 40)]


async def test_a_change_in_place_is_seen_in_the_values(session: KernelSession) -> None:
    _, quiet = await run(session, "orders = orders.copy()\nother = orders.assign(x=1)")
    assert quiet.events == []
    _, trace = await run(session, "orders.loc[3, 'paid'] = 7.5")
    assert [(e.kind, e.label, e.what, e.values) for e in trace.events] == [
        ("changed", "orders", "changed in place", ["paid"])
    ]


async def test_sql_is_read_by_duckdb_itself(session: KernelSession) -> None:
    code = "duckdb.sql('select avg(m) from (select shop, avg(paid) m from x group by 1)').df()"
    _, trace = await run(session, f"x = orders.iloc[:39]\n{code}")
    assert ("mean-of-means", 9, 10) in [(e.kind, e.low, e.high) for e in trace.events]


async def test_errors_displays_and_warnings_are_those_of_the_plain_cell(
    session: KernelSession,
) -> None:
    failed, _ = await run(session, "x = orders[orders.paid > 1]\nx.merge(shops, on='nope').area")
    error = failed.outputs[-1]
    assert isinstance(error, ErrorOutput)
    assert "_analyst" not in "".join(error.traceback)
    assert failed.error is not None
    assert failed.error.line == 2
    shown, _ = await run(session, "orders['paid'].head(2)")
    (result,) = shown.outputs
    assert isinstance(result, ResultOutput)
    assert str(result.data["text/plain"]).startswith("0    2.5\n1    2.5")
    assert not any("probe" in frame.name for frame in shown.frames)


async def test_a_chained_change_is_still_warned_of(session: KernelSession) -> None:
    code = "copy = orders.copy()\ncopy['paid'].replace(2.5, 3.0, inplace=True)\ncopy['paid'][0] = 9"
    execution, _ = await run(session, code)
    text = "".join(o.text for o in execution.outputs if isinstance(o, StreamOutput))
    assert "hained" in text or "copy of a slice" in text


@pytest.mark.parametrize("code", [
    "%reset -f\nx = 1", "globals().pop('orders')", "for i in range(20000):\n    y = orders",
    "def f(n):\n    return n if n < 1 else f(n - 1)\nf(300)", "async def g():\n    return orders\nz = await g()",
    "import pickle\nlen(pickle.dumps(orders))", "%%time\norders.paid.sum()",
    "with pd.option_context('display.max_rows', 3):\n    print(orders)", "w = (n := orders).paid.sum()",
    "match len(orders):\n    case 40:\n        v = orders.paid.sum()\n    case _:\n        v = None",
    "orders.groupby('shop').apply(lambda d: d.paid.sum())", "print(*[orders.shape, *shops.columns])",
    "class Table:\n    rows = len(orders)\nTable.rows", "a, *rest = orders.paid[:3]\nrest",
])  # fmt: skip
async def test_any_cell_runs_as_it_is(make_session: MakeSession, code: str) -> None:
    session = make_session(kernel_name="analyst")
    await session.start()
    await session.execute(SETUP, timeout=SECONDS)
    session.watch(json.dumps(WATCHED))
    execution = await session.execute(code, timeout=SECONDS)
    assert execution.error is None
    after = await session.execute(
        "import pandas as pd\nlen(pd.DataFrame({'a': [1, 2]}))", timeout=9
    )
    assert after.error is None


async def test_another_kernel_is_told_again(make_session: MakeSession) -> None:
    session = make_session(kernel_name="analyst")
    await session.start()
    session.watch(json.dumps(WATCHED))
    for _ in range(2):
        await session.execute(SETUP, timeout=SECONDS)
        execution = await session.execute("orders['new'] = 1", timeout=SECONDS)
        assert execution.trace is not None
        assert [event.kind for event in execution.trace.events] == ["changed"]
        await session.restart()


@pytest.mark.parametrize("report", [
    "[]", '{"events": 3}', '{"events": [{"kind": 1}]}', '{"frames": {"a": []}}', "{", "null",
    '{"events": [{"kind": "join", "rows": 1e300}]}',
])  # fmt: skip
def test_a_forged_report_is_no_report(report: str) -> None:
    mime = "application/vnd.analyst-kernel.lineage+json"
    assert read_trace({"frames": {"status": "ok", "data": {mime: report}}}) is None


def test_a_long_report_is_cut() -> None:
    mime = "application/vnd.analyst-kernel.lineage+json"
    event = {"kind": "join", "label": "x" * 9000, "values": ["y"] * 900}
    text = json.dumps({"events": [event] * 100})
    trace = read_trace({"frames": {"status": "ok", "data": {mime: text}}})
    assert trace is not None
    assert len(trace.events) == 60
    assert len(trace.events[0].label) == 200
    assert len(trace.events[0].values) == 20
