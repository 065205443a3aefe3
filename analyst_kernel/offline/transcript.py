"""What has happened in the run so far, read from the transcript.

Pure; the transcript is the only memory that the rules have.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analyst_kernel.agent.transcript import AssistantMessage, Message, Text, ToolResult, UserMessage
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.outputs import ErrorOutput, Output, ResultOutput

CELL_TOOLS = ("run_python", "run_sql")


@dataclass(frozen=True, slots=True)
class Done:
    """One tool call with its result."""

    tool: str
    arguments: dict[str, Any]
    result: ToolResult

    @property
    def code(self) -> str:
        """The Python or SQL of a cell; empty for other tools."""
        return str(self.arguments.get("code") or self.arguments.get("sql") or "")

    @property
    def outcome(self) -> str:
        """How the cell ended; ``refused`` where it never ran."""
        if self.result.observation is not None:
            return self.result.observation.outcome
        return "refused" if self.result.is_error else "ok"

    @property
    def text(self) -> str:
        """The result as text."""
        return "\n".join(part.text for part in self.result.content if isinstance(part, Text))

    @property
    def iteration(self) -> int | None:
        """The iteration's number as the core reported it, if it did."""
        found = re.search(r"\biteration (\d+)", self.text)
        return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The newest question with what was done for it."""

    question: str
    datasets: tuple[DatasetProfile, ...]
    earlier: tuple[str, ...]  # the analysis' questions before it, oldest first
    done: tuple[Done, ...]  # tool calls since the question, in order
    calls: int  # of the whole transcript, for unique ids

    def of(self, *tools: str) -> list[Done]:
        """Return the calls of these tools, in order."""
        return [done for done in self.done if done.tool in tools]


def read_conversation(messages: Sequence[Message]) -> Conversation:
    """Find the newest question and everything after it."""
    start, question = _newest_question(messages)
    newest = messages[start] if start < len(messages) else None
    situation = newest.situation if isinstance(newest, UserMessage) else None
    results = {
        result.call_id: result
        for message in messages[start:]
        if isinstance(message, UserMessage)
        for result in message.results
    }
    done = [
        Done(call.tool, _arguments(call.raw_input), results[call.call_id])
        for message in messages[start:]
        if isinstance(message, AssistantMessage)
        for call in message.calls
        if call.call_id in results
    ]
    calls = sum(len(m.calls) for m in messages if isinstance(m, AssistantMessage))
    return Conversation(
        question=question,
        datasets=situation.datasets if situation is not None else (),
        earlier=_earlier(messages[: start + 1], question),
        done=tuple(done),
        calls=calls,
    )


def _newest_question(messages: Sequence[Message]) -> tuple[int, str]:
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, UserMessage) and message.situation is not None:
            return index, message.situation.question
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, UserMessage) and not message.results:
            return index, _text(message)
    return len(messages), ""


def _earlier(messages: Sequence[Message], question: str) -> tuple[str, ...]:
    """Return questions asked before, from earlier messages and from what the newest one recalls."""
    found: list[str] = []
    for message in messages:
        if not isinstance(message, UserMessage):
            continue
        _, _, recalled = _text(message).rpartition("Earlier in this analysis:")
        found += _RECALLED.findall(recalled)
        if message.situation is not None:
            found.append(message.situation.question)
    if found and found[-1] == question:
        found.pop()
    return tuple(asked.strip() for asked in found if asked.strip() != question.strip())


_RECALLED = re.compile(r"^Asked: (.+)$", re.MULTILINE)
"""How the core's first message recalls an earlier question of the analysis."""


def _text(message: UserMessage) -> str:
    return "\n".join(part.text for part in message.text if isinstance(part, Text))


def _arguments(raw: str) -> dict[str, Any]:
    try:
        value = json.loads(raw or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def shown_value(outputs: Sequence[Output]) -> dict[str, Any] | None:
    """Return the dict that a cell's last expression showed, or ``None`` where it showed none."""
    for output in reversed(outputs):
        if isinstance(output, ResultOutput):
            text = output.data.get("text/plain")
            return parse_shown(text) if isinstance(text, str) else None
    return None


def parse_shown(text: str) -> dict[str, Any] | None:
    """Parse the printed form of a dict of plain values; ``None`` for any other text."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
        value = _literal(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return None
    return value if isinstance(value, dict) else None


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            if isinstance(value, float) and not math.isfinite(value):
                return None
            return value if isinstance(value, str | int | float | None) else ast.unparse(node)
        case ast.Dict():
            keys = [_literal(key) for key in node.keys if key is not None]
            return dict(zip(keys, map(_literal, node.values), strict=True))
        case ast.List() | ast.Tuple():
            items = [_literal(item) for item in node.elts]
            return items if isinstance(node, ast.List) else tuple(items)
        case ast.UnaryOp(op=ast.USub()):
            inner = _literal(node.operand)
            return None if inner is None else -inner
        case ast.Name():
            return None  # nan, inf, NaT: printed by name, which is no value.
        case ast.Call(args=[only]):
            return _literal(only)  # np.float64(1.5), Timestamp('2013-01-01')
        case _:
            return ast.unparse(node)


def error_of(outputs: Sequence[Output]) -> tuple[str, str]:
    """Return name and message of the exception that ended a cell; empty where there was none."""
    for output in reversed(outputs):
        if isinstance(output, ErrorOutput):
            return output.ename, output.evalue
    return "", ""
