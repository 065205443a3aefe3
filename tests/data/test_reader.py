"""What passes between a reader and the process that asks it, and what ends a reader."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import signal
import socket
import struct
import sys
import threading
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from PIL import Image

from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.reader import ahead, inside, outside
from analyst_kernel.data.reader.ahead import ReadersAhead
from analyst_kernel.data.reader.opened import OpenedFile
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.data.reader.wire import (
    ReaderRequest,
    SeenFile,
    UnusableAnswer,
    inspected,
    read_answer,
)
from analyst_kernel.protocol.errors import DataError, SandboxError
from analyst_kernel.sandbox.paths import ShownPath
from analyst_kernel.sandbox.policy import MIB, ResourceLimits
from analyst_kernel.sandbox.reader import EnclosedReader, ReaderLimits
from analyst_kernel.sandbox.settings import Isolation
from tests.data.hostile_files import FILES
from tests.data.test_reader_hostile import DEADLINE, left_over_in_time, traces

pytestmark = pytest.mark.real  # most tests start readers

ENDLESS = FILES["an endless SQLite view"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_text("name,number\na,1\nb,2\nc,3\n")
    return path


def seen_as(file: OpenedFile) -> SeenFile:
    return SeenFile(path=file.path, device=file.device, inode=file.inode)


def answered(path: Path) -> dict[str, Any]:
    """What an honest reader answers."""
    with OpenedFile(str(path)) as file:
        request = ReaderRequest(do="read", files=(seen_as(file),), max_frame_bytes=10**8)
    return json.loads(inside.answer_to(request.model_dump_json().encode()))


def test_an_honest_answer_comes_back_whole(table: Path) -> None:
    raw = json.dumps(answered(table)).encode()
    (one,) = inspected(read_answer(raw), str(table), table.stat().st_size)
    assert (one.source.path, one.source.bytes) == (str(table), table.stat().st_size)
    assert one.profile.dataset.columns == ("name", "number")
    assert one.profile.dataset.path == str(table)
    assert [column.maximum for column in one.profile.columns] == [None, 3.0]


def put(answer: dict[str, Any], place: str, value: Any) -> bytes:
    """Return an answer as bytes, with another value at a place such as ``tables.0.profile``."""
    *way, last = place.split(".")
    here: Any = answer
    for step in way:
        here = here[int(step)] if isinstance(here, list) else here[step]
    here[int(last) if isinstance(here, list) else last] = value
    return json.dumps(answer).encode()


COLUMN = "tables.0.profile.columns.1"
HOSTILE_VALUES = {
    "tables": [[], {}, None, "x", [1], [{}]],
    "tables.0.table.format": ["parquet", "pickle", 1, None],
    "tables.0.table.delimited": [None, {}, [], "x"],
    "tables.0.table.sqlite": [{"table": "t"}],
    "tables.0.table.delimited.types": [[{"kind": "text"}], 7],
    "tables.0.table.delimited.skip_rows": ["0", None, 1.5],
    "tables.0.table.table": ["other"],
    "tables.0.profile.dataset.rows": [-1, None, 10**30, 2.5, "3", True, float("nan")],
    "tables.0.profile.dataset.columns": [[], ["name"], ["number", "name"], "name"],
    "tables.0.profile.dataset.load": ["exec", None],
    "tables.0.profile.dataset.format": ["excel"],
    "tables.0.profile.duplicate_rows": [-1, 10**6],
    "tables.0.profile.head": [[["x"]] * 101, [[1]], "x"],
    "tables.0.profile.extra": [1],
    f"{COLUMN}.nulls": [-1, 4, 10**400, float("inf")],
    f"{COLUMN}.distinct": [-1, 10**9],
    f"{COLUMN}.zeros": [-5],
    f"{COLUMN}.mean": [float("nan"), float("inf"), "1", [1]],
    f"{COLUMN}.maximum": [float("-inf"), {}],
    f"{COLUMN}.kind": ["code"],
    f"{COLUMN}.max_length": [-1, 10**20],
    f"{COLUMN}.top": [[{"value": "x", "count": -1}], [{"value": 1, "count": 1}]],
    f"{COLUMN}.words": [{"label": "x"}],
    f"{COLUMN}.name": ["\ud800", 1, None],
    "found": [{"format": "csv", "rows": -1}],
    "tables.0.sketches.0.hashes": ["AAAA", "?", "AAAAAAAAAAE=" * 2, "A" * 400_000, 1],
    "tables.0.sketches.0.distinct": [-1, 1, None],
    "tables.0.keys": [[{"column": "x"}], [1], None],
    "what": ["x" * 3000, 1],
}


@pytest.mark.parametrize("place", [*HOSTILE_VALUES])
def test_a_hostile_value_is_refused(place: str, table: Path) -> None:
    for value in HOSTILE_VALUES[place]:
        raw = put(answered(table), place, value)
        with pytest.raises(UnusableAnswer):
            inspected(read_answer(raw), str(table), 1)


HOSTILE_BYTES = {
    "nothing": b"",
    "no JSON": b"\x80\x04\x95pickle",
    "not UTF-8": b'{"what": "\xff\xfe"}',
    "deep": b"[" * 1_000_000,
    "deep objects": b'{"tables":' * 100_000,
    "many values": b'{"tables":[' + b"1," * 4_000_000 + b"1]}",
    "another kind": b"[]",
    "a number": b"1",
    "unknown fields": b'{"run": "x"}',
}


@pytest.mark.parametrize("name", [*HOSTILE_BYTES])
def test_bytes_that_are_no_answer_are_refused(name: str) -> None:
    with pytest.raises(UnusableAnswer):
        inspected(read_answer(HOSTILE_BYTES[name]), "/x", 1)


# --- over the socket ---------------------------------------------------------------------------------

SAID = {
    "silence": (b"", "takes more than the 2 s"),
    "half an answer": (b'{"what":', "takes more than the 2 s"),
    "a long line": (b"x" * 70_000, "needs a description of more"),
    "a long line with its end": (b"x" * 70_000 + b"\n", "needs a description of more"),
    "two answers": (b'{"what": "a"}\n{"what": "b"}\n', "needs a description of more"),
    "nonsense": (b"\x00\xff\n", "without a usable answer"),
    "an empty answer": (b"{}\n", "without a usable answer"),
    "the end": (None, "without a usable answer"),
}


@pytest.mark.parametrize("name", [*SAID])
async def test_a_reader_that_says_anything_is_one_sentence(
    name: str, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader whose process is this test speaks over the socket that a real one has."""
    said, expected = SAID[name]

    class Speaker(EnclosedReader):
        async def __aenter__(self) -> EnclosedReader:
            ours, self.theirs = socket.socketpair()
            self.kept = ours
            self._enclosed = SimpleNamespace(  # type: ignore[assignment] # only its socket is used
                process=SimpleNamespace(conversation=ours), wait=lambda: asyncio.sleep(0)
            )
            threading.Thread(target=self.speak).start()
            return self

        def speak(self) -> None:
            self.theirs.recv(1 << 20)
            if said is None:
                self.theirs.close()
            else:
                self.theirs.sendall(said)

        async def __aexit__(self, *_error: object) -> None:
            self.kept.close()
            self.theirs.close()

    monkeypatch.setattr(ahead, "EnclosedReader", Speaker)
    reader = FileReader(limits=ReaderLimits(answer_bytes=60_000, seconds=2))
    catalog = LocalCatalog(notebook=str(table.parent / "a.ipynb"), reader=reader)
    with pytest.raises(DataError, match=expected) as failure:
        await catalog.grant([str(table)])
    assert "x.csv" in failure.value.what
    assert failure.value.remedy
    assert catalog.datasets == ()


# --- how one ends ------------------------------------------------------------------------------------


async def serving() -> psutil.Process:
    """Return the one reader of this process, when it parses."""
    async with asyncio.timeout(DEADLINE):
        while True:
            for one in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if any("view.sqlite" in file.path for file in one.open_files()):
                        return one
            await asyncio.sleep(0.02)


async def test_a_reader_that_is_killed_is_one_sentence(tmp_path: Path) -> None:
    path = ENDLESS(tmp_path)
    catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"))
    await catalog.grant([str(FILES["NaN and infinity in JSON"](tmp_path))])
    before = traces()
    granting = asyncio.create_task(catalog.grant([str(path)]))
    (await serving()).send_signal(signal.SIGKILL)
    with pytest.raises(DataError, match=r"read view\.sqlite ended without a usable answer"):
        await granting
    assert await left_over_in_time(before) == {}
    assert [one.name for one in catalog.datasets] == ["nan"]


@pytest.mark.parametrize("when", ["as soon as it was asked", "while it starts", "while it parses"])
async def test_a_cancelled_reader_leaves_nothing(when: str, tmp_path: Path) -> None:
    path = ENDLESS(tmp_path)
    catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"))
    await catalog.grant([str(FILES["NaN and infinity in JSON"](tmp_path))])
    before = traces()
    granting = asyncio.create_task(catalog.grant([str(path)]))
    if when == "while it parses":
        await serving()
    elif when == "while it starts":
        async with asyncio.timeout(DEADLINE):
            while not left_over_now(before):
                await asyncio.sleep(0)
    else:
        await asyncio.sleep(0)
    granting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await granting
    assert await left_over_in_time(before) == {}


def left_over_now(before: dict[str, list[str]]) -> bool:
    return traces()["processes"] != before["processes"]


async def test_without_the_required_isolation_nothing_is_read(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYST_BUBBLEWRAP", "")
    reader = FileReader(require="isolated")
    catalog = LocalCatalog(notebook=str(table.parent / "a.ipynb"), reader=reader)
    with pytest.raises(SandboxError) as failure:
        await catalog.grant([str(table)])
    assert "bubblewrap" in failure.value.remedy
    weaker = FileReader()
    await LocalCatalog(notebook=str(table.parent / "a.ipynb"), reader=weaker).grant([str(table)])
    assert weaker.sandbox_report is not None
    assert weaker.sandbox_report.form == "landlock"


@pytest.mark.parametrize("form", ["zygote", "bubblewrap", "landlock", "limits"])
async def test_a_reader_sees_the_one_file(form: Any, tmp_path: Path) -> None:
    """What it was not shown does not open, whatever it is asked: the walls are around the process."""
    shown, other = tmp_path / "shown.csv", tmp_path / "other.csv"
    for path in (shown, other):
        path.write_text("a,b\n1,2\n")
    if form == "zygote":
        prepare_zygote()
    isolation = Isolation(require="limits", form=form)
    limits = ReaderLimits(seconds=DEADLINE)
    found = {}
    for asked in (shown, other):
        seen = shown.stat()
        files = [ShownPath(str(shown), seen.st_dev, seen.st_ino)]
        async with EnclosedReader(files, "data.reader.inside", isolation, limits) as one:
            assert one.sandbox_report is not None
            assert one.sandbox_report.form == form
            with OpenedFile(str(asked)) as file:
                request = ReaderRequest(do="find", files=(seen_as(file),))
            found[asked.name] = json.loads(await one.ask(request.model_dump_json().encode()))
    assert found["shown.csv"]["found"]["rows"] == 1
    if form != "limits":
        assert found["other.csv"]["found"] is None
        assert "other.csv" in found["other.csv"]["what"]


def prepare_zygote() -> None:
    import shutil
    import sys

    from analyst_kernel.sandbox.zygote.manager import zygote_manager

    program = shutil.which("bwrap")
    if program is None:
        pytest.skip("bubblewrap is not installed")
    zygote_manager(sys.executable, program).client()


async def test_a_file_that_was_swapped_before_the_reader_looked_is_refused(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(OpenedFile):
        def __init__(self, path: str) -> None:
            super().__init__(path)
            if path == str(table):
                other = table.with_name("other.csv")
                other.write_text("secret,value\n1,2\n")
                os.replace(other, table)

    monkeypatch.setattr(outside, "opened", Late)
    catalog = LocalCatalog(notebook=str(table.parent / "a.ipynb"))
    monkeypatch.setattr("analyst_kernel.data.catalog.stamp_of", lambda _path: (0, 0, 0, 0))
    with pytest.raises(DataError, match="replaced while it was opened"):
        await catalog.grant([str(table)])


def encoded(kind: str, colour: tuple[int, int, int] = (31, 90, 200), side: int = 40) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def claimed(side: int) -> str:
    """A small PNG whose header says that it is large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(1 << 24)))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + rows + chunk(b"IEND", b"")).decode()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (encoded("PNG"), encoded("PNG", (32, 90, 200)), ""),
        (encoded("PNG"), encoded("PNG", (200, 0, 0)), "differs in 100.0%"),
        (encoded("PNG"), encoded("PNG", side=41), "40 x 40 pixels before, 41 x 41 now"),
        (encoded("PNG"), claimed(12_000), "cannot be read"),
        (encoded("PNG"), claimed(60_000), "cannot be read"),
        (encoded("PNG"), encoded("EPS"), "cannot be read"),
        (encoded("PNG"), encoded("TIFF"), "cannot be read"),
        (encoded("PNG"), "no base64 \ud800", "cannot be read"),
        (encoded("PNG"), "x" * 70_000_000, "cannot be read"),
    ],
    ids=["alike", "other", "larger", "a claim", "a bold claim", "EPS", "TIFF", "text", "long"],
)
async def test_pictures_are_decoded_in_a_reader_alone(old: str, new: str, said: str) -> None:
    before = "PIL.PngImagePlugin" in sys.modules
    small = ReaderLimits(ResourceLimits(memory_bytes=512 * MIB), seconds=DEADLINE)
    found = await FileReader(limits=small).picture_difference(old, new)
    assert said in found if said else found == ""
    assert ("PIL.PngImagePlugin" in sys.modules) == before


async def test_a_reader_that_was_begun_ahead_is_used_once_or_ended(
    table: Path, tmp_path: Path
) -> None:
    before = traces()
    other, missing = table.with_name("other.csv"), str(tmp_path / "no.csv")
    other.write_text("a,b\n1,2\n")
    async with ReadersAhead([str(table), str(other), missing]) as begun:
        reader = FileReader(ahead=begun)
        catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"), reader=reader)
        (dataset,) = await catalog.grant([str(table)])
        assert dataset.rows == 3
        assert reader.sandbox_report is not None
        table.write_text("name,number\na,1\n")
        (dataset,) = await catalog.grant([str(table)])
        assert dataset.rows == 1
    assert await left_over_in_time(before) == {}


async def test_a_file_that_is_replaced_after_its_reader_was_begun_is_read_anew(
    table: Path, tmp_path: Path
) -> None:
    async with ReadersAhead([str(table)]) as begun:
        other = table.with_name("other.csv")
        other.write_text("name,number\nz,9\n")
        os.replace(other, table)
        catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"), reader=FileReader(ahead=begun))
        (dataset,) = await catalog.grant([str(table)])
        assert dataset.rows == 1
