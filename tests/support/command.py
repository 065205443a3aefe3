"""The ``analyst`` command: in this process, which is quick, or installed and in one of its own.

What only a process has (signals, a terminal, pipes, what an interpreter prints at its end) is tested
with ``run`` and ``Running``; for all else ``analyst`` goes the same way from arguments to exit code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest import mock

import jsonschema  # noqa: F401 - the command would import it in part, and other tests need it whole
import pytest

from analyst_kernel import cli
from analyst_kernel.protocol.events import EVENT, Event, RunFinished

PROGRAMS = Path(sys.executable).parent
DEADLINE = 240.0


@dataclass(frozen=True)
class Ended:
    """A command that ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[Event]:
        """Every line of standard output as an event of the protocol; raises for any other line."""
        return [EVENT.validate_json(line) for line in self.out.splitlines()]

    @property
    def finished(self) -> RunFinished:
        """The last event."""
        last = self.events[-1]
        assert isinstance(last, RunFinished), last.type
        return last

    @property
    def error(self) -> str:
        """The one line that tells of the failure; raises where there is not exactly one."""
        assert "Traceback" not in self.err
        told = [line for line in self.err.splitlines() if line.startswith("Error: ")]
        assert len(told) == 1, self.err
        assert told[0].endswith((".", "?")), told[0]
        return told[0]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment, which names no provider, with ``more``."""
    return {**os.environ, "COLUMNS": "100", "PYTHONUNBUFFERED": "1", **more}


def run(program: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run a program of this environment to its end."""
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        cwd=cwd,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def analyst(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run ``analyst`` in this process to its end; not from a coroutine, since it runs its own loop."""
    out, err = _stream(), _stream()
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, environment(**(env or {})), clear=True),
        mock.patch("sys.stdin", io.StringIO()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        cli.main(arguments, prog_name="analyst")
    assert isinstance(end.value.code, int), end.value.code
    return Ended(end.value.code, _written(out), _written(err))


def _stream() -> io.TextIOWrapper:
    """Return a stream as a process has it, which takes bytes too."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


class Running:
    """``analyst ask ... --json`` at work, in a process group of its own as on a terminal."""

    def __init__(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [PROGRAMS / "analyst", *arguments, "--json"],
            cwd=cwd,
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._watchdog = threading.Timer(DEADLINE, self._process.kill)
        self._watchdog.start()
        self._lines: list[str] = []

    def __enter__(self) -> Running:
        """Return self."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what is left."""
        self._watchdog.cancel()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield each event as it is printed."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            yield json.loads(line)

    def wait_for(self, kind: str) -> dict[str, Any]:
        """Wait until an event of this type is printed, and return it."""
        for event in self.events():
            if event["type"] == kind:
                return event
        raise AssertionError(f"it ended without {kind}: {self._process.communicate()[1]}")

    def is_at_work(self) -> bool:
        """Return whether it has not ended."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Press Ctrl-C: the signal goes to the whole group, as a terminal sends it."""
        os.killpg(self._process.pid, signal.SIGINT)

    def terminate(self) -> None:
        """End it as a service manager does: the signal goes to the command alone."""
        self._process.terminate()

    def end(self) -> Ended:
        """Wait for its end."""
        rest, errors = self._process.communicate()
        return Ended(self._process.returncode, "".join(self._lines) + rest, errors)
