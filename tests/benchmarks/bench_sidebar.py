"""How soon the sidebar answers a user: feedback after Ask, a token on screen, a long conversation.

A real JupyterLab, Debian's Chromium and a scripted model. Times are taken inside the page, up to the
frame that shows the change. Run as a script, or by pytest; budgets are printed, ratios asserted.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, expect, sync_playwright  # noqa: E402 - a script finds the tests first

from tests.fakes.fixtures import FAKE_KEY  # noqa: E402 - a script finds the tests first
from tests.fakes.turns import Turn, call, say, turn  # noqa: E402 - a script finds the tests first
from tests.fakes.wire_server import WireServer  # noqa: E402 - a script finds the tests first
from tests.support.browsing import CHROMIUM, FLAGS  # noqa: E402 - a script finds the tests first
from tests.support.lab import Lab  # noqa: E402 - a script finds the tests first
from tests.support.panel_page import Panel, open_panel, ready  # noqa: E402 - a script finds the tests first
from tests.support.scripted_model import ScriptedModel, finish, plan, python  # noqa: E402 - a script finds the tests first

BUDGET_FEEDBACK, BUDGET_TOKEN, BUDGET_RATIO = 100.0, 50.0, 3.0
ROUNDS, TOKENS, ITERATIONS, CHARTS_EACH = 8, 200, 10, 3

CHARTS = """
import matplotlib.pyplot as plt
for number in range({first}, {first} + {count}):
    plt.figure()
    plt.plot(range(10), [number * x for x in range(10)])
    plt.title(f"Chart {{number}}")
    plt.show()
"""

# Notes when each token arrives in the page, before the extension's own code sees it.
WATCH_SOCKET = """
window.arrived_ = {}; window.seen_ = {};
const Native = window.WebSocket;
window.WebSocket = class extends Native {
  constructor(...given) {
    super(...given);
    if (String(given[0]).includes('analyst-kernel/socket')) {
      this.addEventListener('message', event => {
        if (String(event.data).includes('text_streamed')) {
          for (const token of String(event.data).match(/tok\\d{4}/g) ?? []) {
            window.arrived_[token] ??= performance.now();
          }
        }
      });
    }
  }
};
"""
WATCH_TOKENS = """() => {
  const log = document.querySelector('#analyst-panel [role=log]');
  const look = () => {
    const text = log.textContent;
    for (const token of Object.keys(window.arrived_)) {
      if (!(token in window.seen_) && text.includes(token)) window.seen_[token] = performance.now();
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
# Resolves with the milliseconds from the key to the frame in which the question stands.
FEEDBACK = """question => new Promise(resolve => {
  const panel = document.querySelector('#analyst-panel');
  const box = panel.querySelector('textarea');
  box.addEventListener('keydown', () => {
    const begun = performance.now();
    const look = () => {
      const shown = [...panel.querySelectorAll('[role=log] section')]
        .some(run => run.getAttribute('aria-label') === question);
      if (shown) requestAnimationFrame(() => resolve(performance.now() - begun));
      else requestAnimationFrame(look);
    };
    look();
  }, {once: true, capture: true});
  window.listening_ = question;
})"""
# Types letters, each in a frame of its own; milliseconds from each to the frame after it.
TYPING = """async () => {
  const box = document.querySelector('#analyst-panel textarea');
  const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set;
  const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
  const times = [];
  for (let count = 1; count <= 30; count += 1) {
    await frame();
    const begun = performance.now();
    set.call(box, 'x'.repeat(count));
    box.dispatchEvent(new InputEvent('input', {bubbles: true}));
    await frame();
    times.push(performance.now() - begun);
  }
  return times;
}"""
# Scrolls through the conversation; milliseconds of each frame.
SCROLLING = """async () => {
  const main = document.querySelector('#analyst-panel main');
  const times = [];
  let before = performance.now();
  for (let at = 0; at <= 60; at += 1) {
    main.scrollTop = main.scrollHeight * at / 60;
    await new Promise(resolve => requestAnimationFrame(resolve));
    const now = performance.now();
    times.push(now - before);
    before = now;
  }
  return times;
}"""


def feedback(panel: Panel, model: ScriptedModel, questions: Sequence[str]) -> list[float]:
    """Return the milliseconds from Enter to the question on screen, for each question."""
    times = []
    for question in questions:
        model.says(finish("An answer."))
        panel.box.fill(question)
        panel.page.evaluate(f"q => {{ window.feedback_ = ({FEEDBACK})(q); }}", question)
        panel.box.press("Enter")
        times.append(panel.page.evaluate("() => window.feedback_"))
        panel.answered(panel.run(question))
    return times


def tokens(panel: Panel, model: ScriptedModel) -> list[float]:
    """Return the milliseconds from a token's arrival to the frame that shows it."""
    text = "".join(f"tok{number:04d} " for number in range(TOKENS))
    model.says(
        turn(
            say(text),
            call("finish", answer="Streamed.", key_values=[], assumptions=[], caveats=[],
                 next_questions=[]),
            chunk=8, delay=0.02,
        )
    )  # fmt: skip
    panel.page.evaluate(WATCH_TOKENS)
    panel.answered(panel.ask("Stream some words"))
    found: list[float] = panel.page.evaluate(
        "() => Object.keys(window.seen_).map(token => window.seen_[token] - window.arrived_[token])"
    )
    return found


def long_conversation(panel: Panel, model: ScriptedModel) -> None:
    """Draw 30 charts in 10 iterations, and open all of them."""
    cells: list[Turn] = [
        python(CHARTS.format(first=CHARTS_EACH * cell, count=CHARTS_EACH), f"Draw number {cell}")
        for cell in range(ITERATIONS)
    ]
    model.says(plan("Draw", "Draw more", "Answer"), *cells, finish("All drawn."))
    run = panel.answered(panel.ask("Draw thirty charts"))
    run.get_by_text(f"{ITERATIONS} iterations").click()
    panel.open_cells(run)
    expect(run.get_by_role("article").get_by_role("img")).to_have_count(ITERATIONS * CHARTS_EACH)


def measure() -> float:
    """Print every figure; return the ratio of feedback in a long conversation to an empty one."""
    model = ScriptedModel()
    numbered = (f"Question number {number}?" for number in itertools.count(1))
    with WireServer([model], repeat=True) as wire, sync_playwright() as driver:
        lab = Lab(environment={"ANTHROPIC_BASE_URL": wire.url, "ANTHROPIC_API_KEY": FAKE_KEY})
        browser: Browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            panel = open_panel(browser, lab.start(), "bench")
            panel.page.add_init_script(WATCH_SOCKET)
            panel.page.reload()
            ready(panel)
            panel.command("analyst:ask")
            first = feedback(panel, model, list(itertools.islice(numbered, ROUNDS)))
            _say("first feedback after Ask", first, BUDGET_FEEDBACK)
            _say("token on screen after it arrived", tokens(panel, model), BUDGET_TOKEN)
            typing = panel.page.evaluate(TYPING)
            panel.new()
            long_conversation(panel, model)
            _say(
                "a frame of scrolling, 10 iterations and 30 charts", panel.page.evaluate(SCROLLING)
            )
            _say("a letter typed, short conversation", typing)
            _say("a letter typed, long conversation", panel.page.evaluate(TYPING))
            again = feedback(panel, model, list(itertools.islice(numbered, ROUNDS)))
            _say("feedback after Ask, long conversation", again, BUDGET_FEEDBACK)
        finally:
            browser.close()
            lab.close()
    ratio = statistics.median(again) / statistics.median(first)
    print(f"feedback, long to short: {ratio:.2f} (at most {BUDGET_RATIO})")
    return ratio


def _say(what: str, times: Sequence[float], budget: float | None = None) -> None:
    last = sorted(times)[max(0, round(len(times) * 0.95) - 1)]
    told = f" (budget {budget:.0f} ms)" if budget is not None else ""
    median = statistics.median(times)
    print(f"{what}: median {median:.1f} ms, 95 % {last:.1f} ms, n = {len(times)}{told}", flush=True)


def test_the_sidebar_stays_quick() -> None:
    """A long conversation must not slow the first feedback down."""
    assert measure() <= BUDGET_RATIO


if __name__ == "__main__":
    sys.exit(0 if measure() <= BUDGET_RATIO else 1)
