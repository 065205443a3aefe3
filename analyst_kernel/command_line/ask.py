"""``analyst ask``: one question, with its progress on stderr and its answer on stdout."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import (
    EXIT_CANCELLED,
    discard_stdout,
    note,
    runs,
    sandbox_option,
)

if TYPE_CHECKING:
    from analyst_kernel.agent.ports import User
    from analyst_kernel.protocol.events import RunFinished
    from analyst_kernel.protocol.sandbox import SandboxLevel

_EXIT_OF_STATUS = {"answered": 0, "incomplete": 1, "failed": 3, "cancelled": EXIT_CANCELLED}


@click.command(short_help="Answer QUESTION about the data and save a notebook.")
@click.argument("question")
@click.option("--data", multiple=True, metavar="PATH", help="File or folder to grant; repeatable.")
@click.option(
    "--notebook", metavar="OUT.ipynb", help="Where to save; an existing one is continued."
)
@click.option("--model", metavar="PROVIDER:NAME", help="See `analyst models`.")
@click.option(
    "--max-iterations",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    metavar="N",
    help="Cells that may run.",
)
@click.option(
    "--cell-timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    default=120.0,
    show_default=True,
    help="How long a cell may run.",
)
@click.option(
    "--max-cost",
    type=click.FloatRange(0, min_open=True),
    metavar="USD",
    help="What the model may cost.",
)
@click.option("--approve", is_flag=True, help="Ask before each cell runs.")
@sandbox_option
@click.option("--json", "as_json", is_flag=True, help="One event per line on stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@runs
async def ask(  # noqa: PLR0913 - the command line's contract
    *,
    question: str,
    data: tuple[str, ...],
    notebook: str | None,
    model: str | None,
    max_iterations: int,
    cell_timeout: float,
    max_cost: float | None,
    approve: bool,
    sandbox: SandboxLevel,
    as_json: bool,
    quiet: bool,
) -> int:
    """Answer QUESTION about the data and save the analysis as a notebook."""
    from rich.console import Console

    from analyst_kernel.analysis.assemble import open_analysis
    from analyst_kernel.analysis.settings import AnalysisSettings
    from analyst_kernel.command_line.progress import ProgressDisplay
    from analyst_kernel.command_line.terminal_user import TerminalUser
    from analyst_kernel.protocol.events import Event, RunFinished
    from analyst_kernel.protocol.records import Limits

    if approve and not sys.stdin.isatty():
        raise click.UsageError("--approve asks on the terminal, and standard input is not one.")
    settings = AnalysisSettings(
        model=model,
        sandbox=sandbox,
        limits=Limits(iterations=max_iterations, cell_seconds=cell_timeout, cost_usd=max_cost),
        approve=approve,
    )
    console = Console(stderr=True)
    progress = ProgressDisplay(console, quiet=quiet or (as_json and not console.is_terminal))
    user: User | None = TerminalUser(console, progress) if sys.stdin.isatty() else None
    finished: list[RunFinished] = []
    asking = asyncio.current_task()

    def listen(event: Event) -> None:
        if isinstance(event, RunFinished):
            finished.append(event)
        if not as_json:
            return
        try:
            print(event.model_dump_json(), flush=True)
        except BrokenPipeError:
            discard_stdout()
            if asking is not None:
                asking.cancel()

    try:
        analysis = await open_analysis(
            notebook=notebook, question=question, data=data, settings=settings, user=user
        )
        try:
            analysis.log.listen(progress)
            analysis.log.listen(listen)
            await analysis.ask(question)
        finally:
            await analysis.close()
    except asyncio.CancelledError:
        progress.close()
        if finished and finished[0].notebook and not as_json:
            note(f"What was done so far is saved in {finished[0].notebook}.")
        raise
    finally:
        progress.close()
    result = finished[0]
    if not as_json:
        _print_result(result, is_ai=analysis.model.is_ai, quiet=quiet)
    return _EXIT_OF_STATUS[result.status]


def _print_result(result: RunFinished, *, is_ai: bool, quiet: bool) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    out = Console()
    if result.answer:
        if out.is_terminal:
            out.print()
            out.print(Markdown(result.answer))
        else:
            print(result.answer)
    if result.status != "answered" and result.reason:
        note(f"Error: {result.reason}" if result.status == "failed" else result.reason)
    if result.notebook:
        print(f"\nNotebook: {result.notebook}")
    if not quiet:
        note(_footer(result, is_ai=is_ai))


def _footer(result: RunFinished, *, is_ai: bool) -> str:
    usage = result.usage
    parts = [
        f"{len(result.iterations)} iteration{'s' if len(result.iterations) != 1 else ''}",
        f"{len(result.charts)} chart{'s' if len(result.charts) != 1 else ''}",
        f"{result.seconds:.1f} s",
    ]
    if not is_ai:
        parts.append("no AI model")
    else:
        parts.append(f"{usage.prompt_tokens:,} tokens in ({usage.cached_tokens:,} cached)")
        parts.append(f"{usage.output_tokens:,} out")
        if usage.cost_usd is not None:
            parts.append(f"${usage.cost_usd:.4f}")
    return " · ".join(parts)
