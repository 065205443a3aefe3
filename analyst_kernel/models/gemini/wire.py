"""Converts a request of the core to the body of an interaction with Gemini. Pure, without the SDK.

The API keeps nothing (``store`` is false), so each request holds the whole conversation as a list
of steps. The steps of a longer transcript always start with those of a shorter one: Gemini caches
that prefix, and binds the signatures of its thoughts to it.
"""

from __future__ import annotations

from typing import Any, assert_never

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
)

InteractionBody = dict[str, Any]
"""JSON of a request, without ``model``, ``store`` and ``stream``."""

_NO_OUTPUT = "(no output)"
_SILENT = "(no text)"


def build_interaction(request: ModelRequest, *, author: str) -> InteractionBody:
    """Return the body of one streaming call.

    The turns of ``author`` (``provider:name``) are sent back verbatim. The tool calls of another
    model become words: the API refuses a call without the thought that it made itself.
    """
    body: InteractionBody = {}
    if request.system:
        body["system_instruction"] = request.system
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    config: InteractionBody = {
        "max_output_tokens": request.max_tokens,
        "thinking_summaries": "auto",
    }
    match request.tool_choice:
        case "auto":
            pass
        case "none":
            config["tool_choice"] = "none"
        case _:
            assert_never(request.tool_choice)
    body["generation_config"] = config
    body["input"] = _steps(request.messages, author)
    return body


def _tool(spec: ToolSpec) -> InteractionBody:
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.schema,
    }


def _steps(messages: tuple[Message, ...], author: str) -> list[Any]:
    steps: list[Any] = []
    calls: dict[str, ToolCall] = {}
    own: list[Any] = []
    for message in messages:
        match message:
            case UserMessage():
                steps += _own_results(message, calls) if own else _foreign_results(message, calls)
            case AssistantMessage():
                calls = {call.call_id: call for call in message.calls}
                own = _own_steps(message, author)
                steps += own
                if not own and message.text.strip():
                    steps.append({"type": "model_output", "content": [_text(message.text)]})
            case _:
                assert_never(message)
    return steps


def _own_steps(message: AssistantMessage, author: str) -> list[Any]:
    """Return the turn as its author gave it; nothing for another model's."""
    return message.raw if message.model == author and isinstance(message.raw, list) else []


def _own_results(message: UserMessage, calls: dict[str, ToolCall]) -> list[InteractionBody]:
    steps = [_result(result, calls) for result in message.results]
    content = _parts(message.text)
    if content or not steps:
        steps.append({"type": "user_input", "content": content or [_text(_SILENT)]})
    return steps


def _result(result: ToolResult, calls: dict[str, ToolCall]) -> InteractionBody:
    call = calls.get(result.call_id)
    step: InteractionBody = {
        "type": "function_result",
        "call_id": result.call_id,
        "name": call.tool if call else "",
        "result": _parts(result.content) or [_text(_NO_OUTPUT)],
    }
    if result.is_error:
        step["is_error"] = True
    return step


def _foreign_results(message: UserMessage, calls: dict[str, ToolCall]) -> list[InteractionBody]:
    """Return one step of the user that tells what was called and what came back.

    It is the user who tells it: a model that reads calls in its own words starts to write them
    there, instead of calling.
    """
    content: list[InteractionBody] = []
    for result in message.results:
        call = calls.get(result.call_id)
        if call is not None:
            content.append(_text(_in_words(call, result)))
        content += _parts(result.content) or [_text(_NO_OUTPUT)]
    content += _parts(message.text)
    return [{"type": "user_input", "content": content or [_text(_SILENT)]}]


def _in_words(call: ToolCall, result: ToolResult) -> str:
    became = "failed" if result.is_error else "gave"
    return f"The tool {call.tool} was called with {call.raw_input or '{}'} and {became}:"


def _parts(parts: tuple[Text | Image, ...]) -> list[InteractionBody]:
    content: list[InteractionBody] = []
    for part in parts:
        match part:
            case Text():
                # The API refuses a blank text.
                if part.text.strip():
                    content.append(_text(part.text))
            case Image():
                content.append({"type": "image", "data": part.base64, "mime_type": "image/png"})
            case _:
                assert_never(part)
    return content


def _text(text: str) -> InteractionBody:
    return {"type": "text", "text": text}
