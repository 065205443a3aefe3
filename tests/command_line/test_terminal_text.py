"""Text of strangers at the terminal: a console shows it, obeys nothing in it and reads no markup."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Group
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from analyst_kernel.agent.ports import Approval
from analyst_kernel.command_line import terminal
from analyst_kernel.command_line.console import PlainConsole, print_table
from analyst_kernel.command_line.terminal import ProgressDisplay, TerminalUser
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.ids import AnalysisId, AskId, CellId, RunId
from analyst_kernel.protocol.records import Limits, Step

HOSTILE = (
    "[red]x[/] \x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b[2J\x9b1A\x9d0;t\x9c\x90q\x9c\rb\x08\u202e"
)
OWN = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
"""Sequences that Rich writes for styles and the live display."""


def terminal_console(width: int = 200) -> tuple[PlainConsole, io.StringIO]:
    """Return a console that writes as on a terminal, and what it wrote."""
    console = PlainConsole()
    screen = io.StringIO()
    console.file = screen
    console._force_terminal = True
    console._width = width
    return console, screen


def assert_only_text(written: str) -> None:
    """Check that what was written has no control sequence but styles and moves of Rich's own."""
    plain = OWN.sub("", written)
    assert (
        re.search(r"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", plain)
        is None
    )
    assert "\x1b[2J" not in written
    assert "[red]x[/]" in plain


@pytest.mark.parametrize(
    "renderable",
    [
        HOSTILE,
        Text(HOSTILE),
        Syntax(HOSTILE, "python"),
        Group(Text(HOSTILE)),
        Markdown(f"`{HOSTILE}`", hyperlinks=False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_the_console_draws_is_text(renderable: object) -> None:
    console, screen = terminal_console()
    console.print(renderable)
    assert_only_text(screen.getvalue())


def test_a_table_shows_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("path",), ("rows",), [(HOSTILE, "1")])
    assert_only_text(capsys.readouterr().out)
    console, screen = terminal_console()
    table = Table()
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    console.print(table)
    assert_only_text(screen.getvalue())


ABOUT = {"analysis": AnalysisId("a"), "run": RunId("r1")}


@pytest.mark.parametrize(
    "events",
    [
        [ev.RunStarted(**ABOUT, question="q", model=HOSTILE, is_ai=False, limits=Limits())],
        [ev.KernelChanged(analysis=AnalysisId("a"), state="died", reason=HOSTILE)],
        [ev.NoticeRaised(**ABOUT, level="warning", code="x", message=HOSTILE)],
        [
            ev.IterationStarted(
                **ABOUT, iteration=1, cell=CellId("c"), step=1, attempt=2, language="python",
                purpose=HOSTILE, code=HOSTILE,
            ),
            ev.IterationFinished(
                **ABOUT, iteration=1, cell=CellId("c"), outcome="error", seconds=1, outputs=(),
                execution_count=1, error=None,
            ),
        ],
    ],
    ids=["model", "kernel", "notice", "iteration"],
)  # fmt: skip
def test_progress_shows_what_events_say(events: list[ev.Event]) -> None:
    console, screen = terminal_console()
    progress = ProgressDisplay(console)
    for event in events:
        progress(event)
    progress.close()
    assert_only_text(screen.getvalue())


def test_the_live_display_shows_plan_and_code() -> None:
    console, screen = terminal_console()
    progress = ProgressDisplay(console)
    progress(
        ev.PlanUpdated(**ABOUT, steps=(Step(number=1, goal=HOSTILE, status="doing"),))
    )  # fmt: skip
    console.print(progress._render())
    progress.close()
    assert_only_text(screen.getvalue())


async def test_code_for_approval_is_shown_as_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no() -> str:
        return "s\n"

    monkeypatch.setattr(terminal, "_line", no)
    console, screen = terminal_console()
    user = TerminalUser(console, ProgressDisplay(console, quiet=True))
    code = "admin = '\u202e \u2066# [red]x[/]'\nprint('\x1b]52;c;x\x07')"
    assert await user.approve(AskId("k"), code, HOSTILE) == Approval("skip")
    assert_only_text(screen.getvalue())
    plain = OWN.sub("", screen.getvalue())
    assert r"\u202e \u2066# [red]x[/]" in plain
    assert r"\u001b]52;c;x\u0007" in plain
    await user.answer(AskId("k"), HOSTILE, [HOSTILE, "b"], "b")
    assert_only_text(screen.getvalue())
