"""Runs inside the kernel: a cell that asks a database reads what the server's side brought.

The kernel has no network. Before a cell runs, whoever sends it has asked the queries that stand in
it; the driver that the cell imports is this module here, and the real one elsewhere. Standard
library only; never imported on the other side.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import json
import os
import sys
from typing import Any

FOLDER = "ANALYST_FETCHED"
"""The variable that names the folder of results, if a connection is attached."""

DRIVERS = ("adbc_driver_postgresql", "adbc_driver_postgresql.dbapi")
_MARK = "analyst-kernel:"


class DatabaseError(Exception):
    """The database did not give what the cell asks."""


class FetchedCursor:
    """What a cell does with a cursor: one query, its rows as a table."""

    def __init__(self, variable: str) -> None:
        self._variable = variable
        self._table: Any = None

    def __enter__(self) -> FetchedCursor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the rows."""
        self._table = None

    def execute(self, sql: str, parameters: Any = None) -> None:
        """Find the rows that were brought for this very query."""
        if parameters is not None:
            raise DatabaseError(
                "A query with parameters cannot be asked from here: write the values into it."
            )
        note, path = _found(self._variable, sql)
        if "error" in note:
            raise DatabaseError(note["error"])
        import pyarrow as pa

        with pa.memory_map(path) as source:
            self._table = pa.ipc.open_file(source).read_all()
        for said in (*note.get("notes", ()), *((note["stale"],) if "stale" in note else ())):
            sys.stderr.write(f"Note: {said}\n")

    def fetch_arrow_table(self) -> Any:
        """Return the rows."""
        if self._table is None:
            raise DatabaseError("No query was executed.")
        return self._table

    def fetch_df(self) -> Any:
        """Return the rows as a DataFrame."""
        return self.fetch_arrow_table().to_pandas()


class FetchedConnection:
    """What a cell does with a connection."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def __enter__(self) -> FetchedConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cursor(self, **_: Any) -> FetchedCursor:
        """Return a cursor."""
        return FetchedCursor(self._variable)

    def close(self) -> None:
        """Do nothing: there is no connection."""


def connect(uri: Any, **_: Any) -> FetchedConnection:
    """Return a connection to a database that is attached to the analysis."""
    if not isinstance(uri, str) or not uri.startswith(_MARK):
        raise DatabaseError(
            "There is no network here: only a database that is attached can be asked, as "
            'connect(os.environ["NAME_DATABASE"]).'
        )
    return FetchedConnection(uri.removeprefix(_MARK))


def _found(variable: str, sql: str) -> tuple[dict[str, Any], str]:
    folder = os.environ.get(FOLDER, "")
    key = hashlib.sha256(f"{variable}\0{sql}".encode()).hexdigest()[:32]
    try:
        with open(os.path.join(folder, f"{key}.json"), encoding="utf-8") as file:
            return json.load(file), os.path.join(folder, f"{key}.arrow")
    except (OSError, ValueError):
        raise DatabaseError(
            "This query was not asked: its text must stand in the cell itself, as "
            'cursor.execute("..."), below connect(os.environ["NAME_DATABASE"]), and the cell must '
            "be run by the analysis."
        ) from None


def _name_databases() -> None:
    """Give the variables of attached databases a value that says nothing of where they are."""
    try:
        with open(
            os.path.join(os.environ.get(FOLDER, ""), "attached.json"), encoding="utf-8"
        ) as file:
            for one in json.load(file)["connections"]:
                os.environ.setdefault(one["variable"], f"{_MARK}{one['variable']}")
    except (OSError, ValueError, KeyError, TypeError):
        return


class DriverFinder:
    """Finds the drivers: here they are what reads the results."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return where a driver is; None for any other module."""
        if name not in DRIVERS or not os.environ.get("ANALYST_OUTPUT_DIR"):
            return None  # outside the sandbox there is a network, and the driver itself
        return importlib.machinery.ModuleSpec(name, self, is_package=name == DRIVERS[0])  # type: ignore[arg-type]  # has what a loader needs

    def create_module(self, _spec: Any) -> None:
        """Leave this to Python."""

    def exec_module(self, module: Any) -> None:
        """Give the module what a cell calls."""
        _name_databases()
        if module.__name__ == DRIVERS[1]:
            module.connect = connect
            module.DatabaseError = DatabaseError


def install() -> Any:
    """Stand in for the drivers from now on; return what takes that back."""
    finder = DriverFinder()
    sys.meta_path.insert(0, finder)

    def take_back() -> None:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        for name in DRIVERS:
            sys.modules.pop(name, None)

    return take_back
