"""What is long, wide, slow, refused, cut off or undone, at every width, in every theme."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.fakes.turns import answer, finish
from tests.support.accessibility import findings
from tests.support.connection import Connection
from tests.support.lab import Lab
from tests.support.panel_page import SLOW, Panel
from tests.support.scripted_model import QUESTION, WAIT, ScriptedModel, penguins, plan, python
from tests.ui.conftest import OpenPanel
from tests.ui.looks import FEW, look

WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
LONG_QUESTION = (
    f"Compare the quarterly revenue of {WORD} with that of every other company in the region, "
    "per product line, and say which of them would have grown without the acquisition?"
)
LONG_FILE = (
    "data/quarterly_revenue_by_region_and_product_line_final_version_2026_11_21_corrected.csv"
)
LONG_ERROR = (
    "raise ValueError('the column ' + 'revenue_after_the_acquisition_' * 9 + ' has no values, and "
    "neither has any other column that was looked at')"
)
WIDE = (
    "import pandas as pd\n"
    "wide = pd.DataFrame({f'revenue of product line {n}': range(3) for n in range(14)})\n"
    "before, after, boats = 1_000_000 + 204_000, 1_000_000 + 348_480, 8 + 9\n"
    "print(f'before {before:,.2f}, after {after:,.2f}: {100 * after / before - 100:.0f} %')\n"
    "print(f'boats {boats} and {boats}')\n"
    "print('a line that is much wider than the panel is, whatever its width may be ' * 3)\n"
    "wide"
)
LONG_ANSWER = f"""\
{WORD} grew by 12 %, and no other company did, which the table below shows per product line.

## What grew

| company | product line | before the acquisition | after the acquisition |
|---|---|---|---|
| {WORD} | ships | 1,204,000.00 | 1,348,480.00 |
| Nobody | boats | 17 | 17 |

1. The first reason is that `revenue_after_the_acquisition_{"of_the_company_" * 4}` counts twice.
2. The second stands in https://example.com/{"a-long-address-of-a-report/" * 6}.

```python
wide.loc[wide["revenue of product line 1"] > 1, ["revenue of product line 1", "revenue of product line 2"]]
```
"""


def _long(panel: Panel) -> None:
    file = panel.lab.root / LONG_FILE
    columns = [f"revenue_after_the_acquisition_{n}_in_thousands_of_euros" for n in range(8)]
    rows = [",".join(columns), *(",".join([f"{WORD} {n}"] * 8) for n in range(5))]
    file.write_text("\n".join(rows), encoding="utf-8")
    panel.attach(LONG_FILE)


def test_what_is_long_fits(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    _long(panel)
    model.says(
        plan(f"Find {WORD} in every column that there is", "Compare it", "Say what grew, and why"),
        python(LONG_ERROR, f"Look for {WORD} in a column that has no values"),
        python(WIDE, "Put the product lines beside each other, all of them at once"),
        finish(
            LONG_ANSWER,
            next_questions=(LONG_QUESTION, "And without ships?"),
            caveats=[f"{WORD} is spelled in three ways."],
            assumptions=["Each row is one quarter.", "Revenue is net of tax, in thousands."],
        ),
    )
    run = panel.answered(panel.ask(LONG_QUESTION))
    look(panel, "long", FEW)
    run.get_by_text(re.compile("2 iterations")).click()
    panel.open_cells(run)
    look(panel, "long-steps", FEW)
    panel.menu(panel.button("More"), "Open beside")
    tab = Panel(panel.page, panel.lab, ".jp-MainAreaWidget .ak-PanelWidget")
    expect(tab.log.get_by_text("What grew").first).to_be_visible(timeout=SLOW)
    panel.width(250)
    for theme in ("light", "dark", "high contrast"):
        panel.theme(theme)
        panel.page_picture(f"tab-long-{theme.replace(' ', '-')}")
        assert findings(panel.page, ".jp-MainAreaWidget .ak-PanelWidget") == []


def test_a_lost_connection_and_a_queue_look_right(
    open_own: OpenPanel, ai_lab: Lab, model: ScriptedModel
) -> None:
    panel = open_own(ai_lab)
    connection = Connection(panel)
    panel.show()
    panel.command("analyst:new")
    model.says(
        plan("Wait", "Go on", "Answer"), python(WAIT, "Wait for the file"), finish("First."),
        answer("Second."),
    )  # fmt: skip
    run = panel.ask("Is it there?")
    expect(run.get_by_role("group", name="Output of cell 1")).to_have_text("waiting", timeout=SLOW)
    panel.box.fill(LONG_QUESTION)
    panel.button("Ask").click()
    expect(panel.root.get_by_role("list", name="Waiting questions")).to_be_visible()
    panel.box.fill("One more, which is not sent yet")
    look(panel, "queued", FEW)
    connection.cut()
    expect(panel.root.get_by_text("Not connected.", exact=False)).to_be_visible()
    look(panel, "lost", FEW)
    connection.give_back()
    panel.button("Try now").click()
    expect(panel.root.get_by_text("Not connected.", exact=False)).to_have_count(0)
    panel.release()
    panel.answered(run)


def test_what_the_rules_cannot_answer_looks_right(panel: Panel) -> None:
    panel.attach("data/penguins_raw.csv")
    run = panel.ask("Write a poem about the sea, and translate it into Finnish")
    ended = re.compile("answered|incomplete|failed")
    expect(run).to_have_attribute("data-status", ended, timeout=SLOW)
    look(panel, "refused", FEW)


def test_a_verified_and_an_undone_run_look_right(ai_panel: Panel, model: ScriptedModel) -> None:
    panel = ai_panel
    model.says(*penguins(), answer("Nothing was computed."))
    panel.attach("data/penguins_raw.csv")
    run = panel.answered(panel.ask(QUESTION))
    second = panel.answered(panel.ask("And nothing?"))
    second.get_by_role("button", name="Verify").click()
    expect(panel.root.get_by_text(re.compile(r"reproduced \d of \d")).first).to_be_visible(
        timeout=SLOW
    )
    run.get_by_text(re.compile("2 iterations")).click()
    look(panel, "verified", FEW)
    panel.menu(second.get_by_role("button", name="More about this question"), "Undo this run")
    panel.page.get_by_role("dialog").get_by_role("button", name="Undo", exact=True).click()
    expect(second.get_by_text("Undone.")).to_be_visible(timeout=SLOW)
    look(panel, "undone", FEW)


@pytest.mark.parametrize("width", [1400, 480])
def test_every_window_fits_its_page(ai_panel: Panel, model: ScriptedModel, width: int) -> None:
    panel = ai_panel
    page = panel.page
    _long(panel)
    panel.attach("data/penguins_raw.csv")
    model.says(*penguins())
    run = panel.answered(panel.ask(QUESTION))
    more = panel.button("More")
    steps = {
        "dataset": lambda: panel.button(re.compile("^quarterly")).click(),
        "chart": panel.charts.get_by_role("img").first.click,
        "gallery": lambda: panel.menu(more, "1 chart"),
        "sandbox": lambda: panel.button(re.compile("Isolated")).click(),
        "budget": lambda: (
            panel.root.get_by_role("status", name="Usage").get_by_role("button").click()
        ),
        "key": lambda: panel.menu(panel.button(re.compile("^Model:")).last, "Add a key"),
        "path": lambda: panel.menu(panel.button("Attach data"), "By path"),
        "undo": lambda: panel.menu(
            run.get_by_role("button", name="More about this question"), "Undo this run"
        ),
        "delete": lambda: panel.menu(more, "Delete"),
    }
    panel.width(250)
    page.set_viewport_size({"width": width, "height": 800})
    for theme in ("light", "dark", "high contrast"):
        panel.theme(theme)
        for name, step in steps.items():
            step()
            dialog = page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            panel.page_picture(f"window-{name}-{width}-{theme.split()[0]}")
            assert findings(page, ".ak-Dialog") == [], name
            wide = dialog.locator(".ak-Dialog-body").evaluate(
                "node => node.scrollWidth - node.clientWidth"
            )
            assert wide <= 1, (name, wide)
            dialog.get_by_role("button", name="Close").click()
            expect(dialog).to_have_count(0)
