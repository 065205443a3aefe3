"""``analyst verify``, ``export`` and ``undo``: commands that work on a saved notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from analyst_kernel._text import shorten
from analyst_kernel.command_line.shell import (
    VERDICT_MARKS,
    data_option,
    json_option,
    note,
    runs,
    sandbox_option,
)

if TYPE_CHECKING:
    from analyst_kernel.protocol.sandbox import SandboxLevel

_LABEL_LENGTH = 60


@click.command(short_help="Re-run NOTEBOOK in a fresh kernel and compare its outputs.")
@click.argument("notebook", metavar="NOTEBOOK")
@data_option
@sandbox_option
@json_option
@runs
async def verify(
    *, notebook: str, data: tuple[str, ...], sandbox: SandboxLevel, as_json: bool
) -> int:
    """Re-run NOTEBOOK in a fresh sandboxed kernel and compare its outputs.

    It reads what you granted to the notebook's analysis. A notebook that somebody gave you was
    granted nothing: name its data with --data.
    """
    from analyst_kernel.analysis.verify import verify_notebook
    from analyst_kernel.notebook.export.export import read
    from analyst_kernel.notebook.storage.names import notebook_path
    from analyst_kernel.notebook.verify.verify import CellCheck, record_of, verified

    document = read(notebook_path(notebook))
    labels = {cell["id"]: _label(cell["source"]) for cell in document["cells"]}
    before = verified(document)
    if before is not None:
        note(f"Last verified {before.when}: {before.summary}.")

    def show(check: CellCheck) -> None:
        if not as_json:
            label = labels.get(check.cell, "")
            print(
                f"{VERDICT_MARKS[check.verdict]} {check.cell}  {check.verdict}  {label}", flush=True
            )
            if check.detail:
                print(f"    {check.detail}", flush=True)

    report = await verify_notebook(notebook, data=data, sandbox=sandbox, on_check=show)
    print(json.dumps(record_of(report)) if as_json else report.summary)
    if any("attached data" in check.detail for check in report.checks):
        note("It may not read all of its data: name the files with --data.")
    return 0 if report.ok else 1


def _label(source: str) -> str:
    """Return a cell's first line, shortened, as its label."""
    first = next((line.strip() for line in source.splitlines() if line.strip()), "")
    return shorten(first.removeprefix("# "), _LABEL_LENGTH)


@click.command(short_help="Write NOTEBOOK as a plain notebook, a page or a script.")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--to", "form", type=click.Choice(["ipynb", "html", "py"]), required=True)
@click.option("--clean", is_flag=True, help="Without failed cells; runs elsewhere.")
@click.option("-o", "--output", metavar="OUT", required=True, help="File to write; - for stdout.")
@data_option
@sandbox_option
@runs
async def export(
    *,
    notebook: str,
    form: Literal["ipynb", "html", "py"],
    clean: bool,
    output: str,
    data: tuple[str, ...],
    sandbox: SandboxLevel,
) -> int:
    """Write NOTEBOOK as a plain notebook, a web page or a script.

    A clean notebook is run once from top to bottom before it is written.
    """
    from analyst_kernel.notebook.export.export import export as render
    from analyst_kernel.protocol.errors import NotebookError

    target = Path.cwd() / "export.ipynb" if output == "-" else Path(output).expanduser().absolute()
    if target == Path(notebook).expanduser().absolute():
        raise NotebookError(
            "The export would overwrite the analysis itself.", "Choose another name with -o."
        )
    if clean and form == "ipynb":
        content = await _checked(notebook, target, data, sandbox)
    else:
        content = render(notebook, form, clean=clean, destination=target)
    if output == "-":
        click.echo(content, nl=False)
        return 0
    try:
        target.write_text(content, encoding="utf-8")
    except OSError as error:
        raise NotebookError(
            f"{target} cannot be written: {error.strerror}.", "Choose another place with -o."
        ) from error
    print(target)
    return 0


async def _checked(
    notebook: str, target: Path, data: tuple[str, ...], sandbox: SandboxLevel
) -> str:
    """Run the clean notebook, report the comparison on stderr, and return the notebook."""
    from analyst_kernel.analysis.verify import clean_notebook

    content, report = await clean_notebook(notebook, destination=target, data=data, sandbox=sandbox)
    if report.ok:
        note(f"Ran again from top to bottom: {report.summary}.")
    else:
        worst = next(c for c in report.checks if c.verdict in ("error", "differs"))
        note(
            f"Note: run again from top to bottom it {report.summary} "
            f"(cell {worst.cell}: {worst.detail or worst.verdict})."
        )
    return content


@click.command(short_help="Take the last run, or another one, out of NOTEBOOK again.")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--run", "name", metavar="RUN", help="Which run, as r2; the last one by default.")
@runs
async def undo(*, notebook: str, name: str | None) -> int:
    """Remove the cells of one question from NOTEBOOK: question, plan, iterations, answer.

    Cells that you edited or wrote yourself stay and are yours; the title and the cells that load
    data stay too. What was removed cannot be brought back; the question can be asked again. There
    is no kernel to roll back here: the next question runs what is left again.
    """
    from analyst_kernel.agent.ports import QuestionEntry
    from analyst_kernel.notebook.document.read import analysis_of
    from analyst_kernel.notebook.export.export import read
    from analyst_kernel.notebook.storage.names import notebook_path
    from analyst_kernel.notebook.storage.notebook import StoredNotebook
    from analyst_kernel.protocol.errors import InputError
    from analyst_kernel.protocol.ids import RunId

    if analysis_of(read(notebook_path(notebook))) is None:
        raise InputError(
            f"{notebook} is not the notebook of an analysis, so there is no run to undo.",
            "Nothing was changed.",
        )
    book = await StoredNotebook.open(notebook)
    if not book.runs:
        raise InputError(f"{notebook} holds no run.", "Nothing was changed.")
    wanted = RunId(name) if name is not None else book.runs[-1]
    if wanted not in book.runs:
        raise InputError(f"{notebook} holds no run {wanted}.", f"It holds {', '.join(book.runs)}.")
    entries = book.restore()
    asked = (e.question for e in entries if isinstance(e, QuestionEntry) and e.run == wanted)
    question = next(asked, "")
    found = await book.remove_run(wanted)
    print(f"Undone: {wanted}{f' ({question})' if question else ''}.")
    print(f"Removed {_cells(len(found.removed))}.")
    if found.kept:
        print(
            f"{_cells(len(found.kept))} of yours stayed: {', '.join(found.kept)}. They may need "
            "what was removed."
        )
    return 0


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number} cells"
