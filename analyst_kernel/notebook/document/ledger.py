"""The ledger in a notebook's metadata: definitions of the user and named states. Pure.

What a run recorded stands with the run's other notes, so that undoing the run, or a branch that
begins before it, leaves it out; what the user wrote outside a run stands beside them. A mark shows
what this user's analyses wrote: without it, a notebook only claims so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, assert_never

from pydantic import ValidationError

from analyst_kernel.agent.ledger import MOST_STATES, Ledger
from analyst_kernel.notebook.document.operations import (
    Document,
    NoteLedger,
    as_dict,
    ledger_notes,
    notes,
)
from analyst_kernel.protocol.ids import DefinitionId, RunId
from analyst_kernel.protocol.records import DataState, Definition

_R = TypeVar("_R", Definition, DataState)

_MOST_DEFINITIONS = 200
_ELSEWHERE = {"run", "ended", "claimed"}
"""Fields that the place in the metadata says."""


def ledger_of(document: Document, is_own: Callable[[str, str], bool]) -> Ledger:
    """Return the ledger that a notebook holds; what cannot be read is left out.

    ``is_own`` is called with a text and its mark, and returns whether this user's analyses wrote
    it.
    """
    ledger = Ledger()
    ended: dict[str, RunId] = {}
    for run in _owners(document):
        noted = ledger_notes(document, run)
        for item in _listed(noted.get("definitions")):
            with suppress(ValidationError):
                ledger.definitions.append(_read(Definition, item, run, is_own))
        for item in _listed(noted.get("states")):
            with suppress(ValidationError):
                ledger.versions.append(_read(DataState, item, run, is_own))
        if run is not None:
            ended |= {str(name): run for name in _listed(noted.get("ended"))}
    ledger.definitions = [
        d.model_copy(update={"ended": ended.get(d.id)})
        for d in sorted(_unique(ledger.definitions), key=_number)[:_MOST_DEFINITIONS]
    ]
    ledger.versions = ledger.versions[-MOST_STATES * 4 :]
    return ledger


def ledger_operations(
    document: Document, ledger: Ledger, mark: Callable[[str], str]
) -> tuple[NoteLedger, ...]:
    """Return the operations that make the notebook hold ``ledger``; none if it does already."""
    owners = dict.fromkeys(
        [
            *_owners(document),
            *(d.run for d in ledger.definitions),
            *(d.ended for d in ledger.definitions),
            *(state.run for state in ledger.versions),
        ]
    )
    found = (_operation(document, ledger, run, mark) for run in owners)
    return tuple(operation for operation in found if operation is not None)


def _operation(
    document: Document, ledger: Ledger, run: RunId | None, mark: Callable[[str], str]
) -> NoteLedger | None:
    values: dict[str, Any] = {
        "definitions": [_noted(d, mark) for d in ledger.definitions if d.run == run],
        "states": [_noted(state, mark) for state in ledger.versions if state.run == run],
        "ended": [d.id for d in ledger.definitions if run is not None and d.ended == run],
    }
    values = {key: items for key, items in values.items() if items}
    before = dict(ledger_notes(document, run))
    revision = before.pop("revision", 0)
    if values == before:
        return None
    return NoteLedger(run, values, (revision if isinstance(revision, int) else 0) + 1)


def _noted(record: Definition | DataState, mark: Callable[[str], str]) -> dict[str, Any]:
    noted = record.model_dump(mode="json", exclude_defaults=True, exclude=_ELSEWHERE)
    return noted if record.claimed else {**noted, "mark": mark(_words(record))}


def _read(
    kind: type[_R], item: object, run: RunId | None, is_own: Callable[[str, str], bool]
) -> _R:
    values = dict(as_dict(item))
    mark = str(values.pop("mark", ""))
    record = kind.model_validate({**values, "run": run, "claimed": True})
    return record.model_copy(update={"claimed": not is_own(_words(record), mark)})


def _words(record: Definition | DataState) -> str:
    """Return what the mark of a record vouches for."""
    match record:
        case Definition():
            parts = ["definition", record.text, record.quote, record.by]
        case DataState():
            parts = ["state", record.name, record.definition, record.variable, record.content]
            parts += record.cells
        case _:
            assert_never(record)
    return json.dumps(parts)


def _owners(document: Document) -> list[RunId | None]:
    """Return the runs that hold a part of the ledger, in order, after the user's own part."""
    runs = as_dict(notes(document).get("runs"))
    found = [RunId(run) for run, facts in runs.items() if "ledger" in as_dict(facts)]
    return [None, *sorted(found, key=lambda run: (len(run), run))]


def _unique(definitions: list[Definition]) -> list[Definition]:
    by_id: dict[DefinitionId, Definition] = {}
    for definition in definitions:
        by_id.setdefault(definition.id, definition)
    return list(by_id.values())


def _number(definition: Definition) -> int:
    digits = definition.id.removeprefix("d")
    return int(digits) if digits.isdigit() else 0


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
