"""What questions used is kept: across sessions and processes, over damage, by the local day."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from analyst_kernel.analysis.spending import FOLDER, SpendingStore
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import Usage

ONE = Usage(input_tokens=3, cached_tokens=2, output_tokens=1, calls=1, cost_usd=0.25)
MODEL = "anthropic:some-model"


def store(folder: Path, analysis: str = "a", now: Callable[[], datetime] = datetime.now):
    return SpendingStore(folder, AnalysisId(analysis), now=now)


def day_file(folder: Path) -> Path:
    (path,) = (folder / FOLDER / "days").iterdir()
    return path


def test_an_analysis_and_the_day_are_summed_across_sessions(tmp_path: Path):
    first = store(tmp_path)
    first.add(ONE, model=MODEL)
    store(tmp_path, "b").add(ONE, model=MODEL)
    first.add(ONE, model=MODEL)
    again = store(tmp_path)
    assert again.of_analysis() == first.of_analysis()
    assert (again.of_analysis().calls, again.of_analysis().cost_usd) == (2, 0.5)
    assert (first.of_day().calls, first.of_day().cost_usd, first.problem) == (3, 0.75, "")
    assert first.of_day().cached_tokens == 6
    if os.name == "posix":
        assert day_file(tmp_path).stat().st_mode & 0o077 == 0


def test_an_unknown_part_makes_the_sum_at_least(tmp_path: Path):
    spending = store(tmp_path)
    spending.add(ONE, model=MODEL)
    spending.add(Usage(calls=1, cost_usd=None), model="compatible:x")
    spending.add(Usage(failed_calls=1, cost_usd=None, partial_usd=0.5), model=MODEL)
    total = store(tmp_path).of_day()
    assert (total.cost_usd, total.partial_usd, total.known_usd) == (None, 0.75, 0.75)
    assert (total.calls, total.failed_calls) == (2, 1)


def test_a_day_ends_at_midnight_of_the_local_calendar(tmp_path: Path):
    now = [datetime(2026, 11, 29, 23, 59)]
    spending = store(tmp_path, now=lambda: now[0])
    spending.add(ONE, model=MODEL)
    assert (spending.day(), spending.of_day().calls) == ("2026-11-29", 1)
    now[0] += timedelta(minutes=2)
    assert (spending.day(), spending.of_day()) == ("2026-11-30", Usage())
    assert spending.of_analysis().calls == 1
    now[0] -= timedelta(minutes=2)
    assert spending.of_day().calls == 1


def _add_many(folder: Path, analysis: str, times: int) -> None:
    spending = store(folder, analysis)
    for _ in range(times):
        spending.add(ONE, model=MODEL)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path):
    context = multiprocessing.get_context("fork")
    works = [context.Process(target=_add_many, args=(tmp_path, name, 200)) for name in "aabc"]
    reader = store(tmp_path)
    for work in works:
        work.start()
    while any(work.is_alive() for work in works):
        seen = reader.of_day()
        assert seen.cost_usd == 0.25 * seen.calls, "half a line was read"
    for work in works:
        work.join()
        assert work.exitcode == 0
    assert reader.of_day().calls == store(tmp_path).of_day().calls == 800
    assert reader.of_analysis().calls == 400


@pytest.mark.parametrize(
    "damage",
    [
        b"garbage\n",
        b"\x00" * 4096 + b"\n",
        b"\xff\xfe\n",
        b'{"usage": {"calls": -5, "cost_usd": 0.0}}\n',
        b'{"usage": {"cost_usd": 1e999}}\n',
        b'{"usage": {"cost_usd": -3}}\n',
        b'{"usage": {"calls": "many"}}\n',
        b'{"usage": 1}\n',
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b'{"usage": {"calls": 1',
    ],
)
def test_a_damaged_line_costs_only_itself(damage: bytes, tmp_path: Path):
    before = store(tmp_path)
    before.add(ONE, model=MODEL)
    path = day_file(tmp_path)
    path.write_bytes(path.read_bytes() + damage)
    after = store(tmp_path)
    after.add(ONE, model=MODEL)
    for each in (before, after):
        total = each.of_day()
        assert (total.calls, total.cost_usd, total.known_usd) == (2, None, 0.5)
        assert "1 line" in each.problem
        assert str(path) in each.problem
    assert before.of_analysis().cost_usd == 0.5


def test_a_file_that_was_removed_begins_anew(tmp_path: Path):
    spending = store(tmp_path)
    spending.add(ONE, model=MODEL)
    assert spending.of_day().calls == 1
    day_file(tmp_path).unlink()
    assert spending.of_day() == Usage()
    spending.add(ONE, model=MODEL)
    assert spending.of_day().calls == 1


def test_what_cannot_be_written_is_counted_as_long_as_the_process_lives(tmp_path: Path):
    (tmp_path / FOLDER).write_text("a file where a folder should be")
    spending = store(tmp_path)
    spending.add(ONE, model=MODEL)
    spending.add(ONE, model=MODEL)
    assert spending.of_day().known_usd == spending.of_analysis().known_usd == 0.5
    assert "cannot be written" in spending.problem or "cannot be read" in spending.problem


def test_an_id_that_a_notebook_made_up_names_no_other_file(tmp_path: Path):
    store(tmp_path, "../../elsewhere").add(ONE, model=MODEL)
    assert {path.parent.name for path in tmp_path.rglob("*.jsonl")} == {"analyses", "days"}
    assert not (tmp_path.parent / "elsewhere.jsonl").exists()


def test_the_limit_for_each_day_is_kept_for_all_analyses(tmp_path: Path):
    spending = store(tmp_path)
    assert spending.day_limit() is None
    spending.keep_day_limit(2.5)
    assert store(tmp_path, "b").day_limit() == 2.5
    spending.keep_day_limit(None)
    spending.keep_day_limit(None)
    assert spending.day_limit() is None


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"day_usd": -1}', '{"x": 1}', b"\xff"])
def test_a_damaged_limit_is_no_limit_that_is_gone(content: str | bytes, tmp_path: Path):
    spending = store(tmp_path)
    spending.keep_day_limit(1.0)
    (path,) = (tmp_path / FOLDER).glob("*.json")
    assert json.loads(path.read_text()) == {"day_usd": 1.0}
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=r"nothing was sent") as caught:
        spending.day_limit()
    assert str(path) in str(caught.value)
    spending.keep_day_limit(3.0)
    assert spending.day_limit() == 3.0
