from __future__ import annotations

from collections.abc import Iterator

import pytest

from analyst_kernel.connections.entries import ConnectionEntry, checked_entry
from tests.connections.server import PASSWORD, Postgres, running_postgres
from tests.server.conftest import browser, root, server, start_server

__all__ = ["browser", "root", "server", "start_server"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as database:
        yield database


@pytest.fixture
def shop(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> ConnectionEntry:
    """The connection of a role that owns nothing and may change much."""
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    return checked_entry("shop", postgres.address(), password_from="env:SHOP_PASSWORD")
