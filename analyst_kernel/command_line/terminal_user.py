"""Asks the user at the terminal: for answers to a run's questions, and for approval of cells."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from analyst_kernel.agent.ports import Approval
from analyst_kernel.command_line.progress import ProgressDisplay
from analyst_kernel.protocol.ids import AskId

_DECISIONS: dict[str, Literal["run", "skip", "run_all"]] = {
    "y": "run",
    "": "run",
    "s": "skip",
    "a": "run_all",
}


class TerminalUser:
    """The ``User`` port on a terminal; without one the defaults of questions are taken."""

    def __init__(self, console: Console, progress: ProgressDisplay) -> None:
        self._console = console
        self._progress = progress

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        """Offer the options by number; an empty line takes the default."""
        lines = [f"[bold]{escape(question)}[/]"]
        for number, option in enumerate(options, start=1):
            mark = " [dim](default)[/]" if option == default else ""
            lines.append(f"  {number}. {escape(option)}{mark}")
        with self._progress.paused():
            self._console.print("\n".join(lines), highlight=False)
            reply = (await self._read("Your choice: ") or "").strip()
        if reply.isdigit() and 1 <= int(reply) <= len(options):
            return options[int(reply) - 1], True
        return (reply, True) if reply else (default, False)

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        """Show the cell and ask whether it may run."""
        with self._progress.paused():
            self._console.print(f"\n[bold]Run this cell?[/] {escape(purpose)}", highlight=False)
            self._console.print(Syntax(code, "python", background_color="default"))
            while True:
                reply = await self._read("[Y]es, [s]kip, [a]ll in this run: ")
                if reply is None:  # Ctrl-D is no answer, and must not count as approval
                    return Approval("skip")
                decision = _DECISIONS.get(reply.strip().lower()[:1])
                if decision is not None:
                    return Approval(decision)

    async def _read(self, prompt: str) -> str | None:
        self._console.print(escape(prompt), end="", highlight=False)
        return await _line()


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
