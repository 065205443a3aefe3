"""A run at the terminal: its progress on stderr, and the user's answers and approvals."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from analyst_kernel._text import printable, with_visible_controls
from analyst_kernel.agent.ports import Approval
from analyst_kernel.command_line.console import PlainConsole, Styled, styled
from analyst_kernel.data.remote.fetch import FetchProgress, fetch_text
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.ids import AskId
from analyst_kernel.protocol.records import PackageOffer, Step

if TYPE_CHECKING:
    from analyst_kernel.protocol.events import Event

_MARKS = {"todo": "○", "doing": "●", "done": "✓", "blocked": "✗", "failed": "✗", "skipped": "–"}
_STYLES = {
    "todo": "dim",
    "doing": "bold blue",
    "done": "green",
    "blocked": "yellow",
    "failed": "yellow",
    "skipped": "dim",
}
_OUTCOME_MARKS = {
    "ok": ("✓", "green"),
    "error": ("↻", "yellow"),
    "timeout": ("⏱", "yellow"),
    "cancelled": ("■", "dim"),
    "rejected": ("✗", "yellow"),
}
_TAIL_LINES = 8
_SHOWN_WARNINGS = (
    "bad-rows", "empty-rows", "encoding-guessed", "no-header", "no-rows", "preamble", "short-rows",
)  # fmt: skip
"""Warnings about how a file was read that the user should see before the answer."""
_REPEATED_AT_THE_END = ("budget-ended",)
"""Notices that the end of the run repeats as its reason."""

_DECISIONS: dict[str, Literal["run", "skip", "run_all"]] = {
    "y": "run",
    "": "run",
    "s": "skip",
    "a": "run_all",
}


class ProgressDisplay:
    """Receives a run's events and shows them on a console until it is closed."""

    def __init__(self, console: PlainConsole, *, quiet: bool = False) -> None:
        """Show on ``console`` (stderr); ``quiet`` shows nothing at all."""
        self._console = console
        self._quiet = quiet
        self._steps: tuple[Step, ...] = ()
        self._doing = "Starting the kernel"
        self._code = ""
        self._fetching: set[str] = set()
        self._purposes: dict[str, tuple[str, int]] = {}
        self._started = time.monotonic()
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        if not quiet and console.is_terminal:
            self._live = Live(
                console=console, get_renderable=self._render, transient=True, refresh_per_second=12
            )
            self._live.start()

    def close(self) -> None:
        """Remove the live display; what was printed stays."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def fetching(self, progress: FetchProgress) -> None:
        """Show how far the fetching of remote data is."""
        if self._quiet:
            return
        text = fetch_text(progress)
        if progress.finished or (self._live is None and progress.address not in self._fetching):
            self._fetching.add(progress.address)
            self._console.write(text)
        self._doing = "Starting the kernel" if progress.finished else text

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Free the terminal for a question to the user."""
        if self._live is not None:
            self._live.stop()
        try:
            yield
        finally:
            if self._live is not None:
                self._live.start()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if self._quiet:
            return
        match event:
            case ev.RunStarted():
                model = event.model if event.is_ai else f"{event.model} (no AI model)"
                self._print(("Model", "dim"), f" {model}")
            case ev.KernelChanged(state="ready", sandbox=sandbox):
                level = sandbox.level if sandbox is not None else "none"
                self._doing = "Reading the data"
                ready = f", ready in {event.ready_ms:.0f} ms" if event.ready_ms else ""
                self._print(("Sandbox", "dim"), f" {level}{ready}")
            case ev.KernelChanged() if event.reason:
                self._print((f"Kernel {event.state}:", "yellow"), f" {event.reason}")
            case ev.DatasetProfiled(profile=profile):
                rows = profile.dataset.rows
                size = f"{rows:,} rows × " if rows is not None else ""
                columns = f"{size}{len(profile.dataset.columns)} columns"
                self._print(("Data", "dim"), f" {profile.dataset.name}: {columns}")
                for warning in profile.warnings:
                    if warning.code in _SHOWN_WARNINGS:
                        self._print(("Note", "yellow"), f" {warning.message}")
            case ev.PlanUpdated(steps=steps):
                self._steps = steps
            case ev.ModelCalled():
                self._doing = "Thinking"
            case ev.ToolInputStreamed():
                self._doing = "Writing code"
            case ev.ModelRetried():
                next_try = f" Next try in {event.wait:.0f} s, {event.attempt} of {event.of}."
                self._print((event.reason, "yellow"), next_try)
            case ev.IterationStarted():
                self._doing = event.purpose or "Running a cell"
                self._code = event.code
                self._purposes[event.cell] = (self._doing, event.attempt)
            case ev.IterationFinished():
                self._finish_iteration(event)
            case ev.NoticeRaised(level="warning", code=code) if code not in _REPEATED_AT_THE_END:
                self._print(("Note", "yellow"), f" {event.message}")
            case _:
                return

    def _finish_iteration(self, event: ev.IterationFinished) -> None:
        self._code = ""
        purpose, attempt = self._purposes.get(event.cell, ("", 1))
        repair = f"(repair {attempt - 1}) " if attempt > 1 else ""
        took = (f"{repair}{event.seconds:.1f} s", "dim")
        self._print(_OUTCOME_MARKS[event.outcome], f" {purpose} ", took)
        if event.error is not None:
            first = "".join(event.error.message.strip().splitlines()[:1])
            self._print((f"  {event.error.name}:", "yellow"), f" {first}")
            if event.error.hint:
                self._print((f"  {event.error.hint}", "dim"))

    def _print(self, *parts: Styled) -> None:
        self._console.write(*parts)

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._steps:
            parts.append(_plan(self._steps))
        if self._code:
            tail = "\n".join(self._code.splitlines()[-_TAIL_LINES:])
            parts.append(Padding(_code(tail), (0, 0, 0, 2)))
        elapsed = time.monotonic() - self._started
        self._spinner.update(text=Text(f" {printable(self._doing)} · {elapsed:.0f} s", style="dim"))
        parts.append(self._spinner)
        return Group(*parts)


def _plan(steps: Sequence[Step]) -> Table:
    table = Table.grid(padding=(0, 1))
    for step in steps:
        style = _STYLES[step.status]
        table.add_row(Text(_MARKS[step.status], style=style), styled((step.goal, style)))
    return table


def _code(code: str) -> Syntax:
    """Return code as it will run: what would not be seen in it, or turn its order, is written."""
    return Syntax(with_visible_controls(code), "python", background_color="default")


class TerminalUser:
    """The ``User`` port on a terminal; without one the defaults of questions are taken."""

    def __init__(self, console: PlainConsole, progress: ProgressDisplay) -> None:
        self._console = console
        self._progress = progress

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        """Offer the options by number; an empty line takes the default."""
        with self._progress.paused():
            self._console.write((question, "bold"))
            for number, option in enumerate(options, start=1):
                mark = " (default)" if option == default else ""
                self._console.write(f"  {number}. {option}", (mark, "dim"))
            reply = (await self._read("Your choice: ") or "").strip()
        if reply.isdigit() and 1 <= int(reply) <= len(options):
            return options[int(reply) - 1], True
        return (reply, True) if reply else (default, False)

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        """Show the cell and ask whether it may run."""
        with self._progress.paused():
            self._console.write(("\nRun this cell?", "bold"), f" {purpose}")
            self._console.print(_code(code))
            while True:
                reply = await self._read("[Y]es, [s]kip, [a]ll in this run: ")
                if reply is None:  # Ctrl-D is no answer, and must not count as approval
                    return Approval("skip")
                decision = _DECISIONS.get(reply.strip().lower()[:1])
                if decision is not None:
                    return Approval(decision)

    async def approve_package(self, ask: AskId, offer: PackageOffer) -> bool:
        """Show what a package is and brings, and ask whether it may be fetched."""
        with self._progress.paused():
            for line in package_lines(offer):
                self._console.write(*line)
            while True:
                reply = await self._read("Fetch it? [y]es, [n]o: ")
                if reply is None:
                    return False
                word = reply.strip().lower()
                if word in ("y", "yes"):
                    return True
                if word in ("n", "no", ""):
                    return False

    async def _read(self, prompt: str) -> str | None:
        self._console.write(prompt, end="")
        return await _line()


def package_lines(offer: PackageOffer) -> Iterator[tuple[Styled, ...]]:
    """Yield what the user should know of a package before it is fetched, by line."""
    own = offer.wheels[0]
    yield (("\nFetch a package?", "bold"), f" {offer.name} {offer.version}".rstrip())
    if offer.module and offer.module != offer.name:
        yield (f"  {offer.module} is part of {offer.name}.",)
    if not offer.known:
        meant = f" Did you mean {offer.alike}?" if offer.alike else ""
        yield (("  This name is not known here; check how it is spelt.", "yellow"), meant)
    if offer.indexes:
        yield (f"  From {', '.join(offer.indexes)}",)
    for wheel in offer.wheels:
        role = "" if wheel is own else "also "
        size = "size unknown" if wheel.bytes is None else f"{wheel.bytes / 1e6:,.2f} MB"
        yield (f"  {role}{wheel.name} {wheel.version}, {size}, SHA-256 {wheel.sha256[:16]}…",)
    yield (("  Wheels only: nothing is run or installed; the kernel reads them.", "dim"),)


async def _line() -> str | None:
    """Return a line from the terminal, or None at its end. Can be cancelled while it waits."""
    if os.name != "posix":
        return await asyncio.to_thread(sys.stdin.readline) or None
    # A thread that waits for a key cannot be ended, and would keep the command from exiting.
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline() or None
