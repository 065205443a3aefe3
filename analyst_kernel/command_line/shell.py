"""The common part of the commands: options, output, and the way from a coroutine to an exit code.

Stdout is for results (answers, JSON, names of files), stderr for everything else.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

import click

from analyst_kernel.command_line.streams import (
    EXIT_CANCELLED,
    discard_stdout,
    end_at_once_on_interrupt,
    system_failure,
)
from analyst_kernel.command_line.writer import note, note_traceback
from analyst_kernel.protocol.errors import AnalystError

if TYPE_CHECKING:
    from pydantic import BaseModel

_P = ParamSpec("_P")

_STOPS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that cancel: Ctrl-C, the command is ended, or its terminal closed."""
_INSISTING = 3
"""How many of them end the process though it is still saving."""

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


class Amount(click.ParamType[float]):
    """A finite number above zero, as limits of time and money are."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        """Return the number, or fail with what it must be."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number.", param, context)
        if not math.isfinite(number) or number <= 0:
            self.fail(f"{value} is not a finite number above 0.", param, context)
        return number


def limit_options(work: Callable[_P, NoReturn]) -> Callable[_P, NoReturn]:
    """Add the options of the model of a question and of what it may use."""
    options = (
        click.option("--model", metavar="PROVIDER:NAME", help="See `analyst models`."),
        click.option(
            "--max-iterations",
            type=click.IntRange(1, 100),
            default=10,
            show_default=True,
            metavar="N",
            help="Cells that may run for a question.",
        ),
        click.option(
            "--cell-timeout",
            type=Amount(),
            metavar="SECONDS",
            default=120.0,
            show_default=True,
            help="How long a cell may run.",
        ),
        click.option(
            "--max-cost",
            type=Amount(),
            metavar="USD",
            help="What the model may cost for a question.",
        ),
    )
    for option in reversed(options):
        work = option(work)
    return work


def wider_limit_options(work: Callable[_P, NoReturn]) -> Callable[_P, NoReturn]:
    """Add the options of what more than one question may cost."""
    options = (
        click.option(
            "--max-analysis-cost",
            type=Amount(),
            metavar="USD",
            help="What the model may cost for this notebook, earlier questions included.",
        ),
        click.option(
            "--max-day-cost",
            type=Amount(),
            metavar="USD",
            help="What models may cost today, for all your notebooks.",
        ),
    )
    for option in reversed(options):
        work = option(work)
    return work


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
        # What is still buffered would fail while the process ends, where nothing can be said.
        sys.stdout.flush()
    except (KeyboardInterrupt, asyncio.CancelledError):
        note("Cancelled.")
        code = EXIT_CANCELLED
    except AnalystError as error:
        if debug:
            note_traceback()
        note(f"Error: {error}")
        code = error.exit_code
    except click.UsageError:
        raise
    except BrokenPipeError:
        discard_stdout()
        code = 1
    except OSError as error:
        if debug:
            note_traceback()
        with suppress(OSError, ValueError):
            discard_stdout()
        note(f"Error: {system_failure(error)}")
        code = 1
    except Exception as error:  # noqa: BLE001 - a user gets one line instead of a traceback
        if debug:
            note_traceback()
            sys.exit(1)
        name = type(error).__name__
        note(
            f"Error: {name}: {error}. This is a defect of analyst-kernel; what was saved is "
            "intact. Run again as `analyst --debug ...` for the traceback."
        )
        code = 1
    end_at_once_on_interrupt(code)
    gc.freeze()  # the process ends, so nothing needs to be looked through once more
    sys.exit(code)


def _leave_out_slow_imports() -> None:
    """Keep jsonschema from importing a checker of international addresses, which takes a second.

    The schema of notebooks has no such addresses. Only a command may do this, because the process
    is its own.
    """
    if "jsonschema" not in sys.modules:
        sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # "not found"


def record_json(record: BaseModel) -> str:
    """Return a record as a line of JSON, though a name of a file in it may not be valid UTF-8."""
    try:
        return record.model_dump_json()
    except ValueError:  # pydantic's own, whose import would slow every command
        return json.dumps(record.model_dump(mode="json"))


async def _stoppable(work: Coroutine[Any, Any, int]) -> int:
    """Await the work; the first signal cancels it, which saves what was done.

    The next one only says so, because what it would break off is the saving itself.
    """
    task = asyncio.current_task()
    assert task is not None
    count = 0

    def stop() -> None:
        nonlocal count
        count += 1
        if count == 1:
            task.cancel()
        elif count < _INSISTING:
            note("Saving what was done so far. Once more ends the command without that.")
        else:
            os._exit(EXIT_CANCELLED)

    if os.name == "posix" and threading.current_thread() is threading.main_thread():
        for name in _STOPS:
            if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), stop)
    return await work
