"""A question over the socket: from Ask to its end, in one tab, in two, and after a reconnect."""

from __future__ import annotations

from typing import Any

import nbformat

from tests.server.browser import Browser

QUESTION = "Which species is the heaviest?"
FILE = "data/penguins_raw.csv"
STREAMS = {"text_streamed", "thinking_streamed", "tool_input_streamed", "output_produced"}


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["number"] for event in events]


async def test_a_question_is_answered_and_stands_in_a_valid_notebook(browser: Browser) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question=QUESTION, data=[FILE])
    done = await tab.event("run_finished")

    assert done["status"] == "answered"
    assert "Gentoo" in done["answer"]
    assert numbers(tab.events) == sorted(set(numbers(tab.events)))
    kinds = [event["type"] for event in tab.events]
    for kind in ("run_started", "kernel_changed", "iteration_started", "iteration_finished"):
        assert kind in kinds
    summary = await browser.summary(analysis)
    assert summary["title"] == QUESTION
    assert summary["notebook"] == "data/which-species-is-the-heaviest.ipynb"
    assert (summary["state"], summary["questions"], summary["is_ai"]) == ("idle", 1, False)
    nbformat.validate(nbformat.read(summary["notebook_path"], as_version=4))
