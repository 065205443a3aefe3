"""Code run without a sandbox, in a process that notices whatever the code has no business to do.

The process imports the libraries once and forks for each piece of code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_CHILD = r"""
import json, os, sys
import duckdb, matplotlib.pyplot as plt, numpy, openpyxl, pandas as pd, pyarrow.feather, pyarrow.parquet
import bz2, gzip, lzma, sqlite3, warnings, zipfile

warnings.simplefilter("ignore")  # of fonts

plt.plot([1])
plt.close("all")  # fonts and caches are looked for now

NEVER = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "os.mkdir", "os.remove",
         "os.rename", "os.symlink", "shutil.rmtree", "socket.connect", "urllib.Request")

def run(job):
    noticed, opened = [], []
    def hook(event, arguments):
        if event in NEVER:
            noticed.append(event)
        if event == "open" and isinstance(arguments[0], str):
            if arguments[2] & (os.O_WRONLY | os.O_RDWR):
                noticed.append(f"{event} to write")
            opened.append(os.path.realpath(arguments[0]))
    os.chdir(job["folder"])
    names, frames, failed = {"display": lambda *shown: None}, {}, None
    sys.stdout = open(os.devnull, "w")  # the process answers there
    code = compile(job["code"], "<cell>", "exec")
    sys.addaudithook(hook)
    try:
        exec(code, names)
        for name in job["shown"]:
            frame = names[name] if name in names else duckdb.sql(f'SELECT * FROM "{name}"').df()
            frames[name] = [list(map(str, frame.columns)),
                            [[str(cell) for cell in row] for row in frame.astype(object).values]]
    except BaseException as error:
        failed = f"{type(error).__name__}: {error}"
    root = job["root"] + os.sep
    opened = sorted({path for path in opened if path.startswith(root)})
    return {"noticed": noticed, "opened": opened, "frames": frames, "failed": failed}

for line in sys.stdin:
    read, write = os.pipe()
    if os.fork() == 0:
        with open(write, "w") as answer:
            json.dump(run(json.loads(line)), answer)
        os._exit(0)
    os.close(write)
    with open(read) as answer:
        print(answer.read(), flush=True)
    os.wait()
"""


@dataclass(frozen=True)
class Ran:
    """What a piece of code did.

    Attributes:
        frames: For each name that was asked for, its columns and its rows as text.
        opened: The files below the root that Python opened, links resolved.
        noticed: What it did that loading data never does.
        failed: The error that ended it.
    """

    frames: dict[str, tuple[list[str], list[list[str]]]]
    opened: list[str]
    noticed: list[str]
    failed: str | None


class Unguarded:
    """The process that runs code."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, code: str, *, folder: str, root: str, shown: Sequence[str] = ()) -> Ran:
        """Run code in a folder and return what it did."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job: dict[str, Any] = {"code": code, "folder": folder, "root": root, "shown": list(shown)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Ran(**answer)


@contextmanager
def unguarded() -> Iterator[Unguarded]:
    """Start the process, and end it with the block."""
    environment = {**os.environ, "MPLBACKEND": "agg"}
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        yield Unguarded(process)
        assert process.stdin is not None
        process.stdin.close()
