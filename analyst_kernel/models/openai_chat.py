"""The Chat Completions protocol in its dialects: Azure, vLLM, and whatever offers ``/v1`` to chat.

Servers of this protocol agree on little. Requests hold what all of them take; histories have the
form that every chat template takes. The fold of the answers is in ``openai_chunks.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    ModelRequest,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from analyst_kernel.models.openai_chunks import CALL_ID, REASONING, ChunkFold
from analyst_kernel.models.openai_model import OpenAIModel, Params, refusals
from analyst_kernel.models.wire.history import NO_OUTPUT, SILENT, UNSEEN, fit_id, sendable_input

ChatDialect = Literal["openai", "common"]
"""``openai`` is what OpenAI and Azure serve; ``common`` the part that all servers implement."""

_REPORTS_COST = "https://openrouter.ai"
"""The host that says what a call cost, whatever its provider is called here."""

_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")


@dataclass(kw_only=True, repr=False, eq=False)
class OpenAIChat(OpenAIModel):
    """A language model behind a ``/chat/completions`` endpoint."""

    PATH = "/chat/completions"
    REFUSALS = refusals(
        completion_tokens=r"use '?max_completion_tokens",
        no_limit=r"max_(completion_|new_)?tokens|\d+ in the completion",
        no_usage=r"stream_options",
        short_ids=r"tool.?call.?id.{0,80}length of 9",
        results_last=r"after role '?tool|role '?user'?.{0,30}after.{0,30}tool",
        echo=r"reasoning_content",
        no_system=r"system role",
        no_effort=r"reasoning_effort",
    )

    dialect: ChatDialect = "common"

    def _params(self, request: ModelRequest) -> Params:
        return build_params(
            request,
            model=self.model,
            author=self.name,
            dialect=self.dialect,
            sees_images=self.sees_images,
            changed=self._changed,
        )

    def _new_fold(self) -> ChunkFold:
        reports = self.billing == "reported" or self.connection.host == _REPORTS_COST
        return ChunkFold(self.price, states_cost=reports)


def build_params(
    request: ModelRequest,
    *,
    model: str,
    author: str,
    dialect: ChatDialect = "common",
    sees_images: bool = True,
    changed: frozenset[str] = frozenset(),
) -> Params:
    """Return the body of one request. Pure.

    ``author`` (``provider:name``) gets its own turns back with what its server added to them;
    ``changed`` is what a refusal asked to be otherwise.
    """
    writer = _Writer(author, sees_images, changed)
    writer.begin(request.system)
    for message in request.messages:
        writer.add(message)
    params: Params = {"model": model, "messages": writer.messages}
    if "no_limit" not in changed:
        newer = dialect == "openai" or "completion_tokens" in changed
        params["max_completion_tokens" if newer else "max_tokens"] = request.max_tokens
    if "no_usage" not in changed:
        params["stream_options"] = {"include_usage": True}
    if "no_effort" in changed:
        # Newer models of OpenAI take tools on this protocol only so.
        params["reasoning_effort"] = "none"
    # Many servers ignore tool_choice; without tools they can only answer in words.
    if request.tools and (request.tool_choice == "auto" or dialect == "openai"):
        params["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": spec.name,
                    "description": spec.description,
                    "parameters": spec.schema,
                },
            }
            for spec in request.tools
        ]
        if dialect == "openai":
            params["tool_choice"] = request.tool_choice
    return params


class _Writer:
    """Writes a history: no role twice in a row, no empty message, no input that is no JSON.

    What is written of a message depends on it and on those before it, never on those after, but
    that a further message of the same role is joined to it.
    """

    def __init__(self, author: str, sees_images: bool, changed: frozenset[str]) -> None:
        self.messages: list[Params] = []
        self._author = author
        self._sees_images = sees_images
        self._changed = changed
        self._first = ""

    def begin(self, system: str) -> None:
        if not system:
            return
        if "no_system" in self._changed:
            self._first = system
        else:
            self.messages.append({"role": "system", "content": system})

    def add(self, message: UserMessage | AssistantMessage) -> None:
        match message:
            case UserMessage():
                self._add_user(message)
            case AssistantMessage():
                self._add_assistant(message)
            case _:
                assert_never(message)

    def _add_user(self, message: UserMessage) -> None:
        pictures: list[Params] = []
        for result in message.results:
            pictures += self._result(result)
        content = [*pictures, *self._parts(message.text)]
        if not content and message.results:
            return
        words = [part["text"] for part in content if part["type"] == "text"]
        last = self.messages[-1] if self.messages else {}
        if (
            "results_last" in self._changed
            and last.get("role") == "tool"
            and len(words) == len(content)
        ):
            last["content"] = "\n\n".join((last["content"], *words))
            return
        self._join("user", content or [_text(SILENT)])

    def _result(self, result: ToolResult) -> list[Params]:
        """Write a result; return its pictures, which a result cannot hold on this protocol."""
        parts = self._parts(result.content)
        words = [part["text"] for part in parts if part["type"] == "text"]
        pictures = [part for part in parts if part["type"] != "text"]
        self.messages.append(
            {
                "role": "tool",
                "tool_call_id": self._id(result.call_id),
                "content": "\n".join(words) or NO_OUTPUT,
            }
        )
        if not pictures:
            return []
        return [_text(f"Shown by the call {self._id(result.call_id)}:"), *pictures]

    def _add_assistant(self, message: AssistantMessage) -> None:
        written: Params
        if message.model == self._author and isinstance(message.raw, dict) and message.raw:
            written = dict(message.raw)
            if "echo" not in self._changed:
                written.pop(REASONING, None)
        else:
            written = {"role": "assistant", "content": message.text}
            calls = [self._call(call) for call in message.calls]
            if calls:
                written["tool_calls"] = calls
            if "echo" in self._changed:
                written[REASONING] = ""
        if not written.get("tool_calls") and not str(written.get("content") or "").strip():
            written["content"] = SILENT
        last = self.messages[-1] if self.messages else {}
        if last.get("role") == "assistant" and not last.get("tool_calls"):
            words = (last["content"], written.get("content") or "")
            written["content"] = "\n\n".join(text for text in words if text)
            self.messages.pop()
        self.messages.append(written)

    def _call(self, call: ToolCall) -> Params:
        function = {"name": call.tool, "arguments": sendable_input(call.raw_input)}
        return {"id": self._id(call.call_id), "type": "function", "function": function}

    def _id(self, call_id: str) -> str:
        if "short_ids" in self._changed:
            return fit_id(call_id, _SHORT_ID, prefix="", digits=9)
        return fit_id(call_id, CALL_ID)

    def _parts(self, parts: tuple[Text | Image, ...]) -> list[Params]:
        blocks: list[Params] = []
        for part in parts:
            match part:
                case Text():
                    if part.text.strip():
                        blocks.append(_text(part.text))
                case Image() if self._sees_images:
                    url = {"url": f"data:image/png;base64,{part.base64}"}
                    blocks.append({"type": "image_url", "image_url": url})
                case Image():
                    blocks.append(_text(UNSEEN))
                case _:
                    assert_never(part)
        return blocks

    def _join(self, role: str, content: list[Params]) -> None:
        """Add a message, to the one before it if that has the same role."""
        if self._first:
            content, self._first = [_text(self._first), *content], ""
        last = self.messages[-1] if self.messages else {}
        if last.get("role") == role:
            content = [*_blocks(last["content"]), *content]
            self.messages.pop()
        # Words alone are sent as a text: the form that every server takes.
        words = [part["text"] for part in content if part["type"] == "text"]
        plain: Any = "\n\n".join(words) if len(words) == len(content) else content
        self.messages.append({"role": role, "content": plain})


def _blocks(content: Any) -> list[Params]:
    return [_text(content)] if isinstance(content, str) else list(content)


def _text(text: str) -> Params:
    return {"type": "text", "text": text}
