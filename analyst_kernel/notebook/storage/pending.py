"""Operations in order, each in its newest version; and as JSON, to be kept. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any, assert_never

from analyst_kernel.notebook.document.operations import (
    NoteRun,
    Operation,
    RemoveCell,
    RemoveRun,
    SetMetadata,
    SetNotebook,
    SetOutputs,
    UpsertCell,
)

_KINDS: dict[str, type[Any]] = {
    "upsert_cell": UpsertCell,
    "set_outputs": SetOutputs,
    "set_metadata": SetMetadata,
    "remove_cell": RemoveCell,
    "set_notebook": SetNotebook,
    "note_run": NoteRun,
    "remove_run": RemoveRun,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def key_of(operation: Operation) -> str:
    """Return what two versions of one operation have in common.

    Everything about a cell begins with ``cell ID``; cell ids hold no space.
    """
    match operation:
        case UpsertCell():
            return f"cell {operation.cell['id']}"
        case RemoveCell():
            return f"cell {operation.cell}"
        case SetOutputs():
            return f"cell {operation.cell} outputs"
        case SetMetadata():
            return f"cell {operation.cell} metadata {sorted(operation.values)}"
        case SetNotebook():
            return f"notebook {sorted(operation.values)}"
        case NoteRun():
            return f"run {operation.run} {sorted(operation.values)}"
        case RemoveRun():
            return f"undone {operation.run}"
        case _:
            assert_never(operation)


def made_void_by(operation: Operation) -> str | None:
    """Return how the keys begin that ``operation`` makes void: a new cell has new outputs."""
    whole = isinstance(operation, UpsertCell | RemoveCell)
    return f"{key_of(operation)} " if whole else None


class Outstanding:
    """Operations by key. A newer version takes the place of the older one, so order is kept."""

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        """Hold ``operations``."""
        self._held: dict[str, Operation] = {}
        self._parts: dict[str, set[str]] = {}  # a cell's key: the keys of changes to parts of it
        self.add(operations)

    def __iter__(self) -> Any:
        """Go through them in the order to apply."""
        return iter(tuple(self._held.values()))

    def __len__(self) -> int:
        """Count them."""
        return len(self._held)

    def add(self, operations: Iterable[Operation]) -> None:
        """Take in newer ones."""
        for operation in operations:
            key = key_of(operation)
            if made_void_by(operation) is not None:
                for part in self._parts.pop(key, ()):
                    self._held.pop(part, None)
            elif isinstance(operation, SetOutputs | SetMetadata):
                self._parts.setdefault(f"cell {operation.cell}", set()).add(key)
            self._held[key] = operation

    def drop(self, operations: Iterable[Operation]) -> None:
        """Let go of exactly these."""
        for operation in operations:
            key = key_of(operation)
            if self._held.get(key) is operation:
                del self._held[key]


def to_json(operation: Operation) -> str:
    """Write an operation down."""
    body = {field.name: getattr(operation, field.name) for field in fields(operation)}
    return json.dumps({"kind": _NAMES[type(operation)], **body})


def from_json(text: str) -> Operation:
    """Read what :func:`to_json` wrote.

    Raises:
        ValueError: It is no operation.
    """
    try:
        body = json.loads(text)
        kind = _KINDS[body.pop("kind")]
        operation: Operation = kind(**body)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not an operation") from error
    return operation
