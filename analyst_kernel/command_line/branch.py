"""``analyst branch``: a new analysis from a cell of a saved notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import (
    VERDICT_MARKS,
    data_option,
    note,
    runs,
    sandbox_option,
)

if TYPE_CHECKING:
    from analyst_kernel.analysis.branch import Branch
    from analyst_kernel.notebook.verify.verify import CellCheck
    from analyst_kernel.protocol.sandbox import SandboxLevel


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
    from analyst_kernel.analysis.branch import branch_notebook
    from analyst_kernel.notebook.storage.names import notebook_path

    def made(new: Branch) -> None:
        if new.path != notebook_path(output):
            note(f"{notebook_path(output).name} is taken: {new.path.name} instead.")

    def show(check: CellCheck, number: int, of: int) -> None:
        note(f"{VERDICT_MARKS[check.verdict]} cell {number} of {of}  {check.cell}")

    report = await branch_notebook(
        notebook, at=cell, to=output, data=data, sandbox=sandbox, on_made=made, on_check=show
    )
    print(report.branch.path)
    for check in report.troubles:
        what = check.detail or check.verdict
        note(f"Cell {check.cell} no longer reproduces: {what}")
    if not report.troubles:
        return 0
    if any("attached data" in check.detail for check in report.troubles):
        note("It may not read all of its data: name the files with --data.")
    note(
        "The branch is kept; its state may differ from the parent's. Ask on in it with "
        f"--notebook {report.branch.path.name}, or branch from an earlier cell."
    )
    return 1
