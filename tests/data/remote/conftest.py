"""A real object store, started once; a web server that misbehaves; a fetcher with its own cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analyst_kernel.data.remote.cache import RemoteCache
from analyst_kernel.data.remote.fetch import Fetcher, FetchProgress
from analyst_kernel.data.remote.objects import Timeouts
from tests.fakes.web_server import WebServerAtWork, web_server
from tests.support.remote.object_server import ObjectServer, object_server

TABLE = b"region,units\nnorth,10\nsouth,20\nnorth,40\n"


@pytest.fixture(scope="session")
def store() -> Iterator[ObjectServer]:
    with object_server() as server:
        server.put("open/base/sales.csv", TABLE)
        server.put("open/base/2024/more sales.csv", TABLE * 2)
        server.put("open/base/2024/notes.pdf", b"%PDF")
        server.put("open/base/.hidden.csv", TABLE)
        server.put("open/base/old_files/left.csv", TABLE)
        server.put("closed/secret.csv", TABLE)
        yield server


@pytest.fixture
def web() -> Iterator[WebServerAtWork]:
    with web_server() as server:
        yield server


@pytest.fixture
def fetcher(tmp_path: Path) -> Callable[..., Fetcher]:
    def make(
        env: dict[str, str] | None = None,
        progress: Callable[[FetchProgress], None] | None = None,
        stall: float = 60.0,
    ) -> Fetcher:
        return Fetcher(
            cache=RemoteCache(tmp_path / "cache"),
            env=env or {},
            timeouts=Timeouts(connect=10.0, stall=stall),
            progress=progress,
        )

    return make
