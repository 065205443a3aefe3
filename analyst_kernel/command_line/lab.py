"""``analyst lab``: JupyterLab with everything ready; all further arguments are JupyterLab's own."""

from __future__ import annotations

import os
import sys

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
    short_help="Open JupyterLab with everything ready.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB ARGS]...")
def lab(*, arguments: tuple[str, ...]) -> None:
    """Open JupyterLab; arguments are passed on to `jupyter lab`."""
    sys.stdout.flush()
    # Replaced, not wrapped: signals and the exit code are JupyterLab's own then.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", *arguments])  # noqa: S606 - own interpreter
