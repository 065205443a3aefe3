"""Runs inside the kernel: every error of a cell is shown, also one that cannot say what it is.

An exception whose ``__str__`` raises, or returns no string, makes IPython and ipykernel fail while
they report it: nothing is shown but what went wrong then. Groups of exceptions are printed as text,
and the reply then holds the traceback of an earlier cell. Standard library only; never imported
here.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any

LONGEST = 300
"""Characters of what an exception's own method said when it failed."""

_PUBLISH = "_showtraceback"
_OWN = ("__cause__", "__context__", "__suppress_context__", "__traceback__")

Replace = Callable[[BaseException], BaseException]
"""Returns what is shown and reported in place of an error; mostly the error itself."""


def install(shell: Any, replace: Replace) -> Callable[[], None]:
    """Show every error of IPython's ``shell``; return what takes that back.

    ``replace`` is called first, with each error that reached the top of a cell.
    """
    from IPython.core.error import UsageError

    show, run, publish = shell.showtraceback, shell.run_code, getattr(shell, _PUBLISH)
    published: list[bool] = []

    def noted(*arguments: Any) -> None:
        publish(*arguments)
        published.append(True)

    def shown(exc_tuple: Any = None, *arguments: Any, **keywords: Any) -> None:
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if error is None or issubclass(type(error), UsageError):
            show(exc_tuple, *arguments, **keywords)
            return
        made = sturdy(replace(error))
        if made is not error:
            exc_tuple = (type(made), made, _own(made, "__traceback__"))
        vars(shell)["_last_traceback"] = None  # else a reply may hold that of an earlier cell
        published.clear()
        if not _only_plain(made):
            try:
                show(exc_tuple, *arguments, **keywords)
            except Exception as why:  # noqa: BLE001 - something of the error's own failed
                made = _stand_in(made, f"it cannot be shown: {_said(why)}")
        if not published:
            noted(type(made), made, _plain(made))

    @functools.wraps(run)
    async def reported(code: Any, result: Any = None, **keywords: Any) -> Any:
        failed = await run(code, result, **keywords)
        error = getattr(result, "error_in_exec", None)
        if error is not None:
            result.error_in_exec = sturdy(replace(error))
        return failed

    mine = {"showtraceback": shown, "run_code": reported, _PUBLISH: noted}
    vars(shell).update(mine)

    def withdraw() -> None:
        for name, function in mine.items():
            if vars(shell).get(name) is function:
                delattr(shell, name)

    return withdraw


def sturdy(error: BaseException) -> BaseException:
    """Return ``error``, or in place of one that cannot be put into words one that says why."""
    try:
        text = str(error)
    except BaseException as why:  # noqa: BLE001 - an exit or an interrupt in there is not the cell's
        return _stand_in(error, f"its __str__ raised {_said(why)}")
    plain = str.__str__(text).encode(errors="backslashreplace").decode()
    try:
        usual = type(type(error).__name__) is str and type(text) is str and text == plain
        usual = usual and all(getattr(error, name) is _own(error, name) for name in _OWN)
    except BaseException:  # noqa: BLE001 - a class or a metaclass of the user's may do anything
        usual = False
    return error if usual else _stand_in(error, plain)


def _stand_in(error: BaseException, text: str) -> BaseException:
    """Return an exception with the name and traceback of ``error`` and another text."""
    kind = type(_name(error), (Exception,), {"__module__": "builtins"})
    made: BaseException = kind(text)
    for name in _OWN:
        setattr(made, name, _own(error, name))
    return made


def _own(error: BaseException, name: str) -> Any:
    """Return an attribute that every exception has, whatever the class of this one says."""
    return BaseException.__dict__[name].__get__(error)


def _name(error: BaseException) -> str:
    """Return the name of the type of ``error``, whatever its metaclass says."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return name


def _said(error: BaseException) -> str:
    """Return name and text of ``error``, shortened; the text only if it has one."""
    try:
        text = str.__str__(str(error))
    except BaseException:  # noqa: BLE001 - then without
        text = ""
    return f"{_name(error)}: {text}"[:LONGEST].rstrip(": ")


def _only_plain(error: BaseException) -> bool:
    """Return whether IPython's traceback fails for something in the chain: a group, or no words."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        if issubclass(type(at), BaseExceptionGroup) or sturdy(at) is not at:
            return True
        seen.add(id(at))
        at = _own(at, "__cause__") or _own(at, "__context__")
    return False


def _plain(error: BaseException) -> list[str]:
    """Return Python's own traceback, without the frames of what ran the cell."""
    at = _own(error, "__traceback__")
    first = at
    while first is not None and "__tracebackhide__" not in first.tb_frame.f_locals:
        first = first.tb_next
    try:
        lines = traceback.format_exception(type(error), error, first.tb_next if first else at)
    except Exception as why:  # noqa: BLE001 - something in the chain is beyond words
        lines = [f"{_name(error)}: it has no traceback, because of {_said(why)}\n"]
    return "".join(lines).splitlines()
