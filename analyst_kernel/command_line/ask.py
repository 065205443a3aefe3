"""``analyst ask``: one question, with its progress on stderr and its answer on stdout."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import (
    limit_options,
    record_json,
    runs,
    sandbox_option,
    wider_limit_options,
)
from analyst_kernel.command_line.streams import EXIT_CANCELLED, discard_stdout
from analyst_kernel.command_line.writer import note, out, out_json

if TYPE_CHECKING:
    from analyst_kernel.agent.ports import User
    from analyst_kernel.analysis.analysis import Analysis
    from analyst_kernel.protocol.events import Event, RunFinished
    from analyst_kernel.protocol.records import Answer, PrivacyMode, Usage
    from analyst_kernel.protocol.sandbox import SandboxLevel

_EXIT_OF_STATUS = {"answered": 0, "incomplete": 1, "failed": 3, "cancelled": EXIT_CANCELLED}


@click.command(short_help="Answer QUESTION about the data and save a notebook.")
@click.argument("question")
@click.option(
    "--data", multiple=True, metavar="PATH", help="File, folder or address to grant; repeatable."
)
@click.option(
    "--reading",
    multiple=True,
    metavar="FILE:KEY=VALUE",
    help="Read a file as you say, such as sales.csv:dates.day=month; kept, repeatable.",
)
@click.option(
    "--connection",
    "connections",
    multiple=True,
    metavar="NAME",
    help="Database of `analyst connections` to attach; repeatable.",
)
@click.option(
    "--notebook", metavar="OUT.ipynb", help="Where to save; an existing one is continued."
)
@limit_options
@wider_limit_options
@click.option("--approve", is_flag=True, help="Ask before each cell runs.")
@click.option(
    "--allow-packages",
    is_flag=True,
    help="Fetch packages that a cell lacks without asking; wheels only.",
)
@sandbox_option
@click.option(
    "--privacy",
    type=click.Choice(["full", "no-values", "schema-only"]),
    help="What of the data the model may see; kept for later questions.",
)
@click.option(
    "--instructions",
    multiple=True,
    metavar="FILE",
    help="Markdown file with rules for this question; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="One event per line on stdout.")
@click.option("--quiet", is_flag=True, help="No progress.")
@runs
async def ask(  # noqa: PLR0913, PLR0915 - the command line's contract
    *,
    question: str,
    data: tuple[str, ...],
    reading: tuple[str, ...],
    connections: tuple[str, ...],
    notebook: str | None,
    model: str | None,
    max_iterations: int,
    cell_timeout: float,
    max_cost: float | None,
    max_analysis_cost: float | None,
    max_day_cost: float | None,
    approve: bool,
    allow_packages: bool,
    sandbox: SandboxLevel,
    privacy: PrivacyMode | None,
    instructions: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """Answer QUESTION about the data and save the analysis as a notebook."""
    from analyst_kernel.analysis.assemble import Embedding, open_analysis
    from analyst_kernel.analysis.settings import AnalysisSettings
    from analyst_kernel.command_line.console import PlainConsole
    from analyst_kernel.command_line.terminal import ProgressDisplay, TerminalUser
    from analyst_kernel.data.remote.fetch import Fetcher
    from analyst_kernel.packages.policy import PackagePolicy
    from analyst_kernel.protocol.errors import SandboxError
    from analyst_kernel.protocol.events import RunFinished
    from analyst_kernel.protocol.ids import new_analysis_id
    from analyst_kernel.protocol.records import Limits

    if approve and not sys.stdin.isatty():
        raise click.UsageError("--approve asks on the terminal, and standard input is not one.")
    settings = AnalysisSettings(
        model=model,
        sandbox=sandbox,
        limits=Limits(
            iterations=max_iterations,
            cell_seconds=cell_timeout,
            cost_usd=max_cost,
            analysis_usd=max_analysis_cost,
            day_usd=max_day_cost,
        ),
        approve=approve,
        packages=PackagePolicy("allow" if allow_packages else "ask"),
        privacy=privacy,
        instructions=instructions,
    )
    console = PlainConsole(stderr=True)
    progress = ProgressDisplay(console, quiet=quiet or (as_json and not console.is_terminal))
    user: User | None = TerminalUser(console, progress) if sys.stdin.isatty() else None
    finished: list[RunFinished] = []
    unwritable: list[OSError] = []
    asking = asyncio.current_task()

    def listen(event: Event) -> None:
        if isinstance(event, RunFinished):
            finished.append(event)
        _note_instructions(event)
        if not as_json:
            return
        try:
            out_json(record_json(event))
        except OSError as error:
            if not isinstance(error, BrokenPipeError):  # its reader wants no more, and is told none
                unwritable.append(error)
            discard_stdout()
            if asking is not None:
                asking.cancel()

    try:
        analysis = await open_analysis(
            notebook=notebook,
            question=question,
            data=data,
            connections=connections,
            settings=settings,
            user=user,
            embedding=Embedding(fetcher=Fetcher(progress=progress.fetching)),
        )
        try:
            analysis.log.listen(progress)
            analysis.log.listen(listen)
            await _choose(analysis, reading)
            await analysis.ask(question)
        finally:
            await analysis.close()
    except SandboxError as error:
        # Refused before there is a run, as soon as the data is to be read: programs wait for a last
        # line all the same.
        if not finished:
            listen(
                RunFinished(
                    analysis=new_analysis_id(), status="failed", answer="", reason=str(error)
                )
            )
        raise
    except asyncio.CancelledError:
        progress.close()
        if finished and finished[0].notebook and not as_json:
            note(f"What was done so far is saved in {finished[0].notebook}.")
        if unwritable:
            raise unwritable[0] from None
        raise
    finally:
        progress.close()
    result = finished[0]
    if not as_json:
        _print_result(result, analysis, quiet=quiet)
    return _EXIT_OF_STATUS[result.status]


async def _choose(analysis: Analysis, reading: Sequence[str]) -> None:
    """Have files read as the user says; what they say is checked before any of it holds."""
    from analyst_kernel.data.readings import AskedReading

    for asked in [AskedReading.of(text) for text in reading]:
        await analysis.choose_reading(asked)


def _note_instructions(event: Event) -> None:
    """Name the files with rules that a question carries."""
    from analyst_kernel.protocol.events import RunStarted

    if isinstance(event, RunStarted):
        for file in event.instructions:
            note(f"Instructions: {file.path} (SHA-256 {file.digest[:12]})")


def _print_result(result: RunFinished, analysis: Analysis, *, quiet: bool) -> None:
    from analyst_kernel.agent.evidence.marks import marked
    from analyst_kernel.command_line.console import print_markdown

    if result.answer:
        numbers = result.details.numbers if result.details is not None else ()
        answer = marked(result.answer, numbers)
        if sys.stdout.isatty():
            print_markdown(answer)
        else:
            out(answer)
        if result.details is not None:
            _print_notes(result.details)
    if result.status != "answered" and result.reason:
        note(f"Error: {result.reason}" if result.status == "failed" else result.reason)
    if result.notebook:
        out(f"\nNotebook: {result.notebook}")
    if not quiet:
        note(_footer(result, analysis))


def _print_notes(answer: Answer) -> None:
    """Print what the answer assumes and warns of."""
    for title, notes in (("Assumed", answer.assumptions), ("Caveats", answer.caveats)):
        if notes:
            out(f"\n{title}:")
        for text in notes:
            out(f"- {text}")


def _footer(result: RunFinished, analysis: Analysis) -> str:
    usage = result.usage
    parts = [
        f"{len(result.iterations)} iteration{'s' if len(result.iterations) != 1 else ''}",
        f"{len(result.charts)} chart{'s' if len(result.charts) != 1 else ''}",
        f"{result.seconds:.1f} s",
    ]
    if not analysis.model.is_ai:
        parts.append("no AI model")
    else:
        parts.append(f"{usage.prompt_tokens:,} tokens in ({usage.cached_tokens:,} cached)")
        parts.append(f"{usage.output_tokens:,} out")
        if usage.failed_calls:
            parts.append(f"{usage.failed_calls} failed calls")
        parts.append(_cost("", usage))
        parts.append(_cost("this notebook ", analysis.spending.of_analysis()))
        parts.append(_cost("today ", analysis.spending.of_day()))
    return " · ".join(parts)


def _cost(whose: str, usage: Usage) -> str:
    from analyst_kernel.agent.budget import cost_text

    cost = cost_text(usage)
    return f"{whose}{'cost unknown' if cost == 'unknown' else cost}"
