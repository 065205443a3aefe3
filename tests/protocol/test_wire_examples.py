"""Every event and command can be read and written without loss."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from analyst_kernel.protocol.commands import Command
from analyst_kernel.protocol.events import EVENT, Event
from analyst_kernel.protocol.socket import ServerFrame
from tests.protocol.examples import COMMANDS, EVENTS, FOLDER, example, members, tag

COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
SERVER_FRAME: TypeAdapter[ServerFrame] = TypeAdapter(ServerFrame)


def test_there_is_one_example_of_each_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == EVENTS.keys() | COMMANDS.keys()


@pytest.mark.parametrize("union", [Event, Command])
def test_tags_are_unique_and_the_snake_case_of_the_class(union: object) -> None:
    tags = [tag(record) for record in members(union)]
    assert len(tags) == len(set(tags)) > 0
    names = [record.__name__ for record in members(union)]
    assert tags == [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names]


def test_no_command_shares_a_tag_with_an_event() -> None:
    assert EVENTS.keys() & COMMANDS.keys() == set()


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_comes_back_as_it_was_written(name: str) -> None:
    event = EVENT.validate_python(example(name))
    assert type(event) is EVENTS[name]
    assert EVENT.dump_python(event, mode="json") == example(name)
    assert EVENT.validate_json(EVENT.dump_json(event)) == event


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_read_as_it_was_sent(name: str) -> None:
    command = COMMAND.validate_python(example(name))
    assert type(command) is COMMANDS[name]
    assert COMMAND.dump_python(command, mode="json", exclude_unset=True) == example(name)
    assert COMMAND.validate_json(COMMAND.dump_json(command)) == command


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_always_writes_every_field(name: str) -> None:
    # The browser's types say that nothing is left out; the example must not be richer than that.
    assert example(name).keys() == EVENTS[name].model_fields.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_its_tag_is_refused(name: str) -> None:
    untagged = {key: value for key, value in example(name).items() if key != "type"}
    with pytest.raises(ValidationError, match="Unable to extract tag"):
        COMMAND.validate_python(untagged)
    with pytest.raises(ValidationError, match="Field required"):
        COMMANDS[name].model_validate(untagged)


@pytest.mark.parametrize("name", [*EVENTS, *COMMANDS])
def test_an_unknown_field_is_refused(name: str) -> None:
    adapter = EVENT if name in EVENTS else COMMAND
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        adapter.validate_python({**example(name), "surprise": 1})


def test_numbers_that_json_does_not_have_become_null() -> None:
    finished = EVENT.validate_python({**example("iteration_finished"), "seconds": float("nan")})
    assert json.loads(EVENT.dump_json(finished))["seconds"] is None


@pytest.mark.parametrize("path", sorted((FOLDER / "frames").glob("*.json")), ids=lambda p: p.stem)
def test_a_frame_of_the_open_notebook_comes_back_as_it_was_written(path: Path) -> None:
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["type"] == path.stem
    frame = SERVER_FRAME.validate_python(written)
    assert SERVER_FRAME.dump_python(frame, mode="json") == written
