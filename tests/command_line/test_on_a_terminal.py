"""The command on a real terminal: live display, questions to the user, Ctrl-C; and its pipes."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command_line.conversation import credentials
from tests.fakes.turns import call, plan, python, say, script, turn
from tests.fakes.wire_server import WireServer
from tests.support.cli import cells, notebook_at, ours
from tests.support.command import DEADLINE, PROGRAMS, Running, environment

if sys.platform == "win32":
    pytest.skip("pseudo terminals are POSIX's", allow_module_level=True)

import pty

ROWS = "How many rows are there?"
PROMPT = "[Y]es, [s]kip, [a]ll"
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]")


class Terminal:
    """A pseudo terminal with ``analyst`` in it; everything shown is kept as plain text."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self.shown = ""
        self._pid, self._screen = pty.fork()
        if self._pid == 0:
            os.chdir(cwd)
            program = str(PROGRAMS / "analyst")
            os.execve(program, [program, *arguments], environment(TERM="xterm-256color"))

    def read(self, until: str = "\0") -> str:
        """Read until this text is shown, or to the end."""
        deadline = time.monotonic() + DEADLINE
        start = len(self.shown)
        while until not in self.shown[start:]:
            assert time.monotonic() < deadline, self.shown
            ready, _, _ = select.select([self._screen], [], [], 1.0)
            if not ready:
                continue
            try:
                data = os.read(self._screen, 65536)
            except OSError:  # the terminal's other side is closed
                data = b""
            if not data:
                break
            self.shown += _CONTROLS.sub("", data.decode("utf-8", "replace"))
        return self.shown[start:]

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._screen, keys.encode())

    def end(self) -> int:
        """Read to the end and return the exit code."""
        try:
            self.read()
        except AssertionError:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            raise
        _, status = os.waitpid(self._pid, 0)
        os.close(self._screen)
        return os.waitstatus_to_exitcode(status)


def test_a_live_display_and_then_the_answer(folder: Path):
    terminal = Terminal("ask", ROWS, "--data", "vehicles.csv", cwd=folder)
    assert terminal.end() == 0, terminal.shown
    for shown in ("✓ Count the rows", "no AI model"):
        assert shown in terminal.shown
    answer = terminal.shown.index("vehicles has 33,442 rows")
    assert terminal.shown.index("Notebook: ") > answer
    assert "●" not in terminal.shown[answer:], "the live display is gone by then"


def test_the_plan_stands_there_while_a_step_is_at_work(folder: Path):
    goals = ("Look at the columns", "Wait a little", "Say so")
    model = script(
        folder,
        plan(*goals),
        python("import time; time.sleep(2)", "Wait"),
        say("Nothing was counted."),
    )
    terminal = Terminal("ask", ROWS, "--data", "vehicles.csv", "--model", model, cwd=folder)
    terminal.end()
    assert "○ Wait a little" in terminal.shown


def test_each_cell_waits_for_the_user(folder: Path):
    terminal = Terminal(
        "ask", "What is the average city mileage?", "--data", "vehicles.csv", "--approve",
        "--notebook", "asked.ipynb", cwd=folder,
    )  # fmt: skip
    assert "vehicles_used = vehicles" in terminal.read(PROMPT), "what would run is shown"
    terminal.type("y\r")
    terminal.read(PROMPT)
    terminal.type("perhaps\r")
    terminal.read(PROMPT)
    terminal.type("s\r")
    assert terminal.end() == 1, terminal.shown
    outcomes = [
        ours(cell)["outcome"] for cell in cells(notebook_at(folder / "asked.ipynb"), "iteration")
    ]
    assert outcomes[:2] == ["ok", "rejected"]


def test_end_of_input_is_no_approval(folder: Path):
    terminal = Terminal(
        "ask", ROWS, "--data", "vehicles.csv", "--approve", "--notebook", "asked.ipynb", cwd=folder
    )
    terminal.read(PROMPT)
    terminal.type("\x04")
    assert terminal.end() == 1, terminal.shown
    (cell,) = cells(notebook_at(folder / "asked.ipynb"), "iteration")
    assert ours(cell)["outcome"] == "rejected"


def test_ctrl_c_while_the_user_is_asked(folder: Path):
    terminal = Terminal(
        "ask", ROWS, "--data", "vehicles.csv", "--approve", "--notebook", "asked.ipynb", cwd=folder
    )
    terminal.read(PROMPT)
    terminal.type("\x03")
    assert terminal.end() == 130, terminal.shown
    assert "Traceback" not in terminal.shown
    assert f"saved in {folder / 'asked.ipynb'}" in terminal.shown.replace("\r\n", "")
    (cell,) = cells(notebook_at(folder / "asked.ipynb"), "iteration")
    assert ours(cell)["outcome"] == "cancelled"


def test_a_reader_that_leaves_ends_the_run_quietly(folder: Path):
    """As in ``analyst ask ... --json | head -1``."""
    process = subprocess.Popen(
        [
            PROGRAMS / "analyst", "ask", ROWS, "--data", "vehicles.csv", "--json",
            "--notebook", "left.ipynb",
        ],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "run_started" in process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    stderr = process.stderr.read()
    assert process.wait(DEADLINE) == 130
    assert stderr.strip() == "Cancelled."
    process.stderr.close()
    assert len(cells(notebook_at(folder / "left.ipynb"), "answer")) == 1


def test_being_terminated_saves_like_ctrl_c(folder: Path):
    slow = turn(call("run_python", code="import time\nprint(1, flush=True)\ntime.sleep(600)"))
    with WireServer([slow]) as server, Running(
        "ask", ROWS, "--data", "vehicles.csv", "--notebook", "cut.ipynb",
        cwd=folder, env=credentials(server),
    ) as running:  # fmt: skip
        running.wait_for("output_produced")
        running.terminate()
        ended = running.end()
    assert ended.code == 130, ended.err
    assert ended.finished.status == "cancelled"
    (cell,) = cells(notebook_at(folder / "cut.ipynb"), "iteration")
    assert ours(cell)["outcome"] == "cancelled"
