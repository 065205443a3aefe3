"""Reload, two tabs, a cut connection, a restarted server, many events, no way in."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import answer, call, finish, turn
from tests.fakes.wire_server import WireServer
from tests.support.connection import Connection
from tests.support.lab import Lab
from tests.support.panel_page import SLOW, Panel, ready
from tests.support.scripted_model import WAIT, ScriptedModel, plan, python
from tests.ui.conftest import OpenPanel

QUESTION = "Does it go on?"


def _waiting(panel: Panel, model: ScriptedModel) -> None:
    """Begin a run and wait until its cell waits."""
    model.says(
        plan("Wait", "Go on", "Answer"), python(WAIT, "Wait for the file"), finish("It went on.")
    )
    run = panel.ask(QUESTION)
    expect(run.get_by_role("group", name=re.compile(r"^Output of cell \d+$"))).to_have_text(
        "waiting", timeout=SLOW
    )


def _release_and_see(panel: Panel) -> None:
    panel.release()
    run = panel.answered(panel.run(QUESTION))
    expect(run.locator(".ak-Answer")).to_contain_text("It went on.")
    run.get_by_text(re.compile("1 iteration")).click()
    expect(run.get_by_role("article")).to_have_count(1)


def test_a_reload_in_the_middle_of_a_run_shows_everything_again(
    open_own: OpenPanel, ai_lab: Lab, model: ScriptedModel
) -> None:
    panel = open_own(ai_lab)
    _waiting(panel, model)
    panel.page.reload()
    ready(panel)
    panel.show()
    run = panel.run(QUESTION)
    expect(run).to_have_attribute("data-status", "running")
    expect(run.get_by_role("group", name=re.compile(r"^Output of cell \d+$"))).to_have_text(
        "waiting"
    )
    expect(run.get_by_role("list", name="Plan").get_by_role("listitem")).to_have_count(2)
    _release_and_see(panel)


def test_everything_is_asked_below_the_servers_path(
    open_own: OpenPanel, ai_lab: Lab, model: ScriptedModel
) -> None:
    panel = open_own(ai_lab)
    asked: list[str] = []
    panel.page.on("request", lambda request: asked.append(request.url))
    panel.page.on("websocket", lambda socket: asked.append(socket.url))
    panel.page.reload()
    ready(panel)
    panel.show()
    panel.command("analyst:new")
    model.says(answer("Below the path."))
    panel.attach("data/penguins_raw.csv")
    run = panel.answered(panel.ask("Where are you?"))
    with panel.page.expect_download():
        panel.menu(run.get_by_role("button", name="Export", exact=True), "Notebook, complete")
    ours = [urlsplit(url) for url in asked if "analyst" in url]
    assert {url.scheme for url in ours} == {"http", "ws"}
    assert len(ours) > 4
    assert [url.path for url in ours if not url.path.startswith("/hub/user/x/")] == []
    assert len({url.netloc for url in ours}) == 1


def test_two_tabs_show_the_same_run_and_either_can_stop_it(
    open_own: OpenPanel, ai_lab: Lab, model: ScriptedModel
) -> None:
    one, two = open_own(ai_lab), open_own(ai_lab)
    _waiting(one, model)
    two.button(re.compile("^Analyses")).click()
    row = two.root.get_by_role("list", name="Analyses").get_by_role("listitem").first
    expect(row).to_contain_text("running")
    row.get_by_role("button").first.click()
    run = two.run(QUESTION)
    expect(run.get_by_role("group", name=re.compile(r"^Output of cell \d+$"))).to_have_text(
        "waiting"
    )
    two.stop_button.click()
    for tab in (one, two):
        expect(tab.run(QUESTION)).to_have_attribute("data-status", "cancelled")
        expect(tab.stop_button).to_have_count(0)


def test_a_connection_cut_for_ten_seconds_loses_nothing(
    open_own: OpenPanel, ai_lab: Lab, model: ScriptedModel
) -> None:
    panel = open_own(ai_lab)
    connection = Connection(panel)
    panel.command("analyst:new")
    _waiting(panel, model)
    connection.cut()
    banner = panel.root.get_by_role("status").filter(has_text="Not connected.")
    expect(banner).to_contain_text("Your analyses go on without this page.")
    # Meanwhile the run ends on the server.
    panel.release()
    _until_idle(panel)
    panel.box.fill("Asked without a connection?")
    panel.page.wait_for_timeout(10_000)
    expect(banner).to_be_visible()
    panel.picture("connection-cut")
    connection.give_back()
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_have_count(0)
    run = panel.answered(panel.run(QUESTION))
    expect(run.locator(".ak-Answer")).to_contain_text("It went on.")
    # What was typed is still there.
    expect(panel.box).to_have_value("Asked without a connection?")


def _until_idle(panel: Panel) -> None:
    """Ask the server, past the page, until the run has ended."""
    title = panel.heading.text_content()
    panel.page.wait_for_function(
        """async title => {
          const base = JSON.parse(
            document.getElementById('jupyter-config-data').textContent).baseUrl;
          const answer = await fetch(base + 'analyst-kernel/api/analyses');
          const all = await answer.json();
          return all.find(one => one.title === title)?.state === 'idle';
        }""",
        arg=title,
        timeout=SLOW,
    )


def test_a_server_that_is_killed_and_started_again_shows_everything(
    open_own: OpenPanel,
    model_server: tuple[ScriptedModel, WireServer],
    model: ScriptedModel,
) -> None:
    wire = model_server[1]
    lab = Lab(
        base_url="/user/ann%40b/",
        environment={"ANTHROPIC_BASE_URL": wire.url, "ANTHROPIC_API_KEY": FAKE_KEY},
    )
    try:
        panel = open_own(lab.start())
        model.says(answer("Before the restart."))
        panel.answered(panel.ask("What was before?"))
        _waiting(panel, model)
        lab.kill()
        banner = panel.root.get_by_role("status").filter(has_text="Not connected.")
        expect(banner).to_be_visible()
        lab.start()
        expect(banner).to_have_count(0, timeout=SLOW)
        run = panel.run(QUESTION)
        expect(run).to_have_attribute("data-status", re.compile("failed|cancelled|incomplete"))
        expect(run).to_contain_text(re.compile("server", re.IGNORECASE))
        panel.picture("server-restarted")
        panel.page.reload()
        ready(panel)
        expect(panel.log).to_contain_text("Before the restart.")
        expect(panel.run(QUESTION)).to_have_attribute(
            "data-status", re.compile("failed|cancelled|incomplete")
        )
        model.reset(wire)
        model.says(answer("After the restart."))
        again = panel.answered(panel.ask("What is after?"))
        expect(again.locator(".ak-Answer")).to_contain_text("After the restart.")
        assert panel.trouble == []
    finally:
        lab.close()


def test_five_hundred_events_per_second_leave_the_page_responsive(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    comment = "\n".join(
        f"# line {n} of a long comment that streams in small pieces" for n in range(70)
    )
    model.says(
        plan("Stream", "Go on", "Answer"),
        python(f"{comment}\nprint('done')", "Stream a lot", delay=0.002, chunk=2),
        turn(
            call("finish", answer="All of it came. " + "Word by word. " * 60, key_values=[],
                 assumptions=[], caveats=[], next_questions=[]),
            chunk=1, delay=0.002,
        ),
    )  # fmt: skip
    panel.page.evaluate(
        """() => {
          window.frames_ = []; window.longest_ = 0;
          let before = performance.now();
          const look = now => {
            window.longest_ = Math.max(window.longest_, now - before);
            before = now;
            window.looking_ = requestAnimationFrame(look);
          };
          window.looking_ = requestAnimationFrame(look);
        }"""
    )
    run = panel.ask("Can you stream?")
    expect(run.get_by_role("article", name="Code being written")).to_be_visible()
    # Typing goes on while it streams.
    panel.box.press_sequentially("typed while it streams")
    expect(panel.box).to_have_value("typed while it streams")
    panel.answered(run)
    longest = panel.page.evaluate(
        "() => { cancelAnimationFrame(window.looking_); return window.longest_; }"
    )
    # No timing is promised here (the benchmark measures): only that the page never stood still.
    assert longest < 3000
    expect(panel.box).to_have_value("typed while it streams")
    run.get_by_text(re.compile("1 iteration")).click()
    run.get_by_role("article").get_by_role("button", expanded=False).first.click()
    expect(run.get_by_role("article")).to_contain_text("# line 69 of")


def test_no_route_answers_without_the_token(ai_lab: Lab) -> None:
    for path in ("api/status", "api/analyses", "api/models", "api/datasets", "socket"):
        address = ai_lab.url(f"analyst-kernel/{path}").partition("?")[0]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address, timeout=30)
        assert refused.value.code == 403
        refused.value.close()
