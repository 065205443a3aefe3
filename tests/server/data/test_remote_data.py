"""Addresses in the panel: attached, asked about, changed, refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyst_kernel.grants import GrantStore
from tests.fakes.turns import python, say, script
from tests.fakes.web_server import WebServerAtWork, web_server, whole
from tests.server.browser import Browser
from tests.server.data.test_data import datasets, profiled
from tests.support.notebook_io import whole_text

DATED = {"Last_Modified": "Sun, 29 Nov 2026 12:00:00 GMT"}
TABLE = b"item,price\nnut,2\nbolt,3\n"
ADDRESS = "s3://shop/prices.csv"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServerAtWork]:
    """An object store of one object, over plain http."""
    with web_server() as server:
        server.answers["/shop/prices.csv"] = whole(TABLE, **DATED)
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{server.place}"),
            ("AWS_ACCESS_KEY_ID", "AK"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ):
            monkeypatch.setenv(name, value)
        yield server


CODE = f"""import pandas as pd
print(int(prices["price"].sum()), int(pd.read_csv("{ADDRESS}")["price"].sum()))"""


async def test_an_address_is_attached_asked_about_and_attached_again(
    browser: Browser, shop: WebServerAtWork, root: Path, tmp_path: Path
) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    refused = await tab.command("attach_data", analysis, paths=["s3://shop/none.csv"])
    assert "There is no object s3://shop/none.csv" in json.dumps(refused)
    await tab.do("attach_data", analysis, paths=[ADDRESS])
    await tab.frame(lambda frame: profiled(frame) == "prices")
    assert (
        "Fetched s3://shop/prices.csv"
        in (await tab.event("notice_raised", code="data-fetched"))["message"]
    )
    (shown,) = await datasets(browser, analysis)
    assert shown["dataset"]["address"] == ADDRESS
    fetched = len(shop.requests)

    model = script(tmp_path, python(CODE), say("Five."))
    await tab.do("ask_question", analysis, question="Sum?", model=model)
    await tab.event("run_finished")
    assert tab.of("iteration_finished")[0]["outputs"][0]["text"] == "5 5\n"
    assert len(shop.requests) == fetched  # neither the kernel nor anybody else asked again
    notebook = (await browser.summary(analysis))["notebook_path"]
    assert Path(notebook).is_relative_to(root)
    assert f'pd.read_csv(\\"{ADDRESS}\\")' in whole_text(notebook)
    (first,) = await asyncio.to_thread(lambda: GrantStore().for_notebook(notebook))

    shop.answers["/shop/prices.csv"] = whole(TABLE + b"gear,7\n", '"v2"', **DATED)
    await tab.do("verify_analysis", analysis)
    changed = await tab.event("notice_raised", code="data-changed")
    assert "The data changed: s3://shop/prices.csv" in changed["message"]
    seen = len(tab.frames)
    await tab.do("attach_data", analysis, paths=[ADDRESS])
    await tab.frame(lambda frame: profiled(frame) == "prices", start=seen)
    (second,) = await asyncio.to_thread(lambda: GrantStore().for_notebook(notebook))
    assert second.path != first.path
    before = len(tab.of("iteration_finished"))
    (tmp_path / "again").mkdir()
    again = script(tmp_path / "again", python(CODE), say("Twelve."))
    asked = len(tab.frames)
    await tab.do("ask_question", analysis, question="And now?", model=again)
    await tab.event("run_finished", start=asked)
    assert tab.of("iteration_finished")[before]["outputs"][0]["text"] == "12 12\n"
    assert [d["dataset"]["name"] for d in await datasets(browser, analysis)] == ["prices"]

    await tab.do("detach_data", analysis, name="prices")
    await tab.event("dataset_detached", name="prices")
    assert await asyncio.to_thread(lambda: GrantStore().for_notebook(notebook)) == ()
