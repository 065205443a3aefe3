"""How long a profile of a big CSV takes beside DuckDB's own ``SUMMARIZE``, and how much memory.

Run as a script. ``ANALYST_BENCH_PROFILE_MB`` sets the size (default 100; the budget is for 1000).
Each side runs in a process of its own; the ratio counts, not the seconds.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

BUDGET_RATIO = 1.5
BUDGET_MB = 500
ROUNDS = 3

_OURS = """
import asyncio, resource, sys, time
from analyst_kernel.data.catalog import LocalCatalog
import duckdb
catalog = LocalCatalog(notebook="n.ipynb")
start = time.perf_counter()
asyncio.run(catalog.grant([sys.argv[1]]))
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_THEIRS = """
import resource, sys, time
import duckdb
connection = duckdb.connect()
connection.execute("SET threads = 2; SET enable_progress_bar = false")
start = time.perf_counter()
connection.execute("SUMMARIZE SELECT * FROM read_csv(?)", [sys.argv[1]]).fetchall()
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_csv(path: Path, megabytes: int) -> None:
    """Write a file of numbers, categories, dates, free text and flags."""
    random.seed(1)
    cities = ["Berlin", "Paris", "Rome", "Oslo", "Wien"]
    with path.open("w", encoding="utf-8") as file:
        file.write("id,city,amount,qty,day,note,flag,price\n")
        while file.tell() < megabytes * 1_000_000:
            base = random.randint(0, 10**9)
            file.writelines(
                f"{base + n},{cities[n % 5]},{(base * 7 + n * 13) % 100_000 / 100},{n % 50},"
                f"2021-{1 + n % 12:02d}-{1 + n % 28:02d},note {(base + n * n) % 100_003} text,"
                f"{'True' if n % 3 else 'False'},{n * 97 % 1000 / 10}\n"
                for n in range(20_000)
            )


def measured(code: str, path: Path) -> tuple[float, float]:
    """Return seconds and peak megabytes of the best of some runs."""
    runs = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
        seconds, memory = map(float, done.stdout.split()[-2:])
        runs.append((seconds, memory))
    return min(runs)


def within_budget() -> bool:
    """Print both sides and the ratio; a smaller file than a gigabyte is only shown."""
    megabytes = int(os.environ.get("ANALYST_BENCH_PROFILE_MB", "100"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.csv"
        write_csv(path, megabytes)
        theirs, their_memory = measured(_THEIRS, path)
        ours, our_memory = measured(_OURS, path)
    ratio = ours / theirs
    print(f"profile of {megabytes} MB: {ours:.2f} s, {our_memory:.0f} MB resident")
    print(f"duckdb SUMMARIZE:      {theirs:.2f} s, {their_memory:.0f} MB resident")
    print(f"ratio {ratio:.2f} (budget {BUDGET_RATIO} at 1000 MB, {BUDGET_MB} MB resident)")
    return megabytes < 1000 or (ratio <= BUDGET_RATIO and our_memory <= BUDGET_MB)


def test_profiling_a_file_costs_little_more_than_summarising_it() -> None:
    """Hold the budget."""
    assert within_budget()


if __name__ == "__main__":
    sys.exit(int(not within_budget()))
