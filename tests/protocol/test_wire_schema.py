"""schema.json is what the Python wire gives, and describes what really travels."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from analyst_kernel.protocol import schema
from tests.protocol.examples import COMMANDS, EVENTS, example

FRONT_END = Path(__file__).parents[2] / "labextension" / "src" / "protocol"


@cache
def wire_schema() -> dict[str, object]:
    return schema.wire_schema()


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(wire_schema())


@cache
def committed() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FRONT_END / "schema.json").read_text(encoding="utf-8"))
    return document


def test_the_committed_schema_is_fresh() -> None:
    assert committed() == wire_schema(), "the wire changed: run `make codegen`"


def test_the_module_prints_the_schema() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "analyst_kernel.protocol.schema"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed == (FRONT_END / "schema.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_is_in_the_schema(name: str) -> None:
    validator().validate({"event": example(name), "command": example("cancel_run")})


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_in_the_schema(name: str) -> None:
    event = example("model_called")
    validator().validate({"event": event, "command": example(name)})


def test_the_schema_is_valid_and_refuses_what_is_not_of_the_wire() -> None:
    Draft202012Validator.check_schema(wire_schema())
    document = {"event": {**example("model_called"), "type": "x"}, "command": example("cancel_run")}
    assert not validator().is_valid(document)


@pytest.mark.parametrize("name", EVENTS)
def test_an_events_fields_are_all_required(name: str) -> None:
    definition = committed()["$defs"][EVENTS[name].__name__]
    assert set(definition["required"]) == set(definition["properties"])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_tag_is_required_and_its_defaults_are_not(name: str) -> None:
    definition = committed()["$defs"][COMMANDS[name].__name__]
    optional = {
        key for key, field in COMMANDS[name].model_fields.items() if not field.is_required()
    }
    assert set(definition["properties"]) - set(definition["required"]) == optional
    assert "type" in definition["required"]


def test_generated_types_have_each_record_once() -> None:
    types = (FRONT_END / "generated.ts").read_text(encoding="utf-8")
    names = [line.split()[2] for line in types.splitlines() if line.startswith("export interface ")]
    assert len(names) == len(set(names))
    assert {record.__name__ for record in [*EVENTS.values(), *COMMANDS.values()]} <= set(names)
    assert [name for name in names if name[-1].isdigit() or "-" in name] == []
