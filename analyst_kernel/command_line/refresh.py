"""``analyst refresh``: the answers of a notebook, computed again on the data as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import (
    data_option,
    json_option,
    record_json,
    runs,
    sandbox_option,
)
from analyst_kernel.command_line.writer import note, out, out_json

if TYPE_CHECKING:
    from analyst_kernel.protocol.freshness import AnswerOutcome
    from analyst_kernel.protocol.sandbox import SandboxLevel


@click.command(short_help="Compute NOTEBOOK's answers again on the data as they are now.")
@click.argument("notebook", metavar="NOTEBOOK")
@data_option
@sandbox_option
@json_option
@runs
async def refresh(
    *, notebook: str, data: tuple[str, ...], sandbox: SandboxLevel, as_json: bool
) -> int:
    """Run NOTEBOOK again on the data as they are now, and say what became of each answer.

    It reads the data again, with your choices of how, and runs the cells from top to bottom in a
    fresh sandboxed kernel. It says which numbers of each answer moved and by how much, which stayed
    or cannot be computed any more, and which answers turned: what they say no longer holds.

    The answers and the outputs that they were made from stay as they are; the outcome is noted
    beside each answer. Exit code 1: a number moved or is gone, or an answer turned.
    """
    import os

    from analyst_kernel.analysis.assemble import open_analysis
    from analyst_kernel.analysis.settings import AnalysisSettings
    from analyst_kernel.notebook.document.read import analysis_of
    from analyst_kernel.notebook.export.export import read
    from analyst_kernel.notebook.storage.names import notebook_path
    from analyst_kernel.protocol.errors import InputError
    from analyst_kernel.protocol.ids import CellId

    path = notebook_path(notebook)
    if not os.path.exists(path):
        raise InputError(f"There is no notebook {notebook}.", "Check the path.")
    if analysis_of(read(path)) is None:
        raise InputError(
            f"{notebook} is not the notebook of an analysis, so it has no answers to compute "
            "again.",
            "Nothing was changed.",
        )

    def show(cell: CellId, place: int, of: int, failure: str) -> None:
        if not as_json:
            note(f"{'✗' if failure else '✓'} cell {place} of {of}  {cell}")

    settings = AnalysisSettings(model="offline:rules", sandbox=sandbox)
    analysis = await open_analysis(notebook=notebook, data=data, settings=settings)
    try:
        report = await analysis.refresh(on_cell=show)
    finally:
        await analysis.close(keep_grants=True)
    if as_json:
        out_json(record_json(report))
    else:
        for sentence in report.problems:
            out(sentence)
        for sentence in report.failed.values():
            out(sentence)
        for answer in report.answers:
            _print(answer)
    return 1 if any(map(_is_other, report.answers)) else 0


def _is_other(answer: AnswerOutcome) -> bool:
    moved = any(one.state in ("moved", "gone") for one in answer.numbers)
    return moved or bool(answer.turned)


def _print(answer: AnswerOutcome) -> None:
    from analyst_kernel._text import shorten
    from analyst_kernel.notebook.document.outcomes import move_text

    out()
    out(f"{answer.run}  {shorten(' '.join(answer.question.split()), 100)}")
    out(f"  {answer.summary}")
    for sentence in answer.turned:
        out(f"  ! {sentence}")
    for one in answer.numbers:
        if one.state in ("moved", "gone"):
            out(f"  {move_text(one)}")
