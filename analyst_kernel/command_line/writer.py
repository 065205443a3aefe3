"""The only writer of the command line: what reaches a terminal is text.

Names of files, values, errors, questions, answers and code come from strangers. A terminal would
obey the control sequences in them: fill the clipboard, set the title, move the cursor, hide a line.
So they are taken out of every text here and in :mod:`analyst_kernel.command_line.console`; nothing
else of the command line writes.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from analyst_kernel._text import printable, with_visible_controls


def out(text: str = "") -> None:
    """Write lines of a result to stdout."""
    click.echo(printable(text))
    sys.stdout.flush()


def out_json(text: str) -> None:
    """Write a line of JSON to stdout; signs that a terminal would obey are escaped in it."""
    click.echo(with_visible_controls(text))
    sys.stdout.flush()


def out_file(content: str) -> None:
    """Write the content of a file to stdout: as it is, unless stdout is a terminal."""
    shown = printable(content) if sys.stdout.isatty() else content
    click.echo(shown.encode("utf-8", "replace"), nl=False)  # whatever the locale


def note(text: str) -> None:
    """Write lines to stderr; what cannot be written is lost, and the work is not."""
    with suppress(OSError, ValueError):
        click.echo(printable(text), err=True)


def note_traceback() -> None:
    """Write the traceback of the current exception to stderr."""
    note(traceback.format_exc().rstrip())


@contextmanager
def printable_usage_errors() -> Iterator[None]:
    """Make what click says of arguments printable: the shell puts names of files among them."""
    try:
        yield
    except click.ClickException as error:
        error.message = printable(error.message)  # type: ignore[misc] # set once, by click
        raise
