"""What holds for every test: no real model can be reached, and nothing of the user's is touched.

The environment is replaced before any test module is imported, so that subprocesses have it too.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.examples import QUICK
from tests.support.scheduling import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]

pytest_plugins = ["analyst_kernel.testing.plugin"]

# Nothing is measured by the clock of a machine that others use too; tests/benchmarks measures.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("shared"), max_examples=QUICK)
settings.load_profile("shared")

PROVIDER_PREFIXES = (
    "ANTHROPIC_",
    "AWS_",
    "AZURE_",
    "CEREBRAS_",
    "CLAUDE_",
    "CLOUDSDK_",
    "CLOUD_ML_",
    "COHERE_",
    "DEEPSEEK_",
    "FIREWORKS_",
    "GEMINI_",
    "GOOGLE_",
    "GROQ_",
    "HF_",
    "LLAMA_",
    "LMSTUDIO_",
    "MISTRAL_",
    "MOONSHOT_",
    "OLLAMA_",
    "OPENAI_",
    "OPENROUTER_",
    "TOGETHER_",
    "VLLM_",
    "XAI_",
)
"""Variables that lead to a provider or hold its key."""

PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY")
"""A proxy would see even what goes to the fake servers of this machine."""

HOMES = {
    "HOME": "home",
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "run",
    "MPLCONFIGDIR": "matplotlib",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "xdg-config",
    "XDG_DATA_HOME": "xdg-data",
    "XDG_STATE_HOME": "xdg-state",
}
"""Where programs keep what is the user's, and the folder that stands for it here."""

_places = pytest.StashKey[tuple[Path, dict[str, str]]]()


def _leads_outside(name: str) -> bool:
    upper = name.upper()
    return (
        upper.startswith(PROVIDER_PREFIXES)
        or upper.endswith(("_API_KEY", "_API_TOKEN", "_AUTH_TOKEN"))
        or upper in PROXIES
        or upper.startswith("JUPYTER_")
        or upper in {"JPY_SESSION_NAME", "MPLBACKEND"}
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give the whole session an environment of its own."""
    # Programs that a shell starts in the background ignore interrupts, and so would their children.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Short, because a kernel's sockets live below it and their paths may have 107 characters.
    place = Path(tempfile.mkdtemp(prefix="ak-"))
    config.stash[_places] = (place, dict(os.environ))
    for name in [name for name in os.environ if _leads_outside(name)]:
        del os.environ[name]
    # A user's keyring is no test's to read; without a real one, keys lie in a file.
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    for name, folder in HOMES.items():
        (place / folder).mkdir(mode=0o700)
        os.environ[name] = str(place / folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Put the environment back and remove what the session left behind."""
    place, before = config.stash[_places]
    os.environ.clear()
    os.environ.update(before)
    shutil.rmtree(place, ignore_errors=True)


TESTS = Path(__file__).parent

# --- what takes time -------------------------------------------------------------------------------

REAL_FOLDERS = ("analysis/", "benchmarks/", "command_line/", "live/", "sandbox/zygote/", "ui/")
"""Folders whose tests all start kernels, servers or browsers, often in processes of their own."""

REAL_FIXTURES = frozenset({"make_session", "server", "start", "start_server"})
"""Fixtures that start a kernel or a server."""


UNTRACED = (
    "agent/privacy/test_canaries.py",
    "agent/test_hostile_text.py",
    "agent/test_storms.py",
    "data/test_hostile_names.py",
    "data/test_real_files.py",
    "data/test_round_trip.py",
    "models/conformance/",
    "models/gemini/test_gemini_faults.py",
    "models/test_endless_stream.py",
    "notebook/test_markdown.py",
    "offline/test_hostile_names.py",
    "offline/test_on_disk.py",
)
"""Files that go the same lines a thousand times: tracing them doubles their time and finds no more."""


LONGEST_FIRST = (
    "ui/",
    "sandbox/",
    "kernel/",
    "command_line/",
    "server/",
    "analysis/",
    "evaluation/",
    "offline/",
)
"""How the workers of a whole run begin, so that none is left with a long file at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a real kernel, server or browser, and what is not traced.

    ``make test-fast`` leaves out what is real.
    """
    for item in items:
        if name_of(item).startswith(REAL_FOLDERS) or REAL_FIXTURES & set(
            getattr(item, "fixturenames", ())
        ):
            item.add_marker(pytest.mark.real)
        if name_of(item).startswith(UNTRACED):
            item.add_marker(pytest.mark.no_cover)
    if hasattr(config, "workerinput"):
        items.sort(key=turn_of)


def name_of(item: pytest.Item) -> str:
    """Return a test file's path below this folder; empty for files elsewhere."""
    return item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""


def turn_of(item: pytest.Item) -> int:
    """Return the place of a test's folder in the order of a run by several workers."""
    name = name_of(item)
    return next(
        (n for n, folder in enumerate(LONGEST_FIRST) if name.startswith(folder)),
        len(LONGEST_FIRST),
    )


@pytest.fixture(autouse=True)
def nothing_real_starts_unmarked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail a test that starts a kernel, a reader or a server and is not marked ``real``."""
    if request.node.get_closest_marker("real"):
        return
    from jupyter_client.manager import KernelManager
    from jupyter_server.serverapp import ServerApp

    from analyst_kernel.sandbox.reader import EnclosedReader

    def refuse(*_: Any, **__: Any) -> Any:
        pytest.fail("Mark it: pytestmark = pytest.mark.real  # starts a kernel, reader or server")

    monkeypatch.setattr(EnclosedReader, "__aenter__", refuse)
    monkeypatch.setattr(KernelManager, "_async_launch_kernel", refuse)
    monkeypatch.setattr(ServerApp, "initialize", refuse)


# --- what is out of reach --------------------------------------------------------------------------


class OutsideError(AssertionError):
    """A test tried to leave this machine."""


def _is_outside(family: int, kind: int, address: Any) -> bool:
    if family not in {socket.AF_INET, socket.AF_INET6} or not kind & socket.SOCK_STREAM:
        return False
    host = address[0]
    if host in {"", "localhost"}:
        return False
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return True


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Refuse every TCP connection that does not stay on this machine, and fail the test that tried.

    Code under test may swallow the refusal, so the attempts are also looked at when the test ends.
    A test of this guard takes the list of attempts and clears it.
    """
    attempts: list[str] = []

    def guard(name: str) -> None:
        connect = getattr(socket.socket, name)

        def guarded(self: socket.socket, address: Any) -> Any:
            if _is_outside(self.family, self.type, address):
                attempts.append(f"{address[0]}:{address[1]}")
                message = f"A test tried to connect to {attempts[-1]}; tests reach no real host."
                raise OutsideError(message)
            return connect(self, address)

        monkeypatch.setattr(socket.socket, name, guarded)

    guard("connect")
    guard("connect_ex")
    yield attempts
    if attempts:
        pytest.fail(f"This test tried to reach {', '.join(attempts)}; use a fake of tests/fakes.")


MADE = """
SELECT 1 FROM duckdb_tables() WHERE NOT internal UNION ALL
SELECT 1 FROM duckdb_views() WHERE NOT internal UNION ALL
SELECT 1 FROM duckdb_databases() WHERE NOT internal AND path IS NOT NULL
"""
"""What a test left in the database that a bare ``duckdb.sql`` uses."""


@pytest.fixture(autouse=True)
def own_duckdb() -> Iterator[None]:
    """Leave no table in DuckDB's default database: it would answer the next test's query.

    A table of the database goes before a variable of the same name, so a test that runs cells in
    this process would compute on another test's rows.
    """
    yield
    duckdb = sys.modules.get("duckdb")
    if duckdb is None:
        return
    with contextlib.suppress(duckdb.Error):
        if not duckdb.default_connection().execute(MADE).fetchall():
            return
    duckdb.set_default_connection(duckdb.connect())
