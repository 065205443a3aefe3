"""The conversation with a model, neutral of any provider's wire.

A transcript is append-only and each message is immutable, so that its prefix stays byte-stable:
providers cache it, and some bind their thinking to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from analyst_kernel.protocol.base import Json
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.outputs import Frame, Output


@dataclass(frozen=True, slots=True)
class Text:
    """Prose."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A PNG picture for a model that sees; ``base64`` without line breaks."""

    base64: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What a cell's tool result says, structured, beside its text.

    Wires ignore it (a language model reads the text); deterministic models read it.
    """

    outcome: str
    outputs: tuple[Output, ...] = ()
    frames: tuple[Frame, ...] = ()
    cell: str = ""


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
    """What the newest question stands on, structured, for deterministic models."""

    question: str
    datasets: tuple[DatasetProfile, ...] = ()
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A turn of ours: results first, then text (the order that providers require)."""

    results: tuple[ToolResult, ...] = ()
    text: tuple[Text | Image, ...] = ()
    situation: Situation | None = None


@dataclass(frozen=True, slots=True)
class AssistantMessage:
    """A complete turn of the model.

    Attributes:
        text: Its prose.
        calls: Its tool calls, in order.
        raw: The provider's content blocks verbatim (signatures and all), sent back unchanged to the
            same model; ``None`` where the provider has none.
        model: Which model wrote it; another model gets the neutral parts instead of ``raw``.
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
    metadata: dict[str, str] = field(default_factory=dict)
