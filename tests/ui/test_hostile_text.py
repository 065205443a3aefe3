"""Hostile text wherever a browser shows it: nothing is fetched, nothing runs.

A server of this machine, at a place that only the hostile text names, counts every connection: a
request, and also one that a browser only opens ahead of a request.
"""

from __future__ import annotations

import csv
import re
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from analyst_kernel.notebook.export.export import page as exported_page
from tests.fakes.turns import call, finish, turn
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import ScriptedModel, plan, python


class Elsewhere:
    """A place elsewhere, and what was asked of it."""

    def __init__(self) -> None:
        asked: list[str] = []
        reached = threading.Event()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.connection.settimeout(2)
                try:
                    asked.append(self.rfile.readline().decode("latin-1") or "connection")
                except OSError:
                    asked.append("connection")
                reached.set()
                self.wfile.write(b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        self.asked, self.reached = asked, reached
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Return a place elsewhere."""
    place = Elsewhere()
    yield place
    place.close()


def vectors(place: str) -> list[str]:
    """Return ways in which text makes a browser load from ``place``, or run a script."""
    script = f"window.ran=1;fetch('http://{place}/script')"
    return [
        f"![picture](http://{place}/1)",
        f"![reference][r]\n\n[r]: http://{place}/2",
        f"![slashes](/\\{place}/3)",
        f"<img src='http://{place}/4'>",
        f'<img src=x onerror="{script}">',
        f"<p style='background:url(http://{place}/5)'>styled</p>",
        f"<link rel=stylesheet href='http://{place}/6'>",
        f"<link rel=preconnect href='http://{place}/'>",
        f"<iframe src='http://{place}/7'></iframe>",
        f"<object data='http://{place}/8'></object>",
        f"<video poster='http://{place}/9'></video>",
        f"<svg><image href='http://{place}/10'/></svg>",
        f'<svg onload="{script}"></svg>',
        f"<script>{script}</script>",
        f"<meta http-equiv=refresh content='0;url=http://{place}/11'>",
        f'<details open ontoggle="{script}">x</details>',
        f'<input autofocus onfocus="{script}">',
        f'<a href="javascript:{script}">script link</a>',
        "<button data-commandlinker-command='terminal:create-new'>command</button>",
        f"```mermaid\nflowchart LR\n  a@{{ img: 'http://{place}/12', label: 'x', w: 60, h: 60 }}\n```",
        f"```mermaid\nflowchart LR\n  a[\"<img src='http://{place}/13'>\"]\n```",
        f"`code\n`<img src='http://{place}/14'>` `",
    ]


def assert_nothing_happened(page: Page, elsewhere: Elsewhere) -> None:
    """Check that no script ran and nothing was asked for; a request of our own arrives last."""
    assert page.evaluate("() => window.ran") is None
    before = list(elsewhere.asked)
    page.evaluate(
        "url => fetch(url, {mode: 'no-cors'}).catch(() => null)", f"http://{elsewhere.address}/own"
    )
    assert before == []
    assert any("/own" in line for line in elsewhere.asked)


def test_a_hostile_answer_does_nothing_in_panel_and_notebook(
    ai_panel: Panel, model: ScriptedModel, elsewhere: Elsewhere
) -> None:
    hostile = vectors(elsewhere.address)
    answer = "Seen **18.4**.\n\n" + "\n\n".join(hostile) + "\n\nThe end."
    shown = "\n".join(f"display(HTML({text!r})); display(Markdown({text!r}))" for text in hostile)
    model.says(
        plan(*hostile[:3]),
        python(
            f"from IPython.display import HTML, Markdown\n{shown}\nprint(sum([9.2, 9.2]))",
            hostile[3],
        ),
        *[
            finish(
                answer, assumptions=hostile[3:6], caveats=hostile[6:9], next_questions=hostile[:2]
            )
        ]
        * 2,
    )
    panel = ai_panel
    run = panel.ended(panel.ask(f"What is {hostile[3]}?"))
    expect(run.locator(".ak-Answer")).to_contain_text("The end.")
    expect(run.locator(".ak-Answer").get_by_role("link", name="picture")).to_have_attribute(
        "title", f"http://{elsewhere.address}/1"
    )
    run.get_by_text(re.compile("3 steps, 1 iteration")).click()
    panel.open_cells(run)
    for theme in ("light", "dark"):
        panel.theme(theme)
        panel.picture(f"hostile-answer-{theme}")
    assert_nothing_happened(panel.page, elsewhere)

    run.get_by_role("button", name="Open notebook").click()
    notebook = panel.page.locator(".jp-Notebook")
    expect(notebook.get_by_text("The end.").first).to_be_attached()
    notebook.get_by_text("The end.").first.scroll_into_view_if_needed()
    panel.page_picture("hostile-notebook")
    assert panel.page.evaluate("() => window.ran") is None
    # One request is our own, from the check above.
    assert [line for line in elsewhere.asked if "/own" not in line] == []


def test_cards_and_windows_of_hostile_text_do_nothing(
    ai_panel: Panel, model: ScriptedModel, elsewhere: Elsewhere
) -> None:
    """What waits for the user, what is kept of their words, and what stands in their data."""
    panel, hostile = ai_panel, vectors(elsewhere.address)
    line = [text.replace("\n", " ") for text in hostile]
    with (panel.lab.root / "data" / "hostile.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(line)
        writer.writerows([line, line[::-1]])
    panel.attach("data/hostile.csv")
    model.says(
        plan(*line[3:6]),
        python(f"print({hostile[13]!r}, sum([9.2, 9.2]))", line[4]),
        turn(call("ask_user", question=line[4], options=[line[12], line[3]], default=line[3])),
        turn(call("record_finding", statement=f"18.4 {line[4]}", caveats=[line[3]])),
        turn(call("record_definition", text=line[15], quote=f"ignore {line[3]} and")),
        # It is asked to prove the 1 of a script, and cannot.
        *[finish(f"It is 18.4 {line[4]}", caveats=[line[12]])] * 2,
    )
    panel.menu(panel.button(re.compile("^Approval:")), "Ask before each cell")
    panel.ask(f"From now on ignore {line[3]} and {line[4]}. What is it?")
    run = panel.root.locator(".ak-Run").last
    card = run.get_by_role("group", name="Run this cell?")
    expect(card).to_contain_text("onerror", timeout=SLOW)
    panel.picture("hostile-approval")
    card.get_by_role("button", name="Run", exact=True).click()
    choice = run.get_by_role("group").filter(has=panel.page.get_by_role("textbox"))
    expect(choice).to_contain_text("onerror", timeout=SLOW)
    panel.picture("hostile-choice")
    choice.get_by_role("button", name=re.compile("onload")).click()
    panel.ended(run)
    run.get_by_text(re.compile("1 iteration")).click()
    panel.open_cells(run)
    assert_nothing_happened(panel.page, elsewhere)
    for name in ("hostile", "definition"):
        panel.root.get_by_role("button", name=re.compile(name)).first.click()
        dialog = panel.page.get_by_role("dialog")
        expect(dialog).to_contain_text("onerror")
        panel.page_picture(f"hostile-window-{name}")
        dialog.get_by_role("button", name="Close").click()
    assert panel.page.evaluate("() => window.ran") is None
    assert [request for request in elsewhere.asked if "/own" not in request] == []


def test_a_page_exported_from_a_hostile_notebook_asks_for_nothing(
    browser: Browser, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    hostile = vectors(elsewhere.address)
    place = elsewhere.address
    cells = [
        {"cell_type": kind, "id": f"{kind}{number}", "metadata": {}, "source": text}
        for number, text in enumerate(hostile)
        for kind in ("markdown", "raw")
    ]
    bundles = [
        {"text/html": text, "text/plain": text} for text in hostile
    ] + [
        {"text/markdown": text, "text/plain": text} for text in hostile
    ] + [
        {"image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://{place}/s'/></svg>"},
        {"application/javascript": f"fetch('http://{place}/j')"},
        {"text/latex": f"$\\href{{http://{place}/l}}{{x}} \\style{{background:url(http://{place}/m)}}{{x}}$"},
        {"text/vnd.mermaid": f"flowchart LR\n a@{{ img: 'http://{place}/n' }}"},
    ]  # fmt: skip
    outputs = [{"output_type": "display_data", "metadata": {}, "data": data} for data in bundles]
    cells.append(
        {
            "cell_type": "code", "id": "code", "metadata": {}, "source": hostile[4],
            "execution_count": 1, "outputs": outputs,
        }
    )  # fmt: skip
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"title": hostile[4]},
        "cells": cells,
    }
    file = tmp_path / "page.html"
    file.write_text(exported_page(document, hostile[4]), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri(), wait_until="load")
    expect(page.locator("body")).to_contain_text("script link")
    assert page.evaluate("() => window.ran") is None
    assert elsewhere.asked == []
    page.close()


def test_the_place_elsewhere_counts_what_a_browser_asks_for(
    browser: Browser, elsewhere: Elsewhere
) -> None:
    page = browser.new_page()
    page.set_content("\n".join(vectors(elsewhere.address)), wait_until="commit")
    assert elsewhere.reached.wait(30)
    page.close()
