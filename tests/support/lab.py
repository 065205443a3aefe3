"""A real JupyterLab in a process of its own, with its own folders, that can be killed and started.

It serves a copy of the demonstration files. Where a provider's address is given in ``environment``
an AI model answers; else the built-in rules do.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

_ROOT = Path(__file__).resolve().parents[2]
DATA = _ROOT / "notebooks" / "data"
FRONT_END = _ROOT / "analyst_kernel" / "_labextension"
TOKEN = "a-token-of-the-browser-tests"
DEADLINE = 120.0
_QUIET = {
    "notification": {"fetchNews": "false", "checkForUpdates": False},
    # A test of the look chooses the theme itself, so the machine's taste does not count.
    "themes": {"adaptive-theme": False},
}


class Lab:
    """The server.

    Attributes:
        root: The folder that the file browser shows.
        log: What the server printed, all its lives together.
    """

    def __init__(
        self,
        *,
        base_url: str = "/",
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        """Make the folders; nothing runs yet."""
        # Short, because a kernel's sockets lie below it and their paths may have 107 characters.
        self.place = Path(tempfile.mkdtemp(prefix="ak-ui-"))
        self.root = self.place / "root"
        (self.root / "data").mkdir(parents=True)
        for file in DATA.glob("*.csv"):
            shutil.copy(file, self.root / "data")
        self._settings("notification", _QUIET["notification"])
        self._settings("themes", _QUIET["themes"])
        # What was built last, not what was there when the package was installed.
        (self.place / "labextensions").mkdir()
        (self.place / "labextensions" / "analyst-kernel").symlink_to(FRONT_END)
        self.base_url = base_url
        self.log = self.place / "server.log"
        self._environment = dict(environment or {})
        self._arguments = arguments
        self._port = _free_port()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def _settings(self, name: str, values: Mapping[str, Any]) -> None:
        folder = self.place / "config" / "lab" / "user-settings" / "@jupyterlab"
        file = folder / "apputils-extension" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Return the variables under which it runs, and any program of the same user."""
        env = {**os.environ, **self._environment}
        for variable, folder in (("DATA", "data"), ("CONFIG", "config"), ("RUNTIME", "run")):
            (self.place / folder).mkdir(mode=0o700, exist_ok=True)
            env[f"JUPYTER_{variable}_DIR"] = str(self.place / folder)
        return env

    # --- its life ------------------------------------------------------------------------------

    def start(self) -> Lab:
        """Start, and return when it answers."""
        assert self._process is None
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            f"--port={self._port}", "--port-retries=0", f"--IdentityProvider.token={TOKEN}",
            f"--notebook-dir={self.root}", f"--ServerApp.base_url={self.base_url}",
            "--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly",
            f"--LabApp.extra_labextensions_path={self.place / 'labextensions'}",
            # The same server serves Notebook 7, below /tree and /notebooks.
            "--JupyterNotebookApp.expose_app_in_browser=True",
            f"--JupyterNotebookApp.extra_labextensions_path={self.place / 'labextensions'}",
            *self._arguments,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, env=self.environment(), text=True, start_new_session=True, cwd=self.root,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, ready), daemon=True)
        self._reader.start()
        if not ready.wait(DEADLINE) or self._process.poll() is not None:
            self.kill()
            raise RuntimeError(f"JupyterLab did not start:\n{self.log.read_text()[-4000:]}")
        # It says that it runs a moment before it listens.
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                self.get("status")
            except urllib.error.URLError:
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.05)
            else:
                return self

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        with self.log.open("a", encoding="utf-8") as log, process.stdout:
            for line in process.stdout:
                log.write(line)
                log.flush()
                if "is running at" in line:
                    ready.set()
        ready.set()

    def kill(self) -> None:
        """End it at once, as a power cut does; its kernels end by themselves."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as its owner does."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
        if self._reader is not None:
            # Kernels that outlive a killed server hold the pipe open for a moment.
            self._reader.join(5)

    def close(self) -> None:
        """Stop, and remove all that it left."""
        self.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    # --- reaching it ---------------------------------------------------------------------------

    def url(self, path: str, **query: str) -> str:
        """Return the address of a page, with the token."""
        found = urlencode({**query, "token": TOKEN})
        return f"http://127.0.0.1:{self._port}{self.base_url}{path}?{found}"

    def get(self, path: str, **query: str) -> Any:
        """Return what a route of the extension answers, as JSON."""
        return self._fetch("GET", path, query)

    def delete(self, path: str, **query: str) -> None:
        """Delete what a route of the extension names."""
        self._fetch("DELETE", path, query)

    def clear(self) -> None:
        """Stop and delete every analysis; the notebooks stay."""
        for analysis in self.get("analyses"):
            self.delete(f"analyses/{analysis['id']}")

    def _fetch(self, method: str, path: str, query: Mapping[str, str]) -> Any:
        request = urllib.request.Request(
            self.url(f"analyst-kernel/api/{path}", **query),
            headers={"Authorization": f"token {TOKEN}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            content = answer.read()
        return json.loads(content) if content else None


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
