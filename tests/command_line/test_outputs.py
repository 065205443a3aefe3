"""What a command may write over: an export that nobody changed since, and nothing else."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyst_kernel.cli import main
from tests.contracts.repository import ROOT

FORMS = ("ipynb", "html", "py")
ROWS = b"city,price\nBern,3\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copyfile(ROOT / "tests" / "saved" / "asked.ipynb", tmp_path / "a.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def analyst(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


def export(output: str, *more: str, form: str = "py", source: str = "a.ipynb") -> Result:
    return analyst("export", source, "--to", form, "-o", output, *more)


def refused(ended: Result) -> str:
    """Check that a command was refused with one sentence, and return it."""
    assert ended.exit_code == 2, ended.output
    assert ended.stdout == ""
    assert ended.stderr.count("Error: ") == 1
    assert "defect" not in ended.stderr
    return ended.stderr


def _file(content: bytes) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(content), None)[1]


def _another_analysis(path: Path) -> None:
    shutil.copyfile(ROOT / "tests" / "saved" / "what-is-cut-off.ipynb", path)


def _edited_export(path: Path) -> None:
    assert export(path.name).exit_code == 0
    path.write_text(path.read_text() + "print('mine')\n")


def _its_mark_alone(path: Path) -> None:
    assert export(path.name).exit_code == 0
    path.write_text(path.read_text().splitlines()[0] + "\nmine\n")


USERS_FILES: dict[str, Callable[[Path], None]] = {
    "data": _file(ROWS),
    "empty file": _file(b""),
    "binary file": _file(bytes(range(256)) * 100),
    "large file": _file(b"1,2,3\n" * 500_000),
    "another analysis": _another_analysis,
    "edited export": _edited_export,
    "text with the mark of an export": _its_mark_alone,
    "text with a made-up mark": _file(b"# analyst-export:" + b"0" * 64 + b"\nmine\n"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", USERS_FILES)
def test_a_file_of_the_user_is_replaced_only_by_force(folder: Path, kind: str, form: str):
    target = folder / "data.csv"
    USERS_FILES[kind](target)
    before = target.read_bytes()
    assert "--force" in refused(export("data.csv", form=form))
    assert target.read_bytes() == before
    assert export("data.csv", "--force", form=form).exit_code == 0
    assert target.read_bytes() != before


@pytest.mark.parametrize("after", FORMS)
@pytest.mark.parametrize("form", FORMS)
def test_an_export_takes_the_place_of_an_export(folder: Path, form: str, after: str):
    assert export("out", form=form).exit_code == 0
    assert export("out", form=after).exit_code == 0
    assert export("fresh", form=after).exit_code == 0
    assert (folder / "out").read_bytes() == (folder / "fresh").read_bytes()
    assert (folder / "a.ipynb").read_bytes() == (
        ROOT / "tests" / "saved" / "asked.ipynb"
    ).read_bytes()


def test_a_cell_with_the_mark_of_another_export_confuses_nothing(folder: Path):
    assert export("first.py").exit_code == 0
    mark = (folder / "first.py").read_text().splitlines()[0]
    text = (folder / "a.ipynb").read_text().replace("Which species", f"{mark} species")
    for name in ("b", "c"):
        (folder / f"{name}.ipynb").write_text(text.replace(mark, f"{mark} {'0' * 64}"))
    for form in FORMS:
        assert export("out", "--force", form=form, source="b.ipynb").exit_code == 0
        assert export("out", form=form, source="c.ipynb").exit_code == 0


@pytest.mark.parametrize("how", ["name", "link", "hard link"])
def test_an_export_onto_itself(folder: Path, how: str):
    before = (folder / "a.ipynb").read_bytes()
    if how == "link":
        (folder / "same").symlink_to("a.ipynb")
    if how == "hard link":
        (folder / "same").hardlink_to(folder / "a.ipynb")
    output = "a.ipynb" if how == "name" else "same"
    for more in ([], ["--force"]):
        assert "itself" in refused(export(output, *more))
    assert (folder / "a.ipynb").read_bytes() == before


def test_an_export_of_an_export_onto_itself(folder: Path):
    assert export("b.ipynb", form="ipynb").exit_code == 0
    before = (folder / "b.ipynb").read_bytes()
    assert "itself" in refused(export("b.ipynb", source="b.ipynb"))
    assert (folder / "b.ipynb").read_bytes() == before


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "fifo": (os.mkfifo, "not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "socket": (_socket, "not a regular file"),
    "dangling link": (lambda path: path.symlink_to("nothing"), "does not exist"),
    "link to itself": (lambda path: path.symlink_to(path.name), "written"),
    "link into a missing folder": (lambda path: path.symlink_to("no/where"), "does not exist"),
}


@pytest.mark.parametrize("more", [[], ["--force"]])
@pytest.mark.parametrize("place", PLACES)
def test_no_export_to_what_is_no_file(folder: Path, place: str, more: list[str]):
    make, said = PLACES[place]
    make(folder / "out")
    before = sorted(os.listdir(folder))
    assert said in refused(export("out", *more))
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no/where.py", "does not exist"),
        ("a.ipynb/below.py", "cannot be written"),
        ("/proc/out.py", "cannot be written"),
        ("x" * 300, "cannot be written"),
        ("", "is a folder"),
    ],
)
def test_no_export_to_a_place_that_cannot_be_written(folder: Path, output: str, said: str):
    before = sorted(os.listdir(folder))
    assert said in refused(export(output))
    assert sorted(os.listdir(folder)) == before


def test_a_link_to_an_export_stays_a_link(folder: Path):
    assert export("real.py").exit_code == 0
    (folder / "link.py").symlink_to("real.py")
    assert export("link.py", form="html").exit_code == 0
    assert (folder / "link.py").is_symlink()
    assert "<html" in (folder / "real.py").read_text()


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk with almost no room, which needs the right to mount one."""
    place = tmp_path / "full"
    place.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=64k none {place} 2>/dev/null"):
        pytest.skip("no disk can be mounted here")
    yield place
    assert os.system(f"umount {place}") == 0


def test_a_full_disk_keeps_the_earlier_export(folder: Path, full_disk: Path):
    assert export(str(full_disk / "out"), form="py").exit_code == 0
    before = (full_disk / "out").read_bytes()
    (full_disk / "rest").write_bytes(b"x" * 40_000)
    assert "no space" in refused(export(str(full_disk / "out"), form="html"))
    assert (full_disk / "out").read_bytes() == before
    assert sorted(os.listdir(full_disk)) == ["out", "rest"]


def test_a_branch_takes_a_free_name(folder: Path):
    """Neither a file nor a link that leads nowhere is written over."""
    (folder / "b.ipynb").symlink_to("nothing")
    (folder / "b-1.ipynb").write_bytes(ROWS)
    ended = analyst("branch", "a.ipynb", "--at", "nothing", "-o", "data.csv")
    assert "does not end in .ipynb" in refused(ended)
    ended = analyst("branch", "a.ipynb", "--at", _first(folder), "-o", "b.ipynb")
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.strip() == str(folder / "b-2.ipynb")
    assert (folder / "b-1.ipynb").read_bytes() == ROWS
    assert not (folder / "nothing").exists()


def _first(folder: Path) -> str:
    from analyst_kernel.notebook.export.export import read

    return str(read(folder / "a.ipynb")["cells"][0]["id"])
