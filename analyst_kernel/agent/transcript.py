"""The conversation with a model, independent of any provider's wire format.

A transcript is append-only and each message is immutable, so that its prefix stays the same byte
for byte: providers cache the prefix, and some tie their thinking to it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from analyst_kernel.agent.lineage.trace import CellTrace
from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.outputs import Frame, Output


@dataclass(frozen=True, slots=True)
class Text:
    """Prose."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A PNG picture for a model that sees images; ``base64`` has no line breaks."""

    base64: str


@dataclass(frozen=True, slots=True)
class Observation:
    """The structured content of a cell's tool result, beside its text.

    Deterministic models read it; language models get the text only. The wall of :mod:`.privacy`
    knows by it what in the text is data.
    """

    outcome: str
    outputs: tuple[Output, ...] = ()
    frames: tuple[Frame, ...] = ()
    cell: str = ""
    before: tuple[Frame, ...] = ()
    trace: CellTrace | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The one result of one tool call."""

    call_id: str
    content: tuple[Text | Image, ...]
    is_error: bool = False
    observation: Observation | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete tool call. ``raw_input`` is the JSON text as received, not yet parsed."""

    call_id: str
    tool: str
    raw_input: str


@dataclass(frozen=True, slots=True)
class Situation:
    """The newest question and its data, structured, for deterministic models.

    ``instructions`` is the text that stands before it, all of which is the user's words.
    """

    question: str
    datasets: tuple[DatasetProfile, ...] = ()
    frames: tuple[Frame, ...] = ()
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A turn sent to the model: results first, then text, the order that providers require."""

    results: tuple[ToolResult, ...] = ()
    text: tuple[Text | Image, ...] = ()
    situation: Situation | None = None


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """A complete turn of the model.

    Attributes:
        raw: The provider's content blocks verbatim, signatures included, which are sent back
            unchanged to the same model; None if the provider has none.
        model: The model that wrote it; another model gets the neutral parts instead of ``raw``.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    raw: Json = None
    model: str = ""


Message: TypeAlias = UserMessage | AssistantMessage


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as offered to a model: strict JSON Schema, ``additionalProperties`` false."""

    name: str
    description: str
    schema: dict[str, Json]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request: stable prefix (system, tools) first, then the conversation."""

    system: str
    tools: tuple[ToolSpec, ...]
    messages: tuple[Message, ...]
    max_tokens: int = 16_000
    tool_choice: Literal["auto", "none"] = "auto"


def parsed_input(raw: str) -> dict[str, Json] | None:
    """Parse a tool call's raw input strictly; return None unless it is one JSON object.

    An empty text counts as ``{}``, because a call without arguments sends nothing.
    """
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_refuse_constant, parse_float=finite)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Json]", value) if isinstance(value, dict) else None


def finite(digits: str) -> float:
    """Return a number of JSON; raises ``ValueError`` if it is too large to be one (``1e999``)."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is too large")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
