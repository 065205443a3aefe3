"""Fixtures of the fakes, for any test: ``from tests.fakes.fixtures import wire_server``.

``wire_server`` is a running server with an empty script (``wire_server.push(turn(...))``).
``quiet_environment`` removes every variable and profile that could name a real provider.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyst_kernel.testing.wires import FAKE_KEY
from tests.fakes.wire_server import WireServer

__all__ = ["FAKE_KEY", "claude_environment", "quiet_environment", "wire_server"]


_PREFIXES = ("ANTHROPIC_", "ANALYST_", "AZURE_", "OPENAI_", "OPENROUTER_", "OLLAMA_")


@pytest.fixture
def wire_server() -> Iterator[WireServer]:
    """Run a fake Messages API with an empty script."""
    with WireServer() as server:
        yield server


@pytest.fixture
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Hide real credentials; give an empty home folder."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def claude_environment(
    quiet_environment: Path, wire_server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> WireServer:
    """Point the provider ``anthropic`` at the running fake, for this process and its children."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire_server.url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", FAKE_KEY)
    return wire_server
