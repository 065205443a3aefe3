"""The person at the terminal: answers the run's questions and approves cells, line by line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from analyst_kernel.agent.ports import Approval
from analyst_kernel.command_line.progress import Progress

_DECISIONS = {"y": "run", "": "run", "s": "skip", "a": "run_all"}


class TerminalPerson:
    """Asks on the terminal. Only made where stdin is one; elsewhere the defaults are taken."""

    def __init__(self, console: Console, progress: Progress) -> None:
        """Ask on ``console``, pausing ``progress`` meanwhile."""
        self._console = console
        self._progress = progress

    async def answer(self, question: str, options: Sequence[str], default: str) -> tuple[str, bool]:
        """Offer the options by number; an empty line takes the default."""
        lines = [f"[bold]{escape(question)}[/]"]
        for number, option in enumerate(options, start=1):
            mark = " [dim](default)[/]" if option == default else ""
            lines.append(f"  {number}. {escape(option)}{mark}")
        reply = (await self._read("\n".join(lines), "Your choice: ")).strip()
        if reply.isdigit() and 1 <= int(reply) <= len(options):
            return options[int(reply) - 1], True
        return (reply, True) if reply else (default, False)

    async def approve(self, code: str, purpose: str) -> Approval:
        """Show the cell and ask whether it may run."""
        self._progress.pause()
        self._console.print(f"\n[bold]Run this cell?[/] {escape(purpose)}", highlight=False)
        self._console.print(Syntax(code, "python", background_color="default"))
        while True:
            reply = (await self._read("", "[Y]es, [s]kip, [a]ll in this run: ")).strip().lower()
            decision = _DECISIONS.get(reply[:1])
            if decision == "run":
                return Approval("run")
            if decision == "skip":
                return Approval("skip")
            if decision == "run_all":
                return Approval("run_all")

    async def _read(self, text: str, prompt: str) -> str:
        self._progress.pause()
        try:
            if text:
                self._console.print(text, highlight=False)
            return await asyncio.to_thread(self._console.input, escape(prompt))
        except EOFError:
            return ""
        finally:
            self._progress.resume()
