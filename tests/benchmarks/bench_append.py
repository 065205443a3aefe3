"""Appending a cell to a notebook of 1,000 cells, beside one of 10: at most twice the cost.

Each is the whole way of a record, to the disk and back. Run by ``make bench``; only the ratio is
asserted. ``ANALYST_BENCH_ROUNDS`` sets how often.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

from analyst_kernel.agent.ports import Execution, IterationEntry
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import ResultOutput

ROUNDS = int(os.environ.get("ANALYST_BENCH_ROUNDS", "60"))
SMALL, LARGE, BUDGET_RATIO = 10, 1000, 2.0


def entry(number: int) -> IterationEntry:
    """Return an iteration as analyses have them: some code, a table as its result."""
    table = "\n".join(f"{row:>4}  {row * number:>12}  {'name' * 3}" for row in range(5))
    output = ResultOutput(data={"text/plain": table}, execution_count=number)
    return IterationEntry(
        cell=CellId(f"cell{number}"), run=RunId("r1"), iteration=number, step=1, attempt=1,
        language="python", purpose="Look at the table", code=f"frame_{number}.head()\n" * 2,
        execution=Execution("ok", (output,), None, 0.1, number), outcome="ok",
    )  # fmt: skip


async def measure(folder: Path) -> tuple[float, float]:
    """Return the median milliseconds of an append at 10 cells and at 1,000."""
    books = {}
    for size in (SMALL, LARGE):
        books[size] = await StoredNotebook.create(folder / f"{size}.ipynb")
        for number in range(size):
            await books[size].record(entry(number))
    times: dict[int, list[float]] = {SMALL: [], LARGE: []}
    for number in range(ROUNDS):  # in turns, so that a busy machine is busy for both
        for size in (SMALL, LARGE):
            began = time.perf_counter()
            await books[size].record(entry(size + number))
            times[size].append((time.perf_counter() - began) * 1000)
    small, large = (statistics.median(times[size]) for size in (SMALL, LARGE))
    return small, large


async def test_appending_to_a_long_notebook_stays_cheap(tmp_path: Path) -> None:
    """Measure and hold the budget."""
    small, large = await measure(tmp_path)
    print(
        f"\nappend: {small:.2f} ms at {SMALL} cells, {large:.2f} ms at {LARGE}: {large / small:.2f}x"
    )
    assert large <= BUDGET_RATIO * small


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        asyncio.run(test_appending_to_a_long_notebook_stays_cheap(Path(place)))
