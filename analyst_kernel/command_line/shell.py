"""Runs a command's coroutine to an exit code; a failure becomes one clear sentence on stderr."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import click

from analyst_kernel.protocol.errors import AnalystError

EXIT_CANCELLED = 130
_STOPS = ("SIGTERM", "SIGHUP")
"""Signals that cancel as Ctrl-C does: somebody ends the command or closes its terminal."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
sandbox_level = click.Choice(["isolated", "restricted", "limits", "none"])


def run(work: Callable[[], Coroutine[Any, Any, int]]) -> NoReturn:
    """Run a command's coroutine to its exit code, turning failures into one clear line."""
    debug = bool(click.get_current_context().obj)
    _leave_out_slow_imports()
    try:
        code = asyncio.run(_stoppable(work()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("Cancelled.", err=True)
        sys.exit(EXIT_CANCELLED)
    except AnalystError as error:
        if debug:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        nobody_reads()
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        name = type(error).__name__
        click.echo(
            f"Error: {name}: {error}. This is a defect of analyst-kernel; what was saved is "
            "intact. Run again as `analyst --debug ...` for the traceback.",
            err=True,
        )
        sys.exit(1)
    sys.exit(code)


def _leave_out_slow_imports() -> None:
    """Let jsonschema find no checker of international addresses: it takes a second to import.

    The schema of notebooks has no such addresses. Only here, where the process is the command's.
    """
    if "jsonschema" not in sys.modules:
        sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # "not found"


def nobody_reads() -> None:
    """Write standard output to nowhere from now on: whoever read it has left."""
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
