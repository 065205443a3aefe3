"""``analyst eval``: asks questions whose answers are known, and says how many come out right."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analyst_kernel._text import nearest, shorten
from analyst_kernel.command_line.shell import (
    Amount,
    json_option,
    limit_options,
    runs,
    sandbox_option,
)
from analyst_kernel.command_line.writer import note, out, out_json

if TYPE_CHECKING:
    from analyst_kernel.evaluation.cases import Case
    from analyst_kernel.evaluation.report import Comparison, GroupFigures, Turned
    from analyst_kernel.evaluation.results import AttemptRecord, Results, ResultsFile
    from analyst_kernel.protocol.records import Limits
    from analyst_kernel.protocol.sandbox import SandboxLevel

_MARKS = {"right": "✓", "wrong": "✗", "declined": "–", "failed": "!"}
_REASON_LENGTH = 160


@click.command(name="eval", short_help="Ask QUESTIONS whose answers are known, and score them.")
@click.argument("questions", metavar="QUESTIONS")
@limit_options
@click.option(
    "-o", "--output", metavar="FOLDER", help="For results and notebooks; a new or empty one."
)
@click.option("--resume", is_flag=True, help="Go on with the run in FOLDER.")
@click.option(
    "--compare", metavar="FOLDER", help="An earlier run; shows which questions turned since."
)
@click.option("--only", multiple=True, metavar="ID", help="A question or a group; repeatable.")
@click.option(
    "--repeat",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="N",
    help="How often each question is asked.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 32),
    default=2,
    show_default=True,
    metavar="N",
    help="Questions at once, each in a kernel of its own.",
)
@click.option(
    "--data",
    multiple=True,
    metavar="PATH",
    help="Where data may lie besides the folder of QUESTIONS; repeatable.",
)
@click.option(
    "--timeout",
    type=Amount(),
    metavar="SECONDS",
    default=1800.0,
    show_default=True,
    help="How long a question may take.",
)
@click.option(
    "--at-least",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Exit with 1 if fewer answers are right.",
)
@sandbox_option
@json_option
@click.option("--quiet", is_flag=True, help="No progress.")
@runs
async def evaluate(  # noqa: PLR0913 - the command line's contract
    *,
    questions: str,
    model: str | None,
    output: str | None,
    resume: bool,
    compare: str | None,
    only: tuple[str, ...],
    repeat: int,
    jobs: int,
    data: tuple[str, ...],
    max_iterations: int,
    cell_timeout: float,
    timeout: float,
    max_cost: float | None,
    at_least: float | None,
    sandbox: SandboxLevel,
    as_json: bool,
    quiet: bool,
) -> int:
    """Ask QUESTIONS whose answers are known, score what comes, and keep every notebook.

    QUESTIONS is a file with one JSON object per line: id, question, data, and an answer or checks.
    Its data must lie in its own folder or below a --data PATH. If it is the folder of an earlier
    run, that run is shown and nothing is asked.
    """
    from analyst_kernel.evaluation.cases import read_cases
    from analyst_kernel.evaluation.report import compare as compared
    from analyst_kernel.evaluation.report import figures
    from analyst_kernel.evaluation.results import FILE_NAME, read_results
    from analyst_kernel.protocol.records import Limits

    before = None if compare is None else read_results(_path(compare))
    place = _path(questions)
    if place.is_dir() or place.name == FILE_NAME:
        results, file = read_results(place), place / FILE_NAME if place.is_dir() else place
        if as_json:
            for attempt in results.attempts:
                out_json(attempt.model_dump_json())
    else:
        if resume and output is None:
            raise click.UsageError("--resume needs the folder of that run: -o FOLDER.")
        limits = Limits(
            iterations=max_iterations, cell_seconds=cell_timeout, seconds=timeout, cost_usd=max_cost
        )
        cases = read_cases(place, allowed=tuple(map(str, map(_path, data))))
        chosen = _chosen(cases, only)
        new = await _new_results(place, model, sandbox, limits, repeat)
        kept = _results_file(place, output, new, cases, resume=resume)
        await _run(kept, chosen, limits, jobs, sandbox, as_json=as_json, quiet=quiet)
        results, file = kept.results, kept.path
    summary = figures(results)
    turned = None if before is None else compared(before, results)
    if as_json:
        last = {
            "results": str(file),
            "figures": [row.model_dump(mode="json") for row in summary],
            "comparison": None if turned is None else turned.model_dump(mode="json"),
        }
        out_json(json.dumps(last))
    else:
        _print(results, summary, turned, file)
    whole = summary[-1]
    missed = at_least is not None and whole.accuracy * 100 < at_least
    if missed:
        note(f"{whole.accuracy:.1%} of the answers are right, less than {at_least:g} %.")
    return 1 if missed or whole.failed else 0


def _path(name: str) -> Path:
    from analyst_kernel._text import fault_of_path
    from analyst_kernel.protocol.errors import InputError

    fault = fault_of_path(name)
    if fault or not name:
        raise InputError(f"The path {name!r} {fault or 'is empty'}.", "Name another one.")
    return Path(os.path.abspath(Path(name).expanduser()))


def _chosen(cases: Sequence[Case], only: Sequence[str]) -> tuple[Case, ...]:
    """Return the cases that are named by their id or group; all, if none is named."""
    from analyst_kernel.protocol.errors import InputError

    names = {name for case in cases for name in (case.id, case.group) if name}
    for name in only:
        if name not in names:
            hint = " or ".join(map(repr, nearest(name, names, 2)))
            raise InputError(
                f"No question and no group is named {name!r}; nothing was asked.",
                f"Did you mean {hint}?" if hint else "",
            )
    return tuple(case for case in cases if not only or {case.id, case.group} & set(only))


async def _new_results(
    questions: Path, model: str | None, sandbox: SandboxLevel, limits: Limits, repeat: int
) -> Results:
    """Return the results before the first question; raises if the model cannot be used."""
    from analyst_kernel._version import __version__
    from analyst_kernel.credentials.store import keys_of_user
    from analyst_kernel.evaluation.results import Results
    from analyst_kernel.models.registry import open_model

    opened = await open_model(model, env=keys_of_user().environment())
    await opened.aclose()
    return Results(
        version=__version__,
        questions=str(questions),
        model=opened.name,
        is_ai=opened.is_ai,
        sandbox=sandbox,
        limits=limits,
        repeat=repeat,
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def _results_file(
    questions: Path, output: str | None, new: Results, cases: Sequence[Case], *, resume: bool
) -> ResultsFile:
    from analyst_kernel.evaluation.results import ResultsFile

    if output is None:
        numbers = itertools.count(1)
        folder = wanted = Path.cwd() / f"{questions.stem}-results"
        while os.path.lexists(folder):
            folder = wanted.with_name(f"{wanted.name}-{next(numbers)}")
    else:
        folder = _path(output)
    return ResultsFile.resume(folder, new, cases) if resume else ResultsFile.create(folder, new)


async def _run(
    file: ResultsFile,
    cases: Sequence[Case],
    limits: Limits,
    jobs: int,
    sandbox: SandboxLevel,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Ask what is left, and keep and show each attempt as it ends."""
    from analyst_kernel.evaluation.report import figures
    from analyst_kernel.evaluation.run import EvaluationSettings
    from analyst_kernel.evaluation.run import evaluate as ask_all

    new, done = file.results, file.results.attempts
    known = {(attempt.case, attempt.repetition) for attempt in done}
    wanted = {(case.id, number + 1) for case in cases for number in range(new.repeat)}
    total = len(known | wanted)
    if not quiet:
        kept = f", {len(done)} of them done before" if done else ""
        note(f"Model {new.model}: {total} question{'s' * (total != 1)}{kept}. Results: {file.path}")

    def take(attempt: AttemptRecord) -> None:
        file.add(attempt)
        if as_json:
            out_json(attempt.model_dump_json())
        if not quiet:
            note(_line(attempt, len(file.results.attempts), total))

    settings = EvaluationSettings(
        model=new.model, sandbox=sandbox, limits=limits, repeat=new.repeat, jobs=jobs
    )
    try:
        await ask_all(cases, settings, file.notebooks, done=done, on_attempt=take)
    except asyncio.CancelledError:
        note(
            f"{len(file.results.attempts)} of {total} are done and kept in {file.path.parent}. "
            f"Go on with: analyst eval {new.questions} -o {file.path.parent} --resume"
        )
        raise
    file.save([row.model_dump(mode="json") for row in figures(file.results)])


def _line(attempt: AttemptRecord, number: int, total: int) -> str:
    again = f" ({attempt.repetition})" if attempt.repetition > 1 else ""
    reason = f": {shorten(attempt.reason, _REASON_LENGTH)}" if attempt.reason else ""
    said = "" if attempt.outcome == "right" else f" {attempt.outcome}"
    mark = _MARKS[attempt.outcome]
    return f"{number}/{total} {mark} {attempt.case}{again}{said} {attempt.seconds:.1f} s{reason}"


# --- the report ----------------------------------------------------------------------------------


def _print(
    results: Results, rows: Sequence[GroupFigures], turned: Comparison | None, file: Path
) -> None:
    for attempt in results.attempts:
        if attempt.outcome != "right":
            again = f" ({attempt.repetition})" if results.repeat > 1 else ""
            reason = shorten(attempt.reason, _REASON_LENGTH)
            out(f"{_MARKS[attempt.outcome]} {attempt.case}{again} {attempt.outcome}: {reason}")
    out()
    for line in _aligned([["group", *_heads(results)], *(_cells(results, row) for row in rows)]):
        out(line)
    out(f"\nModel {results.model}, {results.version}. Means of one question; the cost is the sum.")
    if turned is not None:
        _print_comparison(turned)
    out(f"Results: {file}")


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows as lines of a table: the first column to the left, numbers to the right.

    It is never folded to the width of a terminal, so that programs can read it.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])


def _heads(results: Results) -> list[str]:
    heads = ["questions", "right", "wrong", "declined", "failed", "accuracy"]
    if results.repeat > 1:
        heads += ["always", "sometimes", "never"]
    heads += ["cells", "corrections"]
    if results.is_ai:
        heads += ["fresh", "cached", "out", "cost"]
    return [*heads, "seconds"]


def _cells(results: Results, row: GroupFigures) -> list[str]:
    cells: list[object] = [row.group, row.questions, row.right, row.wrong, row.declined, row.failed]
    cells.append(f"{row.accuracy:.1%}")
    if results.repeat > 1:
        cells += [row.always, row.sometimes, row.never]
    cells += [f"{row.iterations:.1f}", f"{row.corrections:.2f}"]
    if results.is_ai:
        tokens = (row.fresh_tokens, row.cached_tokens, row.output_tokens)
        cells += [f"{count:,.0f}" for count in tokens]
        cells.append(_dollars(row.cost_usd))
    return [*map(str, cells), f"{row.seconds:.1f}"]


def _dollars(cost: float | None) -> str:
    return "unknown" if cost is None else f"${cost:.4f}"


def _print_comparison(turned: Comparison) -> None:
    before, after = turned.before, turned.after
    out(
        f"\nCompared over {after.questions} questions that both runs asked: "
        f"{before.accuracy:.1%} right before ({before.attempts} answers), "
        f"{after.accuracy:.1%} now ({after.attempts})."
    )
    for name, old, new in _changes(before, after):
        out(f"  {name}: {old} before, {new} now")
    for title, cases in (
        ("More often right", turned.better),
        ("Less often right", turned.worse),
        ("Otherwise not right", turned.other),
    ):
        out(f"{title}: {len(cases) or 'none'}")
        for line in _turned(cases):
            out(line)
    if turned.not_compared:
        names = shorten(", ".join(turned.not_compared), _REASON_LENGTH)
        out(f"Asked in one run only, or in other words: {len(turned.not_compared)} ({names})")


def _changes(before: GroupFigures, after: GroupFigures) -> Iterator[tuple[str, str, str]]:
    for name, field in (
        ("cells", "iterations"),
        ("corrections", "corrections"),
        ("fresh tokens", "fresh_tokens"),
        ("cached tokens", "cached_tokens"),
        ("tokens out", "output_tokens"),
        ("seconds", "seconds"),
    ):
        old, new = getattr(before, field), getattr(after, field)
        if old or new:
            yield name, f"{old:,.1f}", f"{new:,.1f}"
    if before.cost_usd != after.cost_usd:
        yield "cost", _dollars(before.cost_usd), _dollars(after.cost_usd)


def _turned(cases: Sequence[Turned]) -> Iterator[str]:
    for case in cases:
        yield f"  {case.case}: {case.before} -> {case.after}"
