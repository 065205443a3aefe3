"""The shared examples: one JSON file per event and command, read by the TypeScript tests too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.commands import Command
from analyst_kernel.protocol.events import Event

FOLDER = Path(__file__).parent / "examples"


def members(union: Any) -> tuple[type[Record], ...]:
    """Return the classes of a tagged union (``Annotated[A | B, Field(...)]``)."""
    return get_args(get_args(union)[0])


def tag(record: type[Record]) -> str:
    """Return the tag of a member: the one literal its ``type`` may have."""
    (literal,) = get_args(record.model_fields["type"].annotation)
    return str(literal)


EVENTS = {tag(record): record for record in members(Event)}
COMMANDS = {tag(record): record for record in members(Command)}


def example(name: str) -> Any:
    """Return the example of one tag as parsed JSON."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
