"""The wire as one JSON Schema document, from which the front end's types are generated."""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from analyst_kernel.protocol.base import WireSchema
from analyst_kernel.protocol.commands import Command
from analyst_kernel.protocol.events import Event
from analyst_kernel.protocol.socket import ClientFrame, ServerFrame


def wire_schema() -> dict[str, object]:
    """Return the JSON Schema of every command, event and socket frame.

    Events are sent, so they are described as written: defaults are always present. Commands are
    received, so they are described as read: defaults may be left out.
    """
    references, schema = TypeAdapter.json_schemas(
        [
            ("Event", "serialization", TypeAdapter(Event)),
            ("Command", "validation", TypeAdapter(Command)),
            ("ServerFrame", "serialization", TypeAdapter(ServerFrame)),
            ("ClientFrame", "validation", TypeAdapter(ClientFrame)),
        ],
        schema_generator=WireSchema,
        ref_template="#/$defs/{model}",
    )
    definitions = dict(schema.get("$defs", {}))
    for (name, _mode), reference in references.items():
        definitions.setdefault(name, reference)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Wire",
        "type": "object",
        "properties": {
            "event": {"$ref": "#/$defs/Event"},
            "command": {"$ref": "#/$defs/Command"},
            "server_frame": {"$ref": "#/$defs/ServerFrame"},
            "client_frame": {"$ref": "#/$defs/ClientFrame"},
        },
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def main() -> None:
    """Print the schema (``python -m analyst_kernel.protocol.schema``)."""
    print(json.dumps(wire_schema(), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
