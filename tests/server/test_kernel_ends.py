"""A kernel that several end at once: its analysis, the tab's session, the list of kernels."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from analyst_kernel.server.kernels import ServerHost
from tests.server.conftest import StartServer
from tests.server.test_kernels import asked
from tests.support.kernel import plain_kernels


@pytest.mark.parametrize("kernel_name", ["python3", "analyst"])
async def test_a_kernel_that_is_ended_from_all_sides_at_once_is_gone(
    start_server: StartServer, tmp_path: Path, kernel_name: str
) -> None:
    server = await start_server(kernel_name=kernel_name)
    browser = server.browser
    for turn in range(6):
        analysis, tab = await asked(browser, tmp_path)
        (session,) = (await browser.fetch("GET", "api/sessions")).json
        ends = [
            tab.do("delete_analysis", analysis),
            browser.fetch("DELETE", f"api/sessions/{session['id']}"),
        ]
        if turn % 2:
            ends.append(browser.fetch("DELETE", f"api/kernels/{session['kernel']['id']}"))
        async with asyncio.timeout(60):
            await asyncio.gather(*ends, return_exceptions=True)
            while (await browser.fetch("GET", "api/kernels")).json:
                await asyncio.sleep(0.05)
    async with asyncio.timeout(60):
        await server.stop()


async def test_a_start_that_nobody_waits_for_any_more_leaves_no_kernel(
    start_server: StartServer, tmp_path: Path
) -> None:
    before = plain_kernels()
    server = await start_server()
    assert server.app is not None
    managers = server.app.kernel_manager, server.app.session_manager
    for delay in (0.0, 0.005, 0.02, 0.05, 0.2, 0.5):
        host = ServerHost(*managers, lambda: "opened.ipynb")
        task = asyncio.create_task(host.start("python3", cwd=str(tmp_path), env=dict(os.environ)))
        await asyncio.sleep(delay)
        if not task.cancel():
            await host.shutdown(task.result())  # a fast machine has started it by now
            continue
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(60):
        while plain_kernels() - before:
            await asyncio.sleep(0.05)


async def test_a_server_ends_though_a_restart_was_cut_off(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start_server()
    assert server.app is not None
    managers = server.app.kernel_manager, server.app.session_manager
    for delay in (0.0, 0.02, 0.2):
        host = ServerHost(*managers, lambda: None)
        kernel = await host.start("python3", cwd=str(tmp_path), env=dict(os.environ))
        task = asyncio.create_task(host.restart(kernel))
        await asyncio.sleep(delay)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    async with asyncio.timeout(60):
        await server.stop()
    assert server.app is None or not list(server.app.kernel_manager)
