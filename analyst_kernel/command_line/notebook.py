"""``analyst verify``, ``export`` and ``branch``: what can be done with a saved notebook."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analyst_kernel.command_line.shell import json_option, run, sandbox_level


@click.command()
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--sandbox", type=sandbox_level, default="restricted", show_default=True)
@json_option
def verify(*, notebook: str, sandbox: str, as_json: bool) -> None:
    """Re-run NOTEBOOK in a fresh sandboxed kernel and compare its outputs."""
    run(lambda: _verify(notebook, sandbox, as_json=as_json))


async def _verify(notebook: str, sandbox: str, *, as_json: bool) -> int:
    from analyst_kernel.notebook.verify import CellCheck, record_of
    from analyst_kernel.verification import verify_notebook

    def show(check: CellCheck) -> None:
        if not as_json:
            mark = {"reproduced": "✓", "differs": "≠", "error": "✗", "skipped": "–"}[check.verdict]
            detail = f"  {check.detail}" if check.detail else ""
            print(f"{mark} {check.cell}  {check.verdict}{detail}", flush=True)

    report = await verify_notebook(notebook, sandbox=sandbox, on_check=show)  # type: ignore[arg-type] # click checked the choice
    print(json.dumps(record_of(report)) if as_json else report.summary)
    return 0 if report.ok else 1


@click.command()
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--to", "form", type=click.Choice(["ipynb", "html", "py"]), required=True)
@click.option("--clean", is_flag=True, help="Without failed cells; runs elsewhere.")
@click.option("-o", "--output", metavar="OUT", required=True, help="File to write; - for stdout.")
@click.option("--sandbox", type=sandbox_level, default="restricted", show_default=True)
def export(*, notebook: str, form: str, clean: bool, output: str, sandbox: str) -> None:
    """Write NOTEBOOK as a plain notebook, a web page or a script.

    A clean notebook is run once from top to bottom before it is written.
    """
    run(lambda: _export(notebook, form, output, clean=clean, sandbox=sandbox))


async def _export(notebook: str, form: str, output: str, *, clean: bool, sandbox: str) -> int:
    from analyst_kernel.agent.errors import NotebookError
    from analyst_kernel.notebook.export import export as render

    target = Path.cwd() / "export.ipynb" if output == "-" else Path(output).expanduser().absolute()
    if target == Path(notebook).expanduser().absolute():
        raise NotebookError(
            "The export would overwrite the analysis itself.", "Choose another name with -o."
        )
    if clean and form == "ipynb":
        content = await _checked(notebook, target, sandbox)
    else:
        content = render(notebook, form, clean=clean, destination=target)  # type: ignore[arg-type] # click checked the choice
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


async def _checked(notebook: str, target: Path, sandbox: str) -> str:
    """Return the clean notebook after running it, and say on stderr what was seen."""
    from analyst_kernel.verification import clean_notebook

    content, report = await clean_notebook(notebook, destination=target, sandbox=sandbox)  # type: ignore[arg-type] # click checked the choice
    if report.ok:
        click.echo(f"Ran again from top to bottom: {report.summary}.", err=True)
    else:
        worst = next(c for c in report.checks if c.verdict in ("error", "differs"))
        click.echo(
            f"Note: run again from top to bottom it {report.summary} "
            f"(cell {worst.cell}: {worst.detail or worst.verdict}).",
            err=True,
        )
    return content


@click.command()
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--at", "cell", metavar="CELL_ID", required=True)
@click.option("-o", "--output", metavar="OUT.ipynb", required=True)
def branch(*, notebook: str, cell: str, output: str) -> None:
    """Start a new analysis from a cell of NOTEBOOK (not there yet)."""
    raise click.UsageError(
        f"Branching is not there yet: {notebook} was not branched at {cell} into {output}. "
        "Copy the notebook and run its cells up to that one instead."
    )
