"""Named states: the cells that make one, the cell that makes it again, and what counts as the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analyst_kernel.agent.ports import ReplayCell
from analyst_kernel.agent.preflight import check_code
from analyst_kernel.agent.states import (
    again_code,
    cells_making,
    digests,
    free_variable,
    names_in,
)
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.records import DataState
from tests.agent.fake_deps import InProcessKernel


def cells(*codes: str) -> list[ReplayCell]:
    return [ReplayCell(CellId(f"c{n}"), code, may_fail=False) for n, code in enumerate(codes)]


def chosen(variable: str, *codes: str) -> list[str] | None:
    found = cells_making(variable, cells(*codes))
    return None if found is None else [cell.cell for cell in found]


SETUP = "import pandas as pd\nimport duckdb\norders = pd.DataFrame({'a': [1, 2, 3]})"


@pytest.mark.parametrize(
    ("codes", "making"),
    [
        (["x = orders[orders.a > 1]"], "c0 c1"),
        (["y = 1", "x = orders.copy()", "print(y)"], "c0 c2"),
        (["x = orders.copy()", "x['b'] = 2", "z = x.sum()"], "c0 c1 c2"),
        (["x = orders.copy()", "x.loc[0, 'a'] = 5"], "c0 c1 c2"),
        (["x = orders.copy()", "x.drop(columns='a', inplace=True)"], "c0 c1 c2"),
        (["x = orders.copy()", "x.drop(columns='a', inplace=False)"], "c0 c1"),
        (["x = orders.copy()", "x.columns = ['b']"], "c0 c1 c2"),
        (["x = []", "x.append(1)", "len(x)"], "c1 c2"),
        (["x = 1", "x += 1", "del y"], "c1 c2"),
        (["def clean(t):\n    t['a'] = 0", "x = orders.copy()", "clean(x)"], "c0 c1 c2 c3"),
        (["low = 2", "def clean(t):\n    return t[t.a > low]", "x = clean(orders)"], "c0 c1 c2 c3"),
        (["x = duckdb.sql('select * from orders where a > 1').df()", "duckdb.sql('x')"], "c0 c1"),
        (["duckdb.sql('create or replace view v as select 1')", "x = duckdb.sql('from v').df()"],
         "c0 c1 c2"),
        (["f = [a for a in [1] if a]", "a = 3", "x = a"], "c2 c3"),
        (["x, y = 1, 2", "y = 3"], "c1"),
        (["for x in range(3):\n    pass"], "c1"),
        (["import math as x", "y = x.pi"], "c1"),
        (["if True:\n    x = 1", "z = 2"], "c1"),
        (["with open('f') as x:\n    y = x"], "c1"),
        (["(x := 4)"], "c1"),
        (["pd.set_option('a', 1)", "x = pd.Series([1])"], "c0 c2"),
    ],
)  # fmt: skip
def test_the_cells_that_make_a_variable(codes: list[str], making: str) -> None:
    found = chosen("x", SETUP, *codes)
    assert found is not None
    assert set(making.split()) <= set(found), "none is missing"
    assert found == making.split()


def test_a_cell_that_is_no_plain_python_makes_no_state() -> None:
    assert chosen("x", SETUP, "%time x = 1") is None
    assert chosen("x", SETUP, "%time z = 1", "x = 2") == ["c2"]
    failed = ReplayCell(CellId("bad"), "x = nothing", may_fail=True)
    found = cells_making("x", [*cells(SETUP, "x = 1"), failed])
    assert found is not None
    assert [cell.cell for cell in found] == ["c1"]


def test_a_functions_own_variables_are_not_the_notebooks() -> None:
    names = names_in("def f(a, b=low):\n    orders = a\n    return orders + other\ny = f(1)")
    assert names is not None
    assert names.changes == {"f", "y"}
    assert {"low", "other", "f"} <= names.uses
    assert "orders" not in names.uses | names.changes


@pytest.mark.parametrize(
    "codes",
    [
        ["x = orders[orders.a > 1]"],
        ['note = """two\nlines"""', "x = orders.assign(b=note)"],
        ["x = orders.assign(b=f'''{1}\n  in''')"],
        ["def low():\n    '''Return it.\n\n    Twice.\n    '''\n    return 2", "x = orders[orders.a >= low()]"],
        ["import duckdb", "x = duckdb.sql('''select *,\n a * 2 as b\nfrom orders''').df()"],
        ["x = orders.copy()", "for n in range(2):\n    x['a'] = x['a'] + n\n\n    # between\n"],
    ],
)  # fmt: skip
def test_a_state_is_made_again_apart_from_all_variables(codes: list[str]) -> None:
    space: dict[str, Any] = {}
    book = cells(SETUP, *codes)
    for cell in book:
        exec(cell.code, space)
    was = space["x"].copy()
    before = dict(space)
    making = cells_making("x", book)
    assert making is not None
    space["x"], space["orders"] = None, None
    state = DataState(name="s", definition="d", variable="x", rows=3)
    exec(again_code(state, making, "again"), space)
    pd.testing.assert_frame_equal(space["again"], was)
    assert space["x"] is None
    assert space["orders"] is None
    assert space.keys() - before.keys() == {"again", "make_again"}


def test_the_cell_that_makes_a_state_again_overwrites_no_data() -> None:
    state = DataState(name="s", definition="d", variable="x", rows=3)
    code = again_code(state, cells(SETUP, "x = orders"), "again")
    assert check_code(code, datasets=frozenset({"orders"})) == ()
    assert [f.kind for f in check_code("orders = 1", datasets=frozenset({"orders"}))] == [
        "overwrite"
    ]


def test_a_name_for_the_variable_is_free_and_valid() -> None:
    def named(name: str, *taken: str) -> str:
        return free_variable(DataState(name=name, definition="d", variable="x"), taken)

    assert named("Orders without refunds") == "orders_without_refunds"
    assert named("Orders without refunds", "orders_without_refunds") == "orders_without_refunds_2"
    assert named("2024!") == "x"
    assert named("class") == "x"
    assert named("价格", "x") == "x_2"


class Tables(InProcessKernel):
    """Holds real tables."""

    async def digest(self, value: object) -> str:
        self.space["value"] = value
        found = await digests(self, ["value"], timeout=9.0)
        return found["value"]


VALUES: list[Any] = [
    pd.DataFrame({"a": [1, 2]}),
    pd.DataFrame({"a": [1, 3]}),
    pd.DataFrame({"a": [1.0, 2.0]}),
    pd.DataFrame({"b": [1, 2]}),
    pd.DataFrame({"a": [1, 2]}, index=[1, 2]),
    pd.DataFrame({"a": [1, 2, 3]}),
    pd.DataFrame({"a": []}),
    pd.DataFrame({"a": [[1], [2]]}),
    pd.DataFrame({"a": [None, "x"]}),
    pd.Series([1, 2]),
    np.array([1, 2]),
    np.array([1, 3]),
    [1, 2],
    17.5,
    "text",
]


async def test_two_values_have_one_digest_if_and_only_if_they_are_the_same() -> None:
    kernel = Tables()
    found = [await kernel.digest(value) for value in VALUES]
    assert all(found)
    assert len(set(found)) == len(VALUES)
    again = [await kernel.digest(v.copy() if hasattr(v, "copy") else v) for v in VALUES]
    assert again == found
    assert await kernel.digest(object()) == ""
    assert kernel.space.keys() - {"__builtins__"} == {"value", "display"}


async def test_a_variable_that_is_not_there_has_no_digest_and_none_runs_for_nothing() -> None:
    kernel = Tables()
    assert await digests(kernel, ["nothing"], timeout=9.0) == {"nothing": ""}
    count = kernel.count
    assert await digests(kernel, [], timeout=9.0) == {}
    assert kernel.count == count
