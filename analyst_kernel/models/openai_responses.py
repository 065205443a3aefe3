"""The Responses protocol: OpenAI's own models, with nothing kept at OpenAI.

The conversation is sent whole each time (``store`` is false), and the model's reasoning goes along
encrypted, as the finished item had it. The SDK raises nothing for a stream that breaks off or
fails, so a closing event is demanded here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from analyst_kernel.agent import ports
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    ModelRequest,
    Text,
    ToolSpec,
    UserMessage,
)
from analyst_kernel.models.openai_model import (
    OpenAIModel,
    Params,
    refusals,
    token_counts,
)
from analyst_kernel.models.prices import Tariff
from analyst_kernel.models.wire.history import NO_OUTPUT, SILENT, UNSEEN, fit_id, sendable_input
from analyst_kernel.models.wire.streaming import ReportedError, WireViolation, report_usage

_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LEAST_TOKENS = 16
_REASONING_REFUSED = re.compile(
    r"invalid_encrypted_content|encrypted content .{0,80}(verif|decrypt|pars)"
    r"|item .?'?rs_|without its required .{0,40}item",
    re.IGNORECASE,
)


@dataclass(kw_only=True, repr=False, eq=False)
class OpenAIResponses(OpenAIModel):
    """A language model behind a ``/responses`` endpoint."""

    PATH = "/responses"
    REFUSALS = refusals(
        summary=r"reasoning\.summary|reasoning summar",
        encrypted=r"encrypted content is not supported|reasoning\.encrypted_content",
        reasoning=r"unsupported parameter: '?reasoning|'reasoning' is not supported",
        cache_key=r"prompt_cache_key",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._unusable: frozenset[str] = frozenset()

    def _params(self, request: ModelRequest) -> Params:
        return build_params(
            request,
            model=self.model,
            author=self.name,
            sees_images=self.sees_images,
            changed=self._changed,
            unusable=self._unusable,
        )

    def _learn(self, words: str, request: ModelRequest) -> bool:
        if _REASONING_REFUSED.search(words):
            # The server takes back none of the reasoning so far; later turns bring their own.
            sent = self._params(request)["input"]
            found = {item["id"] for item in sent if item.get("type") == "reasoning"}
            self._unusable |= found
            return bool(found)
        return super()._learn(words, request)

    def _new_fold(self) -> ResponseFold:
        return ResponseFold(self.price)


def build_params(
    request: ModelRequest,
    *,
    model: str,
    author: str,
    sees_images: bool = True,
    changed: frozenset[str] = frozenset(),
    unusable: frozenset[str] = frozenset(),
) -> Params:
    """Return the body of one request. Pure.

    What is sent of a message depends on that message alone, so that the input of a longer
    transcript starts with that of a shorter one.

    Args:
        request: What the core asks.
        model: The model's name at its provider.
        author: ``provider:name``; its own turns are sent back verbatim, others as neutral parts.
        sees_images: Unless it does, a sentence replaces each picture.
        changed: What a refusal asked to leave out.
        unusable: Ids of reasoning that the server did not take back.
    """
    params: Params = {
        "model": model,
        "instructions": request.system,
        "input": [
            item
            for message in request.messages
            for item in _items(message, author, sees_images, unusable)
        ],
        "max_output_tokens": max(request.max_tokens, _LEAST_TOKENS),
        "store": False,
    }
    if not changed & {"encrypted", "reasoning"}:
        params["include"] = ["reasoning.encrypted_content"]
    if not changed & {"summary", "reasoning"}:
        params["reasoning"] = {"summary": "auto"}
    if "cache_key" not in changed:
        params["prompt_cache_key"] = _cache_key(request)
    if request.tools:
        params["tools"] = [_tool(spec) for spec in request.tools]
        params["tool_choice"] = request.tool_choice
    return params


def _cache_key(request: ModelRequest) -> str:
    """Return the same key for all requests of one conversation: they meet the same cache."""
    first = request.messages[0].text if request.messages else ()
    text = "\0".join(part.text for part in first if isinstance(part, Text))
    digest = hashlib.sha256(f"{request.system}\0{text}".encode()).hexdigest()
    return f"analyst-{digest[:32]}"


def _tool(spec: ToolSpec) -> Params:
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.schema,
        # Strict schemas may have no optional properties; the core checks every input itself.
        "strict": False,
    }


def _items(
    message: UserMessage | AssistantMessage,
    author: str,
    sees_images: bool,
    unusable: frozenset[str],
) -> list[Params]:
    match message:
        case UserMessage():
            items: list[Params] = []
            for result in message.results:
                output = _parts(result.content, sees_images) or [_text(NO_OUTPUT)]
                # A result of words alone is a text: the form that every server takes.
                words = [part["text"] for part in output if part["type"] == "input_text"]
                items.append(
                    {
                        "type": "function_call_output",
                        "call_id": fit_id(result.call_id, _CALL_ID),
                        "output": "\n".join(words) if len(words) == len(output) else output,
                    }
                )
            content = _parts(message.text, sees_images)
            if content or not items:
                items.append({"role": "user", "content": content or [_text(SILENT)]})
            return items
        case AssistantMessage():
            if message.model == author and isinstance(message.raw, list) and message.raw:
                return _own(message.raw, unusable)
            items = [_said(message.text)] if message.text.strip() else []
            items += [_call(call.call_id, call.tool, call.raw_input) for call in message.calls]
            return items or [_said(SILENT)]
        case _:
            assert_never(message)


def _own(raw: list[Any], unusable: frozenset[str]) -> list[Params]:
    """Return the items of an own turn: verbatim, or without ids where their reasoning is void.

    An item with an id is refused if the reasoning that led to it does not come along.
    """
    if not any(item.get("id") in unusable for item in raw if item.get("type") == "reasoning"):
        return raw
    items: list[Params] = []
    for item in raw:
        match item.get("type"):
            case "message":
                words = "".join(str(part.get("text", "")) for part in item["content"])
                phase = {"phase": item["phase"]} if item.get("phase") else {}
                items.append({**_said(words or SILENT), **phase})
            case "function_call":
                items.append(_call(item["call_id"], item["name"], item["arguments"]))
    return items


def _said(text: str) -> Params:
    return {"role": "assistant", "content": text}


def _call(call_id: str, tool: str, raw_input: str) -> Params:
    return {
        "type": "function_call",
        "call_id": fit_id(call_id, _CALL_ID),
        "name": tool,
        "arguments": sendable_input(raw_input),
    }


def _parts(parts: tuple[Text | Image, ...], sees_images: bool) -> list[Params]:
    blocks: list[Params] = []
    for part in parts:
        match part:
            case Text():
                if part.text.strip():
                    blocks.append(_text(part.text))
            case Image() if sees_images:
                url = f"data:image/png;base64,{part.base64}"
                blocks.append({"type": "input_image", "image_url": url, "detail": "auto"})
            case Image():
                blocks.append(_text(UNSEEN))
            case _:
                assert_never(part)
    return blocks


def _text(text: str) -> Params:
    return {"type": "input_text", "text": text}


# --- the answer --------------------------------------------------------------------------------


class ResponseFold:
    """Folds the events of one response; see :class:`EventFold`."""

    def __init__(self, tariff: Tariff | None) -> None:
        self.seen = 0
        self.complete = False
        self.stopped: ports.Stopped | None = None
        self.failure: ReportedError | None = None
        self._tariff = tariff
        self._open: set[int] = set()
        self._done: dict[int, Params] = {}
        self._inputs: dict[int, str] = {}
        self._calls: dict[int, ports.ToolStarted] = {}
        self._spoken: set[int] = set()
        self._refusal = ""

    def feed(self, event: Mapping[str, Any]) -> list[ports.ModelEvent]:
        """Return the model events of one wire event; none for an unknown type."""
        self.seen += 1
        match event["type"]:
            case "response.output_item.added":
                return self._begin(_index(event), event["item"])
            case "response.output_text.delta":
                self._spoken.add(_index(event))
                return _pieces(ports.TextDelta, event)
            case "response.refusal.delta":
                self._refusal += _piece(event)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return _pieces(ports.ThinkingDelta, event)
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                return [ports.ThinkingDelta("\n\n")]
            case "response.function_call_arguments.delta":
                return self._input(_index(event), _piece(event))
            case "response.output_item.done":
                return self._finish(_index(event), event["item"])
            case "response.completed":
                return self._complete(event["response"])
            case "response.incomplete":
                return self._incomplete(event["response"])
            case "response.failed" | "response.cancelled":
                return self._fail(event["response"])
            case "error":
                inner = event.get("error")
                raise ReportedError(inner if isinstance(inner, Mapping) else event)
        return []

    def end(self) -> list[ports.ModelEvent]:
        """Return nothing: a response ends with its own event or not at all."""
        return []

    def _begin(self, index: int, item: Mapping[str, Any]) -> list[ports.ModelEvent]:
        if index in self._open or index in self._done:
            raise WireViolation(f"output item {index} began twice")
        self._open.add(index)
        if item.get("type") != "function_call":
            return []
        self._inputs[index] = ""
        call = ports.ToolStarted(index=index, call_id=str(item["call_id"]), tool=str(item["name"]))
        self._calls[index] = call
        return [call]

    def _input(self, index: int, text: str) -> list[ports.ModelEvent]:
        if index not in self._open or index not in self._inputs:
            raise WireViolation(f"output item {index} is no open call but got its input")
        self._inputs[index] += text
        return [ports.ToolInputDelta(index=index, text=text)] if text else []

    def _finish(self, index: int, item: Mapping[str, Any]) -> list[ports.ModelEvent]:
        events = [] if index in self._open else self._begin(index, item)
        self._open.discard(index)
        kind = item.get("type")
        if (kind == "function_call") != (index in self._inputs):
            raise WireViolation(f"output item {index} became something else")
        if kind == "function_call":
            raw, begun = item["arguments"], self._calls[index]
            if not isinstance(raw, str):
                raise WireViolation(f"output item {index} has no input")
            if (str(item["call_id"]), str(item["name"])) != (begun.call_id, begun.tool):
                raise WireViolation(f"output item {index} became another call")
            had = self._inputs[index]
            if not raw.startswith(had):
                raise WireViolation(f"the input of output item {index} is not what was streamed")
            if len(raw) > len(had):
                events.append(ports.ToolInputDelta(index=index, text=raw[len(had) :]))
            events.append(ports.ToolEnded(index=index, raw_input=raw or "{}"))
        elif kind == "message" and index not in self._spoken:
            words = "".join(str(part.get("text") or "") for part in item["content"])
            events += [ports.TextDelta(words)] if words else []
        self._done[index] = _kept(item)
        return events

    def _complete(self, response: Mapping[str, Any]) -> list[ports.ModelEvent]:
        if self._open:
            raise WireViolation("the response was completed inside an output item")
        items = [item for _, item in sorted(self._done.items())]
        refusal = self._refusal or _refused(items)
        reason: ports.StopReason = "end_turn"
        if any(item.get("type") == "function_call" for item in items):
            reason = "tool_use"
        elif refusal:
            reason = "refusal"
        # Reasoning that is not encrypted would be looked up by its id, and nothing is kept there.
        whole = all(i.get("type") != "reasoning" or i.get("encrypted_content") for i in items)
        self.stopped = ports.Stopped(
            reason=reason, raw=list(items) if whole else None, detail=refusal
        )
        return self._usage(response)

    def _incomplete(self, response: Mapping[str, Any]) -> list[ports.ModelEvent]:
        details = response.get("incomplete_details")
        why = details.get("reason") if isinstance(details, Mapping) else None
        if why == "max_output_tokens":
            self.stopped = ports.Stopped(reason="max_tokens")
        elif why == "content_filter":
            detail = self._refusal or "The provider's content filter stopped the answer."
            self.stopped = ports.Stopped(reason="refusal", detail=detail)
        else:
            raise WireViolation(f"the response is incomplete for an unknown reason: {why}")
        return self._usage(response)

    def _fail(self, response: Mapping[str, Any]) -> list[ports.ModelEvent]:
        error = response.get("error")
        self.failure = ReportedError(error if isinstance(error, Mapping) else {})
        return self._usage(response)

    def _usage(self, response: Mapping[str, Any]) -> list[ports.ModelEvent]:
        usage = response.get("usage")
        return [report_usage(token_counts(usage), self._tariff)] if usage else []


def _kept(item: Mapping[str, Any]) -> Params:
    """Return a finished item as it is sent back; what is not set is refused as input."""
    kept = {name: value for name, value in item.items() if value is not None}
    match kept.get("type"):
        case "reasoning":
            kept.pop("status", None)
            kept.setdefault("summary", [])
        case "function_call":
            kept["arguments"] = sendable_input(str(kept["arguments"]))
            kept["call_id"] = fit_id(str(kept["call_id"]), _CALL_ID)
        case "message":
            kept["content"] = [
                {name: value for name, value in part.items() if name != "logprobs"}
                for part in kept["content"]
            ]
    return kept


def _refused(items: list[Params]) -> str:
    parts = [part for item in items if item.get("type") == "message" for part in item["content"]]
    return "".join(str(part.get("refusal") or "") for part in parts)


def _index(event: Mapping[str, Any]) -> int:
    index = event["output_index"]
    if not isinstance(index, int):
        raise WireViolation("an output item has no number")
    return index


def _piece(event: Mapping[str, Any]) -> str:
    if not isinstance(event["delta"], str):
        raise WireViolation("a piece of the output is no text")
    return str(event["delta"])


def _pieces(
    made: type[ports.TextDelta | ports.ThinkingDelta], event: Mapping[str, Any]
) -> list[ports.ModelEvent]:
    text = _piece(event)
    return [made(text)] if text else []
