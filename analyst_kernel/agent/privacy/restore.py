"""Makes what a model sends real again: its texts as they stream, and the inputs of its calls.

Code and SQL get values as literals. The model's own form of each part is kept, so that it is sent
back to it as it came.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from analyst_kernel.agent import ports
from analyst_kernel.agent.privacy.literals import TOKEN, in_python, in_sql, number_literal
from analyst_kernel.agent.privacy.tokens import TokenTable
from analyst_kernel.agent.transcript import AssistantMessage, ToolCall, parsed_input
from analyst_kernel.protocol.base import Json

_LONGEST_TOKEN = 12
_CODE = {("run_python", "code"): in_python, ("run_sql", "sql"): in_sql}
_NUMBERS = ("value", "step", "cells")


def restored_input(tool: str, raw: str, table: TokenTable) -> str:
    """Return a call's input with real values; an input that is not a JSON object stays."""
    parsed = parsed_input(raw)
    if parsed is None or not TOKEN.search(json.dumps(parsed, ensure_ascii=False)):
        return raw
    real: dict[str, Json] = {}
    for key, value in parsed.items():
        code = _CODE.get((tool, key))
        if code is not None and isinstance(value, str):
            real[key] = code(value, table.value_of)
        else:
            real[key] = _restored(value, table, key)
    return json.dumps(real, ensure_ascii=False)


def _texts_of(value: Json) -> str:
    match value:
        case str():
            return value
        case list():
            return " ".join(map(_texts_of, value))
        case dict():
            return " ".join(f"{name} {_texts_of(item)}" for name, item in value.items())
        case _:
            return ""


def _restored(value: Json, table: TokenTable, key: str) -> Json:
    match value:
        case str():
            text = table.restore(value)
            alone = TOKEN.fullmatch(value.strip().lstrip("-"))
            number = number_literal(text.strip()) if key in _NUMBERS and alone else None
            return json.loads(number) if number is not None else text
        case list():
            return [_restored(item, table, key) for item in value]
        case dict():
            return {
                table.restore(name): _restored(item, table, name) for name, item in value.items()
            }
        case _:
            return value


class Streamed:
    """One streamed text; what may be the first part of a token waits for the rest."""

    def __init__(self, table: TokenTable) -> None:
        self._table = table
        self._held = ""

    def feed(self, text: str) -> str:
        """Return what can be shown now."""
        text = self._held + text
        at = text.rfind("⟦")
        waits = at >= 0 and "⟧" not in text[at:] and len(text) - at < _LONGEST_TOKEN
        self._held = text[at:] if waits else ""
        return self._table.restore(text[:at] if waits else text)

    def rest(self) -> str:
        """Return what still waited."""
        held, self._held = self._held, ""
        return held


@dataclass(slots=True)
class RealReply:
    """One reply as it streams in: its events with real values, and its own form beside them."""

    table: TokenTable
    text: list[str] = field(default_factory=list)
    real_text: list[str] = field(default_factory=list)
    calls: dict[int, tuple[str, str]] = field(default_factory=dict)
    sent: dict[tuple[str, str], str] = field(default_factory=dict)
    _prose: Streamed = field(init=False)
    _thinking: Streamed = field(init=False)
    _inputs: dict[int, Streamed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._prose, self._thinking = Streamed(self.table), Streamed(self.table)

    def take(self, event: ports.ModelEvent) -> list[ports.ModelEvent]:
        """Return the events that stand for ``event``, real values in place of tokens."""
        match event:
            case ports.TextDelta(text=text):
                self.text.append(text)
                return self._said(self._prose.feed(text))
            case ports.ThinkingDelta(text=text):
                return [ports.ThinkingDelta(self._thinking.feed(text))]
            case ports.ToolStarted():
                self.calls[event.index] = (event.call_id, event.tool)
                self._inputs[event.index] = Streamed(self.table)
                return [*self._rest(), event]
            case ports.ToolInputDelta(text=text):
                shown = self._inputs.setdefault(event.index, Streamed(self.table)).feed(text)
                return [replace(event, text=shown)]
            case ports.ToolEnded(raw_input=raw):
                call_id, tool = self.calls.get(event.index, ("", ""))
                real = restored_input(tool, raw, self.table)
                self.sent[call_id, real] = raw
                self.table.learn_written(_texts_of(parsed_input(raw)))
                return [replace(event, raw_input=real)]
            case ports.Stopped():
                events: list[ports.ModelEvent] = [*self._rest(), event]
                self.table.learn_written("".join(self.text))
                return events
            case _:
                return [event]

    def _said(self, text: str) -> list[ports.ModelEvent]:
        self.real_text.append(text)
        return [ports.TextDelta(text)]

    def _rest(self) -> list[ports.ModelEvent]:
        events: list[ports.ModelEvent] = []
        if rest := self._prose.rest():
            events += self._said(rest)
        if rest := self._thinking.rest():
            events.append(ports.ThinkingDelta(rest))
        return events


class Replies:
    """The replies so far in the model's own form, by what the conversation holds of them."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._calls: dict[tuple[str, str], str] = {}

    def keep(self, reply: RealReply) -> None:
        """Keep a complete reply."""
        self._texts["".join(reply.real_text)] = "".join(reply.text)
        self._calls |= reply.sent

    def own_form(self, message: AssistantMessage) -> AssistantMessage | None:
        """Return a turn as the model wrote it; None if it is not one that was kept."""
        text = self._texts.get(message.text)
        calls: list[ToolCall] = []
        for call in message.calls:
            empty = call.raw_input == "{}"
            raw = "{}" if empty else self._calls.get((call.call_id, call.raw_input))
            if raw is None:
                return None
            calls.append(replace(call, raw_input=raw))
        return None if text is None else replace(message, text=text, calls=tuple(calls))
