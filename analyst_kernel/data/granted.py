"""What was granted: tables as they were last read, and the files behind granted paths."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from analyst_kernel.data.profile.inspected import Inspected
from analyst_kernel.data.read import discover
from analyst_kernel.data.read.discover import MAX_FILES, folder_table
from analyst_kernel.data.read.names import shown
from analyst_kernel.data.read.options import FolderReading, Source, StatReading
from analyst_kernel.data.reader.opened import Stamp
from analyst_kernel.protocol.datasets import ColumnWords, Dataset
from analyst_kernel.protocol.errors import DataError


@dataclass(frozen=True, slots=True)
class Granted:
    """One dataset as it was last read; ``stamp`` differs after the file changed."""

    inspected: Inspected
    stamp: Stamp

    @property
    def dataset(self) -> Dataset:
        """What it is called and how it is read."""
        return self.inspected.profile.dataset


def from_address(address: str, table: Inspected) -> Inspected:
    """Return a table with the address that its file was fetched from, if any."""
    if not address:
        return table
    dataset = table.profile.dataset.model_copy(update={"address": address})
    return replace(table, profile=table.profile.model_copy(update={"dataset": dataset}))


def place_of(one: Granted) -> tuple[str | None, str | None]:
    """Return what tells the tables of one file apart."""
    source = one.inspected.source
    return source.table, source.packing.member


def files_of(path: str) -> list[str]:
    """Return the real paths of the data files that a path leads to; raises ``DataError``."""
    real = discover.checked(path)
    if os.path.isfile(real):
        return [real]
    return [os.path.realpath(file) for file in discover.data_files(real)]


def left_out(source: Source) -> dict[str, str]:
    """Return the files that a table in folders was read without: path and reason."""
    reading = source.reading
    gone = reading.left_out if isinstance(reading, FolderReading) else ()
    return {shown(os.path.join(source.path, name)): f"It {why}." for name, why in gone}


def words_of_file(source: Source) -> dict[str, ColumnWords]:
    """Return what a file of Stata, SPSS or SAS itself says of its columns."""
    reading = source.reading
    if not isinstance(reading, StatReading):
        return {}
    meanings = dict(reading.meanings)
    return {
        name: ColumnWords(
            description=dict(reading.descriptions).get(name, ""),
            values={label: (code,) for label, code in meanings.get(name, ())},
        )
        for name in dict.fromkeys((*(name for name, _ in reading.descriptions), *meanings))
    }


def parts_apart(folder: str, problem: DataError) -> list[str]:
    """Return the files of a folder that turned out not to be one table, as files of their own.

    Raises:
        DataError: There are more than a folder may hold; ``problem`` is why they are no table.
    """
    table = folder_table(folder)
    paths = [os.path.realpath(path) for path in table.paths] if table else []
    if len(paths) > MAX_FILES:
        raise DataError(
            f"{os.path.basename(folder)} holds {len(paths):,} files that are not read as one "
            f"table, and at most {MAX_FILES} are read each as one. {problem}",
            "Attach a folder with fewer of them, or the files themselves.",
        ) from problem
    return paths


def paths_of(path: str) -> tuple[str, ...]:
    """Return the real paths of a dataset's files."""
    table = folder_table(path) if os.path.isdir(path) else None
    return (path, *(map(os.path.realpath, table.paths) if table else ()))
