"""What a folder of 40 tables costs beside four times one of 10: reading and links, as a ratio.

Run as a script. Above 1.3 the cost of many files grows faster than their number.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from analyst_kernel.data.catalog import LocalCatalog

BUDGET_RATIO = 1.3
ROUNDS = 3


def write_tables(folder: Path, count: int) -> None:
    """Write tables whose columns all have the same names, so that each may link to each."""
    chance = random.Random(1)
    for number in range(count):
        rows = (
            f"{row},{chance.randint(1, 500)},C{chance.randint(1, 90):04},{chance.random():.3f}"
            for row in range(1, 1001)
        )
        text = "id,customer_id,product_code,amount\n" + "\n".join(rows) + "\n"
        (folder / f"table_{number:03}.csv").write_text(text)


async def seconds(count: int) -> float:
    """Return what it takes to attach a folder and to profile each of its tables."""
    with tempfile.TemporaryDirectory() as folder:
        write_tables(Path(folder), count)
        catalog = LocalCatalog(notebook=f"{folder}/n.ipynb")
        start = time.perf_counter()
        for dataset in await catalog.grant([folder]):
            await catalog.profile(dataset.name)
        return time.perf_counter() - start


def within_budget() -> bool:
    """Print both sides and the ratio."""
    few = min(asyncio.run(seconds(10)) for _ in range(ROUNDS))
    many = min(asyncio.run(seconds(40)) for _ in range(ROUNDS))
    ratio = many / (4 * few)
    print(f"10 tables: {few:.2f} s; 40 tables: {many:.2f} s")
    print(f"ratio to four times ten: {ratio:.2f} (budget {BUDGET_RATIO})")
    return ratio <= BUDGET_RATIO


def test_many_files_cost_as_much_as_their_number() -> None:
    """Hold the budget."""
    assert within_budget()


if __name__ == "__main__":
    sys.exit(int(not within_budget()))
