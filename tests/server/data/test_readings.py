"""What a user says of a dataset's reading: before the first question, after answers, and later."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from analyst_kernel.grants import GrantStore
from tests.server.browser import Browser, Tab
from tests.support.notebook_io import valid_notebook, whole_text

SALES = (
    "Region;Day;Amount\nNorth;01/02/2024;1,5\nSouth;03/04/2024;-999\n"
    "West;05/06/2024;2,5\nEast;07/06/2024;3,5\n"
)
MEAN = "What is the mean amount?"


def profiled(frame: dict[str, Any]) -> dict[str, str]:
    """Return what the user said of the dataset that an event describes."""
    event = frame.get("event", {})
    return said(event["profile"]) if event.get("type") == "dataset_profiled" else {}


def said(profile: dict[str, Any]) -> dict[str, str]:
    choices = profile["dataset"]["choices"]
    return {one["key"]: one["value"] for one in choices if one["by_user"]}


async def answered(tab: Tab, analysis: str, question: str) -> dict[str, Any]:
    ended = len(tab.of("run_finished"))
    await tab.do("ask_question", analysis, question=question, model="offline:rules")
    await tab.frame(lambda _frame: len(tab.of("run_finished")) > ended)
    return tab.of("run_finished")[-1]


async def test_a_reading_is_changed_before_and_after_answers(browser: Browser, root: Path) -> None:
    (root / "data" / "sales.csv").write_text(SALES)
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("attach_data", analysis, paths=["data/sales.csv"])
    await tab.do("choose_reading", analysis, name="sales", key="dates.Day", value="month")
    await tab.frame(lambda frame: profiled(frame) == {"dates.Day": "month"})

    refused = await tab.command("choose_reading", analysis, name="sales", key="decimal", value=".")
    assert "No column holds numbers with a decimal point." in str(refused)
    assert said(tab.of("dataset_profiled")[-1]["profile"]) == {"dates.Day": "month"}

    first = await answered(tab, analysis, MEAN)
    assert "2.5" in first["answer"], "the rules leave out what looks like a gap"
    # The dates do not matter to it, the decimal comma does.
    assumed = " ".join(first["details"]["assumptions"])
    assert "decimal comma" in assumed
    assert "Day" not in assumed

    await tab.do("choose_reading", analysis, name="sales", key="gap.Amount", value="none")
    changed = await tab.event("reading_changed")
    assert "sales, Amount is read as you said" in changed["sentence"]
    assert changed["runs"] == [first["run"]]
    second = await answered(tab, analysis, MEAN)
    assert "-247.9" in second["answer"], second["answer"]
    notes = second["details"]["assumptions"]
    assert "sales, Amount: you said: all of its values are values." in notes

    notebook = (await browser.summary(analysis))["notebook_path"]
    text = await asyncio.to_thread(whole_text, notebook)
    valid_notebook(text)
    assert text.count("Rests on an earlier reading of the data") == 1
    assert text.index("Rests on an earlier reading") < text.index("you said:")
    kept = await asyncio.to_thread(lambda: GrantStore().readings(notebook))
    assert [(key, value) for *_, key, value in kept] == [
        ("dates.Day", "month"), ("gap.Amount", "none"),
    ]  # fmt: skip

    # Taken back, nothing of it is kept.
    await tab.do("detach_data", analysis, name="sales")
    assert await asyncio.to_thread(lambda: GrantStore().readings(notebook)) == ()
