"""Stop a question whose run has not begun because its data is still being read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.data.catalog import LocalCatalog
from tests.fakes.turns import say, script
from tests.server.browser import Browser

FILE = "data/penguins_raw.csv"


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Make the first file take for ever to read; the event is set when reading began."""
    begun = asyncio.Event()
    grant = LocalCatalog.grant

    async def slow(self: LocalCatalog, paths: Sequence[str]) -> Any:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return await grant(self, paths)

    monkeypatch.setattr(LocalCatalog, "grant", slow)
    return begun


async def test_a_question_is_stopped_while_its_data_is_read_and_can_be_asked_again(
    browser: Browser, tmp_path: Path, slow_disk: asyncio.Event, root: Path
) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    model = script(tmp_path, say("Read now."))
    asked = {"question": "How many?", "data": [FILE], "model": model}
    number = await tab.send("ask_question", analysis, **asked)
    await slow_disk.wait()
    await tab.do("cancel_run", analysis)
    refused = await tab.frame(lambda f: f["type"] == "refused" and f["id"] == number)
    assert "stopped before it began" in refused["message"]
    assert tab.of("run_started") == []
    assert list(root.glob("*.ipynb")) == []

    await tab.do("ask_question", analysis, **asked)
    ended = await tab.event("run_finished")
    assert ended["answer"] == "Read now."
    assert tab.of("dataset_profiled")[-1]["profile"]["dataset"]["rows"] == 344
