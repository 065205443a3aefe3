"""Tools called in words: what is a call and what is text, what is said of a wrong one, and when."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import (
    IterationEntry,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from analyst_kernel.models.registry import open_model
from analyst_kernel.models.wire.actions import ActionReader, in_words
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.protocol.records import Limits
from analyst_kernel.testing.fakes.openai_events import Style
from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer
from analyst_kernel.testing.fakes.wire_reply import Recorded
from analyst_kernel.testing.fakes.wire_rules import Refusal
from analyst_kernel.testing.wires import TOOLS, answer, ask, assistant, collect, of, request, talk
from tests.agent.fake_deps import Scene
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import Fault, call, finish, python, raw_call, say, turn
from tests.fakes.wire_server import WireServer
from tests.models.conformance.wires import ACTIONS, chat
from tests.models.conversations import claude

CALL = '{"tool": "run_python", "input": {"code": "1"}}'
BLOCK = f"```action\n{CALL}\n```"


def read(reply: str, size: int = 10_000) -> tuple[str, list[Any], Any]:
    """Feed a reply in pieces; return its prose, its other events and what it asks for."""
    reader = ActionReader(TOOLS, index=0)
    events: list[Any] = []
    for start in range(0, len(reply), size):
        events += reader.feed(reply[start : start + size])
    events += reader.end()
    prose = "".join(event.text for event in events if isinstance(event, TextDelta))
    return prose, [e for e in events if not isinstance(e, TextDelta)], reader.action()


# --- what is a call --------------------------------------------------------------------------------

ANSWERS = [
    "The mean is 3.",
    "Use this:\n\n```python\nlen(sales)\n```\nDone.",
    f"Like so:\n\n````markdown\n{BLOCK}\n````\n",
    f"~~~\n{BLOCK}\n~~~",
    f"```text\nSay\n{BLOCK.replace('```', '~~~~')}\n```",
    f"    {BLOCK}",
    "```actions\n{}\n```\nis no label",
    f"In a line: ```action {CALL} ``` is code.",
    'A table:\n\n```json\n{"tool": "hammer", "input": {}}\n```',
    f"It is written ```json\n{CALL}\n``` within a line.",
]


@pytest.mark.parametrize("reply", ANSWERS)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_code_that_is_shown_is_no_call(reply: str, size: int):
    prose, others, action = read(reply, size)
    assert prose == reply.rstrip()
    assert (others, action) == ([], None)


CALLS = [
    (f"Let me see.\n\n{BLOCK}", "Let me see."),
    (f"{BLOCK}\n\n", ""),
    (f"```python\n1\n```\n{BLOCK}", "```python\n1\n```"),
    (f"  ``` action \n{CALL}\n  ```", ""),
    (f"I look.\r\n````action\r\n{CALL}\r\n````", "I look."),
    (f"The reply may end with it.\n```action\n{CALL}", "The reply may end with it."),
    ('```action\n{"input": {"code": "1"}, "tool": "run_python"}\n```', ""),
    ('```action\n{\n  "tool": "run_python",\n  "input": {\n    "code": "1"\n  }\n}\n```', ""),
]


@pytest.mark.parametrize(("reply", "said"), CALLS)
@pytest.mark.parametrize("size", [1, 2, 5, 10_000])
def test_a_block_at_the_end_is_a_call(reply: str, said: str, size: int):
    prose, others, action = read(reply, size)
    assert prose == said
    assert (action.tool, json.loads(action.raw), action.problem) == (
        "run_python",
        {"code": "1"},
        "",
    )
    if others:
        assert isinstance(others[0], ToolStarted)
        streamed = "".join(e.text for e in others if isinstance(e, ToolInputDelta))
        assert json.loads(streamed) == {"code": "1"}


@given(
    code=st.text(max_size=40), before=st.text(alphabet="ab`~ \n", max_size=20),
    size=st.integers(1, 9),
)  # fmt: skip
def test_whatever_the_code_and_the_pieces_are(code: str, before: str, size: int):
    content = json.dumps({"tool": "run_python", "input": {"code": code}}, ensure_ascii=False)
    whole = read(f"{before}\n\n```action\n{content}\n```")
    prose, _, action = read(f"{before}\n\n```action\n{content}\n```", size)
    assert (prose, action and action.raw) == (whole[0], whole[2] and whole[2].raw)
    if not any(fence in before for fence in ("```", "~~~")):
        assert action is not None
        assert (json.loads(action.raw), action.problem) == ({"code": code}, "")
        assert prose == before.rstrip()


WRONG = [
    ('{"tool": "run_python", "input": {"code": }}', "no valid JSON (line 1"),
    ('{"tool": "run_python", "input": {"code": NaN}}', "NaN is not JSON"),
    ('["run_python"]', "holds no JSON object"),
    ("", "no valid JSON"),
    ('{"name": "run_python", "arguments": {}}', "it has 'arguments', 'name'"),
    ('{"tool": "run_pyton", "input": {}}', "no tool 'run_pyton'; did you mean 'run_python'?"),
    ('{"tool": ["x"], "input": {}}', "no tool ['x']"),
    ('{"tool": "run_python", "input": "1"}', '"input" must be a JSON object'),
    ('{"tool": "run_python", "input": {}}', "'code' is a required property"),
    ('{"tool": "run_python", "input": {"code": 1}}', "code: 1 is not of type 'string'"),
    ('{"tool": "run_python", "input": {"code": "1", "x": 1}}', "'x' was unexpected"),
    (f"{CALL}\n```\nIt gave 42.", "text after the block ('It gave 42."),
    (f"{CALL}\n```\n\n{BLOCK.removesuffix('```')}", "more than one block"),
    (f"{CALL}\n{CALL}", "no valid JSON (line 2"),
]


@pytest.mark.parametrize(("content", "said"), WRONG)
def test_what_is_wrong_is_said_exactly(content: str, said: str):
    _, _, action = read(f"```action\n{content}\n```")
    assert said in action.problem
    assert action.tool


def test_a_call_in_a_block_with_another_label_is_seen():
    prose, _, action = read(f"I look.\n```json\n{CALL}\n```")
    assert "```json" in prose
    assert "began with ```json instead of ```action" in action.problem


# --- what is sent ----------------------------------------------------------------------------------


def test_calls_and_results_are_told_and_the_prefix_stays():
    picture = Image("iVBORw0=")
    messages = [
        ask(),
        AssistantMessage(
            "I look.", (ToolCall("a", "run_python", '{"code": "1"}'),), raw=[{"x": 1}]
        ),
        UserMessage((ToolResult("a", (Text("42"), picture)),), (Text("Go on."),)),
        AssistantMessage("", (ToolCall("b", "run_python", "broken"),)),
        UserMessage((ToolResult("b", (Text("Not run"),), is_error=True),)),
    ]
    said = [in_words(request(*messages[:n])) for n in range(1, 6)]
    last = said[-1]
    for shorter in said:
        assert last.messages[: len(shorter.messages)] == shorter.messages
        assert (shorter.tools, shorter.system) == ((), last.system)
    assert last.messages[1] == AssistantMessage(f"I look.\n\n{BLOCK}")
    told = last.messages[2]
    assert isinstance(told, UserMessage)
    assert told.text == (Text("The tool run_python gave:"), Text("42"), picture, Text("Go on."))
    assert '"input": {}' in last.messages[3].text
    assert last.messages[4].text[0] == Text("The tool run_python failed:")
    assert "run_python\nRun code.\n{" in last.system
    assert in_words(in_words(request(*messages))) == last


# --- over HTTP -------------------------------------------------------------------------------------

BAD = raw_call("run_python", '{"code": }')
GOOD = call("run_python", code="1")


async def test_a_wrong_block_is_asked_for_once_more_and_the_user_sees_it():
    async with talk(ACTIONS, turn(say("I look."), BAD), turn(GOOD)) as (server, model):
        events = await collect(model)
        message = assistant(events, model.name)
        assert message.text == "I look."
        assert [json.loads(e.raw_input) for e in of(ToolEnded, events)] == [{"code": "1"}]
        assert len({e.call_id for e in of(ToolStarted, events)}) <= 2
        assert "could not be used: the block is no valid JSON" in of(ThinkingDelta, events)[-1].text
        used = of(UsageReported, events)[-1].usage
        assert used.calls == 2
        assert used.prompt_tokens == sum(sum(r.usage.values()) for r in server.requests)
        server.push(turn(say("42.")))
        await collect(model, request(ask(), message, answer(message.calls[0].call_id)))
    assert [r.refused for r in server.requests] == [""] * 3
    first, again, later = (r.body["messages"] for r in server.requests)
    assert again[: len(first)] == first
    assert '{"code": }' in again[-2]["content"]
    assert "line 1, column" in again[-1]["content"]
    # What was wrong is no part of the conversation that goes on.
    assert later[: len(first)] == first
    assert '{"code": }' not in json.dumps(later)


async def test_a_block_that_is_wrong_twice_ends_as_a_wrong_call():
    async with talk(ACTIONS, turn(BAD), turn(BAD)) as (server, model):
        events = await collect(model)
    assert len(server.requests) == 2
    assert [e.raw_input for e in of(ToolEnded, events)] == ['{"code": }']
    assert events[-1] == Stopped("tool_use")


async def test_an_answer_that_shows_a_call_stays_an_answer():
    shown = say(f"Write:\n\n```json\n{CALL}\n```")
    async with talk(ACTIONS, turn(shown), turn(shown)) as (server, model):
        events = await collect(model)
    assert len(server.requests) == 2
    assert events[-1] == Stopped("end_turn")
    assert of(ToolEnded, events) == []


async def test_the_last_turn_is_not_asked_again():
    async with talk(ACTIONS, turn(BAD)) as (server, model):
        events = await collect(model, request(tool_choice="none"))
    assert len(server.requests) == 1
    assert events[-1] == Stopped("tool_use")


@pytest.mark.parametrize("fault", [Fault("truncate"), Fault("reset"), Fault("status", status=529)])
async def test_a_fault_of_the_second_reply_fails_the_turn(fault: Fault):
    async with talk(ACTIONS, turn(BAD), turn(GOOD, fault=fault)) as (server, model):
        with pytest.raises(ModelError) as raised:
            await collect(model)
    assert raised.value.retryable
    assert len(server.requests) == 2


class Toolless(WireServer):
    """Ollama's Messages endpoint with a model that has no tools."""

    def _check(self, request: Recorded) -> None:
        if request.body.get("tools"):
            raise Refusal("registry.ollama.ai/library/gemma:2b does not support tools")
        super()._check(request)


ollama = partial(claude, dialect="compat", provider="ollama", model="gemma:2b")


@pytest.mark.parametrize(
    ("serve", "connect"),
    [
        (partial(OpenAIChatServer, style=Style(actions=True), quirks=["no_tools"]), chat),
        (partial(Toolless, dialect="compat"), ollama),
    ],
)
async def test_a_server_that_refuses_tools_gets_them_in_words(serve: Any, connect: Any):
    block = say(f"I look.\n\n{BLOCK}")
    with serve([turn(block), turn(block)], keys=[FAKE_KEY]) as server:
        model = connect(server.url)
        events = await collect(model)
        message = assistant(events, model.name)
        await collect(model, request(ask(), message, answer(message.calls[0].call_id)))
        await model.aclose()
    assert "described in words" in of(ThinkingDelta, events)[0].text
    assert [json.loads(c.raw_input) for c in message.calls] == [{"code": "1"}]
    assert ["does not support tools" in r.refused for r in server.requests] == [True, False, False]
    first, second = (r.body["messages"] for r in server.requests[1:])
    assert second[: len(first)] == first


@pytest.mark.parametrize(
    "said",
    [
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "tools param requires --jinja flag", "Unsupported param: tools",
        "No endpoints found that support tool use.", "Function calling is not enabled for this model",
        "This model doesn't support tools",
    ],
)  # fmt: skip
async def test_every_server_says_it_in_its_own_words(said: str):
    class Server(OpenAIChatServer):
        def _check(self, request: Recorded) -> None:
            if request.body.get("tools"):
                raise Refusal(said, 404 if "endpoints" in said else 400)

    with Server([turn(say("Hi."))]) as server:
        model = chat(server.url)
        assert assistant(await collect(model), "").text == "Hi."
        await model.aclose()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("names", "model", "expected"),
    [
        ("", "ollama:gemma:2b", False), ("ollama:gemma*", "ollama:gemma:2b", True),
        ("vllm:x ollama:*", "ollama:gemma:2b", True), ("ollama:gemma", "ollama:gemma:2b", False),
    ],
)  # fmt: skip
async def test_the_user_may_say_so(names: str, model: str, expected: bool):
    opened: Any = await open_model(model, env={"ANALYST_TEXT_TOOLS": names})
    assert opened.acts_in_text is expected


async def test_a_question_is_answered_and_nothing_runs_that_was_not_called_rightly():
    story = [
        turn(say("First."), python("measured(1)")),
        turn(raw_call("run_python", '{"code": "measured(2)"')),
        turn(raw_call("run_python", '{"code": "measured(2)", "purpose": 3}')),
        turn(say("```python\nmeasured(3)\n```"), python("measured(4)")),
        finish("It is 4 [cell 2]."),
    ]
    async with talk(ACTIONS, *story) as (server, model):
        scene = Scene(model)
        await run_question(scene.deps, scene.memory, "How many?", limits=Limits())
    assert server.turns_left == 0
    assert scene.finished.status == "answered"
    ran = [entry.code for entry in scene.notebook.of(IterationEntry)]
    assert [code.splitlines()[-1] for code in ran] == ["measured(1)", "measured(4)"]
    assert scene.finished.usage.calls == 5
