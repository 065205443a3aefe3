"""Usage and budgets over the server: what is counted, kept, locked, and stops a question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import say
from tests.fakes.wire_server import WireServer
from tests.server.conftest import StartServer


async def test_questions_are_counted_and_budgets_are_kept(
    start_server: StartServer, monkeypatch: Any
) -> None:
    with WireServer([say("Nothing.")], keys=[FAKE_KEY], repeat=True) as model:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", FAKE_KEY)
        server = await start_server()
        browser = server.browser
        analysis = await browser.begin()
        tab = await browser.tab(analysis)
        await tab.do("choose_budget", analysis, cost_usd=5, analysis_usd=0.000001)
        configured = await tab.event("analysis_configured", analysis_budget_usd=0.000001)
        assert configured["budget_usd"] == 5
        await tab.do("ask_question", analysis, question="Is there anything?")
        counted = await tab.event("usage_counted")
        assert counted["usage"]["calls"] == counted["day_usage"]["calls"] == 1
        assert counted["usage"]["cost_usd"] > 0.000001
        await tab.event("run_finished")
        used = (await browser.call("GET", f"api/usage?analysis={analysis}")).json
        assert used["analysis_usage"] == counted["analysis_usage"]
        assert used["day"] == counted["day"]
        assert used["day_limit_usd"] is None
        sent = len(model.messages_requests)
        edge = len(tab.frames)
        await tab.do("ask_question", analysis, question="And now?")
        stopped = await tab.event("run_finished", start=edge)
        assert stopped["status"] == "incomplete"
        assert "for this analysis was reached" in stopped["reason"]
        # The user's limit for each day holds for another analysis too.
        kept = await browser.call("POST", "api/usage", body={"day_usd": 0.000002})
        assert kept.json["day_limit_usd"] == 0.000002
        other = await browser.begin()
        tab = await browser.tab(other)
        await tab.do("ask_question", other, question="Anything?")
        assert "for today was reached" in (await tab.event("run_finished"))["reason"]
        assert len(model.messages_requests) == sent
        for wrong in (0, -1, "1", True):
            refused = await browser.call("POST", "api/usage", body={"day_usd": wrong})
            assert refused.status == 400, wrong
        kept = await browser.call("POST", "api/usage", body={"day_usd": None})
        assert kept.json["day_limit_usd"] is None


async def test_what_the_administrator_locked_or_set_holds(
    start_server: StartServer, tmp_path: Path
) -> None:
    locked = {"analysis_budget_usd": 2, "day_budget_usd": 3}
    server = await start_server(locked=locked, max_cost=4.0)
    browser = server.browser
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    reply = await tab.command("choose_budget", analysis, analysis_usd=9)
    assert "administrator" in reply["message"]
    refused = await browser.call("POST", "api/usage", body={"day_usd": 9})
    assert "administrator" in refused.json["message"]
    assert (await browser.call("GET", "api/usage")).json["day_limit_usd"] == 3
    wish = {"analysis_usd": 99, "day_usd": 99, "cost_usd": 1}
    await tab.do(
        "ask_question", analysis, question="What is there?", model="offline:rules", limits=wish
    )
    limits = (await tab.event("run_started"))["limits"]
    assert (limits["analysis_usd"], limits["day_usd"], limits["cost_usd"]) == (2, 3, 1)
    edge = len(tab.frames)
    await tab.event("run_finished")
    await tab.do("ask_question", analysis, question="And else?")
    limits = (await tab.event("run_started", start=edge))["limits"]
    assert (limits["analysis_usd"], limits["day_usd"], limits["cost_usd"]) == (2, 3, 4)
