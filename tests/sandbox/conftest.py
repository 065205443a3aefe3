"""Real kernels behind the provisioner, started in any backend, and a folder of data to grant."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from analyst_kernel.sandbox.provisioner import AnalystProvisioner

KERNELSPEC = Path(__file__).parents[2] / "analyst_kernel" / "sandbox" / "kernelspec"
DEADLINE = 120.0


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; raise ``TimeoutError`` after the deadline."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


@dataclass
class Reply:
    """What one cell did."""

    text: str
    error: str
    name: str
    data: list[dict[str, Any]]


class RunningKernel:
    """One kernel and a client of it."""

    def __init__(self, manager: AsyncKernelManager, client: Any) -> None:
        self.manager = manager
        self.client = client

    @property
    def provisioner(self) -> AnalystProvisioner:
        found = self.manager.provisioner
        assert isinstance(found, AnalystProvisioner)
        return found

    async def run(
        self, code: str, timeout: float = DEADLINE, printed: asyncio.Event | None = None
    ) -> Reply:
        """Run a cell to its end; ``printed`` is set as soon as it printed something."""
        messages: list[dict[str, Any]] = []

        def note(message: dict[str, Any]) -> None:
            messages.append(message)
            if printed is not None and message["msg_type"] == "stream":
                printed.set()

        reply = await self.client.execute_interactive(code, timeout=timeout, output_hook=note)
        text = "".join(m["content"].get("text", "") for m in messages if m["msg_type"] == "stream")
        data = [m["content"]["data"] for m in messages if "data" in m["content"]]
        content = reply["content"]
        return Reply(text, content.get("evalue", ""), content.get("ename", ""), data)

    async def value(self, code: str) -> Any:
        """What the cell prints, as JSON."""
        reply = await self.run(code)
        assert not reply.error, f"{reply.name}: {reply.error}"
        return json.loads(reply.text)

    async def death(self, code: str) -> str | None:
        """Run a cell that ends the kernel; returns the reason that was found."""
        self.client.execute(code)
        await asyncio.wait_for(self.provisioner.wait(), DEADLINE)
        return self.provisioner.death_reason


@pytest.fixture
def kernelspecs(tmp_path_factory: pytest.TempPathFactory) -> KernelSpecManager:
    folder = tmp_path_factory.mktemp("specs")
    shutil.copytree(KERNELSPEC, folder / "analyst")
    return KernelSpecManager(kernel_dirs=[str(folder)])


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A notebook's folder: some data, some secrets, and a folder with both."""
    folder = tmp_path / "work"
    (folder / "data" / ".git").mkdir(parents=True)
    (folder / "cars.csv").write_text("a,b\n1,2\n")
    (folder / "secret.csv").write_text("SECRET-FILE\n")
    (folder / ".env").write_text("KEY=SECRET-ENV\n")
    (folder / "data" / "part.csv").write_text("a\n1\n")
    (folder / "data" / ".env").write_text("KEY=SECRET-ENV\n")
    (folder / "data" / "server.pem").write_text("SECRET-KEY\n")
    (folder / "data" / ".git" / "config").write_text("SECRET-GIT\n")
    (folder / "data" / "out").symlink_to(folder / "secret.csv")
    (folder / "mileage.ipynb").write_text("{}")
    return folder


Start = Callable[..., AbstractAsyncContextManager[RunningKernel]]


@pytest.fixture
def start(kernelspecs: KernelSpecManager, work: Path) -> Start:
    """``async with start(backend, ...) as kernel``; keywords go to ``start_kernel``."""

    @contextlib.asynccontextmanager
    async def started(form: str = "", **keywords: Any) -> AsyncIterator[RunningKernel]:
        manager = AsyncKernelManager(kernel_name="analyst", kernel_spec_manager=kernelspecs)
        config = keywords.pop("config", None)
        if config is not None:
            manager.config = config
        keywords.setdefault("cwd", str(work))
        keywords.setdefault("env", os.environ | {"JPY_SESSION_NAME": str(work / "mileage.ipynb")})
        keywords.setdefault("grants", [str(work / "cars.csv"), str(work / "data")])
        await manager.start_kernel(form=form, **keywords)
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=DEADLINE)
            yield RunningKernel(manager, client)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)
            client.context.destroy(linger=0)

    return started
