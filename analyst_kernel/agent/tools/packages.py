"""A package that is not installed: found, shown to the user, and on their yes given to the kernel.

A cell that fails for the lack of one waits for the user and then runs again; the tool
``use_package`` asks before a cell does.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Protocol, runtime_checkable

from analyst_kernel._code import tree_of
from analyst_kernel.agent.context import Packages
from analyst_kernel.agent.observation.cell import envelope
from analyst_kernel.agent.run import OpenCell, Run
from analyst_kernel.agent.start import renew_kernel
from analyst_kernel.agent.tools import inputs
from analyst_kernel.agent.tools.registry import Reply
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.errors import DataError, NotebookError
from analyst_kernel.protocol.ids import AskId, CellId, new_ask_id
from analyst_kernel.protocol.records import PackageOffer

MOST_SOUGHT = 8
"""Packages that one run may look for. Their names leave for an index, so they are few and short."""

_MISSING = re.compile(r"No module named '([A-Za-z_][A-Za-z0-9_]{0,63})'")
_UNATTENDED = (
    "the user cannot be asked here. They can allow packages with --allow-packages, or install it."
)


@runtime_checkable
class PackageApprover(Protocol):
    """A :class:`~analyst_kernel.agent.ports.User` who can be shown a package."""

    async def approve_package(self, ask: AskId, offer: PackageOffer) -> bool:
        """Return whether the user says yes to a package. May take hours."""


def may_be_fetched(run: Run) -> bool:
    """Return whether a package that is missing may be fetched in this run, once it is named."""
    packages = run.deps.packages
    return packages is not None and not packages.refusal and not _unattended(run, packages)


async def provide_missing(run: Run, opened: OpenCell) -> bool:
    """Return whether a cell that failed for the lack of a package is to run again, having it now.

    Else its error says why the package is not there. Only a package that the cell itself names, or
    one whose name is published, is looked for: what code says while it runs could carry data.
    """
    execution = opened.execution
    error = None if execution is None else execution.error
    if execution is None or error is None or error.name != "ModuleNotFoundError":
        return False
    found = _MISSING.search(error.message)
    packages = run.deps.packages
    if found is None or packages is None or execution.kernel_died:
        return False
    module = found[1]
    entry = opened.entry
    if module in imports_of(entry.code) or packages.is_listed(module):
        why_not, offer = await _provide(run, packages, module, entry.cell, entry.purpose)
    else:
        why_not, offer = "its name does not stand in the cell, so it is not looked for.", None
    if offer is None:
        hint = f"{module} is not installed in this kernel, and {why_not}"
        opened.execution = replace(execution, error=error.model_copy(update={"hint": hint}))
        return False
    suggestion = f"# %pip install {offer.name}=={offer.version}"
    if suggestion not in entry.code and not entry.code.lstrip().startswith("%%"):
        opened.entry = replace(entry, code=f"{suggestion}\n{entry.code}")
    return True


def imports_of(code: str) -> frozenset[str]:
    """Return the top-level modules that code imports by an import statement."""
    tree = tree_of(code)
    found: set[str] = set()
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return frozenset(found)


async def use_package(run: Run, call: inputs.UsePackage) -> Reply:
    """Ask the user for a package before a cell needs it."""
    packages, module = run.deps.packages, call.module.strip().partition(".")[0]
    if packages is None:
        return Reply.refuse("Nothing can be installed here. Use what is installed.")
    why_not, offer = await _provide(run, packages, module, CellId(""), call.reason)
    if offer is None:
        return Reply.refuse(
            f"Not there: {envelope(why_not, run.nonce)}\nWork without it, or say what it is for."
        )
    return Reply.say(f"{offer.name} {offer.version} is there now: import {module} in a cell.")


async def _provide(
    run: Run, packages: Packages, module: str, cell: CellId, purpose: str
) -> tuple[str, PackageOffer | None]:
    """Return a package that the kernel has now; or why it has it not, as a sentence's end."""
    if packages.refusal:
        return packages.refusal, None
    name = packages.distribution(module)
    if not name:
        return "no package is known to have it.", None
    before = run.not_fetched.get(name)
    if before is not None:
        return before, None
    if _unattended(run, packages):
        return _UNATTENDED, None
    if len(run.not_fetched) >= MOST_SOUGHT:
        return f"{MOST_SOUGHT} packages were looked for already in this run.", None
    # Until it is there: one that is there and does not help is not asked for in a circle.
    run.not_fetched[name] = f"{name} was fetched, and the module is not found all the same."
    try:
        offer = await packages.find(name, module)
        if not await _agreed(run, packages, offer, cell, purpose):
            run.not_fetched[name] = f"the user does not want {name} to be fetched. Do without it."
            return run.not_fetched[name], None
        is_shown = await packages.fetch(offer)
    except DataError as error:
        run.not_fetched[name] = _as_end(str(error))
        run.notice("package-not-fetched", f"{name}: {error}")
        return run.not_fetched[name], None
    except NotebookError as error:
        run.notice("not-saved", f"{name} is not noted in the notebook. {error}")
        is_shown = True
    if not is_shown:
        await renew_kernel(run, f"A new kernel is started, which sees {offer.name}.")
    extra = len(offer.wheels) - 1
    more = f" with {extra} more that it needs" if extra > 0 else ""
    run.notice("package-fetched", f"{offer.name} {offer.version} was fetched{more}.", "info")
    return "", offer


async def _agreed(
    run: Run, packages: Packages, offer: PackageOffer, cell: CellId, purpose: str
) -> bool:
    if packages.agreed:
        return True
    user: object = run.deps.user
    assert isinstance(user, PackageApprover)
    ask = new_ask_id()
    run.emit(
        ev.ApprovalRequested(
            **run.stamp, ask=ask, cell=cell, code="", purpose=purpose, package=offer
        )
    )
    with run.meter.waiting_for_user():
        says_yes = await user.approve_package(ask, offer)
    run.emit(ev.ApprovalDecided(**run.stamp, ask=ask, decision="run" if says_yes else "skip"))
    return says_yes


def _unattended(run: Run, packages: Packages) -> bool:
    return not packages.agreed and not isinstance(run.deps.user, PackageApprover)


def _as_end(sentence: str) -> str:
    """Return a sentence as the end of another one."""
    first = sentence.split(" ", 1)[0]
    return sentence[:1].lower() + sentence[1:] if first in ("The", "What", "A", "pip") else sentence
