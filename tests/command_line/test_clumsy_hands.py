"""Odd input, odd names and odd streams: one sentence, the right exit code, nothing lost."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analyst_kernel.analysis.analysis import LONGEST_QUESTION
from analyst_kernel.api import Analyst
from analyst_kernel.cli import main
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.records import Limits
from tests.support.cli import notebook_at
from tests.support.command import DEADLINE, PROGRAMS, environment

if sys.platform == "win32":
    pytest.skip("these streams and signals are POSIX's", allow_module_level=True)

ROWS = "How many rows are there?"
ASK = ["ask", ROWS, "--data", "good.csv"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.csv").write_text("city,price\nBern,3\nBasel,4\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def content(folder: Path) -> dict[str, bytes | None]:
    return {p.name: p.read_bytes() if p.is_file() else None for p in folder.iterdir()}


def analyst(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def refused(ended: Result, code: int = 2) -> str:
    assert ended.exit_code == code, ended.output
    assert ended.stdout == ""
    assert ended.stderr.count("Error: ") == 1
    assert "defect" not in ended.stderr
    assert "Traceback" not in ended.stderr
    return " ".join(ended.stderr.split())


# --- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "-1", "0", "-0.0", "ten", ""])
@pytest.mark.parametrize("option", ["--cell-timeout", "--max-cost", "--max-iterations"])
def test_a_limit_is_a_finite_number_above_0(place: Path, option: str, value: str):
    before = content(place)
    assert option in refused(analyst(*ASK, f"{option}={value}"))
    assert content(place) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
@pytest.mark.parametrize("field", ["cell_seconds", "seconds", "cost_usd"])
def test_limits_in_python_are_finite(field: str, value: float):
    with pytest.raises(ValueError, match=field):
        Limits.model_validate({field: value})


# --- questions -------------------------------------------------------------------------------------

QUESTIONS = {
    "empty": ("", "question is empty"),
    "blank": (" \n\t ", "question is empty"),
    "a megabyte": ("why " * 250_000, "more than 100,000"),
    "one long word": ("x" * 1_000_000, "more than 100,000"),
}


@pytest.mark.parametrize("kind", QUESTIONS)
async def test_a_question_that_cannot_be_asked_leaves_nothing(place: Path, kind: str):
    question, said = QUESTIONS[kind]
    before = content(place)
    async with Analyst("offline:rules") as analyst_:
        with pytest.raises(InputError, match=said):
            await analyst_.ask(question, data=["good.csv"])
    assert content(place) == before


async def test_the_longest_question_is_asked(place: Path):
    async with Analyst("offline:rules") as analyst_:
        result = await analyst_.ask("why " * (LONGEST_QUESTION // 4), data=["good.csv"])
    assert result.status == "incomplete"
    notebook_at(str(result.notebook))


# --- names and special files -----------------------------------------------------------------------

NAMES = {
    "line break": ("new\nline", "line break"),
    "carriage return": ("new\rline", "line break"),
    "separator": ("new\u2028line", "line break"),
    "invalid UTF-8": (os.fsdecode(b"bad\xff\xfename"), "not valid UTF-8"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_cannot_be_stored(place: Path, name: str):
    stem, said = NAMES[name]
    (place / f"{stem}.csv").write_text("a,b\n1,2\n")
    before = content(place)
    assert said in refused(analyst("ask", ROWS, "--data", f"{stem}.csv"))
    assert said in refused(analyst(*ASK, "--notebook", f"{stem}.ipynb"))
    for command in (["verify"], ["undo"], ["export", "--to", "py", "-o", "-"]):
        assert said in refused(analyst(*command, f"{stem}.ipynb"))
    assert content(place) == before


def test_a_listing_shows_every_name(place: Path):
    for stem, _ in NAMES.values():
        (place / f"{stem}.csv").write_text("a,b\n1,2\n")
    listed = analyst("files", "--json")
    assert listed.exit_code == 0, listed.stderr
    assert {os.path.basename(row["path"]) for row in json.loads(listed.stdout)} >= {
        f"{stem}.csv" for stem, _ in NAMES.values()
    }
    assert analyst("files").exit_code == 0
    profiled = analyst("profile", "--json", ".")
    assert profiled.exit_code == 0, profiled.stderr
    shown = [json.loads(line) for line in profiled.stdout.strip().split("\n")]
    assert len(shown) == 3, "a line end and what is not UTF-8 keep a file out of the sandbox"


def test_an_empty_name_grants_nothing(place: Path):
    """As a variable of a shell that is not set leaves it; it must not mean the whole folder."""
    assert "is empty" in refused(analyst("ask", ROWS, "--data", ""))
    assert "is empty" in refused(analyst(*ASK, "--notebook", ""))


SPECIAL = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "loop": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_a_special_file_is_neither_data_nor_a_notebook(place: Path, kind: str):
    for name in ("odd.csv", "odd.ipynb"):
        SPECIAL[kind](place / name)
    before = sorted(os.listdir(place))
    refused(analyst("ask", ROWS, "--data", "odd.csv"))
    for command in (["verify"], ["undo"], ["export", "--to", "py", "-o", "x.py"]):
        assert "odd.ipynb" in refused(analyst(*command, "odd.ipynb")) or kind == "device"
    if kind != "loop":  # as a new notebook it gets another name
        refused(analyst(*ASK, "--notebook", "odd.ipynb"))
    assert sorted(os.listdir(place)) == before


# --- streams: real processes -----------------------------------------------------------------------


def shell(line: str, place: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``$ANALYST`` is the command."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], cwd=place, capture_output=True, text=True,
        encoding="utf-8", timeout=DEADLINE, check=False,
        env=environment(ANALYST=str(PROGRAMS / "analyst"), Q=ROWS, **env),
    )  # fmt: skip


ASKED = '"$ANALYST" ask "$Q" --data good.csv --notebook a.ipynb'


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_a_closed_stream_loses_nothing(place: Path, closed: str):
    ended = shell(f"{ASKED} {closed}", place)
    assert ended.returncode == 0, ended.stderr
    assert "defect" not in ended.stderr
    assert "2 rows" in json.dumps(notebook_at(place / "a.ipynb"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{ASKED} --json | head -1", 130),
        ('"$ANALYST" files | true', 1),
        ('"$ANALYST" models --json | true', 1),
    ],
)
def test_a_reader_that_leaves_early(place: Path, line: str, code: int):
    ended = shell(line, place)
    assert ended.returncode in (0, code), ended.stderr
    assert ended.stderr in ("", "Cancelled.\n") or "is saved in" in ended.stderr
    if (place / "a.ipynb").exists():
        notebook_at(place / "a.ipynb")


@pytest.mark.parametrize("line", ['"$ANALYST" models', f"{ASKED} --json", f"{ASKED} --quiet"])
def test_standard_output_on_a_full_disk(place: Path, line: str):
    ended = shell(f"{line} > /dev/full", place)
    assert ended.returncode == 1
    assert "no space left" in ended.stderr
    assert "Make room" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "defect" not in ended.stderr


ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_locale_without_most_characters(place: Path):
    (place / "good.csv").write_text("Ort,Preis 😀\nZürich,3\nBasel,4\n", encoding="utf-8")
    plain = shell(f"{ASKED.replace('$Q', 'Wie viele Zeilen für Zürich – 😀?')}", place, **ASCII)
    assert plain.returncode in (0, 1), plain.stderr
    assert "defect" not in plain.stderr
    assert "\\u" in plain.stderr
    asked = shell(f"{ASKED.replace('$Q', 'What is the mean of Preis 😀?')} --json", place, **ASCII)
    assert "defect" not in asked.stderr
    assert any(
        event["type"] == "dataset_profiled" and "Preis 😀" in json.dumps(event, ensure_ascii=False)
        for event in map(json.loads, asked.stdout.splitlines())
    )
    page = shell('"$ANALYST" export a.ipynb --to html -o -', place, **ASCII)
    assert page.returncode == 0, page.stderr
    assert "Preis 😀" in page.stdout


def test_few_descriptors(place: Path):
    ended = shell(f"ulimit -n 64; {ASKED}", place)
    assert ended.returncode == 0, ended.stderr
    none = shell('ulimit -n 5; "$ANALYST" files', place)
    assert none.returncode in (1, 2)
    assert "defect" not in none.stderr


# --- Ctrl-C ----------------------------------------------------------------------------------------


def started(place: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAMS / "analyst", *arguments], cwd=place, env=environment(), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def catches_interrupts(pid: int) -> bool:
    """Return whether a process handles SIGINT by code of ours or of Python's."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & 1 << (signal.SIGINT - 1))


def has_mapped(pid: int, library: str) -> bool:
    return library in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("arguments", [["models"], ["files", "--json"], ASK])
def test_ctrl_c_while_the_command_is_imported(place: Path, arguments: list[str]):
    """Python's own start is over, and nothing else is: ``_asyncio`` comes early."""
    command = started(place, *arguments)
    until = time.monotonic() + DEADLINE
    while not (catches_interrupts(command.pid) and has_mapped(command.pid, "_asyncio")):
        assert time.monotonic() < until
        assert command.poll() is None, "it ended before it was interrupted"
    os.killpg(command.pid, signal.SIGINT)
    out, errors = command.communicate(timeout=DEADLINE)
    assert "Traceback" not in errors
    assert "Aborted" not in errors
    assert command.returncode == 130, (out, errors)
    assert errors.startswith("Cancelled.")


@pytest.mark.parametrize("times", [2, 3, 30])
def test_ctrl_c_again_and_again(place: Path, times: int):
    command = started(place, *ASK, "--notebook", "a.ipynb", "--json")
    assert command.stdout is not None
    for line in command.stdout:
        if '"kernel_changed"' in line:
            break
    for _ in range(times):
        with_group = command.poll() is None
        if with_group:
            os.killpg(command.pid, signal.SIGINT)
    _, errors = command.communicate(timeout=DEADLINE)
    assert command.returncode == 130, errors
    assert "Traceback" not in errors
    assert "defect" not in errors
    if (place / "a.ipynb").exists():
        notebook_at(place / "a.ipynb")
    again = analyst(*shlex.split("ask 'How many rows are there?' --data good.csv --quiet"))
    assert again.exit_code == 0, again.stderr


def test_a_second_signal_lets_the_saving_end() -> None:
    """The work that saves is cancelled once; the second signal only speaks."""
    from analyst_kernel.command_line.shell import _stoppable

    steps: list[str] = []

    async def work() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0)
            await asyncio.to_thread(steps.append, "saved")
        return 0

    async def interrupted() -> int:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        return await _stoppable(work())

    with pytest.raises((asyncio.CancelledError, KeyboardInterrupt)):
        asyncio.run(interrupted())
    assert steps == ["saved"]
