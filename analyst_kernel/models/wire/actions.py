"""Tools for a model that cannot call any: described in words, called by one fenced block. Pure.

The model ends its reply with a block of this form, which no other block is:

    ```action
    {"tool": "run_python", "input": {"code": "len(sales)"}}
    ```

The block is read after the reply is complete, strictly. While it streams, its words are shown as
those of any other call. What stands in another block, or in a block within a block, is text.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from analyst_kernel._text import nearest
from analyst_kernel.agent import ports
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    Message,
    ModelRequest,
    Text,
    ToolCall,
    ToolSpec,
    UserMessage,
    finite,
    parsed_input,
)

LABEL = "action"
"""The word behind the block's opening fence."""

_HOW = """\
# Tools

You can call tools, one at a time. To call one, end your reply with exactly one block of this form
and write nothing after it; the tool's result is the next message:

```action
{"tool": "NAME", "input": {"FIELD": "VALUE"}}
```

The block holds one JSON object with the fields "tool" and "input" and nothing else. Line breaks
inside a text are written \\n and quotation marks \\". Never write a tool's result yourself. A reply
without such a block is your answer.

These are the tools, each with the JSON Schema of its input:
"""

_REFUSED = re.compile(
    r"(not|n't) (currently )?support (the use of )?(tool|function)"
    r"|(tool|function)( ?call(s|ing)?| use|s)? (is|are) not (supported|enabled|available)"
    r"|unsupported param(eter)?:? ['\"]?tools|that support tool use"
    r"|requires? .{0,10}--(enable-auto-tool-choice|jinja)",
    re.IGNORECASE,
)
_REFUSALS = (400, 404, 415, 422, 500, 501)

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\n`]*?)[ \t]*\Z")
_HEAD = re.compile(r'\s*\{\s*"tool"\s*:\s*"([\w.-]+)"\s*,\s*"input"\s*:\s*')
_MOST_HEAD = 300


def refuses_tools(error: Exception) -> bool:
    """Return whether an SDK's error says that the model or its server takes no tools."""
    status = getattr(error, "status_code", None)
    return status in _REFUSALS and _REFUSED.search(str(error)) is not None


# --- the request -------------------------------------------------------------------------------


def in_words(request: ModelRequest) -> ModelRequest:
    """Return the request without tools: described in the system's text, called in messages' texts.

    What becomes of a message depends on it and on those before it, so the prefix stays as it is.
    """
    if not request.tools:
        return request
    listed = "\n\n".join(_described(spec) for spec in request.tools)
    messages: list[Message] = []
    names: dict[str, str] = {}
    for message in request.messages:
        if isinstance(message, AssistantMessage):
            names = {call.call_id: call.tool for call in message.calls}
            blocks = [message.text.strip(), *(_written(call) for call in message.calls)]
            messages.append(AssistantMessage("\n\n".join(text for text in blocks if text)))
        else:
            messages.append(_reported(message, names))
    return replace(
        request,
        system=f"{request.system}\n\n{_HOW}\n{listed}".lstrip(),
        tools=(),
        messages=tuple(messages),
    )


def _described(spec: ToolSpec) -> str:
    schema = json.dumps(spec.schema, ensure_ascii=False, separators=(",", ":"))
    return f"## {spec.name}\n{spec.description}\n{schema}"


def _written(call: ToolCall) -> str:
    content = {"tool": call.tool, "input": parsed_input(call.raw_input) or {}}
    return f"```{LABEL}\n{json.dumps(content, ensure_ascii=False)}\n```"


def _reported(message: UserMessage, names: dict[str, str]) -> UserMessage:
    parts: list[Text | Image] = []
    for result in message.results:
        became = "failed" if result.is_error else "gave"
        parts.append(Text(f"The tool {names.get(result.call_id, 'you called')} {became}:"))
        parts += result.content or (Text("(no output)"),)
    return UserMessage(text=(*parts, *message.text), situation=message.situation)


def repair(request: ModelRequest, said: str, problem: str) -> ModelRequest:
    """Return the request that asks once more for a block that was wrong in ``said``."""
    words = (
        f"Nothing was run: {problem} Send the block again, corrected, and nothing else: "
        f'a line ```{LABEL}, one JSON object with "tool" and "input", a line ```.'
    )
    more = (AssistantMessage(said), UserMessage(text=(Text(words),)))
    return replace(request, messages=(*request.messages, *more))


# --- the reply ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    """What a reply asks for; with a ``problem`` it is no valid call, and ``raw`` is what came."""

    tool: str
    raw: str
    problem: str = ""


class ActionReader:
    """Reads one reply as it streams: what is prose, and where its block begins.

    Attributes:
        said: The whole reply so far.
        call_id: The id of the reply's call.
    """

    def __init__(self, tools: tuple[ToolSpec, ...], *, index: int) -> None:
        self.said = ""
        self.call_id = f"call_{uuid.uuid4().hex[:24]}"
        self._tools = {spec.name: spec for spec in tools}
        self._index = index
        self._line = ""
        self._held = ""
        self._blank = ""
        self._fence = ""
        self._block: str | None = None
        self._shown: _InputScanner | None = None

    @property
    def calls(self) -> bool:
        """Return whether a block has begun."""
        return self._block is not None

    def feed(self, text: str) -> Iterator[ports.ModelEvent]:
        """Take a piece of the reply; yield prose that is certain to be none of the block."""
        self.said += text
        prose = ""
        for piece in text.splitlines(keepends=True):
            if self._block is not None:
                self._block += piece
                continue
            prose += self._prose(piece)
        if prose:
            yield from self._spoken(prose)
        if self._block is not None:
            yield from self._streamed()

    def end(self) -> Iterator[ports.ModelEvent]:
        """Yield the prose that was held back, since it could have been the block's beginning."""
        if self._block is None and _opens(self._held, self._fence):
            # The reply ends with the bare opening of a block.
            self._block, self._held = "", ""
        self._follow(self._line)
        prose, self._held = self._held, ""
        if prose:
            yield from self._spoken(prose)

    def action(self) -> Action | None:
        """Return what the complete reply asks for; None if it is an answer."""
        if self._block is None:
            return self._mislabelled()
        body, rest = _split(self._block, self._fence)
        tool, raw = "", body.strip()
        head = _HEAD.match(body)
        if head is not None:
            tool, raw = head[1], body[head.end() :].strip().removesuffix("}").rstrip()
        if rest.strip():
            return Action(tool or LABEL, self._block.strip(), _after(rest))
        try:
            content = json.loads(body, parse_constant=_refuse, parse_float=finite)
        except (ValueError, RecursionError) as error:
            return Action(tool or LABEL, raw, f"the block is no valid JSON ({_place(error)}).")
        problem = self._problem(content)
        if isinstance(content, dict):
            tool = content["tool"] if isinstance(content.get("tool"), str) else LABEL
            raw = json.dumps(content["input"], ensure_ascii=False) if "input" in content else raw
        return Action(tool or LABEL, raw, problem)

    def _problem(self, content: Any) -> str:
        """Return what is wrong with the block's content, as a sentence; empty if nothing is."""
        if not isinstance(content, dict):
            return "the block holds no JSON object."
        if set(content) != {"tool", "input"}:
            found = ", ".join(sorted(map(repr, content))) or "none"
            return f'the object must have the fields "tool" and "input" alone; it has {found}.'
        spec = self._tools.get(content["tool"]) if isinstance(content["tool"], str) else None
        if spec is None:
            near = "".join(nearest(str(content["tool"]), self._tools, 1))
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(self._tools)}."
            return f"there is no tool {content['tool']!r}; {hint}"
        if not isinstance(content["input"], dict):
            return '"input" must be a JSON object.'
        return _mismatch(content["input"], spec)

    def _mislabelled(self) -> Action | None:
        """Return a call in the last block of a reply, if only its label is another."""
        last = re.search(r"(?:\A|\n)(`{3,})(\w*)[ \t]*\n([^`]+)\n\1\s*\Z", self.said)
        if last is None or self._fence:
            return None
        content = parsed_input(last[3])
        if content is None or self._problem(content):
            return None
        problem = f"the block began with ```{last[2]} instead of ```{LABEL}."
        raw = json.dumps(content["input"], ensure_ascii=False)
        return Action(str(content["tool"]), raw, problem)

    # --- prose -------------------------------------------------------------------------------

    def _prose(self, piece: str) -> str:
        """Take a piece of a line; return what of it is prose for certain."""
        self._line += piece
        self._held += piece
        if not piece.endswith(("\n", "\r")):
            return "" if _may_open(self._line, self._fence) else self._release()
        line, self._line = self._line.rstrip("\r\n"), ""
        if _opens(line, self._fence):
            found = _FENCE.match(line)
            assert found is not None
            self._fence, self._block, self._held = found[1], "", ""
            return ""
        self._follow(line)
        return self._release()

    def _follow(self, line: str) -> None:
        """Note whether a line opens or closes a block that is no action."""
        found = _FENCE.match(line)
        if found is None:
            return
        if not self._fence:
            self._fence = found[1]
        elif not found[2] and found[1].startswith(self._fence):
            self._fence = ""

    def _release(self) -> str:
        prose, self._held = self._held, ""
        return prose

    def _spoken(self, prose: str) -> Iterator[ports.ModelEvent]:
        """Yield prose; the blank space before a block is no part of it."""
        prose = self._blank + prose
        kept = prose.rstrip()
        self._blank = prose[len(kept) :]
        if kept:
            yield ports.TextDelta(kept)

    # --- the block as it streams -------------------------------------------------------------

    def _streamed(self) -> Iterator[ports.ModelEvent]:
        assert self._block is not None
        if self._shown is None:
            head = _HEAD.match(self._block[:_MOST_HEAD])
            if head is None or head[1] not in self._tools:
                return
            self._shown = _InputScanner(head.end())
            yield ports.ToolStarted(index=self._index, call_id=self.call_id, tool=head[1])
        text = self._shown.more(self._block)
        if text:
            yield ports.ToolInputDelta(index=self._index, text=text)

    def called(self, action: Action) -> Iterator[ports.ModelEvent]:
        """Yield the events of a call that the complete reply makes, but for those that came."""
        if self._shown is None:
            yield ports.ToolStarted(index=self._index, call_id=self.call_id, tool=action.tool)
            yield ports.ToolInputDelta(index=self._index, text=action.raw)
        yield ports.ToolEnded(index=self._index, raw_input=action.raw)


class _InputScanner:
    """Finds the end of one JSON object within a growing text."""

    def __init__(self, start: int) -> None:
        self._place = start
        self._depth = 0
        self._quoted = self._escaped = self._over = False

    def more(self, text: str) -> str:
        """Return what came of the object since the last call."""
        start = self._place
        while self._place < len(text) and not self._over:
            letter = text[self._place]
            self._place += 1
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped, self._quoted = letter == "\\", letter != '"'
            elif letter == '"':
                self._quoted = True
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]":
                self._depth -= 1
                self._over = self._depth <= 0
        return text[start : self._place]


def _opens(line: str, fence: str) -> bool:
    found = None if fence else _FENCE.match(line)
    return found is not None and found[2] == LABEL and found[1][0] == "`"


def _may_open(line: str, fence: str) -> bool:
    """Return whether a line that is not complete may become the opening of the block."""
    if fence:
        return False
    bare = line.lstrip(" ")
    if len(line) - len(bare) > 3:
        return False
    ticks = len(bare) - len(bare.lstrip("`"))
    rest = bare[ticks:].strip(" \t")
    return not rest if ticks < 3 else LABEL.startswith(rest)


def _split(block: str, fence: str) -> tuple[str, str]:
    """Return a block's content, and what follows its closing fence; it may end with the reply."""
    lines = block.splitlines(keepends=True)
    for number, line in enumerate(lines):
        found = _FENCE.match(line.rstrip("\r\n"))
        if found is not None and not found[2] and found[1].startswith(fence):
            return "".join(lines[:number]), "".join(lines[number + 1 :])
    return block, ""


def _after(rest: str) -> str:
    if any(_opens(line, "") for line in rest.splitlines()):
        return "there was more than one block; only one tool can be called at a time."
    return f"there was text after the block ({rest.strip()[:60]!r})."


def _place(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    return str(error) or type(error).__name__


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _mismatch(given: dict[str, Any], spec: ToolSpec) -> str:
    """Return how an input differs from the tool's schema; empty if it does not."""
    # Imported with the first action: most models call tools.
    import jsonschema

    validator = jsonschema.Draft202012Validator(spec.schema)
    problems = []
    for error in sorted(validator.iter_errors(given), key=str)[:4]:
        place = ".".join(str(part) for part in error.absolute_path)
        problems.append(f"{place}: {error.message[:200]}" if place else str(error.message)[:200])
    return f"the input of {spec.name} is wrong: {'; '.join(problems)}." if problems else ""
