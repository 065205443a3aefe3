"""``analyst verify`` and ``export``: what can be done with a saved notebook."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analyst_kernel.command_line.shell import json_option, run, sandbox_level

_MARKS = {"reproduced": "✓", "differs": "≠", "error": "✗", "skipped": "–"}
_LABEL_LENGTH = 60

data_option = click.option(
    "--data", multiple=True, metavar="PATH", help="What it may read besides its grants; repeatable."
)


@click.command(short_help="Re-run NOTEBOOK in a fresh kernel and compare its outputs.")
@click.argument("notebook", metavar="NOTEBOOK")
@data_option
@click.option("--sandbox", type=sandbox_level, default="restricted", show_default=True)
@json_option
def verify(*, notebook: str, data: tuple[str, ...], sandbox: str, as_json: bool) -> None:
    """Re-run NOTEBOOK in a fresh sandboxed kernel and compare its outputs.

    It reads what you granted to the notebook's analysis. A notebook that somebody gave you was
    granted nothing: name its data with --data.
    """
    run(lambda: _verify(notebook, data, sandbox, as_json=as_json))


async def _verify(notebook: str, data: tuple[str, ...], sandbox: str, *, as_json: bool) -> int:
    from analyst_kernel.analysis.verify import verify_notebook
    from analyst_kernel.notebook.export.export import read
    from analyst_kernel.notebook.storage.names import notebook_path
    from analyst_kernel.notebook.verify.verify import CellCheck, record_of, verified

    document = read(notebook_path(notebook))
    labels = {cell["id"]: _label(cell["source"]) for cell in document["cells"]}
    before = verified(document)
    if before is not None:
        click.echo(f"Last verified {before.when}: {before.summary}.", err=True)

    def show(check: CellCheck) -> None:
        if not as_json:
            label = labels.get(check.cell, "")
            print(f"{_MARKS[check.verdict]} {check.cell}  {check.verdict}  {label}", flush=True)
            if check.detail:
                print(f"    {check.detail}", flush=True)

    report = await verify_notebook(notebook, data=data, sandbox=sandbox, on_check=show)  # type: ignore[arg-type] # click checked the choice
    print(json.dumps(record_of(report)) if as_json else report.summary)
    if any("attached data" in check.detail for check in report.checks):
        click.echo("It may not read all of its data: name the files with --data.", err=True)
    return 0 if report.ok else 1


def _label(source: str) -> str:
    """Return what a cell is about: its first line, shortened."""
    first = next((line.strip() for line in source.splitlines() if line.strip()), "")
    first = first.removeprefix("# ")
    return first if len(first) <= _LABEL_LENGTH else f"{first[: _LABEL_LENGTH - 1]}…"


@click.command(short_help="Write NOTEBOOK as a plain notebook, a page or a script.")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--to", "form", type=click.Choice(["ipynb", "html", "py"]), required=True)
@click.option("--clean", is_flag=True, help="Without failed cells; runs elsewhere.")
@click.option("-o", "--output", metavar="OUT", required=True, help="File to write; - for stdout.")
@data_option
@click.option("--sandbox", type=sandbox_level, default="restricted", show_default=True)
def export(
    *, notebook: str, form: str, clean: bool, output: str, data: tuple[str, ...], sandbox: str
) -> None:
    """Write NOTEBOOK as a plain notebook, a web page or a script.

    A clean notebook is run once from top to bottom before it is written.
    """
    run(lambda: _export(notebook, form, output, clean=clean, data=data, sandbox=sandbox))


async def _export(
    notebook: str, form: str, output: str, *, clean: bool, data: tuple[str, ...], sandbox: str
) -> int:
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


async def _checked(notebook: str, target: Path, data: tuple[str, ...], sandbox: str) -> str:
    """Return the clean notebook after running it, and say on stderr what was seen."""
    from analyst_kernel.analysis.verify import clean_notebook

    content, report = await clean_notebook(notebook, destination=target, data=data, sandbox=sandbox)  # type: ignore[arg-type] # click checked the choice
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
