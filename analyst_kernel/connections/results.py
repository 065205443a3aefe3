"""What databases gave to one analysis: a folder that its kernel may read and nobody else writes.

For each query it holds the rows in Arrow's format and a note beside them: when they came, or why
none did. Names are digests, so that no text of a query is a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from analyst_kernel.connections.cells import CellQuery
from analyst_kernel.connections.entries import ConnectionEntry

FOLDER = "fetched"
"""Below the user's own folder; the sandbox knows a granted folder in it by this name."""

_MANIFEST = "attached.json"
_MOST_RESULTS = 200
_MOST_BYTES = 4 << 30


def is_results_folder(path: str) -> bool:
    """Return whether a granted path is a folder of results, and no data of the user's."""
    folder, name = os.path.split(path)
    above, last = os.path.split(folder)
    return bool(name) and last == FOLDER and os.path.basename(above) == "analyst-kernel"


class ResultsFolder:
    """The folder of one analysis, or of one verification. Blocking; call it in a thread."""

    def __init__(self, path: Path) -> None:
        """Use a folder that is there."""
        self.path = path

    @classmethod
    def make(cls, root: Path) -> ResultsFolder:
        """Make a new folder below the user's own folder ``root``."""
        place = root / FOLDER / secrets.token_hex(8)
        place.mkdir(mode=0o700, parents=True)
        return cls(place)

    def attached(self) -> tuple[str, ...]:
        """Return the names of the connections that the user attached."""
        try:
            found = json.loads((self.path / _MANIFEST).read_text(encoding="utf-8"))
            return tuple(str(one["name"]) for one in found["connections"] if one["name"])
        except (OSError, ValueError, TypeError, KeyError):
            return ()

    def attach(self, entries: Sequence[ConnectionEntry], more: Sequence[str] = ()) -> None:
        """Note which connections are attached, for the kernel too; no address stands there.

        ``more`` are variables of databases that are not, for which cells find a refusal.
        """
        listed = [{"name": entry.name, "variable": entry.variable} for entry in entries]
        known = {one["variable"] for one in listed}
        listed += [{"name": "", "variable": each} for each in more if each not in known]
        self._write(_MANIFEST, {"connections": listed})

    def detach(self, entries: Sequence[ConnectionEntry], gone: str) -> None:
        """Note which connections are left, and remove what that of the variable ``gone`` gave."""
        self.attach(entries, (gone,))
        for file in self.path.glob("*.json"):
            if file.name == _MANIFEST:
                continue
            try:
                variable = json.loads(file.read_text(encoding="utf-8")).get("variable", gone)
            except (OSError, ValueError, AttributeError):
                variable = gone
            if variable == gone:  # a note of an earlier version names none
                with contextlib.suppress(OSError):
                    file.with_suffix(".arrow").unlink(missing_ok=True)
                    file.unlink()

    def target(self, query: CellQuery) -> str:
        """Return the path for the rows of a query."""
        return str(self.path / f"{_key(query)}.arrow")

    def came(self, query: CellQuery, result: dict[str, Any]) -> None:
        """Note that the rows of a query stand in their file."""
        self._note(query, {"at": _now(), "rows": result["rows"], "notes": result["notes"]})
        self._make_room()

    def failed(self, query: CellQuery, name: str, reason: str) -> None:
        """Note why no rows came; those that came before stay, and the note says so."""
        before = self._read(query)
        if before is not None and "at" in before and os.path.exists(self.target(query)):
            said = (
                f"{name} could not be asked again, so this is what it gave on {before['at']}. "
                f"({reason})"
            )
            kept = {"at": before["at"], "rows": before["rows"], "stale": said}
            self._note(query, {**kept, "notes": before.get("notes", [])})
        else:
            self._note(query, {"error": reason})

    def _note(self, query: CellQuery, note: dict[str, Any]) -> None:
        self._write(f"{_key(query)}.json", {**note, "variable": query.variable})

    def _read(self, query: CellQuery) -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / f"{_key(query)}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _write(self, name: str, content: dict[str, Any]) -> None:
        # Whole or not at all: a cell may read it in this moment.
        part = self.path / f".{name}.part"
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(self.path / name)

    def _make_room(self) -> None:
        """Remove the oldest results beyond what is kept."""
        found = sorted(self.path.glob("*.arrow"), key=os.path.getmtime, reverse=True)
        size = 0
        for number, file in enumerate(found):
            size += file.stat().st_size
            if number and (number >= _MOST_RESULTS or size > _MOST_BYTES):
                with contextlib.suppress(OSError):
                    file.with_suffix(".json").unlink()
                    file.unlink()


def _key(query: CellQuery) -> str:
    # The kernel's side computes the same: kernel/payload/databases.py.
    return hashlib.sha256(f"{query.variable}\0{query.sql}".encode()).hexdigest()[:32]


def _now() -> str:
    return datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
