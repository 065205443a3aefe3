"""JupyterLab's own places, the keyboard alone, what comes back after a reload."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.fakes.turns import answer, finish
from tests.support.lab import DATA, Lab
from tests.support.panel_page import SLOW, Panel, ready
from tests.support.scripted_model import WAIT, ScriptedModel, plan, python
from tests.ui.conftest import OpenPanel

ASK_KEYS = "Control+Alt+a"
COMMANDS = (
    "analyst:ask",
    "analyst:stop",
    "analyst:attach",
    "analyst:open-notebook",
    "analyst:export",
    "analyst:branch",
    "analyst:verify",
    "analyst:ask-about-cell",
    "analyst:fix-error",
)


def test_the_sidebar_stands_in_a_fresh_jupyterlab(open_own: OpenPanel, lab: Lab) -> None:
    panel = open_own(lab, show=False)
    # Open where nobody has seen it yet.
    expect(panel.box).to_be_visible()
    expect(panel.root.get_by_role("group", name="Examples").get_by_role("button")).to_have_count(
        len(list(DATA.glob("*.csv")))
    )
    # The launcher's card leads here too.
    expect(panel.page.locator(".jp-LauncherCard").filter(has_text="Analy").last).to_be_visible()
    # Who closes it finds it closed.
    panel.page.get_by_role("tab", name="Analyst", exact=True).click()
    expect(panel.root).to_be_hidden()
    panel.page.evaluate(
        """() => new Promise(resolve => {
          const {serviceManager} = window.jupyterapp;
          const name = window.location.pathname.split('/workspaces/')[1];
          const look = async () => {
            const saved = await serviceManager.workspaces.fetch(name).catch(() => null);
            const closed = saved?.data?.['layout-restorer:data']?.right?.collapsed === true;
            if (closed && JSON.stringify(saved).includes('analyst-kernel:seen')) resolve(null);
            else setTimeout(look, 100);
          };
          void look();
        })"""
    )
    panel.page.reload()
    ready(panel)
    expect(panel.page.get_by_role("tab", name="Analyst", exact=True)).to_be_visible()
    expect(panel.root).to_be_hidden()


def test_every_command_has_a_label_and_a_place_in_the_palette(panel: Panel) -> None:
    found = panel.page.evaluate(
        "names => names.map(name => window.jupyterapp.commands.label(name))", list(COMMANDS)
    )
    assert all(found)
    panel.command("apputils:activate-command-palette")
    panel.page.keyboard.type("analyst")
    palette = panel.page.locator(".lm-CommandPalette")
    for label in ("Ask Analyst", "New Analysis", "Attach Data to the Analysis"):
        expect(palette.get_by_text(label, exact=True)).to_be_visible()
    panel.page.keyboard.press("Escape")


def test_no_shortcut_of_ours_is_taken_already(panel: Panel) -> None:
    clashes = panel.page.evaluate(
        """() => {
          const all = window.jupyterapp.commands.keyBindings;
          const ours = all.filter(one => one.command.startsWith('analyst:'));
          return ours.flatMap(one => all
            .filter(other => !other.command.startsWith('analyst:')
              && other.keys.join(' ') === one.keys.join(' '))
            .map(other => `${one.command}: ${other.command}`));
        }"""
    )
    assert clashes == []
    mine = panel.page.evaluate(
        """() => window.jupyterapp.commands.keyBindings
          .filter(one => one.command === 'analyst:ask').length"""
    )
    assert mine == 1


def test_settings_are_documented_and_hold_for_a_new_analysis(open_own: OpenPanel, lab: Lab) -> None:
    panel = open_own(lab)
    panel.command("settingeditor:open", query="Analyst")
    editor = panel.page.locator(".jp-SettingsPanel, .jp-SettingsEditor").first
    expect(editor.get_by_text("Approval", exact=True).first).to_be_visible(timeout=SLOW)
    expect(editor.get_by_text("Budget per question").first).to_be_visible()
    set_setting = """async value => {
      const app = window.jupyterapp;
      const {serviceManager} = app;
      await serviceManager.settings.save('analyst-kernel:settings', JSON.stringify(value));
    }"""
    panel.page.evaluate(set_setting, {"approval": "plan"})
    panel.page.reload()
    ready(panel)
    panel.command("analyst:new")
    try:
        expect(panel.button("Approval: Edit the plan first")).to_be_visible()
    finally:
        panel.page.evaluate(set_setting, {})


def test_a_run_out_of_sight_is_told_in_status_bar_and_notification(
    ai_panel: Panel, model: ScriptedModel
) -> None:
    panel = ai_panel
    model.says(
        plan("Wait", "Go on", "Answer"), python(WAIT, "Wait for the file"), finish("It is done.")
    )
    run = panel.ask("Will you tell me?")
    expect(run.get_by_role("group", name="Output of cell 1")).to_have_text("waiting", timeout=SLOW)
    item = panel.page.get_by_role("button", name=re.compile(r"Analyst: 1 running"))
    expect(item).to_be_visible()
    panel.page.get_by_role("tab", name="Analyst", exact=True).click()
    expect(panel.root).to_be_hidden()
    panel.release()
    expect(panel.page.get_by_text("“Will you tell me?” is done.").first).to_be_visible(timeout=SLOW)
    panel.page.get_by_role("button", name="Show", exact=True).first.click()
    expect(panel.root).to_be_visible()
    expect(run).to_have_attribute("data-status", "answered")


def test_the_layout_and_the_analysis_come_back_after_a_reload(
    open_own: OpenPanel, ai_lab: Lab, model: ScriptedModel
) -> None:
    panel = open_own(ai_lab)
    model.says(answer("Here again."))
    panel.answered(panel.ask("Will you be here?"))
    panel.menu(panel.button("More"), "Open beside")
    tab = Panel(panel.page, ai_lab, ".jp-MainAreaWidget .ak-PanelWidget")
    expect(tab.log).to_contain_text("Here again.")
    panel.page.evaluate(
        """() => new Promise(resolve => {
          // JupyterLab saves its layout a moment after a change.
          const {shell, serviceManager} = window.jupyterapp;
          const name = window.location.pathname.split('/workspaces/')[1] ?? 'default';
          const look = async () => {
            const saved = await serviceManager.workspaces.fetch(name).catch(() => null);
            if (JSON.stringify(saved ?? {}).includes('analyst-tab')
              || JSON.stringify(saved ?? {}).includes('analyst-analysis')) resolve(null);
            else setTimeout(look, 100);
          };
          void shell; void look();
        })"""
    )
    panel.page.reload()
    ready(panel)
    expect(panel.log).to_contain_text("Here again.", timeout=SLOW)
    expect(tab.log).to_contain_text("Here again.", timeout=SLOW)


def test_everything_is_reached_by_the_keyboard_alone(
    open_own: OpenPanel, ai_lab: Lab, model: ScriptedModel
) -> None:
    panel = open_own(ai_lab)
    keys = panel.page.keyboard
    # JupyterLab gives the focus to the launcher when that has been drawn; then the user comes.
    expect(panel.page.locator(".jp-LauncherCard").first).to_be_visible()
    keys.press(ASK_KEYS)
    model.says(
        plan("Wait", "Go on", "Answer"),
        python("import time\nprint('on', flush=True)\ntime.sleep(600)", "Sleep"),
        answer("The second answer.", next_questions=("What is next?",)),
    )
    expect(panel.box).to_be_focused()
    keys.type("Can I stop you with a key?")
    keys.press("Enter")
    run = panel.run("Can I stop you with a key?")
    expect(run.get_by_role("group", name="Output of cell 1")).to_have_text("on", timeout=SLOW)
    keys.press("Escape")
    expect(run).to_have_attribute("data-status", "cancelled")

    keys.press("Tab")
    expect(panel.button(re.compile("^Model:")).last).to_be_focused()
    keys.press("Tab")
    approval = panel.button(re.compile("^Approval:"))
    expect(approval).to_be_focused()
    keys.press("Enter")
    menu = panel.root.get_by_role("menu", name=re.compile("^Approval"))
    expect(menu.get_by_role("menuitemradio", checked=True)).to_be_focused()
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(panel.button("Approval: Ask before each cell")).to_be_focused()
    keys.press("Enter")
    keys.press("Home")
    keys.press("Enter")
    expect(panel.button("Approval: Run automatically")).to_be_visible()

    panel.box.focus()
    keys.type("And an answer?")
    keys.press("Enter")
    again = panel.answered(panel.run("And an answer?"))
    # Backwards from the box: actions of the answer, then its next questions.
    nexts = again.get_by_role("button", name="What is next?")
    for _ in range(12):
        keys.press("Shift+Tab")
        if nexts.evaluate("node => node === document.activeElement"):
            break
    expect(nexts).to_be_focused()
    outline = nexts.evaluate(
        "node => { const s = getComputedStyle(node); return s.outlineStyle + s.boxShadow; }"
    )
    assert outline != "nonenone", "the focus is seen"
