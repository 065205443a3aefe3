"""The common part of the commands: options, output, and the way from a coroutine to an exit code.

Stdout is for results (answers, JSON, names of files), stderr for everything else.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, NoReturn, ParamSpec

import click

from analyst_kernel.protocol.errors import AnalystError

_P = ParamSpec("_P")

EXIT_CANCELLED = 130
_STOPS = ("SIGTERM", "SIGHUP")
"""Signals that cancel as Ctrl-C does: the command is ended, or its terminal closed."""

VERDICT_MARKS = {"reproduced": "✓", "differs": "≠", "error": "✗", "skipped": "–"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
data_option = click.option(
    "--data", multiple=True, metavar="PATH", help="What it may read besides its grants; repeatable."
)
sandbox_option = click.option(
    "--sandbox",
    type=click.Choice(["isolated", "restricted", "limits", "none"]),
    default="restricted",
    show_default=True,
    help="Isolation below which nothing runs.",
)


def runs(work: Callable[_P, Coroutine[Any, Any, int]]) -> Callable[_P, NoReturn]:
    """Make a coroutine function the body of a command: it runs, and its result is the exit code.

    A failure becomes one clear line on stderr.
    """

    @functools.wraps(work)
    def command(*args: _P.args, **kwargs: _P.kwargs) -> NoReturn:
        _run(work(*args, **kwargs))

    return command


def _run(work: Coroutine[Any, Any, int]) -> NoReturn:
    debug = bool(click.get_current_context().obj)
    _leave_out_slow_imports()
    try:
        code = asyncio.run(_stoppable(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        note("Cancelled.")
        sys.exit(EXIT_CANCELLED)
    except AnalystError as error:
        if debug:
            raise
        note(f"Error: {error}")
        sys.exit(error.exit_code)
    except click.UsageError:
        raise
    except BrokenPipeError:
        discard_stdout()
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        name = type(error).__name__
        note(
            f"Error: {name}: {error}. This is a defect of analyst-kernel; what was saved is "
            "intact. Run again as `analyst --debug ...` for the traceback."
        )
        sys.exit(1)
    sys.exit(code)


def _leave_out_slow_imports() -> None:
    """Keep jsonschema from importing a checker of international addresses, which takes a second.

    The schema of notebooks has no such addresses. Only a command may do this, because the process
    is its own.
    """
    if "jsonschema" not in sys.modules:
        sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # "not found"


def note(text: str) -> None:
    """Write a line to stderr."""
    click.echo(text, err=True)


def print_table(left: Sequence[str], right: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to stdout; the columns of ``left`` may fold, those of ``right`` are numbers."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
    Console(soft_wrap=True).print(table)


def discard_stdout() -> None:
    """Discard further output to stdout, because its reader has closed the pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


async def _stoppable(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task is not None
    for name in _STOPS:
        if hasattr(signal, name) and os.name == "posix":
            asyncio.get_running_loop().add_signal_handler(getattr(signal, name), task.cancel)
    return await work
