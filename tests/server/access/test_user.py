"""What waits for the user: a cell, a plan, a question; any tab may answer, at any time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.turns import call, plan, python, say, script
from tests.server.browser import Browser
from tests.server.conftest import Server, StartServer


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    return await start_server(locked={})


async def test_without_isolation_each_cell_waits_and_may_be_edited(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(tmp_path, python("print('theirs')"), python("print('skipped')"), say("Done."))
    analysis = await browser.begin()
    tab, other = await browser.tab(analysis), await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Go", model=model)
    asked = await other.event("approval_requested")
    assert asked["code"] == "print('theirs')"
    assert (await browser.summary(analysis))["state"] == "waiting"
    await other.do(
        "decide_approval", analysis, ask=asked["ask"], decision="edit", code="print('mine')"
    )
    first = await tab.event("iteration_finished")
    assert first["outputs"][0]["text"] == "mine\n"
    second = await tab.event("approval_requested", code="print('skipped')")
    twice = await tab.command("decide_approval", analysis, ask=asked["ask"], decision="run")
    assert twice["type"] == "refused"
    await tab.do("decide_approval", analysis, ask=second["ask"], decision="skip")
    rejected = await tab.event("iteration_finished", outcome="rejected")
    assert rejected["iteration"] == 2
    await tab.event("run_finished")
    assert (await browser.ended(analysis))["state"] == "idle"


async def test_a_run_that_waits_for_the_user_can_be_stopped(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(tmp_path, python("print(1)"), say("Done."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Go", model=model)
    asked = await tab.event("approval_requested")
    await tab.do("cancel_run", analysis)
    assert (await tab.event("run_finished"))["status"] == "cancelled"
    late = await tab.command("decide_approval", analysis, ask=asked["ask"], decision="run")
    assert late["type"] == "refused"


async def test_a_tab_that_comes_later_can_answer(browser: Browser, tmp_path: Path) -> None:
    model = script(
        tmp_path,
        call("ask_user", question="Which year?", options=["2014", "2015"], default="2015"),
        say("2014 it is."),
    )
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Go", model=model)
    await tab.event("user_asked")
    await tab.close()
    later = await browser.tab(analysis)
    asked = await later.event("user_asked")
    assert asked["options"] == ["2014", "2015"]
    await later.do("answer_question", analysis, ask=asked["ask"], answer="2014")
    answered = await later.event("user_answered")
    assert (answered["answer"], answered["by"]) == ("2014", "person")
    await later.event("run_finished")


async def edited(browser: Browser, analysis: str, goals: list[str]) -> list[dict[str, Any]]:
    tab = await browser.tab(analysis)
    asked = await tab.event("plan_approval_requested")
    await tab.do("decide_plan", analysis, ask=asked["ask"], goals=goals)
    await tab.event("run_finished")
    return tab.events


async def test_in_plan_mode_nothing_runs_before_the_plan_was_seen(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(
        tmp_path,
        python("print('too early')"),
        plan("Load", "Count", "Draw"),
        python("print('now')"),
        say("Done."),
    )
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("choose_approval", analysis, mode="plan")
    await tab.do("ask_question", analysis, question="Go", model=model)
    events = await edited(browser, analysis, ["Load", "Count twice"])
    kinds = [event["type"] for event in events]
    assert kinds.index("plan_approval_requested") < kinds.index("iteration_started")
    (started,) = [event for event in events if event["type"] == "iteration_started"]
    assert started["code"] == "print('now')"
    (approved,) = [event for event in events if event["type"] == "plan_approved"]
    assert approved["edited"] is True
    updated = [event for event in events if event["type"] == "plan_updated"]
    assert [step["goal"] for step in updated[-1]["steps"]] == ["Load", "Count twice"]


async def test_model_approval_and_budget_are_stored_and_emitted(
    browser: Browser, tmp_path: Path
) -> None:
    model = script(tmp_path, say("Hm."))
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("choose_model", analysis, model=model)
    await tab.do("choose_approval", analysis, mode="automatic")
    await tab.do("choose_budget", analysis, cost_usd=0.5)
    configured = await tab.event("analysis_configured", budget_usd=0.5)
    assert (configured["model"], configured["approval"], configured["is_ai"]) == (
        model,
        "automatic",
        False,
    )
    await tab.do("ask_question", analysis, question="Go")
    started = await tab.event("run_started")
    assert started["limits"]["cost_usd"] == 0.5
    assert started["model"] == model
    await tab.event("run_finished")


async def test_what_the_administrator_locked_stays(
    start_server: StartServer, tmp_path: Path
) -> None:
    locked = {
        "model": "offline:rules",
        "approval": "automatic",
        "budget_usd": 1,
        "max_iterations": 2,
    }
    server = await start_server(locked=locked)
    browser = server.browser
    assert (await browser.call("GET", "api/status")).json["locked"] == locked
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    other = script(tmp_path, say("Hm."))
    for kind, fields in (
        ("choose_model", {"model": other}),
        ("choose_approval", {"mode": "cells"}),
        ("choose_budget", {"cost_usd": None}),
        ("ask_question", {"question": "Go", "model": other}),
    ):
        reply = await tab.command(kind, analysis, **fields)
        assert "administrator" in reply["message"], kind
    wish = {"iterations": 50, "cost_usd": 99}
    await tab.do("ask_question", analysis, question="What is there?", limits=wish)
    started = await tab.event("run_started")
    assert (started["limits"]["iterations"], started["limits"]["cost_usd"]) == (2, 1)
    await tab.event("run_finished")
