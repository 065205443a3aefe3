"""Converts a request of the core to the parameters of the Messages protocol. Pure, without the SDK.

The parameters of a message depend on that message alone. So those of a longer transcript always
start with those of a shorter one: providers cache that prefix and tie thinking to it.
"""

from __future__ import annotations

import re
from typing import Any, Literal, assert_never

from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    Message,
    ModelRequest,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
    parsed_input,
)
from analyst_kernel.models.wire.history import NO_OUTPUT, SILENT, UNSEEN, fit_id

Dialect = Literal["claude", "cloud", "compat"]
"""``claude`` is Anthropic's API; ``cloud`` is Claude at Bedrock and Vertex, which refuse its newest
parameters; ``compat`` is the part that all compatible servers implement."""

Params = dict[str, Any]
"""Keyword arguments of the SDK's ``messages.create``, without ``stream``."""

_VALID_ID = re.compile(r"[a-zA-Z0-9_-]+")
_BEFORE_ADAPTIVE = re.compile(r"claude-(3|[a-z]+-4-[0-5](?!\d)|[a-z]+-4([-@]\d{8}.*)?\Z)")
_EPHEMERAL = {"type": "ephemeral"}


def build_params(
    request: ModelRequest, *, model: str, author: str, dialect: Dialect, sees_images: bool
) -> Params:
    """Return the parameters of one streaming call.

    The turns of ``author`` (``provider:name``) are sent back verbatim, others as neutral parts.
    Unless the model ``sees_images``, a sentence replaces each picture.
    """
    params: Params = {
        "model": model,
        "max_tokens": request.max_tokens,
        "messages": [_message(message, author, sees_images) for message in request.messages],
    }
    match dialect:
        case "claude" | "cloud":
            _add_claude(params, request, model, newest=dialect == "claude")
        case "compat":
            if request.system:
                params["system"] = request.system
            # These servers have no tool_choice; without tools they can only answer in words.
            if request.tools and request.tool_choice == "auto":
                params["tools"] = [_tool(spec) for spec in request.tools]
        case _:
            assert_never(dialect)
    return params


def _add_claude(params: Params, request: ModelRequest, model: str, *, newest: bool) -> None:
    if request.system:
        # The one fixed breakpoint: other conversations share system and tools through it.
        params["system"] = [
            {"type": "text", "text": request.system, "cache_control": dict(_EPHEMERAL)}
        ]
    if newest:
        # The moving breakpoint is top-level, so that no message ever changes.
        params["cache_control"] = dict(_EPHEMERAL)
    else:
        # It stands at the end of the last message, which is no part of what is cached.
        last = params["messages"][-1]
        *blocks, end = last["content"]
        content = [*blocks, {**end, "cache_control": dict(_EPHEMERAL)}]
        params["messages"][-1] = {**last, "content": content}
    # Clouds put a prefix before the name; behind a name of the user's own may be any model.
    if _thinks_adaptively(model, named=newest):
        params["thinking"] = {"type": "adaptive", "display": "summarized"}
    if not request.tools:
        return
    eager = {"eager_input_streaming": True} if newest else {}
    params["tools"] = [{**_tool(spec), **eager} for spec in request.tools]
    match request.tool_choice:
        case "auto":
            params["tool_choice"] = {"type": "auto"}
        case "none":
            params["tool_choice"] = {"type": "none"}
        case _:
            assert_never(request.tool_choice)


def _thinks_adaptively(model: str, *, named: bool) -> bool:
    known = re.search(r"claude-.*", model)
    return named if known is None else not _BEFORE_ADAPTIVE.match(known.group())


def _tool(spec: ToolSpec) -> Params:
    return {"name": spec.name, "description": spec.description, "input_schema": spec.schema}


def _message(message: Message, author: str, sees_images: bool) -> Params:
    match message:
        case UserMessage():
            blocks = [_result(result, sees_images) for result in message.results]
            blocks += _parts(message.text, sees_images)
            return {"role": "user", "content": blocks or [_text(SILENT)]}
        case AssistantMessage():
            if message.model == author and isinstance(message.raw, list) and message.raw:
                return {"role": "assistant", "content": message.raw}
            return {"role": "assistant", "content": _neutral(message)}
        case _:
            assert_never(message)


def _neutral(message: AssistantMessage) -> list[Params]:
    blocks = [_text(message.text)] if message.text.strip() else []
    blocks += [_call(call) for call in message.calls]
    return blocks or [_text(SILENT)]


def _call(call: ToolCall) -> Params:
    return {
        "type": "tool_use",
        "id": fit_id(call.call_id, _VALID_ID),
        "name": call.tool,
        "input": parsed_input(call.raw_input) or {},
    }


def _result(result: ToolResult, sees_images: bool) -> Params:
    block: Params = {
        "type": "tool_result",
        "tool_use_id": fit_id(result.call_id, _VALID_ID),
        "content": _parts(result.content, sees_images) or [_text(NO_OUTPUT)],
    }
    if result.is_error:
        block["is_error"] = True
    return block


def _parts(parts: tuple[Text | Image, ...], sees_images: bool) -> list[Params]:
    blocks: list[Params] = []
    for part in parts:
        match part:
            case Text():
                # The wire refuses blank text blocks.
                if part.text.strip():
                    blocks.append(_text(part.text))
            case Image():
                blocks.append(_image(part) if sees_images else _text(UNSEEN))
            case _:
                assert_never(part)
    return blocks


def _text(text: str) -> Params:
    return {"type": "text", "text": text}


def _image(image: Image) -> Params:
    source = {"type": "base64", "media_type": "image/png", "data": image.base64}
    return {"type": "image", "source": source}
