"""The live room of a notebook, if a collaboration provider runs on this server.

Any provider that offers ``settings["jupyter_server_ydoc"].get_document`` works. A room is looked up
for each write and never stored, because what is written into a room that was closed is lost.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, assert_never

from analyst_kernel.notebook.document.cells import KEY
from analyst_kernel.notebook.document.diff import CellEdit, CellFacts, planned_edits
from analyst_kernel.protocol.live import Change, SetMetadata

PROVIDER = "jupyter_server_ydoc"


async def find_room(settings: Mapping[str, Any], path: str) -> Any | None:
    """Return the shared document of the room that is open on the file browser's path, or None.

    Raises:
        Exception: Whatever the provider raises; whether there is a room is unknown then.
    """
    get_document = getattr(settings.get(PROVIDER), "get_document", None)
    if get_document is None:
        return None
    given = {"path": path, "content_type": "notebook", "file_format": "json", "copy": False}
    document = get_document(**given)
    document = await document if inspect.isawaitable(document) else document
    return document if hasattr(document, "ycells") and hasattr(document, "create_ycell") else None


def read_room(room: Any, *, is_empty: bool = False) -> dict[str, Any]:
    """Return the notebook in a room as JSON.

    Rooms add a blank cell to a notebook without cells; it is left out if the room ``is_empty``, so
    that no user can type into it.
    """
    found = dict(room.get())
    if is_empty and _blank(room) is not None:
        found["cells"] = []
    return found


def holds_notes(room: Any, wanted: dict[str, Any]) -> bool:
    """Return whether the room still holds our notebook metadata as it was written.

    It does not after the room loaded a file that another program wrote. What was in the room and
    not yet saved is gone then.
    """
    from pycrdt import Map

    metadata = room.ydoc.get("meta", type=Map).get("metadata")
    found = metadata.get(KEY) if metadata is not None else None
    return (found.to_py() if isinstance(found, Map) else found) == wanted


def write_room(room: Any, changes: tuple[Change, ...], *, is_empty: bool = False) -> bool:
    """Make all changes in one transaction, or none if the room is not as a change expects.

    Returns whether they were made. If the room ``is_empty``, the blank cell that :func:`read_room`
    left out is removed.
    """
    cells = room.ycells
    blank = _blank(room) if is_empty else None
    there = [
        CellFacts(str(cell["id"]), str(cell["cell_type"]), str(cell["source"]))
        for cell in cells
        if cell["id"] != blank
    ]
    edits = planned_edits(there, changes)
    if edits is None:
        return False
    with room.ydoc.transaction():
        if blank is not None and any(isinstance(edit, CellEdit) for edit in edits):
            del cells[0]
        for edit in edits:
            if isinstance(edit, SetMetadata):
                _put_metadata(room, edit)
                continue
            match edit.do:
                case "insert":
                    cells.insert(edit.at, room.create_ycell(_untrusted(edit.cell)))
                case "update":
                    _renew(room, cells[edit.at], edit.cell)
                case "remove":
                    del cells[edit.at]
                case _:
                    assert_never(edit.do)
    return True


def _blank(room: Any) -> str | None:
    """Return the id of the room's only cell, if that is an empty code cell."""
    if len(room.ycells) != 1:
        return None
    cell = room.ycells[0]
    blank = cell["cell_type"] == "code" and not str(cell["source"]) and not len(cell["outputs"])
    return str(cell["id"]) if blank and KEY not in cell["metadata"] else None


def _renew(room: Any, ycell: Any, cell: dict[str, Any]) -> None:
    """Change a cell in place, so that users who look at it keep their cursor and place."""
    if ycell["cell_type"] != cell["cell_type"]:
        ids = [other["id"] for other in room.ycells]
        at = ids.index(cell["id"])
        del room.ycells[at]
        room.ycells.insert(at, room.create_ycell(_untrusted(cell)))
        return
    source, text = cell["source"], ycell["source"]
    if str(text) != source:
        text.clear()
        text += source
    _match_map(ycell["metadata"], _untrusted(cell)["metadata"])
    if cell["cell_type"] == "code":
        ycell["execution_count"] = cell["execution_count"]
        outputs = ycell["outputs"]
        outputs.clear()
        outputs.extend([_shared_output(output) for output in cell["outputs"]])


def _shared_output(output: dict[str, Any]) -> Any:
    """Return an output as rooms hold it, with streamed text as shared text."""
    from pycrdt import Map, Text

    if output["output_type"] != "stream":
        return Map(output)
    text = output["text"]
    return Map({**output, "text": Text(text if isinstance(text, str) else "".join(text))})


def _match_map(shared: Any, wanted: dict[str, Any]) -> None:
    for key in [key for key in shared.keys() if key not in wanted]:  # noqa: SIM118 - no dict
        del shared[key]
    for key, value in wanted.items():
        if key not in shared or shared[key] != value:
            shared[key] = value


def _put_metadata(room: Any, change: SetMetadata) -> None:
    from pycrdt import Map

    meta = room.ydoc.get("meta", type=Map)
    metadata = meta.get("metadata")
    if not isinstance(metadata, Map):
        meta["metadata"] = Map({**change.defaults, **(metadata or {}), KEY: change.values})
        return
    for key, value in change.defaults.items():
        if key not in metadata:
            metadata[key] = value
    metadata[KEY] = change.values


def _untrusted(cell: dict[str, Any]) -> dict[str, Any]:
    metadata = {k: v for k, v in dict(cell["metadata"]).items() if k != "trusted"}
    return {**cell, "metadata": metadata}
