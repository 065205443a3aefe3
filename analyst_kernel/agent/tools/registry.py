"""The registry of tools: name, description, schema, handler.

It depends on no loop and no model, so that every caller (a model, MCP, a script) uses the same
registry: each call is validated the same way and gets exactly one reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from analyst_kernel.agent.run import Run
from analyst_kernel.agent.transcript import Image, Observation, Text, ToolSpec
from analyst_kernel.protocol.base import Json, WireSchema

_NOISE = ("title", "default")


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a handler."""

    content: tuple[Text | Image, ...]
    is_error: bool = False
    observation: Observation | None = None

    @classmethod
    def say(cls, text: str) -> Reply:
        """Return a reply with a text."""
        return cls((Text(text),))

    @classmethod
    def refuse(cls, text: str) -> Reply:
        """Return a reply that the call was not done, and what to do instead."""
        return cls((Text(text),), is_error=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool; the docstring of its ``inputs`` describes it, and its handler gets valid ones."""

    name: str
    inputs: type[BaseModel]
    handler: Callable[[Run, Any], Awaitable[Reply]]

    def spec(self) -> ToolSpec:
        """Return the tool as it is offered: with a strict JSON Schema without references."""
        schema = self.inputs.model_json_schema(schema_generator=WireSchema)
        definitions = schema.pop("$defs", {})
        clean = _clean(schema, definitions)
        assert isinstance(clean, dict)
        description = str(clean.pop("description"))
        return ToolSpec(self.name, " ".join(description.split()), clean)


class Registry:
    """Tools by name, in the order they are offered."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ValueError(f"two tools are named {tool.name}")
            self._tools[tool.name] = tool

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return all tools as they are offered, always in the same order and words."""
        return tuple(tool.spec() for tool in self._tools.values())

    async def call(self, name: str, arguments: dict[str, Json], run: Run) -> Reply:
        """Validate and run one call; the reply to an invalid one says what to send instead."""
        tool = self._tools.get(name)
        if tool is None:
            return Reply.refuse(f"There is no tool {name!r}. Tools: {', '.join(self._tools)}.")
        try:
            inputs = tool.inputs.model_validate(arguments)
        except ValidationError as error:
            return Reply.refuse(_complaint(tool, error))
        return await tool.handler(run, inputs)


def _complaint(tool: Tool, error: ValidationError) -> str:
    """Return what is wrong field by field, and the names of all fields."""
    problems = []
    for item in error.errors()[:6]:
        place = ".".join(str(part) for part in item["loc"]) or "input"
        problems.append(f"{place}: {item['msg'].removeprefix('Value error, ')}")
    fields = ", ".join(
        f"{name} (required)" if field.is_required() else name
        for name, field in tool.inputs.model_fields.items()
    )
    return f"Nothing was run. {tool.name} got wrong input: {'; '.join(problems)}. Fields: {fields}."


def _clean(schema: Json, definitions: dict[str, Any]) -> Json:
    """Inline references and drop titles and defaults, which only cost tokens."""
    if isinstance(schema, list):
        return [_clean(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str):
        inner = _clean(definitions[reference.rpartition("/")[2]], definitions)
        if isinstance(inner, dict):
            inner.pop("description", None)
        return inner
    return {
        key: {name: _clean(value, definitions) for name, value in item.items()}
        if key == "properties" and isinstance(item, dict)
        else _clean(item, definitions)
        for key, item in schema.items()
        if key not in _NOISE
    }
