"""Re-running notebooks in a real kernel, and comparing outputs."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from analyst_kernel.agent.ports import Execution
from analyst_kernel.data.reader.inside import picture_difference
from analyst_kernel.notebook.document.serialize import parse, validate
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.verify.compare import difference, normalised
from analyst_kernel.notebook.verify.verify import (
    CellCheck,
    VerifyReport,
    store,
    verified,
    verify_document,
)
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import DisplayOutput, StreamOutput
from tests.notebook.entry_makers import failed, iteration, picture, printed, ran, result
from tests.notebook.kernel_runner import python_kernel


@pytest.mark.real
async def test_each_cell_is_judged_in_a_fresh_kernel(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    object_at = result("<object at 0x7f0000000001>")
    cells = (
        iteration(1, "x = 20.8\nprint('x is', x)", ran(printed("x is 20.8\n"))),
        iteration(2, "x * 2", ran(result("41.6"))),
        iteration(3, "x * 3", ran(result("62.5"))),
        iteration(4, "1/0", failed("error", "ZeroDivisionError", "division by zero")),
        iteration(5, "{}['k']", failed("error", "ValueError", "was another")),
        iteration(6, "x", failed("error", "NameError", "x")),
        iteration(7, "while True: pass", failed("timeout", "Timeout", "1 s")),
        iteration(8, "undefined_name", ran(result("5"))),
        iteration(9, "object()", ran(object_at)),
        iteration(10, "y = 1"),
        iteration(11, "", ran()),
        iteration(12, "print('a'); import sys; print('w', file=sys.stderr)", ran(printed("a\n"))),
    )
    for entry in cells:
        await notebook.record(entry)
    before = Path(notebook.path).read_bytes()
    seen: list[CellCheck] = []
    async with python_kernel(tmp_path) as execute:
        report = await verify_document(
            parse(before.decode(), "a"), execute=execute, on_check=seen.append
        )
    assert Path(notebook.path).read_bytes() == before
    assert tuple(seen) == report.checks
    assert {c.cell: c.verdict for c in report.checks} == {
        "it1": "reproduced",
        "it2": "reproduced",
        "it3": "differs",
        "it4": "reproduced",
        "it5": "differs",
        "it6": "differs",
        "it7": "skipped",
        "it8": "error",
        "it9": "reproduced",
        "it10": "skipped",
        "it11": "skipped",
        "it12": "reproduced",
    }
    details = {c.cell: c.detail for c in report.checks}
    assert details[CellId("it3")].split("\n")[0] == "-62.5"
    assert details[CellId("it5")] == "ValueError before, KeyError now"
    assert details[CellId("it6")] == "NameError before, no error now"
    assert details[CellId("it8")].startswith("NameError: name 'undefined_name'")
    assert report.summary == "reproduced 5 of 9"
    assert not report.ok

    store(Path(notebook.path), report)
    document = json.loads(Path(notebook.path).read_text("utf-8"))
    validate(document)
    noted = document["metadata"]["analyst_kernel"]["verified"]
    assert (noted["reproduced"], noted["total"], noted["when"]) == (5, 9, report.at)
    now = parse(Path(notebook.path).read_text("utf-8"), "a")
    told = verified(now)
    assert told is not None
    assert (told.reproduced, told.total, told.stale) == (5, 9, False)
    now["cells"][0]["source"] += "\n1"
    assert verified(now) == replace(told, stale=True)
    assert "changed since" in replace(told, stale=True).summary
    assert noted["cells"]["it8"] == "error"
    assert document["cells"] == json.loads(before)["cells"]


async def test_a_kernel_that_died_ends_the_verification(tmp_path: Path) -> None:
    notebook = await StoredNotebook.create(tmp_path / "a.ipynb")
    for number in (1, 2):
        await notebook.record(iteration(number, "x", ran()))
    asked: list[str] = []

    async def execute(code: str) -> Execution:
        asked.append(code)
        return Execution("error", (), None, 0.0, kernel_died=True)

    report = await verify_document(notebook.document, execute=execute)
    assert asked == ["x"]
    assert [c.verdict for c in report.checks] == ["error", "error"]


def test_storing_in_a_notebook_that_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    report = VerifyReport((), "2026-01-02T03:04:05+00:00")
    assert report.ok
    store(path, report)
    noted = json.loads(path.read_text())["metadata"]["analyst_kernel"]
    assert noted["version"] == 1
    assert "analysis" not in noted
    with pytest.raises(NotebookError):
        store(tmp_path / "none.ipynb", report)


def test_nothing_compared_is_not_reproduced() -> None:
    assert not VerifyReport((CellCheck(CellId("a"), "skipped"),), "").ok


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<f at 0x7f1200aa>", "<f at 0x7f1200bb>"),
        ("saved /tmp/abc123/x.csv ok", "saved /tmp/def/y.csv ok"),
        ("40%|####  | 4/10 [00:01<00:02, 3.1it/s]", "100%|######| 10/10 [00:03<00:00, 3it/s]"),
        ("Wall time: 1.2 s", "Wall time: 900 ms"),
        ("done in 1.23 s", "done in 0.4 seconds"),
        ("1 ms ± 2 µs per loop (mean ± std. dev.)", "3 ms ± 9 µs per loop (mean ± std. dev.)"),
        ("<style id='T_a1b2c'> #T_a1b2c_row0", "<style id='T_ffff0'> #T_ffff0_row0"),
        ("ipykernel_12/34.py:1", "ipykernel_56/78.py:1"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("trailing  \n", "trailing"),
    ],
)
def test_volatile_parts_do_not_count(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mean delay 12.3 s", "mean delay 12.4 s"),
        ("20.8", "20.9"),
        ("0x1", "0x2"),
        ("2008-01-05", "2008-01-06"),
        ("id=12", "id=13"),
    ],
)
def test_numbers_of_the_data_count(one: str, other: str) -> None:
    assert difference([printed(one)], [printed(other)], since=date(2026, 1, 1))


def test_the_present_time_is_volatile_only_where_it_may_be() -> None:
    today = date.today()
    before = today - timedelta(days=30)
    old, new = printed(f"made {before} 10:00:00"), printed(f"made {today}T11:22:33.5")
    assert difference([old], [new], since=before) == ""
    assert difference([old], [new], since=today)
    assert difference([old], [new])
    assert difference([printed("made 2026-99-99")], [printed("made 2026-99-98")])


def test_streams_are_joined_and_stderr_is_left_out() -> None:
    noise = StreamOutput(name="stderr", text="warning")
    assert difference([printed("a"), noise, printed("b")], [printed("ab")]) == ""
    assert difference([printed("a")], []) == "1 output before, 0 outputs now"
    assert difference([printed("a")], [result("a")]) == "stream before, execute_result now"
    assert difference([result("a"), result("b")], [result("a"), result("c")]).startswith(
        "output 2:"
    )


def test_pictures_are_compared_as_pixels() -> None:
    from PIL import Image

    def shown(png: str) -> list[DisplayOutput]:
        return [DisplayOutput(data={"image/png": png, "text/plain": "<Figure>"})]

    def compared(saved: list[DisplayOutput], again: list[DisplayOutput]) -> str:
        return difference(saved, again, pictures=picture_difference)

    blue = picture()
    image = Image.open(io.BytesIO(base64.b64decode(blue)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=0)
    same = base64.b64encode(buffer.getvalue()).decode()
    assert same != blue
    assert compared(shown(blue), shown(same)) == ""
    assert compared(shown(blue), shown(picture((31, 90, 201)))) == ""
    assert "differs in 100.0%" in compared(shown(blue), shown(picture((200, 0, 0))))
    assert "8 x 6 pixels before, 9 x 6 now" in compared(shown(blue), shown(picture(size=(9, 6))))
    assert "cannot be read" in compared(shown(blue), shown("bm90IGEgcGljdHVyZQ=="))
    assert (
        compared(shown(blue), [DisplayOutput(data={"text/plain": "<Figure>"})]) == "no picture now"
    )
    # Where nothing compares them, none is decoded.
    assert difference(shown(blue), shown(blue)) == ""
    assert difference(shown(blue), shown(same)) == "another picture now"


def test_json_is_compared_by_value() -> None:
    def chart(value: object, label: str = "a") -> list[DisplayOutput]:
        points = json.loads(json.dumps({"y": [value, 1], "label": label, "flag": True}))
        return [DisplayOutput(data={"application/json": points})]

    assert difference(chart(0.1 + 0.2), chart(0.3)) == ""
    assert difference(chart(0.3), chart(0.31))
    assert difference(chart(1), chart(1, "b"))
    assert difference(chart(1), chart(True))
    assert (
        difference(chart(1), [DisplayOutput(data={"text/plain": "x"})])
        == "another kind of output now"
    )


def test_a_long_difference_is_cut_with_a_word() -> None:
    many = "\n".join(str(n) for n in range(1000))
    found = difference([printed(many)], [printed("x")])
    assert len(found) < 700
    assert "characters more)" in found


def test_large_outputs_are_compared_in_full_and_reported_shortly() -> None:
    lines = [f"{n} {n * 7 % 13}" for n in range(200_000)]
    before = [StreamOutput(name="stdout", text="\n".join(lines))]
    assert difference(before, list(before)) == ""
    lines[150_000] = "changed"
    told = difference(before, [StreamOutput(name="stdout", text="\n".join(lines))])
    assert told.startswith("-150000 ")
    assert "+changed" in told
    assert len(told) < 1000
    shorter = [StreamOutput(name="stdout", text="\n".join(lines[:100_000]))]
    assert difference(before, shorter)
    one_line = [StreamOutput(name="stdout", text="x" * 5_000_000)]
    assert difference(one_line, [StreamOutput(name="stdout", text="x" * 5_000_000 + "y")])
