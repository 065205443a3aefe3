"""``analyst branch``: a new analysis from a cell of a saved notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.notebook import data_option
from analyst_kernel.command_line.shell import run, sandbox_level

if TYPE_CHECKING:
    from analyst_kernel.analysis.branch import Branch
    from analyst_kernel.notebook.verify.verify import CellCheck

_MARKS = {"reproduced": "✓", "differs": "≠", "error": "✗", "skipped": "–"}


@click.command(short_help="Start a new analysis from a cell of NOTEBOOK.")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option(
    "--at", "cell", metavar="CELL_ID", required=True, help="The last cell that it takes over."
)
@click.option("-o", "--output", metavar="OUT.ipynb", required=True, help="Where to save it.")
@data_option
@click.option("--sandbox", type=sandbox_level, default="restricted", show_default=True)
def branch(*, notebook: str, cell: str, output: str, data: tuple[str, ...], sandbox: str) -> None:
    """Start a new analysis from a cell of NOTEBOOK.

    OUT.ipynb gets the cells up to and including that one, and may read what you granted to
    NOTEBOOK. They run once in a fresh sandboxed kernel, to see whether the state still comes.
    Go on with: analyst ask QUESTION --notebook OUT.ipynb
    """
    run(lambda: _branch(notebook, cell, output, data, sandbox))


async def _branch(
    notebook: str, cell: str, output: str, data: tuple[str, ...], sandbox: str
) -> int:
    from analyst_kernel.analysis.branch import branch_notebook
    from analyst_kernel.notebook.storage.names import notebook_path

    def made(new: Branch) -> None:
        if new.path != notebook_path(output):
            click.echo(f"{notebook_path(output).name} is taken: {new.path.name} instead.", err=True)

    def show(check: CellCheck, number: int, of: int) -> None:
        click.echo(f"{_MARKS[check.verdict]} cell {number} of {of}  {check.cell}", err=True)

    report = await branch_notebook(
        notebook,
        at=cell,
        to=output,
        data=data,
        sandbox=sandbox,  # type: ignore[arg-type] # click checked the choice
        on_made=made,
        on_check=show,
    )
    print(report.branch.path)
    for check in report.troubles:
        what = check.detail or check.verdict
        click.echo(f"Cell {check.cell} no longer reproduces: {what}", err=True)
    if not report.troubles:
        return 0
    if any("attached data" in check.detail for check in report.troubles):
        click.echo("It may not read all of its data: name the files with --data.", err=True)
    click.echo(
        "The branch is kept; its state may differ from the parent's. Ask on in it with "
        f"--notebook {report.branch.path.name}, or branch from an earlier cell.",
        err=True,
    )
    return 1
