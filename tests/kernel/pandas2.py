"""A kernel with pandas 2, in a virtual environment of its own, built once under ``build/``."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

VENV = Path(__file__).resolve().parents[2] / "build" / "pandas2-venv"
KERNEL = "analyst-test-pandas2"
PACKAGES = ["pandas<3", "numpy<2.4", "ipykernel", "matplotlib", "duckdb"]


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep a second test run from building the same environment."""
    VENV.parent.mkdir(exist_ok=True)
    with open(VENV.parent / "pandas2-venv.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    """Return an environment in which pip finds the user's own configuration of it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return {**kept, "HOME": pwd.getpwuid(os.getuid()).pw_dir}


def build() -> None:
    """Build the environment and its kernelspec unless they are there; raises when it cannot."""
    done = VENV / "complete"
    wanted = json.dumps([sys.version_info[:2], *PACKAGES])
    with _alone():
        if done.exists() and done.read_text() == wanted:
            return
        shutil.rmtree(VENV, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # Kernels compile what they import; compiling all that is there takes a quarter of a minute.
        subprocess.run(
            [*pip, "--no-compile", *PACKAGES], check=True, timeout=900, env=_environment()
        )
        spec = VENV / "share" / "jupyter" / "kernels" / KERNEL
        spec.mkdir(parents=True)
        command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel = {"argv": command, "display_name": "pandas 2 (tests)", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(kernel))
        done.write_text(wanted)


@pytest.fixture
def pandas2_kernel(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a kernel with pandas 2; fails where it cannot be built."""
    build()
    monkeypatch.setenv("JUPYTER_PATH", str(VENV / "share" / "jupyter"))
    return KERNEL
