"""What a setup cell is put together in: its statements, imports, and how it names files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from analyst_kernel._code import Block, Name, Part, statements
from analyst_kernel._text import relative_path
from analyst_kernel.data.read.folders.query import folder_sql, variables
from analyst_kernel.data.read.names import duckdb_path, not_readable_by_name, unique
from analyst_kernel.data.read.options import ArrowReading, FolderReading, StatReading
from analyst_kernel.data.read.workspace import quoted

_MODULES = {"bz2": "bz2", "lzma": "lzma", "pa": "pyarrow", "pq": "pyarrow.parquet"}


@dataclass
class SetupCell:
    """The parts of the code and the imports that they need.

    Attributes:
        folder: Where the code runs; None for code with absolute paths.
        catalogs: For each DuckDB file, the name that it is attached as.
        free: For each name that the code binds in passing, one that no dataset has.
        named: Makes an identifier of a file's stem.
        addresses: Of each file that was fetched, where from.
        copies: Of each of those that code can only read as a file, the variable with its path.
        taken: Names that no such variable may have.
    """

    folder: str | None
    catalogs: dict[str, str]
    free: dict[str, Name]
    named: Callable[[str], str]
    imports: set[str] = field(default_factory=set)
    parts: list[Part] = field(default_factory=list)
    attached: set[str] = field(default_factory=set)
    addresses: dict[str, str] = field(default_factory=dict)
    copies: dict[str, Name] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def path(self, path: str) -> str:
        """Return a path relative to the notebook, with slashes on every system, or an address."""
        if path in self.addresses:
            return self.addresses[path]
        return path if self.folder is None else relative_path(path, self.folder)

    def duckdb_path(self, path: str) -> str | None:
        """Return a path that DuckDB reads as this one file, or None if there is none."""
        ways = [self.path(path)] if path in self.addresses else [self.path(path), path]
        found = (one for one in ways if duckdb_path(one) is not None)
        return next(found, None)

    def file(self, path: str) -> str | Name:
        """Return what code opens that takes only files: a path, or the name of a copy."""
        if path not in self.addresses:
            return self.path(path)
        if path not in self.copies:
            self.imports.add("import fsspec")
            stem = self.named(os.path.basename(path).partition(".")[0])
            name = unique(f"{stem}_copy", self.taken)
            self.taken.add(name.lower())
            self.copies[path] = Name(name)
            self.add(
                "COPY = fsspec.open_local(URL)",
                COPY=self.copies[path],
                URL=f"simplecache::{self.addresses[path]}",
            )
        return self.copies[path]

    def add(self, template: str, **holes: Any) -> None:
        """Add the statements of a template, see ``_code``; the names in passing are filled in."""
        self.parts += statements(template, **self.free, **holes)

    def module(self, name: str) -> Name:
        """Import a module under a name that no dataset has, and return that name."""
        module, free = _MODULES[name], self.free[name.upper()]
        self.imports.add(f"import {module}" + (f" as {free}" if free != module else ""))
        return free


def add_arrow(cell: SetupCell, name: Name, path: str, reading: ArrowReading) -> None:
    """Add the code that loads an Arrow file."""
    if not reading.stream:
        cell.add("NAME = pd.read_feather(PATH)", NAME=name, PATH=cell.path(path))
        return
    cell.module("pa")
    cell.add(
        "with PA.OSFile(PATH) as FILE:\n    NAME = PA.ipc.open_stream(FILE).read_pandas()",
        NAME=name, PATH=cell.file(path),
    )  # fmt: skip


def add_folder(
    cell: SetupCell, name: Name, path: str, reading: FolderReading, *, view: bool
) -> None:
    """Add the code that loads the table, or makes a view of it.

    Files that cannot be read stand in it by name; new files are found when it runs.
    """
    base = cell.duckdb_path(path)
    if base is None:
        raise not_readable_by_name(path)
    stem = f"{name}_files"
    for variable, files in variables(base, reading, stem):
        listed = f"SET VARIABLE {variable} = {files}"
        cell.add("duckdb.sql(SQL)", SQL=Block(listed) if listed.isprintable() else listed)
    sql = folder_sql(base, reading, stem=stem)
    if sql.isprintable():  # else a line of the cell could be somebody's own
        sql = Block(folder_sql(base, reading, stem=stem, gap="\n"))
    if view:
        made = f"CREATE OR REPLACE VIEW {quoted(name)} AS"
        text = Block(f"{made}\n{sql}") if isinstance(sql, Block) else f"{made} {sql}"
        cell.add("duckdb.sql(SQL)", SQL=text)
    elif reading.exact:
        types = "{PA.int64(): pd.Int64Dtype(), PA.uint64(): pd.UInt64Dtype()}"
        cell.module("pa")
        cell.add(
            f"NAME = duckdb.sql(SQL).to_arrow_table().to_pandas(types_mapper={types}.get)",
            NAME=name, SQL=sql,
        )  # fmt: skip
    else:
        cell.add("NAME = duckdb.sql(SQL).df()", NAME=name, SQL=sql)


def add_statistics(cell: SetupCell, name: Name, path: str, reading: StatReading) -> None:
    """Add the code that loads a file of Stata, SPSS or SAS; it needs pyreadstat."""
    cell.imports.add("import pyreadstat")
    how = {"encoding": reading.encoding} if reading.encoding else {}
    call = f"pyreadstat.{reading.function}(PATH, dates_as_pandas_datetime=True, **OPTIONS)"
    cell.add(f"NAME, ABOUT = {call}", NAME=name, PATH=cell.file(path), OPTIONS=how)
    if reading.labelled:
        cell.add(
            "for PART in sorted(COLUMNS):\n"
            "    NAME[PART] = NAME[PART].replace(ABOUT.variable_value_labels[PART])",
            NAME=name, COLUMNS=list(reading.labelled),
        )  # fmt: skip
