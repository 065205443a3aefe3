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

from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Message,
    Observation,
    Situation,
    Text,
    ToolResult,
    UserMessage,
)
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.outputs import ErrorOutput, ResultOutput

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
    def seen(self) -> Observation:
        """What came of the cell; its outcome is ``refused`` where it never ran."""
        return self.result.observation or Observation("refused" if self.result.is_error else "ok")

    @property
    def shown(self) -> dict[str, Any] | None:
        """The dict that the cell's last expression showed, or ``None`` where it showed none."""
        results = (out for out in reversed(self.seen.outputs) if isinstance(out, ResultOutput))
        text = next((out.data.get("text/plain") for out in results), None)
        return parse_shown(text) if isinstance(text, str) else None

    @property
    def error(self) -> tuple[str, str]:
        """Name and message of the exception that ended the cell; empty where there was none."""
        errors = (out for out in reversed(self.seen.outputs) if isinstance(out, ErrorOutput))
        return next(((out.ename, out.evalue) for out in errors), ("", ""))

    @property
    def text(self) -> str:
        """The result as text."""
        return "\n".join(part.text for part in self.result.content if isinstance(part, Text))

    @property
    def iteration(self) -> int | None:
        """The cell's number as the core reported it, if it did."""
        found = re.match(r"cell (\d+): ", self.text)
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
    asked = [
        (place, message.situation)
        for place, message in enumerate(messages)
        if isinstance(message, UserMessage) and message.situation is not None
    ]
    start, newest = asked[-1] if asked else (len(messages), Situation(""))
    since = messages[start:]
    results = {r.call_id: r for m in since if isinstance(m, UserMessage) for r in m.results}
    done = [
        Done(call.tool, _arguments(call.raw_input), results[call.call_id])
        for message in since
        if isinstance(message, AssistantMessage)
        for call in message.calls
        if call.call_id in results
    ]
    return Conversation(
        question=newest.question,
        datasets=newest.datasets,
        earlier=_earlier(messages[: start + 1], newest.question),
        done=tuple(done),
        calls=sum(len(m.calls) for m in messages if isinstance(m, AssistantMessage)),
    )


def _earlier(messages: Sequence[Message], question: str) -> tuple[str, ...]:
    """Return questions asked before, from earlier messages and from what the newest one recalls."""
    found: list[str] = []
    for message in messages:
        if not isinstance(message, UserMessage):
            continue
        text = "\n".join(part.text for part in message.text if isinstance(part, Text))
        _, _, recalled = text.rpartition("Earlier in this analysis:")
        found += _RECALLED.findall(recalled)
        if message.situation is not None:
            found.append(message.situation.question)
    if found and found[-1] == question:
        found.pop()
    return tuple(asked.strip() for asked in found if asked.strip() != question.strip())


_RECALLED = re.compile(r"^Asked: (.+)$", re.MULTILINE)
"""How the core's first message recalls an earlier question of the analysis."""


def _arguments(raw: str) -> dict[str, Any]:
    try:
        value = json.loads(raw or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


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
