"""The datasets of one analysis: what the user granted, how it is read, and its profiles.

Implements the ``Catalog`` port. All reading is done in threads and can be cancelled. The caller
stores grants between sessions and opens the sandbox for them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from analyst_kernel._text import nearest
from analyst_kernel.data.dictionary import with_dictionary
from analyst_kernel.data.profile.describe import describe
from analyst_kernel.data.profile.links import link_warning, overlaps, shared_columns
from analyst_kernel.data.profile.profile import Inspected, inspect
from analyst_kernel.data.read import discover
from analyst_kernel.data.read.discover import refuse_remote
from analyst_kernel.data.read.formats import is_doubtful_name
from analyst_kernel.data.read.names import unique
from analyst_kernel.data.read.workspace import Stop
from analyst_kernel.data.setup_code import identifier, setup_code
from analyst_kernel.protocol.datasets import Dataset, DatasetProfile, DataWarning
from analyst_kernel.protocol.errors import DataError

MAX_FRAME_BYTES = 200 * 1000**2
_MAX_LINKS = 12
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Granted:
    """One dataset as it was last read; ``stamp`` differs after the file changed."""

    inspected: Inspected
    stamp: tuple[int, int, int]

    @property
    def dataset(self) -> Dataset:
        return self.inspected.profile.dataset


class LocalCatalog:
    """Datasets from files on this machine."""

    def __init__(self, *, notebook: str, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        """Create an empty catalog.

        Args:
            notebook: Path of the analysis' notebook; setup code is relative to its folder.
            max_frame_bytes: Bigger files are left on disk and queried with SQL.
        """
        self._folder = os.path.dirname(os.path.abspath(notebook))
        self._max_frame_bytes = max_frame_bytes
        self._granted: dict[str, _Granted] = {}
        self._problems: dict[str, str] = {}
        self._links: dict[tuple[object, ...], DataWarning | None] = {}
        self._lock = asyncio.Lock()

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets granted so far, in order."""
        return tuple(one.dataset for one in self._granted.values())

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """Files that could not be read: path and reason."""
        return tuple(self._problems.items())

    async def grant(self, paths: Sequence[str]) -> tuple[Dataset, ...]:
        """Add the tables in files and folders. Only called for an act of the user.

        Idempotent: a path that was granted before gives its datasets again, read again if the file
        changed. Nothing is added if a named path fails. Unreadable files in a folder are left out
        and listed in :attr:`problems`.

        Raises:
            DataError: A path does not exist, holds no data, or cannot be read.
        """
        async with self._lock:
            taken = dict(self._granted)
            added, problems = await _in_thread(lambda stop: self._read(list(paths), taken, stop))
            self._granted.update({one.dataset.name: one for one in added})
            self._problems.update(problems)
            for one in added:
                self._problems.pop(one.dataset.path, None)
            return tuple(one.dataset for one in added)

    def _read(
        self, paths: list[str], taken: dict[str, _Granted], stop: Stop
    ) -> tuple[list[_Granted], dict[str, str]]:
        added: dict[str, _Granted] = {}
        problems: dict[str, str] = {}
        for path in paths:
            refuse_remote(path)
            real = discover.checked(path)
            if os.path.isfile(real):
                for one in self._file(real, taken | added, stop):
                    added[one.dataset.name] = one
                continue
            before = len(added)
            for file in discover.data_files(real):
                try:
                    for one in self._file(os.path.realpath(file), taken | added, stop):
                        if not (is_doubtful_name(file) and len(one.dataset.columns) < 2):
                            added[one.dataset.name] = one
                except DataError as error:
                    problems[os.path.realpath(file)] = str(error)
            if len(added) == before:
                reason = next(iter(problems.values()), "")
                raise DataError(
                    f"There is no data file that can be read in {path}. {reason}".strip(),
                    "Name a CSV, Parquet, JSON, Excel, SQLite, DuckDB or Arrow file.",
                )
        return list(added.values()), problems

    def _file(self, path: str, taken: dict[str, _Granted], stop: Stop) -> list[_Granted]:
        stamp = _stamp(path)
        known = [one for one in taken.values() if one.dataset.path == path]
        if known and all(one.stamp == stamp for one in known):
            return known
        names = {(one.dataset.table, one.inspected.source.packing.member): name
                 for name, one in taken.items() if one.dataset.path == path}  # fmt: skip
        used = {name.lower() for name in taken}
        found = []
        for source in discover.sources(path, stop):
            stop.check()
            name = names.get((source.table, source.packing.member))
            if name is None:
                name = unique(identifier(source.stem), used)
            used.add(name.lower())
            one = inspect(source, name, max_frame_bytes=self._max_frame_bytes, stop=stop)
            found.append(_Granted(one, stamp))
        return found

    def move(self, notebook: str) -> None:
        """Write setup code for the notebook's new path from now on."""
        self._folder = os.path.dirname(os.path.abspath(notebook))

    async def refresh(self) -> tuple[str, ...]:
        """Read again the files that changed since they were read.

        A file that is gone or unreadable keeps its last profile and is listed in :attr:`problems`.

        Returns:
            The names of the datasets that changed.
        """
        async with self._lock:
            stamps = {one.dataset.path: one.stamp for one in self._granted.values()}
            changed: list[str] = []
            for path, stamp in stamps.items():
                try:
                    discover.checked(path)
                    if _stamp(path) == stamp:
                        continue
                    changed += await self._again(path)
                except DataError as error:
                    self._problems[path] = str(error)
            return tuple(changed)

    async def _again(self, path: str) -> list[str]:
        """Read a granted file again and return the names of its datasets."""
        taken = dict(self._granted)
        fresh = await _in_thread(lambda stop: self._file(path, taken, stop))
        self._granted.update({one.dataset.name: one for one in fresh})
        return [one.dataset.name for one in fresh]

    def withdraw(self, name: str) -> Dataset:
        """Remove and return a dataset, by an act of the user; ``DataError`` if it is not there."""
        one = self._named(name)
        del self._granted[name]
        return one.dataset

    async def profile(
        self,
        name: str,
        *,
        columns: Sequence[str] = (),
        detail: Literal["concise", "full"] = "concise",
    ) -> DatasetProfile:
        """Return the profile of a dataset; its file is read again if it changed.

        Args:
            name: The dataset.
            columns: Only these columns; all if empty.
            detail: ``concise`` shows at most ten top values of a column, ``full`` all of them.

        Raises:
            DataError: There is no such dataset or column, or the file is gone.
        """
        one = self._named(name)
        async with self._lock:
            path = discover.checked(one.dataset.path)
            if _stamp(path) != one.stamp:
                await self._again(path)
                one = self._named(name)
            links = await _in_thread(lambda stop: self._links_of(one, stop))
            profile = await asyncio.to_thread(with_dictionary, one.inspected.profile)
        shown = profile.columns
        if columns:
            known = [column.name for column in shown]
            for column in columns:
                if column not in known:
                    raise DataError(
                        f"{name} has no column {column!r}.", _nearest(column, known, "columns")
                    )
            shown = tuple(column for column in shown if column.name in columns)
        if detail == "concise" and not columns:
            shown = tuple(
                column.model_copy(update={"top": column.top[:10]})
                if column.distinct > 30
                else column
                for column in shown
            )
        warnings = tuple(
            warning
            for warning in (*profile.warnings, *links)
            if not columns or warning.column is None or warning.column in columns
        )
        return profile.model_copy(update={"columns": shown, "warnings": warnings})

    def describe(self, profile: DatasetProfile, *, question: str = "", budget: int = 2000) -> str:
        """Return a profile as text for a model, at most about ``budget`` tokens."""
        return describe(profile, question=question, budget=budget)

    def setup_code(self, names: Sequence[str] | None = None) -> str:
        """Return plain Python that loads the datasets (all, or the named ones).

        It runs in the notebook's folder. It always holds the imports, so that the cell still works
        after a user deleted another one.

        Raises:
            DataError: There is no dataset of one of the names.
        """
        chosen = list(self._granted) if names is None else names
        items = [self._named(name) for name in chosen]
        return setup_code([(one.dataset, one.inspected.source) for one in items], self._folder)

    def _named(self, name: str) -> _Granted:
        if name in self._granted:
            return self._granted[name]
        if not self._granted:
            raise DataError("No data is attached to this analysis.", "Attach a file first.")
        raise DataError(
            f"There is no dataset {name!r}.", _nearest(name, list(self._granted), "datasets")
        )

    def _links_of(self, one: _Granted, stop: Stop) -> tuple[DataWarning, ...]:
        """Return warnings for columns that refer to other datasets; each pair is compared once."""
        mine = one.inspected.profile
        pairs = []
        for name, other in self._granted.items():
            if name != one.dataset.name:
                theirs = other.inspected.profile
                pairs += [(other, pair) for pair in shared_columns(mine, theirs)]
        found = []
        for other, (left, right) in pairs[:_MAX_LINKS]:
            key = (one.dataset.name, one.stamp, left.name,
                   other.dataset.name, other.stamp, right.name)  # fmt: skip
            if key not in self._links:
                source, target = one.inspected.source, other.inspected.source
                count = overlaps(source, left, target, right, stop)
                self._links[key] = link_warning(other.inspected.profile, left, right, count)
            found.append(self._links[key])
        return tuple(warning for warning in found if warning is not None)


def _stamp(path: str) -> tuple[int, int, int]:
    state = os.stat(path)
    return state.st_mtime_ns, state.st_size, state.st_ino


def _nearest(name: str, known: list[str], what: str) -> str:
    if close := nearest(name, known, 1):
        return f"The nearest is {close[0]!r}."
    shown = ", ".join(repr(one) for one in known[:8])
    return f"There are the {what} {shown}{' and more' if len(known) > 8 else ''}."


async def _in_thread(work: Callable[[Stop], _T]) -> _T:
    """Run blocking work in a thread; if cancelled, stop it and wait briefly for its end."""
    stop = Stop()
    task = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        # The outcome of stopped work is retrieved, so that asyncio does not report it as lost.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({task}, timeout=0.5)
        raise
