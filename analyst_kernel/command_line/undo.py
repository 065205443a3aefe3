"""``analyst undo``: takes a whole run out of a saved notebook again."""

from __future__ import annotations

import click

from analyst_kernel.command_line.shell import run


@click.command(short_help="Take the last run, or another one, out of NOTEBOOK again.")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--run", "name", metavar="RUN", help="Which run, as r2; the last one by default.")
def undo(*, notebook: str, name: str | None) -> None:
    """Remove the cells of one question from NOTEBOOK: question, plan, iterations, answer.

    Cells that you edited or wrote yourself stay and are yours; the title and the cells that load
    data stay too. What was removed cannot be brought back; the question can be asked again. There
    is no kernel to roll back here: the next question runs what is left again.
    """
    run(lambda: _undo(notebook, name))


async def _undo(path: str, name: str | None) -> int:
    from analyst_kernel.agent.ports import QuestionEntry
    from analyst_kernel.notebook.document.read import analysis_of
    from analyst_kernel.notebook.export.export import read
    from analyst_kernel.notebook.storage.names import notebook_path
    from analyst_kernel.notebook.storage.notebook import StoredNotebook
    from analyst_kernel.protocol.errors import InputError
    from analyst_kernel.protocol.ids import RunId

    if analysis_of(read(notebook_path(path))) is None:
        raise InputError(
            f"{path} is not the notebook of an analysis, so there is no run to undo.",
            "Nothing was changed.",
        )
    notebook = await StoredNotebook.open(path)
    runs = notebook.runs
    if not runs:
        raise InputError(f"{path} holds no run.", "Nothing was changed.")
    wanted = RunId(name) if name is not None else runs[-1]
    if wanted not in runs:
        raise InputError(f"{path} holds no run {wanted}.", f"It holds {', '.join(runs)}.")
    entries = notebook.restore()
    asked = (e.question for e in entries if isinstance(e, QuestionEntry) and e.run == wanted)
    question = next(asked, "")
    found = await notebook.remove_run(wanted)
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
