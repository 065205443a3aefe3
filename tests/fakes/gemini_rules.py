"""What the Interactions API refuses, refused alike: of a request's form and of its order of steps."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from analyst_kernel.testing.fakes.wire_rules import Refusal

Step = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}\Z")
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]+={0,2}\Z")
_TOP = {"model", "input", "store", "stream", "system_instruction", "tools", "generation_config"}
_CONFIG = {"max_output_tokens", "thinking_level", "thinking_summaries", "tool_choice", "seed"}
_TOOL = {"type", "name", "description", "parameters"}
_STEPS = {
    "user_input": {"type", "content"},
    "model_output": {"type", "content"},
    "thought": {"type", "signature", "summary"},
    "function_call": {"type", "id", "name", "arguments"},
    "function_result": {"type", "call_id", "name", "result", "is_error"},
}
_OF_THE_MODEL = {"model_output", "thought", "function_call"}


def refuse(message: str, status: int = 400, code: str = "invalid_request") -> Refusal:
    """Make a refusal with one of the API's own codes."""
    return Refusal(message, status, code)


def check_key(headers: Mapping[str, str], *, keys: frozenset[str] | None) -> None:
    """Refuse a missing or unknown key; ``keys`` None accepts any."""
    key = headers.get("x-goog-api-key", "")
    if not key:
        raise refuse("The API key is missing.", 401, "authentication")
    if keys is not None and key not in keys:
        raise refuse("API key not valid. Please pass a valid API key.", 401, "authentication")


def check_interaction(body: Any) -> None:
    """Refuse whatever the API would, but for signatures that it did not give."""
    if not isinstance(body, dict):
        raise refuse("Request body must be a JSON object")
    _check_keys(body, _TOP, "")
    if not isinstance(body.get("model"), str):
        raise refuse("Missing 'model'.")
    if body.get("stream") is not True or body.get("store") is not False:
        raise refuse("this fake serves streams and keeps nothing: stream=true, store=false")
    if not isinstance(body.get("system_instruction", ""), str):
        raise refuse("The value of 'system_instruction' is no text.")
    _check_config(body.get("generation_config") or {})
    _check_tools(body.get("tools") or [])
    steps = body.get("input")
    if not isinstance(steps, list) or not steps:
        raise refuse("Request has empty input")
    for index, step in enumerate(steps):
        _check_step(step, f"input[{index}]")
    _check_order(steps)


def turns_of(steps: list[Step]) -> Iterator[tuple[int, list[Step]]]:
    """Give the model's turns, each with the place of its first step."""
    start, turn = 0, list[Step]()
    for index, step in enumerate(steps):
        if step["type"] in _OF_THE_MODEL:
            start = start if turn else index
            turn.append(step)
        elif turn:
            yield start, turn
            turn = []
    if turn:
        yield start, turn


def _check_keys(value: Mapping[str, Any], allowed: set[str], place: str) -> None:
    for name in value:
        if name not in allowed:
            raise refuse(f"Unknown parameter '{place}{name}'.", 400, "parameter_unknown")


def _check_config(config: Mapping[str, Any]) -> None:
    _check_keys(config, _CONFIG, "generation_config.")
    if not 1 <= int(config.get("max_output_tokens", 1)) <= 65_536:
        raise refuse("max_output_tokens must be between 1 and 65536", 416, "out_of_range")
    if config.get("thinking_summaries", "auto") not in ("auto", "none"):
        raise refuse("The value is not supported for 'thinking_summaries'.")
    if config.get("tool_choice", "auto") not in ("auto", "any", "none", "validated"):
        raise refuse("The value is not supported for 'tool_choice'.")


def _check_tools(tools: list[Any]) -> None:
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        place = f"tools[{index}]"
        if tool.get("type") != "function":
            raise refuse(f"The value {tool.get('type')!r} is not supported for 'type' at '{place}'")
        _check_keys(tool, _TOOL, f"{place}.")
        if not _NAME.match(str(tool.get("name", ""))) or tool["name"] in seen:
            raise refuse(f"Invalid or duplicate function name at '{place}'.")
        seen.add(tool["name"])
        if (tool.get("parameters") or {}).get("type") != "object":
            raise refuse(f"'{place}.parameters' should be of type object.")


def _check_step(step: Any, place: str) -> None:
    if not isinstance(step, dict) or "role" in step:
        raise refuse("use step_list input format instead of turn_list")
    kind = step.get("type")
    if kind not in _STEPS:
        raise refuse(f"The value {kind!r} is not supported for 'type' at '{place}'.")
    _check_keys(step, _STEPS[kind], f"{place}.")
    match kind:
        case "user_input" | "model_output":
            _check_content(step.get("content"), place)
        case "function_result":
            _check_content(step.get("result"), place)
            if not isinstance(step.get("is_error", False), bool):
                raise refuse(f"'{place}.is_error' must be a boolean.")
        case "thought":
            if not _URL_SAFE.match(str(step.get("signature", ""))):
                raise refuse("Request contains an invalid argument.")
        case _:
            if not step.get("id") or not _NAME.match(str(step.get("name", ""))):
                raise refuse(f"'{place}' needs an id and a name.")
            if not isinstance(step.get("arguments"), dict):
                raise refuse(f"'{place}.arguments' must be an object.")


def _check_content(parts: Any, place: str) -> None:
    if not isinstance(parts, list) or not parts:
        raise refuse(f"'{place}' has no content.")
    for part in parts:
        match part.get("type"):
            case "text":
                _check_keys(part, {"type", "text"}, f"{place}.")
                if not str(part.get("text", "")).strip():
                    raise refuse("Missing text in content of type text")
            case "image":
                _check_keys(part, {"type", "data", "mime_type"}, f"{place}.")
                _check_image(part)
            case kind:
                raise refuse(f"The value {kind!r} is not supported for 'type' at '{place}'.")


def _check_image(part: Mapping[str, Any]) -> None:
    try:
        data = base64.b64decode(str(part.get("data")), validate=True)
    except binascii.Error:
        raise refuse("Unable to decode the image.") from None
    if part.get("mime_type") != "image/png" or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise refuse("The image does not match the provided mime type image/png.")


def _check_order(steps: list[Step]) -> None:
    if steps[0]["type"] != "user_input":
        raise refuse("The first step must be of the user.")
    if steps[-1]["type"] in _OF_THE_MODEL:
        raise refuse("The last step must be of the user or the result of a function.")
    used: set[str] = set()
    for start, turn in turns_of(steps):
        kinds = [step["type"] for step in turn]
        if ("thought" in kinds or "function_call" in kinds) and kinds[0] != "thought":
            raise refuse("Request contains an invalid argument.")
        calls = {step["id"]: step["name"] for step in turn if step["type"] == "function_call"}
        if len(calls) != kinds.count("function_call") or used & calls.keys():
            raise refuse("The ids of function calls must be unique.")
        used |= calls.keys()
        after = steps[start + len(turn) :][: len(calls)]
        given = {step.get("call_id"): step.get("name") for step in after}
        if given != calls:
            raise refuse("Each function call needs its function result right after the turn.")
    results = [step["call_id"] for step in steps if step["type"] == "function_result"]
    if sorted(results) != sorted(used):
        raise refuse("A function result has no function call.")
