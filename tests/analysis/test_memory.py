"""A cell that would load more than the kernel has memory for, from the file to the answer."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from analyst_kernel import Analyst
from analyst_kernel.protocol.events import Event, IterationFinished, KernelChanged
from tests.fakes.turns import python, say, script

ROWS = 15_000_000


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """Return a file of a few kilobytes that holds much more."""
    path = tmp_path / "wide.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d, 5::DOUBLE AS e FROM range({ROWS})) "
            f"TO '{path}'"
        )
    assert path.stat().st_size < 1_000_000
    return path


async def test_a_cell_that_does_not_fit_is_caught_and_its_query_does(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYST_MEMORY", "512M")
    cells = [
        f'df = pd.read_parquet("{wide.name}")\ndf["a"].sum()',
        'path = "wide.parquet"\nduckdb.sql("SELECT * FROM wide").df()',
        'duckdb.sql("SELECT sum(a) AS total FROM wide").df()',
    ]
    model = script(tmp_path, *(python(code, "Sum") for code in cells), say(f"It is {ROWS}."))
    seen: list[Event] = []
    async with Analyst(model=model, on_event=seen.append) as analyst:
        await analyst.ask("What is the sum of a?", data=[wide], notebook=tmp_path / "n.ipynb")
    ready = next(e for e in seen if isinstance(e, KernelChanged) and e.sandbox is not None)
    assert ready.sandbox is not None
    assert ready.sandbox.memory_bytes == 512 << 20
    ended = [event for event in seen if isinstance(event, IterationFinished)]
    assert [event.outcome for event in ended] == ["rejected", "rejected", "ok"]
    for event, call in zip(ended, ("pd.read_parquet", "duckdb.sql(...).df"), strict=False):
        assert event.error is not None
        assert event.error.name == "DoesNotFit"
        assert f"{call} would load all 15,000,000 rows of wide" in event.error.message
        assert "FROM wide" in event.error.message.partition('duckdb.sql("SELECT')[2]
    assert str(ROWS) in str(ended[2].outputs)
