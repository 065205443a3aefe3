"""A provider as another package registers one, and the keyring of a desktop, for these tests."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from keyring.backend import KeyringBackend

from analyst_kernel.models import registry
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.wire.connection import NO_KEY, Connection
from analyst_kernel.providers import ProviderInfo, ProviderSettings

SETTINGS = ProviderSettings(
    # The variable of another provider: what is stored for theirs must not become OpenAI's key.
    key_variable="OPENAI_API_KEY",
    needs_key=True,
    url="https://theirs.example",
    url_variable="THEIR_URL",
    check_path="/v1/models",
    check_headers=(("anthropic-version", "2023-06-01"),),
)


class Theirs:
    name = "theirs"

    def describe(self, env: Any) -> ProviderInfo:
        found = "OPENAI_API_KEY" if env.get("OPENAI_API_KEY") else ""
        return ProviderInfo("theirs", "Theirs", bool(found), found, "own", settings=SETTINGS)

    async def open(self, model: str, env: Any) -> AnthropicMessages:
        url = env.get("THEIR_URL") or SETTINGS.url
        connection = Connection(url, api_key=env.get("OPENAI_API_KEY", NO_KEY))
        return AnthropicMessages(
            provider="theirs", model=model or "own", label="Theirs", connection=connection,
            dialect="compat", key_advice="",
        )  # fmt: skip


class Old:
    """A provider of the time before providers said what they need."""

    name = "old"

    def describe(self, env: Any) -> ProviderInfo:
        return ProviderInfo("old", "Old", has_credentials=False, note="Set OLD_KEY to use it.")

    async def open(self, model: str, env: Any) -> Any:
        raise LookupError(model)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add both to the providers that are found."""
    entries = [
        *registry.entry_points(group=registry.GROUP),
        EntryPoint("theirs", f"{__name__}:Theirs", registry.GROUP),
        EntryPoint("old", f"{__name__}:Old", registry.GROUP),
    ]
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Theirs.__module__])
    monkeypatch.setattr(registry, "entry_points", lambda *, group: entries)


class DesktopKeyring(KeyringBackend):
    """A keyring that keeps its entries in a file, and can be locked."""

    priority = 1

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self._all().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        kept = {**self._all(), f"{service} {username}": password}
        self.path.write_text(json.dumps(kept))

    def delete_password(self, service: str, username: str) -> None:
        raise RuntimeError("nothing of ours deletes the entry")

    def _open(self) -> None:
        if self.locked:
            raise RuntimeError(f"locked; it holds {self.path.read_text()}")

    def _all(self) -> dict[str, str]:
        return dict(json.loads(self.path.read_text())) if self.path.exists() else {}
