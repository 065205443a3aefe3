"""The command line, a thin layer over the analysis. Results go to stdout, progress to stderr.

Exit codes: 0 answered (reproduced) · 1 ended without a full answer · 2 usage or bad input ·
3 model provider failed · 4 required sandbox level not available · 130 cancelled.
"""

# ruff: noqa: E402 - Ctrl-C may come while the rest is imported

from __future__ import annotations

from typing import Any

from analyst_kernel.command_line.streams import end_at_once_on_interrupt, prepare

end_at_once_on_interrupt()

import click

from analyst_kernel._version import __version__
from analyst_kernel.command_line.ask import ask
from analyst_kernel.command_line.connections import connections
from analyst_kernel.command_line.eval import evaluate
from analyst_kernel.command_line.keys import keys
from analyst_kernel.command_line.ledger import ledger
from analyst_kernel.command_line.log import log
from analyst_kernel.command_line.models import models
from analyst_kernel.command_line.notebook import branch, export, undo, verify
from analyst_kernel.command_line.refresh import refresh
from analyst_kernel.command_line.system import doctor, files, lab, profile
from analyst_kernel.command_line.writer import printable_usage_errors


class _Commands(click.Group):
    """The commands; what click says of their arguments is printable."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with printable_usage_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with printable_usage_errors():
            return super().invoke(ctx)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="analyst")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def main(context: click.Context, *, debug: bool) -> None:
    """Ask questions about data; every step becomes an executed notebook cell."""
    context.obj = debug
    prepare()


for command in (
    ask, verify, refresh, export, branch, undo, ledger, log, evaluate, files, profile, models, keys,
    connections, doctor, lab,
):  # fmt: skip
    main.add_command(command)
