"""A large file is read once; whatever changes it makes it another one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.reader.kept import KeptAnswers
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.data.readings import KeptReadings
from analyst_kernel.protocol.datasets import DatasetProfile

pytestmark = pytest.mark.real

ROWS, TEXT = 40_000, "x" * 100
LONG_AGO = 1_700_000_000 * 10**9


def write(path: Path, value: int) -> None:
    """Write more than four megabytes, always of the same size."""
    path.write_text("a,b,c\n" + f"{value},{TEXT},12\n" * ROWS + "7,y,12\n")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # A file that was changed in the last seconds is not kept: the clock is set on instead.
    monkeypatch.setattr("analyst_kernel.data.reader.kept._SETTLED", -(10**12))
    path = tmp_path / "large.csv"
    write(path, 1111)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


class CountingReader(FileReader):
    """Counts the files that are really read."""

    def __init__(self, kept: KeptAnswers) -> None:
        super().__init__(kept=kept)
        self.read_files = 0

    async def _ask(self, *arguments, **named):  # type: ignore[no-untyped-def]  # passed on as it is
        self.read_files += 1
        return await super()._ask(*arguments, **named)


async def profiled(
    path: Path, root: Path, *, said: tuple[str, str] | None = None
) -> tuple[DatasetProfile, int]:
    """Read in a new catalog, as another command would; return how many readers it took."""
    reader = CountingReader(KeptAnswers(root, {}))
    catalog = LocalCatalog(notebook=str(root / "n.ipynb"), reader=reader)
    if said:
        catalog.keep_readings(KeptReadings([(os.path.realpath(path), "", "", *said)]))
    (dataset,) = await catalog.grant([str(path)])
    return await catalog.profile(dataset.name), reader.read_files


def in_place(path: Path) -> None:
    before = path.stat()
    with path.open("r+") as file:
        file.seek(len("a,b,c\n"))
        file.write("3")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert path.stat().st_ino == before.st_ino


def replaced(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    write(other, 2222)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_size == before.st_size


def grown(path: Path) -> None:
    with path.open("a") as file:
        file.write("9999,z,12\n")


async def test_a_second_reading_starts_no_reader_and_is_the_same(data: Path, tmp_path: Path):
    first, readers = await profiled(data, tmp_path / "kept")
    assert readers == 1
    second, readers = await profiled(data, tmp_path / "kept")
    assert readers == 0
    assert second == first
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0
    kept.write_bytes(kept.read_bytes()[:-9])
    third, readers = await profiled(data, tmp_path / "kept")
    assert (third, readers) == (first, 1)


@pytest.mark.parametrize("change", [in_place, replaced, grown])
async def test_a_changed_file_is_read_again(
    change: Callable[[Path], None], data: Path, tmp_path: Path
):
    first, _ = await profiled(data, tmp_path / "kept")
    change(data)
    second, readers = await profiled(data, tmp_path / "kept")
    assert readers == 1
    assert second.columns != first.columns


async def test_another_reading_or_a_copy_is_another_file(data: Path, tmp_path: Path):
    await profiled(data, tmp_path / "kept")
    said, readers = await profiled(data, tmp_path / "kept", said=("header", "none"))
    assert readers == 1
    assert said.dataset.columns != ("a", "b", "c")
    copy = shutil.copy2(data, tmp_path / "copy.csv")
    profile, readers = await profiled(Path(copy), tmp_path / "kept")
    assert (profile.dataset.name, readers) == ("copy", 1)


async def test_what_is_still_written_is_not_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("analyst_kernel.data.reader.kept._SETTLED", 10**14)
    await profiled(data, tmp_path / "kept")
    _, readers = await profiled(data, tmp_path / "kept")
    assert readers == 1


async def test_the_folder_is_bounded_and_may_be_switched_off(data: Path, tmp_path: Path):
    from analyst_kernel.data.reader.opened import OpenedFile
    from analyst_kernel.data.reader.wire import ReaderAnswer, ReaderRequest

    none = KeptAnswers(tmp_path / "off", {"ANALYST_PROFILE_CACHE": "0"})
    request = ReaderRequest(do="read")
    with OpenedFile(str(data)) as file:
        assert none.key(file, None, request) == ""
        one = KeptAnswers(tmp_path / "one", {"ANALYST_PROFILE_CACHE": "1"})
        for place in range(4):
            one.put(f"{place:064x}", ReaderAnswer(text=os.urandom(150_000).hex()), file)
            os.utime(tmp_path / "one" / f"{place:064x}", (place, place))
        assert one.get("0" * 64)  # used again: the next one is older now
    held = sum(path.stat().st_size for path in (tmp_path / "one").iterdir())
    assert held <= 1_000_000


async def test_a_folder_that_cannot_be_written_keeps_nothing(data: Path, tmp_path: Path):
    (tmp_path / "kept").write_text("a file")
    first, _ = await profiled(data, tmp_path / "kept")
    second, readers = await profiled(data, tmp_path / "kept")
    assert (second, readers) == (first, 1)
