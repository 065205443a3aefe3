"""What code leaves in its folders blocks neither a restart nor the end of its kernel."""

from __future__ import annotations

import time

import pytest

from tests.sandbox.conftest import Start

LEAVE = """
import os
from ipykernel.kernelapp import IPKernelApp
folder = os.path.dirname(IPKernelApp.instance().ip)
for name in os.listdir(folder):
    path = os.path.join(folder, name)
    if not os.path.isdir(path):
        os.unlink(path)
        os.makedirs(os.path.join(path, "in the way"))
os.chdir(folder)
for _ in range(1500):
    os.mkdir("d" * 50); os.chdir("d" * 50)
os._exit(0)
"""


@pytest.mark.parametrize("form", ["bubblewrap", "landlock"])
async def test_a_restart_and_a_stop_after_code_filled_the_folder_of_the_sockets(
    form: str, start: Start
) -> None:
    async with start(form) as kernel:
        await kernel.death(LEAVE)
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=60)
        assert await kernel.value("print(6 * 7)") == 42
        await kernel.death(LEAVE)
        began = time.thread_time()
        await kernel.manager.shutdown_kernel(now=True)
        assert time.thread_time() - began < 1.0
