"""A kernel that several end at once: its analysis, the tab's session, the list of kernels."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.server.conftest import StartServer
from tests.server.test_server_kernels import asked


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
