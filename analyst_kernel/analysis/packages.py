"""Packages of an analysis: fetched with the user's yes, granted to it, noted in its notebook.

A package is a grant like any other, of a folder in the user's own store: so the running kernel is
shown it as data is, every later kernel and a branch have it, and no notebook brings one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analyst_kernel.agent.ports import User
from analyst_kernel.agent.tools.packages import PackageApprover
from analyst_kernel.grants import Grant, GrantStore, grant_of
from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.notebook.document.operations import Document, SetNotebook, notes
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.packages import names
from analyst_kernel.packages.outside import PackageFailed, PackageSource, is_package_folder
from analyst_kernel.packages.policy import PackagePolicy
from analyst_kernel.protocol.errors import DataError, InputError
from analyst_kernel.protocol.ids import new_ask_id
from analyst_kernel.protocol.records import PackageOffer, PackageUsed, PackageWheel

NOTED = "fetched_packages"
"""The key in the notebook's own metadata; ``packages`` there are the versions of libraries."""

_MOST_NOTED = 300


def noted_packages(document: Document) -> tuple[PackageUsed, ...]:
    """Return what a notebook notes of fetched packages; anybody may have written it."""
    listed: Any = notes(document).get(NOTED)
    found: list[PackageUsed] = []
    for one in listed[:_MOST_NOTED] if isinstance(listed, list) else ():
        try:
            used = PackageUsed.model_validate(one)
        except ValidationError:
            continue
        if names.is_distribution(used.name):
            found.append(used)
    return tuple(found)


def kernel_python(kernel_name: str) -> str:
    """Return the interpreter that a kernelspec names, which is never asked of a kernel."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        command = KernelSpecManager().get_kernel_spec(kernel_name).argv[:1]
    except NoSuchKernel:
        command = []
    is_python = bool(command) and os.path.isabs(command[0]) and os.path.exists(command[0])
    if is_python and not os.path.samefile(command[0], sys.executable):
        return command[0]
    return sys.executable


class AnalysisPackages:
    """Implements ``agent.context.Packages`` for one analysis.

    Args:
        policy: What the user and administrators say.
        store: The user's grants.
        kernel: The session whose kernel is shown the packages.
        notebook: Which notes them.
        kernel_name: The kernelspec, for its interpreter.
    """

    def __init__(
        self,
        policy: PackagePolicy,
        store: GrantStore,
        kernel: KernelSession,
        notebook: StoredNotebook,
        kernel_name: str,
    ) -> None:
        self._policy = policy
        self._grants = store
        self._kernel = kernel
        self._book = notebook
        self._kernel_name = kernel_name
        self._source: PackageSource | None = None
        self._shown: tuple[str, ...] = ()
        self.changed: Callable[[], None] = lambda: None

    async def take_up(self) -> None:
        """Have the kernel import from the packages that were granted before."""
        granted = await asyncio.to_thread(self._granted)
        self._show(path for path in granted if os.path.isdir(path))

    @property
    def refusal(self) -> str:
        """Return why nothing may be fetched; empty if something may."""
        return self._policy.refusal()

    @property
    def agreed(self) -> bool:
        """Return whether the user said yes to every package beforehand."""
        return self._policy.mode == "allow"

    @property
    def used(self) -> tuple[PackageUsed, ...]:
        """Return the packages that this analysis has, as its notebook notes them."""
        granted = {os.path.basename(path) for path in self._shown}
        return tuple(one for one in noted_packages(self._book.document) if one.sha256 in granted)

    def distribution(self, module: str) -> str:
        """Return the distribution that has a module; empty if none can be named."""
        return names.distribution_of(module)

    def is_listed(self, module: str) -> bool:
        """Return whether a module's name is a published one."""
        return names.is_listed(module)

    async def find(self, distribution: str, module: str) -> PackageOffer:
        """Return what a package is and brings; raises ``DataError``."""
        self._check(distribution)
        source = await self._fetcher()
        offer = await source.find(distribution, module=module, held=self.used)
        for wheel in offer.wheels:
            self._check(wheel.name)
        return offer

    async def fetch(self, offer: PackageOffer) -> bool:
        """Fetch what was offered, grant it, note it, and show it to the kernel; see the port."""
        source = await self._fetcher()
        brought = await source.fetch(offer.wheels)
        modules = {module for found in brought.values() for module in found}
        if offer.module and offer.module not in modules:
            there = ", ".join(sorted(brought[offer.wheels[0].sha256])[:5]) or "none"
            raise PackageFailed(
                f"{offer.name} has no module {offer.module} (it has {there}), so it was not used.",
                "Name the package that has it.",
            )
        paths = [source.folder(wheel.sha256) for wheel in offer.wheels]
        await asyncio.to_thread(
            self._grants.record_all, self._book.path, paths, analysis=self._book.analysis
        )
        is_shown = await self._kernel.admit(paths)
        self._show((*self._shown, *paths))
        index = offer.indexes[0] if offer.indexes else ""
        await self._note(_with(self.used, offer, index))
        return is_shown

    async def remove(self, name: str) -> tuple[str, ...]:
        """Take a package away, and what came with it alone; return what is gone.

        A kernel at work still has it. Raises ``InputError`` if the analysis has no such package.
        """
        wanted = names.normalised(name)
        noted = noted_packages(self._book.document)
        if not any(names.normalised(one.name) == wanted for one in noted):
            raise InputError(f"No package {name} was fetched for this analysis.")
        left: list[PackageUsed] = []
        gone: list[PackageUsed] = []
        for one in noted:
            rest = tuple(each for each in one.brought_by if names.normalised(each) != wanted)
            if rest:
                left.append(one.model_copy(update={"brought_by": rest}))
            else:
                gone.append(one)
        if not any(names.normalised(one.name) == wanted for one in gone):
            needed = next(one for one in left if names.normalised(one.name) == wanted)
            raise InputError(
                f"{name} is needed by {', '.join(needed.brought_by)}.", "Remove that first."
            )
        digests = {one.sha256 for one in gone}
        lost = [path for path in self._shown if os.path.basename(path) in digests]
        for path in lost:
            await asyncio.to_thread(self._grants.revoke, self._book.path, path)
        self._show(path for path in self._shown if path not in lost)
        await self._note(left)
        return tuple(one.name for one in gone)

    def _granted(self) -> list[str]:
        found = self._grants.for_notebook(self._book.path, analysis=self._book.analysis)
        return [grant.path for grant in found if is_package_folder(grant.path)]

    def _show(self, paths: Any) -> None:
        self._shown = tuple(dict.fromkeys(paths))
        self._kernel.import_from(self._shown)

    async def _note(self, used: Sequence[PackageUsed]) -> None:
        listed = [one.model_dump(mode="json") for one in used]
        await self._book.apply(SetNotebook({NOTED: listed or None}))
        self.changed()

    def _check(self, name: str) -> None:
        refused = self._policy.refusal() or self._policy.refusal_of(name)
        if refused:
            raise PackageFailed(refused, "Ask the administrator for it.")

    async def _fetcher(self) -> PackageSource:
        if self._source is None:
            python = await asyncio.to_thread(kernel_python, self._kernel_name)
            self._source = PackageSource(self._grants.path.parent, python, self._policy)
        return self._source


def _with(
    before: Sequence[PackageUsed], offer: PackageOffer, index: str
) -> tuple[PackageUsed, ...]:
    """Return what is noted once a package was fetched, with what it brought."""
    known = {one.sha256: one for one in before}
    for wheel in offer.wheels:
        known[wheel.sha256] = PackageUsed(
            name=wheel.name, version=wheel.version, sha256=wheel.sha256, file=wheel.file,
            index=index, brought_by=(offer.name,),
        )  # fmt: skip
    return tuple(known.values())


async def packages_to_verify(
    document: Document,
    granted: Sequence[Grant],
    root: Path,
    *,
    policy: PackagePolicy,
    user: User | None,
) -> tuple[list[Grant], list[str]]:
    """Return grants of the packages that a notebook notes and that it was not granted yet.

    The very wheels of its hashes and no others: from the store, to which the user once said yes;
    else from the index, with their yes. The texts say which are missing, and why.
    """
    have = {os.path.basename(one.path) for one in granted if is_package_folder(one.path)}
    wanted = [one for one in noted_packages(document) if one.sha256 not in have]
    if not wanted:
        return [], []
    source = PackageSource(root, await asyncio.to_thread(kernel_python, "analyst"), policy)
    stored = [one for one in wanted if source.is_stored(one.sha256)]
    missing = [one for one in wanted if one not in stored]
    problems: list[str] = []
    if missing:
        why_not = await _fetch_noted(source, missing, policy, user)
        if why_not:
            listed = ", ".join(f"{one.name} {one.version}" for one in missing)
            problems.append(f"Not there for this notebook: {listed}. {why_not}")
        else:
            stored += missing
    return [grant_of(source.folder(one.sha256)) for one in stored], problems


async def _fetch_noted(
    source: PackageSource, missing: Sequence[PackageUsed], policy: PackagePolicy, user: User | None
) -> str:
    """Fetch the wheels that a notebook notes, if the user says yes; return why they are not there.

    The names and hashes are the notebook's, so the user sees them first; nothing is asked before.
    """
    said = (policy.refusal(), *(policy.refusal_of(one.name) for one in missing))
    if refused := next(filter(None, said), ""):
        return refused[:1].upper() + refused[1:]
    wheels = tuple(
        PackageWheel(name=m.name, version=m.version, sha256=m.sha256, file=m.file, host="")
        for m in missing
    )
    asker: object = user
    if policy.mode != "allow":
        if not isinstance(asker, PackageApprover):
            return "The user cannot be asked here: allow packages with --allow-packages."
        first = missing[0]
        offer = PackageOffer(
            module="", name=first.name, version=first.version, indexes=(), wheels=wheels,
            known=names.is_known(first.name), alike=names.alike(first.name),
        )  # fmt: skip
        if not await asker.approve_package(new_ask_id(), offer):
            return "You did not want them to be fetched."
    try:
        await source.fetch(wheels)
    except DataError as error:
        return str(error)
    return ""
