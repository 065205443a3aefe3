"""The datasets of one analysis: what the user granted, how it is read, and its profiles.

Implements the ``Catalog`` port. Files are parsed by readers, in processes of their own, which a
cancellation ends. The caller stores grants and opens the kernel's sandbox for them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from analyst_kernel.agent.documents import Document, DocumentText
from analyst_kernel.data.chosen import Chosen
from analyst_kernel.data.contents import Contents
from analyst_kernel.data.dictionary import (
    DictionaryReading,
    described_columns,
    with_descriptions,
    with_dictionary,
)
from analyst_kernel.data.files import Beside, folder_values, looked_beside
from analyst_kernel.data.granted import (
    Granted,
    files_of,
    from_address,
    left_out,
    parts_apart,
    place_of,
    words_of_file,
)
from analyst_kernel.data.profile.describe import describe
from analyst_kernel.data.profile.links import LinkedTable, find_links
from analyst_kernel.data.read import discover
from analyst_kernel.data.read.formats import DOCUMENTS, is_doubtful_name, suffix_of
from analyst_kernel.data.read.names import dictionary_path, is_file, nearest_text, shown, unique
from analyst_kernel.data.reader.opened import Stamp, dictionary_stamp, stamp_of
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.data.reader.wire import with_name
from analyst_kernel.data.readings import KeptReadings, not_kept_text
from analyst_kernel.data.remote.cache import RemoteCache
from analyst_kernel.data.setup_code import identifier, setup_code
from analyst_kernel.protocol.datasets import ColumnWords, Dataset, DatasetProfile, DataWarning
from analyst_kernel.protocol.errors import DataError

MAX_FRAME_BYTES = 200 * 1000**2


class LocalCatalog:
    """Datasets from files on this machine."""

    def __init__(
        self,
        *,
        notebook: str,
        max_frame_bytes: int = MAX_FRAME_BYTES,
        reader: FileReader | None = None,
    ) -> None:
        """Create an empty catalog.

        Args:
            notebook: Path of the analysis' notebook; setup code is relative to its folder.
            max_frame_bytes: Bigger files are left on disk and queried with SQL.
            reader: Parses the files; by default one with the user's settings.
        """
        self._reader = reader or FileReader()
        self._folder = os.path.dirname(os.path.abspath(notebook))
        self._max_frame_bytes = max_frame_bytes
        self._granted: dict[str, Granted] = {}
        self._problems: dict[str, str] = {}
        self._not_one: dict[str, str] = {}
        self._links: dict[str, tuple[DataWarning, ...]] = {}
        self._described: dict[str, dict[str, ColumnWords]] = {}
        self._linked: tuple[tuple[str, Stamp, Chosen], ...] = ()
        self._dictionaries: dict[str, tuple[Stamp | None, DictionaryReading | None]] = {}
        self._readings = KeptReadings()
        self._beside: dict[str, Beside] = {}
        self._lock = asyncio.Lock()
        self._remote = RemoteCache()
        self.contents = Contents()

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The datasets granted so far, in order."""
        return tuple(one.dataset for one in self._granted.values())

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """Files that could not be read: path and reason."""
        return tuple(self._problems.items())

    @property
    def readings(self) -> KeptReadings:
        """What the user said of the tables; it is kept with the grants."""
        return self._readings

    def keep_readings(self, readings: KeptReadings) -> None:
        """Read what is granted from now on as the user said earlier."""
        self._readings = readings

    def notices(self) -> tuple[tuple[str, str], ...]:
        """Return what to tell the user of the data, each with its code.

        That is what was left out, and what they said of a reading that no longer fits its file.
        """
        gone = [("file-left-out", f"{p} was left out. {why}") for p, why in self.problems]
        not_kept = [
            ("reading-not-kept", not_kept_text(name, key, why))
            for name in self.read_otherwise
            for key, why in self._granted[name].inspected.not_kept
        ]
        apart = [("files-apart", why) for why in self._not_one.values()]
        return (*gone, *apart, *not_kept)

    @property
    def read_otherwise(self) -> tuple[str, ...]:
        """The datasets that are not read as the user said, because that no longer fits."""
        return tuple(name for name, one in self._granted.items() if one.inspected.not_kept)

    async def choose(self, name: str, key: str, value: str) -> tuple[tuple[str, ...], Dataset]:
        """Read a dataset as the user says, or by itself again if ``value`` is empty.

        The other tables of its file are read again too, because a file is read as a whole.

        Args:
            name: The dataset.
            key: What is chosen, see :mod:`analyst_kernel.data.chosen`.
            value: What is to hold.

        Returns:
            The names of the datasets that are other ones now, those that are gone included, and
            the dataset.

        Raises:
            DataError: There is no such dataset or choice, or the file cannot be read so; then
                nothing changed.
        """
        async with self._lock:
            one = self._named(name)
            path = one.dataset.path
            readings = self._readings.saying(path, place_of(one), key, value)
            discover.checked(path)
            read = await self._reader.read(path, self._max_frame_bytes, readings.of_file(path))
            found = [Granted(table, read.stamp) for table in read.tables]
            fresh = {o.dataset.name: o for o in self._named_tables(path, found, self._granted)}
            for gone, why in fresh[name].inspected.not_kept if name in fresh else ():
                if gone == key:
                    raise DataError(f"{name} stays as it is: {why}", "Choose something else.")
            self._readings = readings
            before = {n: o for n, o in self._granted.items() if o.dataset.path == path}
            self._granted = {n: o for n, o in self._granted.items() if n not in before} | fresh
            changed = [
                n for n in {**before, **fresh}
                if n == name or n not in fresh or n not in before
                or before[n].inspected.profile != fresh[n].inspected.profile
            ]  # fmt: skip
            return tuple(changed), fresh.get(name, one).dataset

    @property
    def folders(self) -> dict[str, frozenset[str]]:
        """The folders that were granted as a whole, each with the data files that it held then."""
        # The folder of a table in many files stands for these, of which its own stamp tells.
        tables = {one.dataset.path for one in self._granted.values()}
        return {folder: beside.files | tables for folder, beside in self._beside.items()}

    @property
    def documents(self) -> tuple[Document, ...]:
        """The documents in granted folders that still have a dataset."""
        return tuple(one for beside in self._shelves() for one in beside.documents)

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """The files in these folders that are no dataset: name and reason."""
        found = [one for beside in self._shelves() for one in beside.skipped]
        return (*((os.path.basename(path), why) for path, why in self._problems.items()), *found)

    async def read_document(self, name: str) -> DocumentText:
        """Return a document's text; raises ``DataError`` if it is unknown or cannot be read."""
        known = {one.name: one.path for one in self.documents}
        if name not in known:
            raise DataError(
                f"There is no document {name!r}.", nearest_text(name, list(known), "documents")
            )
        return await self._reader.document(known[name])

    async def grant(self, paths: Sequence[str]) -> tuple[Dataset, ...]:
        """Add the tables in files and folders. Only called for an act of the user.

        Idempotent: a path that was granted before gives its datasets again, read again if the file
        changed. Nothing is added if a named path fails. Unreadable files in a folder are left out
        and listed in :attr:`problems`.

        Raises:
            DataError: A path does not exist, holds no data, or cannot be read.
            SandboxError: No reader of the required isolation can be started.
        """
        async with self._lock:
            added, problems = await self._read(list(paths))
            beside = await asyncio.to_thread(
                looked_beside, list(paths), [one.dataset for one in added], problems
            )
            self._beside |= beside
            self._granted.update({one.dataset.name: one for one in added})
            self._problems.update(problems)
            for one in added:
                self._problems.pop(one.dataset.path, None)
            return tuple(one.dataset for one in added)

    async def _read(self, paths: list[str]) -> tuple[list[Granted], dict[str, str]]:
        named = await asyncio.to_thread(lambda: [(path, files_of(path)) for path in paths])
        files = dict.fromkeys(file for _path, found in named for file in found)
        whole = {found[0] for path, found in named if len(found) == 1 and is_file(path)}
        tables = await self._tables(list(files), alone=whole)
        named = await self._apart(named, tables)
        added: dict[str, Granted] = {}
        problems: dict[str, str] = {}
        for path, found in named:
            readable = False
            for file in found:
                got = tables[file]
                if isinstance(got, DataError):
                    # A text that is no table is a document.
                    if file in whole or suffix_of(file) not in DOCUMENTS:
                        problems[shown(file)] = str(got)
                    continue
                problems |= left_out(got[0].inspected.source)
                for one in self._named_tables(file, got, self._granted | added):
                    doubtful = file not in whole and is_doubtful_name(file)
                    if not (doubtful and len(one.dataset.columns) < 2):
                        added[one.dataset.name] = one
                        readable = True
            if not readable:
                reason = next(iter(problems.values()), "")
                place = self._remote.address_of(path) or path
                raise DataError(
                    f"There is no data file that can be read in {place}. {reason}".strip(),
                    "Name a CSV, Parquet, JSON, Excel, SQLite, DuckDB or Arrow file.",
                )
        return list(added.values()), problems

    async def _apart(
        self,
        named: list[tuple[str, list[str]]],
        tables: dict[str, list[Granted] | DataError],
    ) -> list[tuple[str, list[str]]]:
        """Return the files by granted path, with those of folders that are not one table.

        They are read, and added to ``tables``. Raises ``DataError`` if there are too many.
        """
        split: dict[str, list[str]] = {}
        for folder, got in tables.items():
            if isinstance(got, DataError) and os.path.isdir(folder):
                split[folder] = await asyncio.to_thread(parts_apart, folder, got)
                self._not_one[folder] = str(got)
        parts = [part for found in split.values() for part in found]
        tables |= await self._tables(parts, alone=set())
        return [
            (path, [part for file in found for part in split.get(file, [file])])
            for path, found in named
        ]

    def _shelves(self) -> list[Beside]:
        """Return what lies beside the datasets that there are: a withdrawn folder shows nothing."""
        tables = [one.dataset.path for one in self._granted.values()]
        return [
            beside
            for folder, beside in self._beside.items()
            if any(os.path.join(path, "").startswith(os.path.join(folder, "")) for path in tables)
        ]

    async def _tables(
        self, paths: Sequence[str], *, alone: set[str]
    ) -> dict[str, list[Granted] | DataError]:
        """Return the tables of files, as known or read; the error too, unless it is of ``alone``.

        Raises:
            DataError: A file of ``alone`` cannot be read.
        """
        found: dict[str, list[Granted] | DataError] = {}
        known_at: dict[str, list[Granted]] = {}
        for one in self._granted.values():
            known_at.setdefault(one.dataset.path, []).append(one)
        for path in paths:
            try:
                stamp = stamp_of(path)
            except DataError as error:
                found[path] = error
                continue
            known = known_at.get(path, [])
            if known and all(one.stamp == stamp for one in known):
                found[path] = known
        unread = [path for path in paths if path not in found]
        said = {path: self._readings.of_file(path) for path in unread}
        for path, read in zip(
            unread, await self._reader.read_all(unread, self._max_frame_bytes, said), strict=True
        ):
            if isinstance(read, DataError):
                found[path] = read
                continue
            self._dictionaries[path] = (read.dictionary_stamp, read.dictionary)
            address = self._remote.address_of(path)
            found[path] = [
                Granted(from_address(address, table), read.stamp) for table in read.tables
            ]
        for path in paths:
            if path in alone and isinstance(error_of := found[path], DataError):
                raise error_of
        return found

    def _named_tables(
        self, path: str, found: list[Granted], taken: dict[str, Granted]
    ) -> list[Granted]:
        """Give the tables of a file their names: those that they had, or free ones."""
        if any(one is known for one in found for known in taken.values()):
            return found
        address = found[0].dataset.address if found else ""
        names = {
            place_of(one): name
            for name, one in taken.items()
            # What was fetched again, because it changed, has another path.
            if one.dataset.path == path or (address and one.dataset.address == address)
        }
        used = {name.lower() for name in taken}
        named = []
        for one in found:
            name = names.get(place_of(one))
            if name is None:
                name = unique(identifier(one.inspected.source.stem), used)
            used.add(name.lower())
            named.append(Granted(with_name(one.inspected, name), one.stamp))
        return named

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
                    if stamp_of(path) == stamp or await self._was_touched(path, stamp):
                        continue
                    changed += await self._again(path)
                except DataError as error:
                    self._problems[path] = str(error)
            return tuple(changed)

    async def _was_touched(self, path: str, stamp: Stamp) -> bool:
        """Return whether a file was only written again as it was, and take over its times."""
        if not await self.contents.is_same(path, self.contents.of_stamp(path, stamp)):
            return False
        for name, one in self._granted.items():
            if one.dataset.path == path:
                self._granted[name] = replace(one, stamp=stamp_of(path))
        return True

    async def _again(self, path: str) -> list[str]:
        """Read a granted file again and return the names of its datasets."""
        found = (await self._tables([path], alone={path}))[path]
        assert not isinstance(found, DataError)
        fresh = self._named_tables(path, found, self._granted)
        self._granted.update({one.dataset.name: one for one in fresh})
        return [one.dataset.name for one in fresh]

    def withdraw(self, name: str) -> Dataset:
        """Remove and return a dataset, by an act of the user; ``DataError`` if it is not there."""
        one = self._named(name)
        del self._granted[name]
        self._readings.forget(one.dataset.path, place_of(one))
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
            path = one.dataset.path
            discover.checked(path)
            if stamp_of(path) != one.stamp:
                await self._again(path)
                one = self._named(name)
            links = await self._links_of(one)
            profile = await self._with_words(one)
        shown = profile.columns
        if columns:
            known = [column.name for column in shown]
            for column in columns:
                if column not in known:
                    raise DataError(
                        f"{name} has no column {column!r}.", nearest_text(column, known, "columns")
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
            for warning in (*profile.warnings, *folder_values(profile.dataset), *links)
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
        every = {name: (one.dataset, one.inspected.source) for name, one in self._granted.items()}
        items = [every[self._named(name).dataset.name] for name in chosen]
        return setup_code(items, self._folder, list(every.values()))

    def _named(self, name: str) -> Granted:
        if name in self._granted:
            return self._granted[name]
        if not self._granted:
            raise DataError("No data is attached to this analysis.", "Attach a file first.")
        raise DataError(
            f"There is no dataset {name!r}.", nearest_text(name, list(self._granted), "datasets")
        )

    async def _with_words(self, one: Granted) -> DatasetProfile:
        """Return the profile with what its dictionary says now."""
        path = one.dataset.path
        stamp = dictionary_stamp(path)
        known, words = self._dictionaries.get(path, (None, None))
        if stamp != known:
            words = None if stamp is None else await self._dictionary(path)
            self._dictionaries[path] = (stamp, words)
        profile = one.inspected.profile
        if words is not None:
            profile = with_dictionary(profile, words)
        if own := words_of_file(one.inspected.source):
            profile = with_descriptions(profile, own)
        if others := self._described.get(one.dataset.name):
            profile = with_descriptions(profile, others)
        return profile

    async def _dictionary(self, path: str) -> DictionaryReading:
        try:
            return await self._reader.dictionary(dictionary_path(path))
        except DataError as error:
            return DictionaryReading(problem=error.what)

    async def _links_of(self, one: Granted) -> tuple[DataWarning, ...]:
        """Return warnings for columns that refer to other datasets; all are compared at once."""
        state = tuple(
            (name, known.stamp, known.inspected.source.chosen)
            for name, known in self._granted.items()
        )
        if state != self._linked:
            tables = [
                LinkedTable(known.inspected.profile, known.inspected.sketches, known.inspected.keys)
                for known in self._granted.values()
            ]
            self._links = await asyncio.to_thread(find_links, tables)
            self._described = described_columns([table.profile for table in tables])
            self._linked = state
        return self._links.get(one.dataset.name, ())
