"""The operations of a notebook that are still to be written, each in its newest version. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, assert_never

from analyst_kernel.notebook.document.operations import (
    NoteLedger,
    NoteRun,
    Operation,
    RemoveRun,
    SetNotebook,
    UpsertCell,
)
from analyst_kernel.notebook.document.serialize import is_valid_cell

_KINDS: dict[str, type[Any]] = {
    "upsert_cell": UpsertCell,
    "set_notebook": SetNotebook,
    "note_run": NoteRun,
    "remove_run": RemoveRun,
    "note_ledger": NoteLedger,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class PendingOperations:
    """Operations by key. A newer version takes the place of the older one, so order is kept."""

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        self._held: dict[str, Operation] = {}
        self.add(operations)

    def __iter__(self) -> Iterator[Operation]:
        return iter(tuple(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def add(self, operations: Iterable[Operation]) -> None:
        """Add operations, or replace older versions of them."""
        for operation in operations:
            self._held[key_of(operation)] = operation

    def drop(self, operations: Iterable[Operation]) -> None:
        """Remove exactly these operations; a newer version of one stays."""
        for operation in operations:
            key = key_of(operation)
            if self._held.get(key) is operation:
                del self._held[key]


def key_of(operation: Operation) -> str:
    """Return what two versions of one operation have in common."""
    match operation:
        case UpsertCell():
            return f"cell {operation.cell['id']}"
        case SetNotebook():
            return f"notebook {sorted(operation.values)}"
        case NoteRun():
            return f"run {operation.run} {sorted(operation.values)}"
        case RemoveRun():
            return f"undone {operation.run}"
        case NoteLedger():
            return f"ledger {operation.run or ''}"
        case _:
            assert_never(operation)


def to_json(operation: Operation) -> str:
    """Return an operation as JSON, to be stored."""
    body = {field.name: getattr(operation, field.name) for field in fields(operation)}
    return json.dumps({"kind": _NAMES[type(operation)], **body})


def from_json(text: str) -> Operation:
    """Return the operation that :func:`to_json` stored.

    Raises:
        ValueError: The text is not an operation.
    """
    try:
        body = json.loads(text)
        kind = _KINDS[body.pop("kind")]
        operation: Operation = kind(**body)
        whole = _is_whole(operation)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("not an operation") from error
    if not whole:
        raise ValueError("not an operation")
    return operation


def _is_whole(operation: Operation) -> bool:
    """Return whether every part of an operation is of its kind, as nothing has checked yet."""
    parts = {field.name: getattr(operation, field.name) for field in fields(operation)}
    match operation:
        case UpsertCell():
            match parts:
                case {"cell": {"id": str(), "metadata": {"analyst_kernel": dict()}} as cell}:
                    return is_valid_cell(cell)
            return False
        case SetNotebook():
            return isinstance(parts["values"], dict) and isinstance(parts["defaults"], dict)
        case NoteRun():
            return isinstance(parts["run"], str) and isinstance(parts["values"], dict)
        case RemoveRun():
            return isinstance(parts["run"], str)
        case NoteLedger():
            return (
                isinstance(parts["run"], str | None)
                and isinstance(parts["values"], dict)
                and type(parts["revision"]) is int
            )
        case _:
            # A kind that is forgotten here would be lost with the next crash.
            assert_never(operation)
