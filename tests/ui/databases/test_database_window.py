"""Databases in the panel: added, tried, looked through, attached, asked and taken back."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.connections.server import PASSWORD, Postgres
from tests.fakes.turns import call, finish
from tests.support.accessibility import findings
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import ScriptedModel

LONG = "a_database_with_a_name_of_forty_letters_"


def _shots(panel: Panel, window: Locator, state: str) -> None:
    for theme in ("light", "dark"):
        panel.theme(theme)
        for width in (1400, 380):
            panel.page.set_viewport_size({"width": width, "height": 900})
            panel.page_picture(f"database-{state}-{theme}-{width}")
            wide = window.evaluate("one => one.scrollWidth > one.clientWidth + 1")
            assert not wide, (state, theme, width)
        assert findings(panel.page, ".ak-Dialog") == []
    panel.theme("light")
    panel.page.set_viewport_size({"width": 1400, "height": 900})


def _fill(window: Locator, name: str, address: str, password: str) -> None:
    window.get_by_role("textbox", name="Name, as questions call it").fill(name)
    window.get_by_role("textbox", name="Address, without a password").fill(address)
    window.get_by_role("textbox", name="Password", exact=True).fill(password)
    window.get_by_role("button", name="Save").click()


def test_a_database_in_the_panel(ai_panel: Panel, model: ScriptedModel, postgres: Postgres) -> None:
    panel = ai_panel
    panel.menu(panel.button("Attach data"), "A database")
    window = panel.page.get_by_role("dialog", name="Databases")
    # None yet: the form stands there at once. A password in the address is refused.
    _fill(window, LONG, f"postgresql://reader:{'x' * 90}@db.example.org/shop", "anything")
    expect(window.get_by_role("alert")).to_contain_text("The address holds a password")
    _shots(panel, window, "refused")
    _fill(window, LONG, f"postgresql://reader@127.0.0.1:1/{'shop_' * 30}", "anything")
    row = window.get_by_role("listitem").filter(has_text=LONG)
    row.get_by_role("button", name=re.compile("Test")).click()
    expect(row.get_by_role("alert")).to_contain_text("no server answers there", timeout=SLOW)

    window.get_by_role("button", name="Add a database").click()
    _fill(window, "shop", postgres.address(), PASSWORD)
    shop = window.get_by_role("listitem").filter(has_text=postgres.address())
    expect(shop).to_contain_text("password in a file of yours")
    shop.get_by_role("button", name="Test shop").click()
    expect(shop.get_by_role("status")).to_contain_text(
        re.compile(r"shop: shop on PostgreSQL .*, as reader\."), timeout=SLOW
    )
    _shots(panel, window, "list")
    assert PASSWORD not in panel.page.content()

    # What is in it.
    shop.get_by_role("button", name="Tables of shop").click()
    window = panel.page.get_by_role("dialog", name="shop")
    tables = window.get_by_role("list", name="Tables")
    expect(tables.get_by_role("button")).to_have_count(4, timeout=SLOW)
    window.get_by_role("searchbox").fill("customer_id")
    expect(tables.get_by_role("button")).to_have_count(1)
    tables.get_by_role("button", name=re.compile(r"public\.orders")).click()
    expect(tables).to_contain_text("→ public.customers.id")
    _shots(panel, window, "tables")
    window.get_by_role("searchbox").fill("nothing of that name")
    expect(window.get_by_role("status")).to_contain_text("No name of a table or column holds this")
    window.get_by_role("button", name="All databases").click()

    # Attached, asked, taken back.
    window = panel.page.get_by_role("dialog", name="Databases")
    window.get_by_role("button", name="Attach shop").click()
    expect(window).to_contain_text("Attached")
    for _ in range(2):
        window.get_by_role("button", name=f"emove {LONG}").click()
    expect(window.get_by_role("listitem").filter(has_text=LONG)).to_have_count(0)
    window.get_by_role("button", name="Close").click()
    data = panel.root.get_by_role("group", name="Data")
    chip = data.get_by_role("button", name=re.compile("shop.*database"))
    expect(chip).to_be_visible()
    panel.picture("database-chip")
    model.says(
        call("run_sql", connection="shop", sql="SELECT count(*) AS n FROM orders", name="number"),
        finish("There are 500 orders [cell 1]."),
    )
    expect(panel.answered(panel.ask("How many orders?"))).to_contain_text("500 orders")
    chip.click()
    window = panel.page.get_by_role("dialog", name="shop")
    expect(window.get_by_role("list", name="Tables").get_by_role("button")).to_have_count(
        4, timeout=SLOW
    )
    window.get_by_role("button", name="Take back").click()
    expect(chip).to_have_count(0)
    assert PASSWORD not in panel.lab.log.read_text()
