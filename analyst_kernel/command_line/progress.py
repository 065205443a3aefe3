"""Shows a run's progress on stderr: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.spinner import Spinner
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.records import Step

if TYPE_CHECKING:
    from analyst_kernel.protocol.events import Event

_MARKS = {"todo": "○", "doing": "●", "done": "✓", "blocked": "✗"}
_STYLES = {"todo": "dim", "doing": "bold blue", "done": "green", "blocked": "yellow"}
_OUTCOME_MARKS = {
    "ok": "[green]✓[/]",
    "error": "[yellow]↻[/]",
    "timeout": "[yellow]⏱[/]",
    "cancelled": "[dim]■[/]",
    "rejected": "[yellow]✗[/]",
}
_TAIL_LINES = 8
_SHOWN_WARNINGS = (
    "bad-rows", "empty-rows", "encoding-guessed", "no-header", "no-rows", "preamble", "short-rows",
)  # fmt: skip
"""Warnings about how a file was read that the user should see before the answer."""
_REPEATED_AT_THE_END = ("budget-ended",)
"""Notices that the end of the run repeats as its reason."""


class ProgressDisplay:
    """Receives a run's events and shows them on a console until it is closed."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        """Show on ``console`` (stderr); ``quiet`` shows nothing at all."""
        self._console = console
        self._quiet = quiet
        self._steps: tuple[Step, ...] = ()
        self._doing = "Starting the kernel"
        self._code = ""
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
                self._print(f"[dim]Model[/] {escape(model)}")
            case ev.KernelChanged(state="ready", sandbox=sandbox):
                level = sandbox.level if sandbox is not None else "none"
                self._doing = "Reading the data"
                ready = f", ready in {event.ready_ms:.0f} ms" if event.ready_ms else ""
                self._print(f"[dim]Sandbox[/] {level}{ready}")
            case ev.KernelChanged() if event.reason:
                self._print(f"[yellow]Kernel {event.state}:[/] {escape(event.reason)}")
            case ev.DatasetProfiled(profile=profile):
                rows = profile.dataset.rows
                size = f"{rows:,} rows × " if rows is not None else ""
                self._print(
                    f"[dim]Data[/] {escape(profile.dataset.name)}: "
                    f"{size}{len(profile.dataset.columns)} columns"
                )
                for warning in profile.warnings:
                    if warning.code in _SHOWN_WARNINGS:
                        self._print(f"[yellow]Note[/] {escape(warning.message)}")
            case ev.PlanUpdated(steps=steps):
                self._steps = steps
            case ev.ModelCalled():
                self._doing = "Thinking"
            case ev.ToolInputStreamed():
                self._doing = "Writing code"
            case ev.ModelRetried():
                self._print(
                    f"[yellow]{escape(event.reason)}[/] Next try in {event.wait:.0f} s, "
                    f"{event.attempt} of {event.of}."
                )
            case ev.IterationStarted():
                self._doing = event.purpose or "Running a cell"
                self._code = event.code
                self._purposes[event.cell] = (self._doing, event.attempt)
            case ev.IterationFinished():
                self._finish_iteration(event)
            case ev.NoticeRaised(level="warning", code=code) if code not in _REPEATED_AT_THE_END:
                self._print(f"[yellow]Note[/] {escape(event.message)}")
            case _:
                return

    def _finish_iteration(self, event: ev.IterationFinished) -> None:
        self._code = ""
        purpose, attempt = self._purposes.get(event.cell, ("", 1))
        repair = f" [dim](repair {attempt - 1})[/]" if attempt > 1 else ""
        self._print(
            f"{_OUTCOME_MARKS[event.outcome]} {escape(purpose)}{repair} "
            f"[dim]{event.seconds:.1f} s[/]"
        )
        if event.error is not None:
            first = "".join(event.error.message.strip().splitlines()[:1])
            self._print(f"  [yellow]{escape(event.error.name)}:[/] {escape(first)}")
            if event.error.hint:
                self._print(f"  [dim]{escape(event.error.hint)}[/]")

    def _print(self, markup: str) -> None:
        self._console.print(markup, highlight=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self._steps:
            parts.append(_plan(self._steps))
        if self._code:
            tail = "\n".join(self._code.splitlines()[-_TAIL_LINES:])
            parts.append(Padding(Syntax(tail, "python", background_color="default"), (0, 0, 0, 2)))
        elapsed = time.monotonic() - self._started
        self._spinner.update(text=Text(f" {self._doing} · {elapsed:.0f} s", style="dim"))
        parts.append(self._spinner)
        return Group(*parts)


def _plan(steps: Sequence[Step]) -> Table:
    table = Table.grid(padding=(0, 1))
    for step in steps:
        style = _STYLES[step.status]
        table.add_row(Text(_MARKS[step.status], style=style), Text(step.goal, style=style))
    return table
