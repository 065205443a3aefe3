"""What OpenAI's API and the servers that imitate it refuse, refused alike.

``check_responses`` and ``check_chat`` hold the rules of the two wires. ``Quirk`` names what single
servers refuse besides; each stands for one that does.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from analyst_kernel.testing.fakes.wire_rules import Refusal

Quirk = Literal[
    "completion_tokens",  # OpenAI's newer models: max_tokens is not supported
    "little_room",  # vLLM: the answer's limit is larger than the context
    "no_usage",  # servers with a closed list of parameters: no stream_options
    "short_ids",  # Mistral: ids of nine letters and digits
    "results_last",  # Mistral: no user after a tool
    "no_system",  # Gemma's template
    "no_tools",  # Ollama: a model whose template has none
    "no_images",  # a model of words
    "echo",  # DeepSeek: reasoning_content of a turn with calls comes back
    "no_effort",  # OpenAI's newer models: tools only without reasoning
    "no_summary",  # an account that was not verified
    "no_reasoning",  # a model that does not reason
    "forgetful",  # takes no reasoning back
]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_RESPONSES = {
    "include", "input", "instructions", "max_output_tokens", "model", "parallel_tool_calls",
    "prompt_cache_key", "reasoning", "store", "stream", "tool_choice", "tools",
}  # fmt: skip
_CHAT = {
    "max_completion_tokens", "max_tokens", "messages", "model", "reasoning_effort", "stream",
    "stream_options", "tool_choice", "tools",
}  # fmt: skip


def refuse(message: str, *, code: str = "", param: str = "", status: int = 400) -> Refusal:
    """Make a refusal; ``error_type`` holds code and parameter, as ``error_body`` reads it."""
    return Refusal(message, status, f"{code}|{param}")


def check_key(headers: Mapping[str, str], *, keys: frozenset[str] | None) -> None:
    """Refuse a request without a key, or with another than these."""
    key = headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        raise refuse("You didn't provide an API key.", status=401)
    if keys is not None and key not in keys:
        raise refuse("Incorrect API key provided.", code="invalid_api_key", status=401)


@dataclass(slots=True)
class Reasoning:
    """The encrypted reasoning that the server gave.

    Attributes:
        given: By the id of a reasoning item, its content and the model.
        led_to: By the id of an item, that of the reasoning before it.
    """

    given: dict[str, tuple[str, str]] = field(default_factory=dict)
    led_to: dict[str, str] = field(default_factory=dict)


def check_responses(body: Any, reasoning: Reasoning, quirks: frozenset[Quirk]) -> None:
    """Refuse whatever the Responses API would."""
    _check_common(body, _RESPONSES, ("model", "input"))
    limit = body.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < 16):
        raise refuse("Invalid 'max_output_tokens': expected a value >= 16.")
    for name in body.get("include") or ():
        if name != "reasoning.encrypted_content":
            raise refuse(f"Invalid value: '{name}'.", param="include")
    if "no_reasoning" in quirks and "include" in body:
        raise refuse("Encrypted content is not supported with this model.", param="include")
    if "no_reasoning" in quirks and "reasoning" in body:
        raise refuse(
            "Unsupported parameter: 'reasoning.summary' is not supported with this model.",
            code="unsupported_parameter", param="reasoning.summary",
        )  # fmt: skip
    if "no_summary" in quirks and (body.get("reasoning") or {}).get("summary"):
        raise refuse(
            "Your organization must be verified to generate reasoning summaries.",
            code="unsupported_value", param="reasoning.summary",
        )  # fmt: skip
    for index, tool in enumerate(body.get("tools") or ()):
        if "strict" not in tool:
            raise refuse(f"Missing required parameter: 'tools[{index}].strict'.")
        _check_function({k: v for k, v in tool.items() if k not in ("type", "strict")}, tool)
        if tool["strict"]:
            _check_strict(tool["parameters"], f"tools[{index}].parameters")
    _check_input(body["input"], reasoning, quirks)


def _check_input(items: Any, reasoning: Reasoning, quirks: frozenset[Quirk]) -> None:
    if not isinstance(items, list) or not items:
        raise refuse("Invalid 'input': expected a non-empty list.")
    waiting: list[str] = []
    answered: set[str] = set()
    for index, item in enumerate(items):
        place = f"input[{index}]"
        for name, value in item.items():
            if value is None:
                raise refuse(f"Invalid type for '{place}.{name}': got null.", code="invalid_type")
        match item.get("type", "message"):
            case "message":
                _check_message(item, place, quirks)
            case "reasoning":
                _check_reasoning(item, place, reasoning, quirks)
                if index + 1 == len(items) or _led(items[index + 1], reasoning) != item["id"]:
                    raise refuse(
                        f"Item '{item['id']}' of type 'reasoning' was provided without its "
                        "required following item."
                    )
            case "function_call":
                _check_call(item, place)
                waiting.append(item["call_id"])
            case "function_call_output":
                call_id = item.get("call_id")
                if call_id in answered or call_id not in waiting:
                    raise refuse(f"No tool call found for function call output {call_id}.")
                answered.add(call_id)
                if not isinstance(item.get("output"), str):
                    _check_content(item.get("output"), f"{place}.output", quirks)
            case other:
                raise refuse(f"Invalid value: '{other}'.", param=f"{place}.type")
        before = items[index - 1] if index else {}
        led = _led(item, reasoning)
        if led and before.get("id") != led:
            raise refuse(
                f"Item '{item['id']}' of type '{item['type']}' was provided without its required "
                f"'reasoning' item: '{led}'."
            )
    missing = [call_id for call_id in waiting if call_id not in answered]
    if missing:
        raise refuse(f"No tool output found for function call {missing[0]}.")


def _led(item: Mapping[str, Any], reasoning: Reasoning) -> str:
    return reasoning.led_to.get(str(item.get("id")), "")


def _check_message(item: dict[str, Any], place: str, quirks: frozenset[Quirk]) -> None:
    role, content = item.get("role"), item.get("content")
    if set(item) - {"type", "id", "role", "content", "status", "phase"}:
        raise refuse(f"Unknown parameter in '{place}': {sorted(item)}.")
    if role == "user":
        if not isinstance(content, str):
            _check_content(content, f"{place}.content", quirks)
    elif role == "assistant" and "id" in item:
        for part in content or ():
            if part.get("type") not in ("output_text", "refusal") or "logprobs" in part:
                raise refuse(f"Invalid value: '{part}'.", param=f"{place}.content")
    elif role != "assistant" or not isinstance(content, str) or not content:
        raise refuse(f"Invalid value: '{role}'.", param=f"{place}.role")


def _check_reasoning(
    item: dict[str, Any], place: str, reasoning: Reasoning, quirks: frozenset[Quirk]
) -> None:
    if set(item) - {"type", "id", "summary", "content", "encrypted_content"}:
        raise refuse(f"Unknown parameter: '{place}.status'.", code="unknown_parameter")
    if not isinstance(item.get("summary"), list):
        raise refuse(f"Missing required parameter: '{place}.summary'.")
    known = reasoning.given.get(str(item.get("id")))
    if not item.get("encrypted_content"):
        raise refuse(f"Item with id '{item.get('id')}' not found. Items are not persisted.")
    if known is None or known[0] != item["encrypted_content"] or "forgetful" in quirks:
        raise refuse(
            "The encrypted content could not be verified.", code="invalid_encrypted_content"
        )


def _check_call(item: dict[str, Any], place: str) -> None:
    if set(item) - {"type", "id", "call_id", "name", "arguments", "status"}:
        raise refuse(f"Unknown parameter in '{place}'.")
    if not _NAME.match(str(item.get("call_id", ""))):
        raise refuse(f"Invalid '{place}.call_id': string too long, or of no valid form.")
    if not isinstance(item.get("arguments"), str) or not _NAME.match(str(item.get("name", ""))):
        raise refuse(f"Missing required parameter: '{place}.arguments'.")
    _check_arguments(item["arguments"], place)


def _check_content(parts: Any, place: str, quirks: frozenset[Quirk]) -> None:
    if not isinstance(parts, list) or not parts:
        raise refuse(f"Invalid type for '{place}'.")
    for part in parts:
        if part.get("type") == "input_text" and isinstance(part.get("text"), str):
            continue
        if part.get("type") != "input_image":
            raise refuse(f"Invalid value: '{part.get('type')}'.", param=place)
        _check_picture(str(part.get("image_url")), quirks)


# --- chat ------------------------------------------------------------------------------------------


def check_chat(body: Any, quirks: frozenset[Quirk]) -> None:
    """Refuse whatever some server of Chat Completions would."""
    _check_common(body, _CHAT, ("model", "messages"))
    if "completion_tokens" in quirks and "max_tokens" in body:
        raise refuse(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.", code="unsupported_parameter",
        )  # fmt: skip
    if "little_room" in quirks and {"max_tokens", "max_completion_tokens"} & set(body):
        raise refuse("'max_tokens' or 'max_completion_tokens' is too large: 16000.")
    if "no_usage" in quirks and "stream_options" in body:
        raise refuse("Extra inputs are not permitted: stream_options", status=422)
    if "no_effort" in quirks and body.get("tools") and body.get("reasoning_effort") != "none":
        raise refuse(
            "Function tools with reasoning_effort are not supported for this model in "
            "/v1/chat/completions. Please use /v1/responses instead."
        )
    for tool in body.get("tools") or ():
        _check_function(tool.get("function") or {}, tool)
    if "no_tools" in quirks and body.get("tools"):
        raise refuse(f"registry.ollama.ai/library/{body['model']} does not support tools")
    if body.get("tool_choice") is not None and not body.get("tools"):
        raise refuse("'tool_choice' is only allowed when 'tools' are specified.")
    _check_history(body["messages"], quirks)


def _check_history(messages: Any, quirks: frozenset[Quirk]) -> None:
    if not isinstance(messages, list) or not messages:
        raise refuse("'messages' must contain at least one message.")
    waiting: list[str] = []
    before = ""
    for index, message in enumerate(messages):
        role, place = message.get("role"), f"messages[{index}]"
        if role not in ("system", "user", "assistant", "tool"):
            raise refuse(f"Invalid value: '{role}'.", param=f"{place}.role")
        if role == "system" and index:
            raise refuse("System message must be at the beginning.")
        if role == "system" and "no_system" in quirks:
            raise refuse("System role not supported")
        if role == before != "tool":
            raise refuse("Conversation roles must alternate user/assistant/user/assistant/...")
        if role == "user" and before == "tool" and "results_last" in quirks:
            raise refuse("Expected last role Assistant: unexpected role 'user' after role 'tool'")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                raise refuse(f"'{place}' is a response to no preceding message with 'tool_calls'.")
            waiting.remove(message["tool_call_id"])
            if not isinstance(message.get("content"), str) or not message["content"]:
                raise refuse(f"'{place}.content' must be a text.")
        elif waiting:
            raise refuse(
                "An assistant message with 'tool_calls' must be followed by tool messages "
                f"responding to each 'tool_call_id'. Missing: {', '.join(waiting)}"
            )
        elif role == "assistant":
            waiting = _check_turn(message, place, quirks)
        else:
            _check_words(message.get("content"), place, quirks)
        before = role
    if waiting or messages[-1]["role"] not in ("user", "tool"):
        raise refuse("Expected last role User or Tool.")


def _check_turn(message: dict[str, Any], place: str, quirks: frozenset[Quirk]) -> list[str]:
    calls = message.get("tool_calls")
    if calls == [] or (not calls and not str(message.get("content") or "").strip()):
        raise refuse(f"'{place}': content or tool_calls must be set.")
    if not isinstance(message.get("content"), str):
        raise refuse(f"'{place}.content' must be a text.")
    form = r"[a-zA-Z0-9]{9}\Z" if "short_ids" in quirks else r"[a-zA-Z0-9_-]{1,40}\Z"
    ids = [str(call.get("id")) for call in calls or ()]
    for call, call_id in zip(calls or (), ids, strict=True):
        if not re.match(form, call_id):
            raise refuse(
                f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9."
                if "short_ids" in quirks
                else f"Invalid '{place}.tool_calls.id': string too long."
            )
        function = call.get("function") or {}
        if call.get("type") != "function" or not _NAME.match(str(function.get("name", ""))):
            raise refuse(f"Invalid '{place}.tool_calls'.")
        _check_arguments(function.get("arguments"), place)
    if len(set(ids)) < len(ids):
        raise refuse(f"Duplicate ids in '{place}.tool_calls'.")
    if "echo" in quirks and calls and "reasoning_content" not in message:
        raise refuse("Missing `reasoning_content` field in the assistant message.")
    if "echo" not in quirks and "reasoning_content" in message:
        raise refuse(f"Unknown parameter: '{place}.reasoning_content'.")
    return ids


def _check_words(content: Any, place: str, quirks: frozenset[Quirk]) -> None:
    if isinstance(content, str) and content:
        return
    if not isinstance(content, list) or not content:
        raise refuse(f"'{place}.content' must not be empty.")
    for part in content:
        if part.get("type") == "image_url":
            _check_picture(str(part["image_url"]["url"]), quirks)
        elif part.get("type") != "text" or not str(part.get("text", "")).strip():
            raise refuse(f"Invalid '{place}.content'.")


# --- both ------------------------------------------------------------------------------------------


def _check_common(body: Any, allowed: set[str], required: tuple[str, ...]) -> None:
    if not isinstance(body, dict):
        raise refuse("We could not parse the JSON body of your request.")
    for name in required:
        if name not in body:
            raise refuse(f"Missing required parameter: '{name}'.", param=name)
    for name in body:
        if name not in allowed:
            raise refuse(f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    if body.get("stream") is not True:
        raise refuse("this fake serves streams only")
    if body.get("tool_choice") not in (None, "auto", "none"):
        raise refuse("Invalid value.", param="tool_choice")


def _check_function(function: Mapping[str, Any], tool: Mapping[str, Any]) -> None:
    if tool.get("type") != "function" or not _NAME.match(str(function.get("name", ""))):
        raise refuse("Invalid 'tools': a function needs a name.")
    if set(function) != {"name", "description", "parameters"}:
        raise refuse(f"Unknown parameter in 'tools': {sorted(function)}.")
    schema = function["parameters"]
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        raise refuse("Invalid schema for function: schema must be of 'type: \"object\"'.")


def _check_strict(schema: Any, place: str) -> None:
    if isinstance(schema, dict) and schema.get("type") == "object":
        names = set(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or set(schema["required"]) != names:
            raise refuse(f"Invalid schema for '{place}': every property must be required.")
        for name in names:
            _check_strict(schema["properties"][name], f"{place}.{name}")


def _check_arguments(arguments: Any, place: str) -> None:
    try:
        value = json.loads(arguments)
    except (TypeError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise refuse(f"'{place}': the arguments of a call are no JSON object.")


def _check_picture(url: str, quirks: frozenset[Quirk]) -> None:
    if "no_images" in quirks:
        raise refuse("This model does not support image input.")
    head, _, data = url.partition(",")
    try:
        picture = base64.b64decode(data, validate=True)
    except binascii.Error:
        picture = b""
    if head != "data:image/png;base64" or not picture.startswith(b"\x89PNG"):
        raise refuse("The image data you provided does not represent a valid image.")
