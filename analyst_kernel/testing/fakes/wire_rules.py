"""What the real API refuses, refused alike: status, error type and wording of the message."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+\Z")
_COMMON = {"model", "max_tokens", "system", "messages", "tools", "stream"}
_CLAUDE = _COMMON | {
    "cache_control",
    "metadata",
    "output_config",
    "service_tier",
    "stop_sequences",
    "thinking",
    "tool_choice",
}
_SAMPLING = ("temperature", "top_p", "top_k")
_TOOL_KEYS = {
    "name",
    "description",
    "input_schema",
    "cache_control",
    "eager_input_streaming",
    "strict",
    "type",
    "input_examples",
}
_BLOCKS = {
    "user": {"text", "image", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
}


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """The request is refused with this answer."""

    message: str
    status: int = 400
    error_type: str = "invalid_request_error"


def check_headers(headers: Mapping[str, str], *, keys: frozenset[str] | None) -> None:
    """Refuse missing or wrong credentials and a missing version; ``keys`` None accepts any."""
    bearer = headers.get("authorization", "")
    key = bearer.removeprefix("Bearer ") if bearer else headers.get("x-api-key", "")
    if not key:
        raise Refusal("x-api-key header is required", 401, "authentication_error")
    if keys is not None and key not in keys:
        raise Refusal("invalid x-api-key", 401, "authentication_error")
    if not headers.get("anthropic-version"):
        raise Refusal("anthropic-version: header is required")


def check_body(body: Any, *, dialect: str) -> None:
    """Refuse whatever the API would, but for thinking signatures (see ``wire_signatures``)."""
    if not isinstance(body, dict):
        raise Refusal("Request body must be a JSON object")
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            raise Refusal(f"{name}: Field required")
    for name in _SAMPLING:
        if name in body:
            raise Refusal(f"{name}: this parameter is not supported by this model")
    allowed = _CLAUDE if dialect == "claude" else _COMMON
    for name in body:
        if name not in allowed:
            raise Refusal(f"{name}: Extra inputs are not permitted")
    if not isinstance(body["max_tokens"], int) or not 1 <= body["max_tokens"] <= 128_000:
        raise Refusal("max_tokens: must be between 1 and 128000")
    if body.get("stream") is not True:
        raise Refusal("stream: this fake serves streams only")
    _check_tools(body)
    _check_choice(body)
    _check_messages(body["messages"], has_tools=bool(body.get("tools")), dialect=dialect)
    _check_images(body["messages"])
    if sum(1 for _ in _markers(body)) > 4:
        raise Refusal("A maximum of 4 blocks with cache_control may be provided.")


def _check_tools(body: dict[str, Any]) -> None:
    seen = set()
    for index, tool in enumerate(body.get("tools") or ()):
        for key in tool:
            if key not in _TOOL_KEYS:
                raise Refusal(f"tools.{index}.custom.{key}: Extra inputs are not permitted")
        if not _NAME.match(str(tool.get("name", ""))):
            raise Refusal(f"tools.{index}.custom.name: String should match pattern")
        if tool["name"] in seen:
            raise Refusal("tools: Tool names must be unique.")
        seen.add(tool["name"])
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise Refusal(f"tools.{index}.custom.input_schema.type: Input should be 'object'")
        if not isinstance(schema.get("properties", {}), dict):
            raise Refusal(f"tools.{index}.custom.input_schema.properties: should be an object")


def _check_choice(body: dict[str, Any]) -> None:
    choice = body.get("tool_choice")
    if choice is not None:
        if choice.get("type") in ("any", "tool"):
            raise Refusal("tool_choice: forcing a tool is not supported by this model")
        if choice.get("type") not in ("auto", "none"):
            raise Refusal("tool_choice.type: Input should be 'auto' or 'none'")
        if not body.get("tools"):
            raise Refusal("tool_choice: may only be specified while providing `tools`")
    thinking = body.get("thinking")
    if thinking is not None and thinking.get("type") not in ("adaptive", "between_tools"):
        raise Refusal("thinking.type: 'adaptive' or 'between_tools' expected for this model")
    if thinking is not None and "budget_tokens" in thinking:
        raise Refusal("thinking.adaptive.budget_tokens: Extra inputs are not permitted")


def _check_messages(messages: Any, *, has_tools: bool, dialect: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise Refusal("messages: at least one message is required")
    if messages[0].get("role") != "user":
        raise Refusal("messages: first message must use the user role")
    waiting: list[str] = []
    used: set[str] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in _BLOCKS:
            raise Refusal(f"messages.{index}.role: Input should be 'user' or 'assistant'")
        blocks = blocks_of(message)
        if not blocks:
            raise Refusal(f"messages.{index}: content must be non-empty")
        for number, block in enumerate(blocks):
            _check_block(block, f"messages.{index}.content.{number}", role)
        if role == "user":
            _check_results(blocks, waiting, index)
            waiting = []
            continue
        if waiting:
            raise Refusal(_unanswered(waiting, index))
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for call_id in waiting:
            if call_id in used:
                raise Refusal("messages: `tool_use` ids must be unique")
            used.add(call_id)
        if waiting and not has_tools and dialect == "claude":
            raise Refusal("Requests which include `tool_use` blocks must define tools")
    if messages[-1]["role"] != "user":
        raise Refusal(
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )


def _check_results(blocks: list[dict[str, Any]], waiting: list[str], index: int) -> None:
    answered: list[str] = []
    for number, block in enumerate(blocks):
        if block["type"] != "tool_result":
            continue
        call_id = block.get("tool_use_id")
        place = f"messages.{index}.content.{number}"
        if call_id not in waiting:
            raise Refusal(
                f"{place}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )
        if call_id in answered:
            raise Refusal(f"{place}: each tool_use must have a single result. Found multiple.")
        if any(other["type"] != "tool_result" for other in blocks[:number]):
            raise Refusal(f"{place}: `tool_result` blocks must come first in the message")
        answered.append(call_id)
    missing = [call_id for call_id in waiting if call_id not in answered]
    if missing:
        raise Refusal(_unanswered(missing, index - 1))


def _unanswered(ids: list[str], index: int) -> str:
    return (
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately "
        f"after: {', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` "
        "block in the next message."
    )


def _check_block(block: dict[str, Any], place: str, role: str) -> None:
    kind = block.get("type")
    if kind not in _BLOCKS[role]:
        raise Refusal(f"{place}: unexpected block type {kind!r} in a message of role {role}")
    if kind == "text" and not str(block.get("text", "")).strip():
        raise Refusal(f"{place}: text content blocks must contain non-whitespace text")
    if kind == "tool_use":
        if not _CALL_ID.match(str(block.get("id", ""))):
            raise Refusal(f"{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if not isinstance(block.get("input"), dict):
            raise Refusal(f"{place}.tool_use.input: Input should be a valid dictionary")
        if not _NAME.match(str(block.get("name", ""))):
            raise Refusal(f"{place}.tool_use.name: String should match pattern")
    if kind == "tool_result":
        content = block.get("content", [])
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("type") not in ("text", "image"):
                raise Refusal(f"{place}.tool_result.content.{number}: unexpected type")
            if part["type"] == "text" and not part.get("text", "").strip():
                raise Refusal(f"{place}: text content blocks must contain non-whitespace text")


def _check_images(messages: list[dict[str, Any]]) -> None:
    sizes = [_size(image) for image in _images(messages)]
    if any(max(size) > 8000 for size in sizes):
        raise Refusal("At least one of the image dimensions exceed max allowed size: 8000 pixels")
    if len(sizes) > 20 and any(max(size) > 2000 for size in sizes):
        raise Refusal(
            "At least one of the image dimensions exceed max allowed size for many-image "
            "requests: 2000 pixels"
        )


def _images(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        for block in blocks_of(message):
            inner = block.get("content") if block["type"] == "tool_result" else [block]
            for part in inner if isinstance(inner, list) else ():
                if part.get("type") == "image":
                    yield part


def _size(image: dict[str, Any]) -> tuple[int, int]:
    source = image.get("source", {})
    try:
        data = base64.b64decode(source["data"], validate=True)
    except (KeyError, TypeError, binascii.Error):
        raise Refusal("image.source.base64: invalid base64 data") from None
    if source.get("media_type") != "image/png" or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise Refusal("The image does not match the provided media type image/png")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def blocks_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give a message's content as blocks; a string is one text block."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return list(content or ())


def _markers(value: Any) -> Iterator[None]:
    if isinstance(value, dict):
        if value.get("cache_control"):
            yield None
        for item in value.values():
            yield from _markers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _markers(item)
