"""Files made to harm their reader: each ends soon, as one sentence, and costs the asker nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.files import find_files
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.sandbox.linux import cgroup
from analyst_kernel.sandbox.policy import MIB, ResourceLimits
from analyst_kernel.sandbox.reader import ReaderLimits
from analyst_kernel.sandbox.shared import shared_resources
from tests.data.hostile_files import FILES, HARMLESS, LONG, SECRET

pytestmark = [
    pytest.mark.skipif(
        not sys.platform.startswith("linux"), reason="memory and descriptors are looked up in /proc"
    ),
    pytest.mark.real,  # each test starts readers
]

DEADLINE = 120.0
GROWTH = 48 * MIB


def limits(seconds: float, cpu: int = 0, memory: int = 768 * MIB, **more: int) -> ReaderLimits:
    small: dict[str, Any] = {"memory_bytes": memory, "processes": 64, "cpus": 2}
    small["cpu_seconds"] = cpu
    return ReaderLimits(ResourceLimits(**small), seconds=seconds, **more)


def peak_memory() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")


def traces() -> dict[str, list[str]]:
    """What a reader may leave in this process or on this machine."""
    descriptors = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            descriptors.append(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:
            continue  # the one that listed the folder
    groups = []
    for _controller, own in cgroup._own_groups():
        for folder in {own, os.path.dirname(own)}:
            names = os.listdir(folder) if os.path.isdir(folder) else []
            groups += [name for name in names if name.startswith(f"{cgroup.PREFIX}{os.getpid()}-")]
    return {
        "processes": sorted(
            f"{one.pid} {one.name()}" for one in psutil.Process().children(recursive=True)
        ),
        "folders": sorted(os.listdir(shared_resources().runtime.path)),
        "descriptors": sorted(name for name in descriptors if not name.startswith("/proc/")),
        "groups": sorted(groups),
    }


def left_over(before: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is here that was not before, when a reader had time to go."""
    for _ in range(int(DEADLINE / 0.05)):
        if not (left := _new(before)):
            break
        threading.Event().wait(0.05)
    return left


async def left_over_in_time(before: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the same; the loop goes on meanwhile, which ends a start that nobody waits for."""
    for _ in range(int(DEADLINE / 0.05)):
        if not (left := _new(before)):
            break
        await asyncio.sleep(0.05)
    return left


def _new(before: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        kind: new
        for kind, names in traces().items()
        if (new := [n for n in names if n not in before[kind]])
    }


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    shared_resources()
    before = traces()
    yield
    assert left_over(before) == {}


@pytest.mark.parametrize("name", [*FILES])
@pytest.mark.usefixtures("nothing_stays")
async def test_a_hostile_file_is_one_sentence(name: str, tmp_path: Path) -> None:
    path = FILES[name](tmp_path)
    reader = FileReader(limits=limits(3.0 if name in LONG else 60.0))
    catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"), reader=reader)
    forget_peak()
    before = peak_memory()
    if name in HARMLESS:
        assert len(await catalog.grant([str(path)])) == 1
    else:
        with pytest.raises(DataError) as failure:
            await catalog.grant([str(path)])
        assert path.name in failure.value.what
        assert failure.value.remedy
        assert SECRET not in str(failure.value)
        assert "\n" not in str(failure.value)
    (listed,) = await find_files([str(path)], reader=reader)
    assert not listed.problem or path.name in listed.problem
    assert peak_memory() - before < GROWTH


async def test_each_limit_is_named(tmp_path: Path) -> None:
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"c{n}" for n in range(50)) + "\n" + "1," * 49 + "1\n")
    cases = {
        "memory": (FILES["an Arrow file of zeros"](tmp_path), limits(60.0)),
        "1.5 s": (FILES["an endless SQLite view"](tmp_path), limits(1.5)),
        "2 s of computing": (FILES["an endless DuckDB view"](tmp_path), limits(60.0, cpu=2)),
        # A table that can be loaded is, by pandas, which alone fills the small limit.
        "description": (wide, limits(60.0, memory=2048 * MIB, answer_bytes=10_000)),
    }
    for said, (path, allowed) in cases.items():
        catalog = LocalCatalog(
            notebook=str(tmp_path / "a.ipynb"), reader=FileReader(limits=allowed)
        )
        with pytest.raises(DataError, match=said) as failure:
            await catalog.grant([str(path)])
        assert path.name in failure.value.what
        assert failure.value.remedy


def special(kind: str, path: Path) -> None:
    """Put something that is no regular file at ``path``."""
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/etc/passwd")
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "socket":
            with socket.socket(socket.AF_UNIX) as end:
                end.bind(str(path))
        case "folder":
            path.mkdir()
        case _:
            pytest.fail(kind)


@pytest.mark.parametrize("kind", ["pipe", "link", "link to a device", "socket", "folder"])
async def test_what_replaced_a_granted_file_is_not_followed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"))
    await catalog.grant([str(path)])
    path.unlink()
    special(kind, path)
    with pytest.raises(DataError, match=r"x\.csv"):
        await catalog.profile("x")
    assert await catalog.refresh() == ()
    assert [known for known, _why in catalog.problems] == [str(path)]


async def test_a_folder_on_the_way_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "data" / "x.csv").write_text("a,b\n1,2\n")
    (tmp_path / "secrets" / "x.csv").write_text("key,value\nS,SECRET\n")
    catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"))
    await catalog.grant([str(tmp_path / "data" / "x.csv")])
    (tmp_path / "data").rename(tmp_path / "moved")
    (tmp_path / "data").symlink_to(tmp_path / "secrets")
    with pytest.raises(DataError, match="Links are not followed"):
        await catalog.profile("x")


@pytest.mark.parametrize("name", ["new\nline.csv", "not-utf8-\udcff.csv"])
async def test_a_name_that_cannot_be_shown_is_a_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a,b\n1,2\n")
    catalog = LocalCatalog(notebook=str(tmp_path / "a.ipynb"))
    with pytest.raises(DataError, match="Rename the file"):
        await catalog.grant([str(tmp_path / name)])
    (listed,) = await find_files([str(tmp_path)])
    assert "Rename the file" in listed.problem


PROFILE = """
import asyncio, sys
from pathlib import Path
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.files import find_files

async def work(paths):
    catalog = LocalCatalog(notebook=str(Path.cwd() / "profile.ipynb"))
    await catalog.grant(paths)
    for dataset in catalog.datasets:
        print(catalog.describe(await catalog.profile(dataset.name, detail="full")))
    print(catalog.setup_code())
    print(len(await find_files(paths)))

asyncio.run(work(sys.argv[1:]))
parsers = {"duckdb", "pandas", "openpyxl", "pyarrow", "numpy", "gzip", "bz2"} & set(sys.modules)
print("PARSERS", sorted(parsers - {"gzip", "bz2"}))
"""


def test_the_process_that_asks_loads_no_parser(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    frame.to_csv(tmp_path / "one.csv", index=False)
    frame.to_parquet(tmp_path / "two.parquet")
    frame.to_excel(tmp_path / "three.xlsx", index=False)
    frame.to_json(tmp_path / "four.json", orient="records")
    done = subprocess.run(
        [sys.executable, "-c", PROFILE, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=DEADLINE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "PARSERS []" in done.stdout
    assert done.stdout.count(": 3 rows x 2 columns; ") == 4
