"""A question over the socket: from Ask to its end, in one tab, in two, and after a reconnect."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from tests.fakes.turns import python, say, script, think, turn
from tests.server.browser import Browser
from tests.support.notebook_io import valid_notebook, whole_text

QUESTION = "Which species is the heaviest?"
FILE = "data/penguins_raw.csv"
STREAMS = {"text_streamed", "thinking_streamed", "tool_input_streamed", "output_produced"}


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [event["number"] for event in events]


def finals(events: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of events that are not streamed; every tab gets exactly these."""
    return [event["number"] for event in events if event["type"] not in STREAMS]


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
    summary = await browser.ended(analysis)
    assert summary["title"] == QUESTION
    assert summary["notebook"] == "data/which-species-is-the-heaviest.ipynb"
    assert (summary["state"], summary["questions"], summary["is_ai"]) == ("idle", 1, False)
    valid_notebook(whole_text(summary["notebook_path"]))


async def test_two_tabs_see_the_same_and_a_late_one_sees_the_past(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(tmp_path, turn(think("Adding."), python("1 + 1")), say("It is 2."))
    analysis = await browser.begin()
    first, second = await browser.tab(analysis), await browser.tab(analysis)
    await first.do("ask_question", analysis, question="Add", model=model)
    await asyncio.gather(first.event("run_finished"), second.event("run_finished"))
    late = await browser.tab(analysis)
    caught = await late.frame(lambda f: f["type"] == "caught_up")

    assert finals(first.events) == finals(second.events) == finals(late.events)
    assert caught["last"] == first.events[-1]["number"]
    # The thinking of the model is sent again, in one piece.
    assert [e["text"] for e in late.of("thinking_streamed")] == ["Adding."]
    assert not late.of("output_produced")
    assert not late.of("tool_input_streamed")
    assert numbers(late.events) == sorted(set(numbers(late.events)))


async def test_a_tab_that_was_away_for_a_while_misses_nothing_and_sees_nothing_twice(
    browser: Browser, tmp_path: Path
) -> None:
    code = "import time\nfor n in range(40):\n    print(n, flush=True)\n    time.sleep(0.05)"
    model = script(tmp_path, python(code), say("Done."))
    analysis = await browser.begin()
    steady, before = await browser.tab(analysis), await browser.tab(analysis)
    await steady.do("ask_question", analysis, question="Count", model=model)
    await before.event("output_produced")
    await before.close()
    seen = before.events
    after = await browser.tab(analysis, after=seen[-1]["number"])
    await asyncio.gather(after.event("run_finished"), steady.event("run_finished"))

    assert numbers(after.events)[0] > seen[-1]["number"]
    assert finals([*seen, *after.events]) == finals(steady.events)
    (whole,) = after.of("iteration_finished")
    assert whole["outputs"][0]["text"] == "".join(f"{n}\n" for n in range(40))


async def test_a_tab_that_comes_in_the_middle_of_a_cell_sees_what_it_showed_so_far(
    browser: Browser, tmp_path: Path
) -> None:
    code = "import time\nprint('first', flush=True)\ntime.sleep(60)"
    model = script(tmp_path, python(code), say("Done."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Wait", model=model)
    await tab.event("output_produced")
    late = await browser.tab(analysis)
    shown = await late.event("output_produced")
    assert shown["output"]["text"] == "first\n"
    await late.do("cancel_run", analysis)
    await tab.event("run_finished", status="cancelled")


async def test_stop_ends_a_run_within_a_second_and_what_waits_goes_on(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(tmp_path, python("import time; time.sleep(120)"), say("Never."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Sleep", model=model)
    await tab.event("iteration_started")
    await tab.do("ask_question", analysis, question=QUESTION)
    queued = await tab.event("queue_changed")
    assert queued["questions"] == [QUESTION]

    asked = time.monotonic()
    await tab.do("cancel_run", analysis)
    done = await tab.event("run_finished")
    assert done["status"] == "cancelled"
    assert time.monotonic() - asked < 3  # a second, and the slowness of a machine under test
    second = await tab.event("run_started", question=QUESTION)
    ended = await tab.event("run_finished", run=second["run"])
    assert ended["run"] != done["run"]
    assert tab.of("queue_changed")[-1]["questions"] == []
    finished = tab.of("iteration_finished")[0]
    assert finished["outcome"] == "cancelled"


async def test_a_waiting_question_can_be_taken_back(browser: Browser, tmp_path: Path) -> None:
    model = script(tmp_path, python("import time; time.sleep(120)"), say("Never."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Sleep", model=model)
    await tab.event("iteration_started")
    await tab.do("ask_question", analysis, question="One")
    await tab.do("ask_question", analysis, question="Two")
    await tab.do("unqueue_question", analysis, position=0)
    assert (await tab.command("unqueue_question", analysis, position=5))["type"] == "refused"
    await tab.event("queue_changed", questions=["Two"])
    await tab.do("unqueue_question", analysis, position=0)
    await tab.event("queue_changed", questions=[], start=len(tab.frames) - 2)
    await tab.do("cancel_run", analysis)
    await tab.event("run_finished")
    assert len(tab.of("run_started")) == 1


async def test_what_cannot_be_taken_is_refused_with_a_remedy(browser: Browser) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    for kind, fields in (
        ("ask_question", {"question": "What?", "data": ["missing.csv"]}),
        ("ask_question", {"question": "What?", "model": "nobody:nothing"}),
        ("ask_question", {"question": "What?", "model": "anthropic"}),
        ("cancel_run", {}),
        ("retry_model", {}),
        ("run_again", {}),
        ("verify_analysis", {}),
        ("detach_data", {"name": "nothing"}),
        ("choose_approval", {"mode": "cells"}),
        ("answer_question", {"ask": "none", "answer": "x"}),
    ):
        reply = await tab.command(kind, analysis, **fields)
        assert reply["type"] == "refused", kind
        assert reply["message"].endswith("."), kind
    assert (await tab.command("cancel_run", "no-such"))["type"] == "refused"
    await tab.socket.write_message('{"id": 77, "command": {"type": "drop_tables"}}')
    misread = await tab.frame(lambda f: f["type"] == "refused" and f["id"] == 77)
    assert "could not be read" in misread["message"]
    await tab.socket.write_message("no json")
    assert await tab.frame(lambda f: f["type"] == "refused" and f["id"] is None)
    assert (await browser.summary(analysis))["questions"] == 0


async def test_every_tab_gets_new_renamed_and_deleted_analyses(browser: Browser) -> None:
    tab = await browser.tab()
    analysis = await browser.begin(title="Mine")
    news = await tab.frame(lambda f: f["type"] == "analysis_changed")
    assert news["summary"]["title"] == "Mine"
    await browser.call("PATCH", f"api/analyses/{analysis}", {"title": "Ours"})
    await tab.frame(lambda f: f.get("summary", {}).get("title") == "Ours")
    await browser.call("DELETE", f"api/analyses/{analysis}")
    gone = await tab.frame(lambda f: f["type"] == "analysis_removed")
    assert gone["analysis"] == analysis
