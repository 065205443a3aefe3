"""``analyst verify``, ``export``, ``branch`` and ``undo``: commands on a saved notebook."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from analyst_kernel._text import shorten
from analyst_kernel.command_line.shell import (
    VERDICT_MARKS,
    data_option,
    json_option,
    runs,
    sandbox_option,
)
from analyst_kernel.command_line.writer import note, out, out_file, out_json

if TYPE_CHECKING:
    from analyst_kernel.analysis.branch import Branch
    from analyst_kernel.notebook.verify.verify import CellCheck
    from analyst_kernel.protocol.sandbox import SandboxLevel

_LABEL_LENGTH = 60


@click.command(short_help="Re-run NOTEBOOK in a fresh kernel and compare its outputs.")
@click.argument("notebook", metavar="NOTEBOOK")
@data_option
@click.option(
    "--connection",
    "connections",
    multiple=True,
    metavar="NAME",
    help="Database that it may ask this once; repeatable.",
)
@click.option(
    "--allow-packages",
    is_flag=True,
    help="Fetch the packages that it notes, by their hashes, without asking.",
)
@sandbox_option
@json_option
@runs
async def verify(
    *,
    notebook: str,
    data: tuple[str, ...],
    connections: tuple[str, ...],
    allow_packages: bool,
    sandbox: SandboxLevel,
    as_json: bool,
) -> int:
    """Re-run NOTEBOOK in a fresh sandboxed kernel and compare its outputs.

    "Reproduced" means that the same code gave the same outputs again. It does not mean that they
    answer the question, or that the answer is right.

    It reads what you granted to the notebook's analysis. A notebook that somebody gave you was
    granted nothing: name its data with --data, its databases with --connection. Packages that it
    notes are taken from your own store, or fetched with your yes.
    """
    from analyst_kernel.analysis.verify import data_changes, verify_notebook
    from analyst_kernel.command_line.console import PlainConsole
    from analyst_kernel.command_line.terminal import ProgressDisplay, TerminalUser
    from analyst_kernel.notebook.export.export import read
    from analyst_kernel.notebook.storage.names import notebook_path
    from analyst_kernel.notebook.verify.verify import record_of, verified
    from analyst_kernel.packages.policy import PackagePolicy

    document = read(notebook_path(notebook))
    labels = {cell["id"]: _label(cell["source"]) for cell in document["cells"]}
    before = verified(document)
    if before is not None:
        note(f"The notebook says that on {before.when} it {before.summary}. Running it again now.")

    def show(check: CellCheck) -> None:
        if not as_json:
            label = labels.get(check.cell, "")
            out(f"{VERDICT_MARKS[check.verdict]} {check.cell}  {check.verdict}  {label}")
            if check.detail:
                out(f"    {check.detail}")

    console = PlainConsole(stderr=True)
    asked = TerminalUser(console, ProgressDisplay(console, quiet=True))
    report = await verify_notebook(
        notebook, data=data, connections=connections, sandbox=sandbox, on_check=show,
        packages=PackagePolicy("allow" if allow_packages else "ask"),
        user=asked if sys.stdin.isatty() else None, on_problem=note,
    )  # fmt: skip
    changes = await data_changes(notebook)
    if as_json:
        more = {"data_changed": changes} if changes else {}
        out_json(json.dumps({**record_of(report), **more}))
    else:
        out(report.summary)
        for sentence in changes:
            out(f"{sentence} It was verified with the copy.")
        if report.ok and report.total:
            note("The same outputs came again. Whether they answer the question was not checked.")
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
@click.option("--force", is_flag=True, help="Replace OUT even if it is not an export.")
@data_option
@sandbox_option
@runs
async def export(
    *,
    notebook: str,
    form: Literal["ipynb", "html", "py"],
    clean: bool,
    output: str,
    force: bool,
    data: tuple[str, ...],
    sandbox: SandboxLevel,
) -> int:
    """Write NOTEBOOK as a plain notebook, a web page or a script.

    A clean notebook is run once from top to bottom before it is written. An earlier export is
    replaced, another file only with --force.
    """
    from analyst_kernel.command_line.output import OutputFile, marked
    from analyst_kernel.notebook.export.export import export as render
    from analyst_kernel.notebook.storage.names import notebook_path

    source = notebook_path(notebook)
    file = None if output == "-" else OutputFile(output, source=source, force=force)
    target = Path.cwd() / "export.ipynb" if file is None else file.path
    if clean and form == "ipynb":
        content = await _checked(notebook, target, data, sandbox)
    else:
        content = render(notebook, form, clean=clean, destination=target)
    content = marked(content, form)
    if file is None:
        out_file(content)
        return 0
    file.write(content)
    out(str(target))
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


@click.command(short_help="Start a new analysis from a cell of NOTEBOOK.")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option(
    "--at", "cell", metavar="CELL_ID", required=True, help="The last cell that it takes over."
)
@click.option("-o", "--output", metavar="OUT.ipynb", required=True, help="Where to save it.")
@data_option
@sandbox_option
@runs
async def branch(
    *, notebook: str, cell: str, output: str, data: tuple[str, ...], sandbox: SandboxLevel
) -> int:
    """Start a new analysis from a cell of NOTEBOOK.

    OUT.ipynb gets the cells up to and including that one, and may read what you granted to
    NOTEBOOK. They run once in a fresh sandboxed kernel, to see whether the state still comes.
    Go on with: analyst ask QUESTION --notebook OUT.ipynb
    """
    from analyst_kernel.analysis.branch import branch_notebook, is_trouble
    from analyst_kernel.notebook.storage.names import notebook_path

    def show_name(new: Branch) -> None:
        if new.path != notebook_path(output):
            note(f"{notebook_path(output).name} is taken: {new.path.name} instead.")

    def show(check: CellCheck, number: int, of: int) -> None:
        note(f"{VERDICT_MARKS[check.verdict]} cell {number} of {of}  {check.cell}")

    made, checks = await branch_notebook(
        notebook, at=cell, to=output, data=data, sandbox=sandbox, on_made=show_name, on_check=show
    )
    out(str(made.path))
    troubles = [check for check in checks if is_trouble(check)]
    for check in troubles:
        what = check.detail or check.verdict
        note(f"Cell {check.cell} no longer reproduces: {what}")
    if not troubles:
        return 0
    if any("attached data" in check.detail for check in troubles):
        note("It may not read all of its data: name the files with --data.")
    note(
        "The branch is kept; its state may differ from the parent's. Ask on in it with "
        f"--notebook {made.path.name}, or branch from an earlier cell."
    )
    return 1


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
    from analyst_kernel.analysis.notebook_lock import NotebookLock, waiting_text
    from analyst_kernel.grants import default_path
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
    lock = NotebookLock(default_path().parent)
    async with lock.held(str(notebook_path(notebook)), lambda other: note(waiting_text(other))):
        book = await StoredNotebook.open(notebook)
        if not book.runs:
            raise InputError(f"{notebook} holds no run.", "Nothing was changed.")
        wanted = RunId(name) if name is not None else book.runs[-1]
        if wanted not in book.runs:
            runs_here = f"It holds {', '.join(book.runs)}."
            raise InputError(f"{notebook} holds no run {wanted}.", runs_here)
        entries = book.restore()
        asked = (e.question for e in entries if isinstance(e, QuestionEntry) and e.run == wanted)
        question = next(asked, "")
        found = await book.remove_run(wanted)
    out(f"Undone: {wanted}{f' ({question})' if question else ''}.")
    out(f"Removed {_cells(len(found.removed))}.")
    if found.kept:
        out(
            f"{_cells(len(found.kept))} of yours stayed: {', '.join(found.kept)}. They may need "
            "what was removed."
        )
    return 0


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number} cells"
