"""No test reaches a real model: the guard of conftest.py itself."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

OUTSIDE = "192.0.2.1"
"""An address that is reserved for documentation."""


def test_a_connection_to_another_machine_is_refused(nothing_leaves_this_machine: list[str]) -> None:
    with socket.socket() as client, pytest.raises(AssertionError, match="tests reach no real host"):
        client.connect((OUTSIDE, 443))
    with socket.socket() as client, pytest.raises(AssertionError, match="tests reach no real host"):
        client.connect_ex(("example.invalid", 443))
    assert nothing_leaves_this_machine == [f"{OUTSIDE}:443", "example.invalid:443"]
    nothing_leaves_this_machine.clear()


async def test_asyncio_is_guarded_too(nothing_leaves_this_machine: list[str]) -> None:
    with pytest.raises(AssertionError, match="tests reach no real host"):
        await asyncio.open_connection(OUTSIDE, 443)
    assert nothing_leaves_this_machine == [f"{OUTSIDE}:443"]
    nothing_leaves_this_machine.clear()


async def test_this_machine_can_be_reached() -> None:
    async def prefetch_kernel_info(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(prefetch_kernel_info, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()


def test_no_provider_can_be_found_in_the_environment() -> None:
    assert [name for name in os.environ if name.startswith(("ANTHROPIC_", "OPENAI_"))] == []
    assert [name for name in os.environ if name.endswith("_API_KEY")] == []
    assert "MPLBACKEND" not in os.environ


def test_nothing_of_the_user_is_touched() -> None:
    place = Path(os.environ["HOME"]).parent
    assert place.name.startswith("ak-")
    for folder in (jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir()):
        assert Path(folder).parent == place
    assert Path.home() == place / "home"


def test_the_installed_kernel_is_still_found() -> None:
    spec = KernelSpecManager().get_kernel_spec("analyst")
    assert Path(spec.resource_dir).is_relative_to(sys.prefix)
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "analyst-provisioner"
    assert spec.interrupt_mode == "message"
