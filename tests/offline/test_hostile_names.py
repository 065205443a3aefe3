"""The rules' code over data whose names and values try to become code, run without a sandbox."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from analyst_kernel.agent.tools.handlers import sql_cell
from analyst_kernel.offline.model import RECIPES, _lookup_cell
from analyst_kernel.offline.progress import _as_python
from analyst_kernel.offline.recipes.recipe import Cell
from analyst_kernel.offline.task import DataTask, Filter, LookUp, Member, TimeAxis
from analyst_kernel.protocol.datasets import DatasetProfile
from tests.data.test_hostile_names import CANARY, NAMES, UNSHRUNK, WAYS_OUT
from tests.support.examples import examples
from tests.support.reading import catalog_here
from tests.support.unguarded import Unguarded, unguarded

ROWS = 24


@pytest.fixture(scope="module")
def process() -> Iterator[Unguarded]:
    with unguarded() as running:
        yield running


def tasks(one: DatasetProfile, other: DatasetProfile) -> dict[str, DataTask]:
    """Return a task of each kind over the columns of a dataset, in the order of their making."""
    kind, place, number, weight, day = one.columns
    values = tuple(item.value for item in kind.top)[:2]
    members = tuple(Member(f"the {value}", (value,)) for value in values)
    parts = tuple(Member(value, (value,), whole=False) for value in values)
    some = (Filter(kind, "is", values), Filter(place, "contains", values[:1], negated=True))
    time = TimeAxis(day, "month")
    return {
        "profile": DataTask("profile", one, also=(other,)),
        "profile of one": DataTask("profile", one),
        "missing": DataTask("missing", one, measures=(number, kind)),
        "join": DataTask("join", one, groups=(kind,), others=(other,)),
        "distribution": DataTask("distribution", one, measures=(number,), filters=some),
        "outliers": DataTask("outliers", one, measures=(number,)),
        "scalar": DataTask("scalar", one, measures=(number,), statistic="max", wants_chart=True),
        "count": DataTask("count", one, filters=some),
        "distinct": DataTask("distinct", one, groups=(kind,)),
        "top_values": DataTask("top_values", one, groups=(kind,), members=members),
        "top_rows": DataTask("top_rows", one, measures=(number,), top=3),
        "groups": DataTask("groups", one, measures=(number,), groups=(kind, place)),
        "share": DataTask("groups", one, groups=(kind,), part=some[:1], statistic="share"),
        "best_per_group": DataTask(
            "best_per_group", one, measures=(number,), groups=(kind, place), direction=1
        ),
        "trend": DataTask("trend", one, measures=(number,), time=time, statistic="sum"),
        "trend by group": DataTask(
            "trend", one, measures=(number,), groups=(kind,), time=time, members=members
        ),
        "compare": DataTask("compare", one, measures=(number,), groups=(kind,), members=members),
        "compare parts": DataTask("compare", one, measures=(number,), groups=(kind,), members=parts),
        "correlation": DataTask("correlation", one, measures=(number, weight), groups=(kind,)),
    }  # fmt: skip


def cells_of(task: DataTask) -> list[Cell]:
    """Return the cells of the recipe; those made from results get results with hostile names."""
    name = task.profile.columns[0].name
    results: dict[str, Any] = {
        "keys": {"best": [{"left": name, "right": name}]},
        "missing": {"x": {"missing": {name: {}}}},
    }
    recipe = RECIPES[task.intent](task)
    made = [cell if isinstance(cell, Cell) else cell(results) for cell in recipe.cells]
    return [cell for cell in made if cell is not None]


def assert_holds_no_call_of_theirs(code: str) -> None:
    called = {node.func.id for node in ast.walk(ast.parse(code))
              if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}  # fmt: skip
    assert not called & {"open", "bytes", "chr", "__import__"}
    assert TransformerManager().transform_cell(code).rstrip("\n") == code.rstrip("\n")
    assert code.splitlines() == code.split("\n")
    # In a query of several lines, blanks and joiners of words may stand as they are.
    assert re.sub("[\n\t\xa0\u202f\u3000\u200c\u200d]", "", code).isprintable()


@examples(25, phases=UNSHRUNK)
@given(
    st.lists(NAMES, min_size=5, max_size=5),
    st.lists(NAMES, min_size=3, max_size=3, unique=True),
    st.booleans(),
    st.integers(0, 18),
)
@example(WAYS_OUT, WAYS_OUT[:3], False, None)
@example(WAYS_OUT, WAYS_OUT[:3], True, None)
@example(["\u2028!mkdir canary\u2028"] * 5, ["\x85!mkdir canary", "\x0c", "{name}\\"], True, 19)
def test_no_recipe_makes_code_of_data(process, names, values, on_disk, chosen):
    """The code of every recipe is looked at; that of the chosen one, or of all, is run."""
    # Two dollar signs are mathematics to matplotlib, which then may not draw the optional chart.
    names = [re.sub(r"[\0$]", "", f"{name}x{n}") for n, name in enumerate(names)]
    values = [re.sub(r"[\0$]", "", f"v{value}{n}") for n, value in enumerate(values)]
    frame = pd.DataFrame(
        {
            names[0]: [values[n % 3] for n in range(ROWS)],
            names[1]: [values[(n // 3) % 2] for n in range(ROWS)],
            names[2]: [n * 1.5 for n in range(ROWS)],
            names[3]: [(n * 7) % 11 for n in range(ROWS)],
            names[4]: pd.date_range("2023-11-20", periods=ROWS, freq="9D"),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name in ("one", "other"):
            frame.to_parquet(root / f"{name}.parquet")
        catalog = catalog_here(
            notebook=str(root / "n.ipynb"), max_frame_bytes=1 if on_disk else 10**9
        )
        asyncio.run(catalog.grant([str(root / "one.parquet"), str(root / "other.parquet")]))
        one, other = (asyncio.run(catalog.profile(name)) for name in ("one", "other"))
        assert one.dataset.load == ("view" if on_disk else "frame")
        search = _lookup_cell(LookUp(one, (values[0], names[1]), (names[0], names[1])))
        every = {kind: cells_of(task) for kind, task in tasks(one, other).items()}
        for place, (kind, cells) in enumerate({**every, "lookup": [search]}.items()):
            parts = [catalog.setup_code()]
            for cell in cells:
                code = cell.code
                if cell.sql_name is not None:
                    code = sql_cell(cell.code, cell.sql_name, import_duckdb=True)
                    assert_holds_no_call_of_theirs(_as_python(cell))
                assert_holds_no_call_of_theirs(code)
                parts.append(code)
            if chosen not in (None, place):
                continue
            ran = process.run("\n\n".join(parts), folder=folder, root=folder)
            assert ran.failed is None, (kind, ran.failed, parts[1:])
            assert ran.noticed == []
            assert not (root / CANARY).exists()


def test_a_value_on_one_line_is_all_that_a_template_gets() -> None:
    for text in ("\u2028!ls", "\x85", "\x0c", "\u202e", "\ud800", "\x7f", "\xa0", 'a"b\\c\n'):
        from analyst_kernel.offline.recipes.recipe import quoted

        assert quoted(text).isprintable()
        assert ast.literal_eval(quoted(text)) == text
    assert json.loads(quoted("plain “text” 名")) == "plain “text” 名"
