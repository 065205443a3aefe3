"""Wide tables: what is read a few columns at a time says the same as all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from analyst_kernel.data.profile import profile
from analyst_kernel.data.profile.columns import is_exact
from analyst_kernel.data.profile.profile import inspect
from analyst_kernel.data.read.discover import sources
from analyst_kernel.data.read.workspace import Workspace
from analyst_kernel.sandbox.reader import ReaderLimits

WIDTH = 130


def written(path: Path, rows: int, repeated: int) -> Path:
    """Write a table whose last rows repeat the first ones; no column tells all rows apart."""
    columns = ", ".join(f"(i * {n + 1}) % 97 AS c{n}" for n in range(WIDTH))
    inner = f"SELECT * FROM range({rows - repeated}) UNION ALL SELECT * FROM range({repeated})"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {columns} FROM ({inner}) t(i)) TO '{path}'")
    return path


@pytest.mark.parametrize(("rows", "repeated"), [(90, 0), (90, 4), (97, 1)])
def test_repeated_rows_of_a_wide_table(rows: int, repeated: int, tmp_path: Path):
    (source,) = sources(str(written(tmp_path / "wide.parquet", rows, repeated)))
    seen = inspect(source, "wide", max_frame_bytes=0).profile
    assert seen.duplicate_rows == repeated
    assert [len(row) for row in seen.head] == [WIDTH] * rows
    assert seen.head[5] == tuple(str(5 * (n + 1) % 97) for n in range(WIDTH))


def test_rows_that_few_columns_do_not_tell_apart(tmp_path: Path):
    path = tmp_path / "t.csv"
    fields = ",".join(f"c{n}" for n in range(20))
    same = ",".join(str(n) for n in range(19))
    path.write_text(f"{fields}\n" + "".join(f"{same},{n % 2}\n" for n in range(10)))
    (source,) = sources(str(path))
    assert inspect(source, "t", max_frame_bytes=1 << 30).profile.duplicate_rows == 8


def test_exactness_ends_with_rows_or_with_values():
    assert is_exact(1_000_000, 10)
    assert not is_exact(1_000_001, 1)
    assert not is_exact(400_000, 300)


def test_time_to_read_grows_with_the_file():
    small, large = ReaderLimits.of_size(10), ReaderLimits.of_size(20 * 1000**3)
    assert small == ReaderLimits()
    assert large.seconds > 20 * small.seconds
    assert large.resources.cpu_seconds > large.seconds
    assert large.resources.memory_bytes == small.resources.memory_bytes


def test_what_runs_out_of_memory_is_read_again_sparingly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (source,) = sources(str(written(tmp_path / "wide.parquet", 90, 4)))
    usual = inspect(source, "wide", max_frame_bytes=0)
    found = profile.profile_columns
    threads: list[int] = []

    def failing(work: Workspace, *rest: Any) -> Any:
        threads.append(work.row("SELECT current_setting('threads')")[0])
        if len(threads) == 1:
            raise duckdb.OutOfMemoryException("as of a table of very many columns")
        return found(work, *rest)

    monkeypatch.setattr(profile, "profile_columns", failing)
    assert inspect(source, "wide", max_frame_bytes=0).profile == usual.profile
    assert threads == [2, 1]
