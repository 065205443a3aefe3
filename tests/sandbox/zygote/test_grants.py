"""Data added to a running kernel: at its true path, read-only, with the state kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.protocol.errors import GrantFailed, PolicyError
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel
from tests.sandbox.conftest import DEADLINE, RunningKernel, Start
from tests.sandbox.zygote.test_kernels import begin, pytestmark

__all__ = ["pytestmark"]


@pytest.fixture(params=["fresh", "spare"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def replace(path: Path, text: str) -> None:
    """As an editor saves: a new file under the old name."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def read(kernel: RunningKernel, path: Path) -> str:
    reply = await kernel.run(f"print(open({str(path)!r}).read(), end='')")
    return reply.text or reply.name


async def test_a_folder_and_a_file_come_to_a_live_kernel(
    way: str, start: Start, work: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    (more / "deep").mkdir(parents=True)
    (more / "a.csv").write_text("first")
    (more / "deep" / "b.csv").write_text("second")
    (more / ".env").write_text("SECRET")
    (more / "deep" / "id_rsa").write_text("SECRET")
    single = work / "secret.csv"
    async with begin(start, way, grants=[]) as kernel:
        await kernel.run("kept = 42")
        assert await read(kernel, single) == "FileNotFoundError"
        await kernel.provisioner.grant([str(more), str(single)])
        assert await read(kernel, single) == "SECRET-FILE\n"
        assert await read(kernel, more / "a.csv") == "first"
        assert await read(kernel, more / "deep" / "b.csv") == "second"
        assert "SECRET" not in await read(kernel, more / ".env")
        assert "SECRET" not in await read(kernel, more / "deep" / "id_rsa")
        for target in (more / "a.csv", more / "new.csv", single, work / "beside.csv"):
            assert (await kernel.run(f"open({str(target)!r}, 'a')")).name == "OSError"
        assert (await kernel.run(f"import os; os.unlink({str(single)!r})")).name == "OSError"
        assert set(kernel.provisioner.grants) == {str(more), str(single)}
        (more / "later.csv").write_text("third")
        assert await read(kernel, more / "later.csv") == "third"
        sql = f"import duckdb; print(duckdb.sql(\"from '{more}/a.csv'\").columns)"
        assert (await kernel.run(sql)).text == "['first']\n"
        child = await kernel.run(f"!cat {more}/a.csv")
        assert child.text.strip() == "first"
        assert await kernel.value("print(kept)") == 42
        # A second time changes nothing, and what was hidden can be granted by name.
        await kernel.provisioner.grant([str(more)])
        await kernel.provisioner.grant([str(more / ".env")])
        assert await read(kernel, more / ".env") == "SECRET"
        assert await read(kernel, more / "a.csv") == "first"


async def test_a_wider_folder_keeps_what_is_inside_it(start: Start, work: Path) -> None:
    async with begin(start, "fresh", grants=[str(work / "cars.csv")]) as kernel:
        await kernel.run("open(OUTPUT_DIR / 'mine.txt', 'w').write('x')")
        await kernel.provisioner.grant([str(work)])
        assert await read(kernel, work / "cars.csv") == "a,b\n1,2\n"
        assert await read(kernel, work / "data" / "part.csv") == "a\n1\n"
        assert "SECRET" not in await read(kernel, work / ".env")
        assert await read(kernel, work / "mileage_files" / "mine.txt") == "x"
        assert not (await kernel.run("open(OUTPUT_DIR / 'more.txt', 'w')")).error
        assert (await kernel.run("open('beside.txt', 'w')")).name == "OSError"


async def test_a_replaced_file_is_shown_as_it_is_now(way: str, start: Start, work: Path) -> None:
    cars = work / "cars.csv"
    async with begin(start, way, grants=[str(cars)]) as kernel:
        await kernel.run("kept = 42; held = open('cars.csv')")
        replace(cars, "second")
        for _look in range(int(DEADLINE / 0.1)):
            if await read(kernel, cars) == "second":
                break
            await asyncio.sleep(0.1)
        assert await read(kernel, cars) == "second"
        for number in range(5):
            replace(cars, f"text {number}")
            assert kernel.provisioner.stale_grants() == ()
            assert await read(kernel, cars) == f"text {number}"
        mounted = "print(sum('cars.csv' in line for line in open('/proc/self/mountinfo')))"
        assert await kernel.value(mounted) == 1
        assert (await kernel.run("print(held.read(), end='')")).text == "a,b\n1,2\n"
        assert (await kernel.run("open('cars.csv', 'a')")).name == "OSError"
        assert await kernel.value("print(kept)") == 42


async def test_generated_code_cannot_lead_a_grant_elsewhere(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "late" / "a.csv"
    data.parent.mkdir()
    data.write_text("data")
    trap = (
        "import os, shutil\n"
        f"first = '/tmp/' + {str(data)!r}.split('/')[2]\n"
        "if not os.path.exists(first): os.symlink(OUTPUT_DIR, first)\n"
        "print(os.path.islink(first))"
    )
    async with begin(
        start, "fresh", grants=[], cwd="/var/tmp", notebook="/var/tmp/t.ipynb"
    ) as kernel:
        islink = (await kernel.run(trap)).text
        if islink == "True\n":
            with pytest.raises(GrantFailed, match="stands in the way"):
                await kernel.provisioner.grant([str(data)])
            assert list(Path(kernel.provisioner.output_dir).iterdir()) == []


async def test_data_that_cannot_be_added_is_reported(start: Start, work: Path) -> None:
    async with start("zygote", grants=[]) as kernel:
        with pytest.raises(GrantFailed, match="cannot be found"):
            await kernel.provisioner.grant([str(work / "nowhere.csv")])
        with pytest.raises(PolicyError):
            await kernel.provisioner.grant(["/etc"])
        assert kernel.provisioner.grants == ()


@pytest.mark.parametrize("form", ["bubblewrap", "landlock"])
async def test_a_lower_backend_requires_a_restart(form: str, start: Start, work: Path) -> None:
    async with start(form, grants=[]) as kernel:
        with pytest.raises(GrantFailed, match="restart the kernel and run the cells again"):
            await kernel.provisioner.grant([str(work / "cars.csv")])


async def test_what_isolates_nothing_needs_no_grant(start: Start, work: Path) -> None:
    async with start("none", grants=[], require="none") as kernel:
        await kernel.provisioner.grant([str(work / "cars.csv")])


async def test_a_grant_to_a_kernel_that_ended_is_refused(start: Start, work: Path) -> None:
    async with start("zygote", grants=[]) as kernel:
        started: Any = kernel.provisioner._process
        assert isinstance(started, ZygoteKernel)
        kernel.client.execute("import os; os._exit(0)")
        await kernel.provisioner.wait()
        with pytest.raises(GrantFailed):
            await kernel.provisioner.grant([str(work / "cars.csv")])
