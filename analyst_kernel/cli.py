"""The command line, a thin layer over the analysis. Results go to stdout, progress to stderr.

Exit codes: 0 answered (reproduced) · 1 ended without a full answer · 2 usage or bad input ·
3 model provider failed · 4 required sandbox level not available · 130 cancelled.
"""

from __future__ import annotations

import click

from analyst_kernel._version import __version__
from analyst_kernel.command_line.ask import ask
from analyst_kernel.command_line.branch import branch
from analyst_kernel.command_line.data import files, profile
from analyst_kernel.command_line.notebook import export, undo, verify
from analyst_kernel.command_line.system import doctor, lab, models


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="analyst")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def main(context: click.Context, *, debug: bool) -> None:
    """Ask questions about data; every step becomes an executed notebook cell."""
    context.obj = debug


for command in (ask, verify, export, branch, undo, files, profile, models, doctor, lab):
    main.add_command(command)
