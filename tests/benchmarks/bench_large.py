"""What large data costs beside DuckDB's ``SUMMARIZE``: time, memory, and a second question.

Run as a script: ``python tests/benchmarks/bench_large.py --megabytes 5000 --files 10000``. It writes
a CSV and a Parquet file of that size, the same with 300 columns, and a hive folder of that many
files, below ``--folder``, and removes them. Without the options, as ``make bench`` runs it, they are
small and the budgets are only shown. The ratios count, not the seconds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

BUDGET_RATIO = 1.5
BUDGET_MB = 500
BUDGET_AGAIN = 0.2
"""The share of the first reading that a second one may take."""

_OURS = """
import resource, sys, time
from analyst_kernel.data.catalog import MAX_FRAME_BYTES
from analyst_kernel.data.profile.profile import inspect
from analyst_kernel.data.read.discover import sources
import duckdb, pyarrow.parquet
start = time.perf_counter()
for source in sources(sys.argv[1]):
    inspect(source, "data", max_frame_bytes=MAX_FRAME_BYTES)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_THEIRS = """
import resource, sys, time
import duckdb
connection = duckdb.connect()
connection.execute("SET threads = 2; SET enable_progress_bar = false")
start = time.perf_counter()
connection.execute(f"SUMMARIZE SELECT * FROM '{sys.argv[1]}'").fetchall()
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_AGAIN = """
import asyncio, resource, sys, time
from pathlib import Path
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.reader.kept import KeptAnswers
from analyst_kernel.data.reader.outside import FileReader
reader = FileReader(kept=KeptAnswers(Path(sys.argv[2])))
catalog = LocalCatalog(notebook="n.ipynb", reader=reader)
start = time.perf_counter()
asyncio.run(catalog.grant([sys.argv[1]]))
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_NARROW = """
    (hash(i) % 1000000000)::BIGINT + i AS id, ['Berlin', 'Paris', 'Rome', 'Oslo'][1 + i % 4] AS city,
    (hash(i + 1) % 10000000) / 100 AS amount, (i % 50)::INT AS qty,
    DATE '2021-01-01' + (i % 700)::INT AS day, 'note ' || (hash(i + 2) % 100003) AS note,
    i % 3 > 0 AS flag
"""
_WIDE = ", ".join(
    f"(hash(i * {n} + {n}) % {(7, 1000, 100_000)[n % 3]})::{('VARCHAR', 'INT', 'DOUBLE')[n % 3]} "
    f"AS column_{n}"
    for n in range(300)
)


def write_files(folder: Path, megabytes: int) -> list[Path]:
    """Write the four files."""
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'; SET threads = 2")
        for name, columns, row in (("narrow", _NARROW, 64), ("wide", _WIDE, 1320)):
            rows = megabytes * 1_000_000 // row
            query = f"SELECT {columns} FROM range({rows}) t(i)"
            for kind, options in (("csv", "(HEADER)"), ("parquet", "")):
                path = folder / f"{name}.{kind}"
                connection.execute(f"COPY ({query}) TO '{path}' {options}")
                found.append(path)
    return found


def write_hive(folder: Path, count: int) -> Path:
    """Write a folder of small files, by year and month."""
    for place in range(count):
        below = folder / f"year={2000 + place // 400}" / f"month={1 + place % 12}"
        below.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{place * 20 + n},{n % 5},{n / 4}\n" for n in range(20))
        (below / f"part-{place}.csv").write_text(f"id,kind,amount\n{rows}")
    return folder


def measured(code: str, *arguments: Path) -> tuple[float, float]:
    """Return seconds and peak megabytes of a process."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    seconds, memory = map(float, done.stdout.split()[-2:])
    return seconds, memory


def within_budget(megabytes: int, files: int, folder: str | None = None) -> bool:
    """Print each case; return whether all are within the budgets."""
    good = True
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for path in write_files(Path(place), megabytes):
            size = path.stat().st_size / 1e6
            theirs, their_memory = measured(_THEIRS, path)
            ours, our_memory = measured(_OURS, path)
            kept = Path(place) / "kept"
            first, _ = measured(_AGAIN, path, kept)
            again, _ = measured(_AGAIN, path, kept)
            path.unlink()
            ratio = ours / theirs
            print(
                f"{path.name} of {size:.0f} MB: {ours:.1f} s and {our_memory:.0f} MB; SUMMARIZE "
                f"{theirs:.1f} s and {their_memory:.0f} MB; ratio {ratio:.2f}; attached in "
                f"{first:.1f} s, again in {again:.2f} s"
            )
            good = good and ratio <= BUDGET_RATIO and our_memory <= BUDGET_MB
            good = good and again <= max(1.0, first * BUDGET_AGAIN)
        hive = write_hive(Path(place) / "hive", files)
        pattern = hive / "*" / "*" / "*.csv"
        theirs, _ = measured(_THEIRS, pattern)
        ours, our_memory = measured(_AGAIN, hive, Path(place) / "kept")
        print(
            f"hive folder of {files} files: {ours:.1f} s and {our_memory:.0f} MB; SUMMARIZE "
            f"{theirs:.1f} s; ratio {ours / theirs:.2f}"
        )
    return good


def test_small_files_show_their_ratios() -> None:
    """Show them; budgets are for large files."""
    within_budget(40, 20)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=5000)
    options.add_argument("--files", type=int, default=10_000)
    options.add_argument("--folder", default=None, help="for the files; a temporary one by default")
    given = options.parse_args()
    sys.exit(int(not within_budget(given.megabytes, given.files, given.folder)))
