"""Chat Completions as its servers speak it: the fold of their chunks, and what each refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    Message,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from analyst_kernel.models.openai_chat import build_params
from analyst_kernel.models.openai_chunks import ChunkFold
from analyst_kernel.models.wire.streaming import ReportedError, WireViolation
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.fakes.openai_rules import Quirk, check_chat
from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer
from analyst_kernel.testing.wires import answer, ask, assistant, collect, request
from tests.fakes.turns import Turn, say, think, turn
from tests.models.conformance.wires import chat

AUTHOR = "compatible:some-model"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def piece(**details: Any) -> dict[str, Any]:
    function = {k: details.pop(k) for k in ("name", "arguments") if k in details}
    return {**details, "function": function}


def chunk(*pieces: dict[str, Any], reason: str | None = None, **delta: Any) -> dict[str, Any]:
    if pieces:
        delta["tool_calls"] = list(pieces)
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def fold(*chunks: dict[str, Any], **details: Any) -> tuple[list[ModelEvent], Stopped | None]:
    folding = ChunkFold(None, **details)
    events = [event for one in chunks for event in folding.feed(one)]
    return [*events, *folding.end()], folding.stopped


def calls_of(events: list[ModelEvent]) -> list[tuple[str, str, str]]:
    """Return id, tool and input of each call."""
    begun = {e.index: e for e in events if isinstance(e, ToolStarted)}
    ended = [e for e in events if isinstance(e, ToolEnded)]
    return [(begun[e.index].call_id, begun[e.index].tool, e.raw_input) for e in ended]


def a(**more: Any) -> dict[str, Any]:
    return piece(name="f", arguments='{"n": 1}', **more)


def b(**more: Any) -> dict[str, Any]:
    return piece(name="f", arguments='{"n": 2}', **more)


WHOLE = ['{"n": 1}', '{"n": 2}']
SPLIT: list[tuple[str, list[dict[str, Any]]]] = [
    ("as OpenAI does", [
        chunk(piece(index=0, id="x", name="f", arguments="")), chunk(piece(index=0, arguments='{"n"')),
        chunk(piece(index=0, arguments=": 1}")), chunk(piece(index=1, id="y", name="f", arguments="")),
        chunk(piece(index=1, arguments='{"n": 2}')),
    ]),
    ("pieces of two calls mixed", [
        chunk(piece(index=0, id="x", name="f"), piece(index=1, id="y", name="f")),
        chunk(piece(index=1, arguments='{"n": 2')), chunk(piece(index=0, arguments='{"n": 1}')),
        chunk(piece(index=1, arguments="}")),
    ]),
    ("mixed, told apart by ids alone", [
        chunk(piece(id="x", name="f"), piece(id="y", name="f")),
        chunk(piece(id="y", arguments='{"n": 2}')), chunk(piece(id="x", arguments='{"n": 1}')),
    ]),
    ("whole in one chunk", [chunk(a(index=0, id="x"), b(index=1, id="y"))]),
    ("whole, all indexes zero", [chunk(a(index=0, id="x"), b(index=0, id="y"))]),
    ("whole, zero indexes, no ids", [chunk(a(index=0)), chunk(b(index=0))]),
    ("whole, nothing to tell them apart", [chunk(a(), b())]),
    ("whole, one id for both", [chunk(a(index=0, id="x"), b(index=1, id="x"))]),
    ("one id for both, zero indexes", [chunk(a(index=0, id="x")), chunk(b(index=0, id="x"))]),
    ("no index", [
        chunk(piece(id="x", name="f", arguments="")), chunk(piece(arguments='{"n": 1}')),
        chunk(piece(id="y", name="f", arguments="")), chunk(piece(arguments='{"n": 2}')),
    ]),
    ("zero indexes, in pieces", [
        chunk(piece(index=0, id="x", name="f", arguments='{"n"')), chunk(piece(index=0, arguments=": 1}")),
        chunk(piece(index=0, id="y", name="f", arguments='{"n"')), chunk(piece(index=0, arguments=": 2}")),
    ]),
    ("id and name with every piece", [
        chunk(piece(index=0, id="x", name="f", arguments='{"n"')),
        chunk(piece(index=0, id="x", name="f", arguments=": 1}")),
        chunk(piece(index=0, id="x", name="f", arguments="")),
        chunk(piece(index=1, id="y", name="f", arguments='{"n": 2}')),
    ]),
    ("another id with every piece, without a name", [
        chunk(piece(index=0, id="x", name="f", arguments='{"n"')),
        chunk(piece(index=0, id="x2", arguments=": 1}")),
        chunk(piece(index=1, id="y", name="f", arguments='{"n": 2}')),
    ]),
    ("empty names and ids with every piece", [
        chunk(piece(index=0, id="x", name="f", arguments="")),
        chunk(piece(index=0, id="", name="", arguments='{"n": 1}')),
        chunk(piece(index=1, id="y", name="f", arguments="")),
        chunk(piece(index=1, id=None, name=None, arguments='{"n": 2}')),
    ]),
    ("inputs as objects", [
        chunk(piece(index=0, id="x", name="f", arguments={"n": 1})),
        chunk(piece(index=1, id="y", name="f", arguments={"n": 2})),
    ]),
    ("with the reason in the same chunk", [chunk(a(index=0, id="x"), b(index=1, id="y"), reason="stop")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "chunks"), SPLIT, ids=[name for name, _ in SPLIT])
def test_two_calls_are_two_calls(name: str, chunks: list[dict[str, Any]]):
    events, stopped = fold(*chunks, chunk(reason="tool_calls"))
    calls = calls_of(events)
    assert [raw for *_, raw in calls] == WHOLE
    assert [tool for _, tool, _ in calls] == ["f", "f"]
    assert len({call_id for call_id, *_ in calls}) == 2
    assert stopped is not None
    assert stopped.reason == "tool_use"
    raw: Any = stopped.raw
    assert [one["function"]["arguments"] for one in raw["tool_calls"]] == WHOLE


@given(st.dictionaries(st.text(), st.text() | st.integers()), st.integers(1, 9), st.booleans())
def test_any_split_of_an_input_is_the_same_input(value: dict[str, Any], size: int, indexed: bool):
    text = json.dumps(value)
    place = {"index": 0} if indexed else {}
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    events, _ = fold(
        chunk(piece(id="x", name="f", **place)),
        *(chunk(piece(arguments=part, **place)) for part in parts),
        chunk(reason="tool_calls"),
    )
    assert calls_of(events) == [("x", "f", text)]


def test_nothing_is_complete_without_a_reason():
    events, stopped = fold(chunk(a(index=0, id="x")), chunk(content="Done."))
    assert stopped is None
    assert calls_of(events) == []


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "end_turn"), ("eos", "end_turn"), ("tool_calls", "end_turn"),
        ("length", "max_tokens"), ("model_length", "context_exceeded"),
        ("content_filter", "refusal"),
    ],
)  # fmt: skip
def test_reasons_of_servers(reason: str, expected: str):
    _, stopped = fold(chunk(content="Well."), chunk(reason=reason))
    assert stopped is not None
    assert stopped.reason == expected


@pytest.mark.parametrize(
    ("chunks", "raised"),
    [
        ([chunk(reason="error")], ReportedError),
        ([chunk(reason="abort")], ReportedError),
        ([chunk(reason="insufficient_system_resource")], ReportedError),
        ([chunk(reason="something_new")], WireViolation),
        ([chunk(reason=3)], WireViolation),
        ([chunk(piece(index=0, arguments="{}"))], WireViolation),
    ],
)
def test_what_is_no_answer(chunks: list[dict[str, Any]], raised: type[Exception]):
    with pytest.raises(raised):
        fold(*chunks)


def test_thinking_has_two_names_and_may_come_under_both():
    events, stopped = fold(
        chunk(reasoning="Let "), chunk(reasoning_content="me "),
        chunk(reasoning="see.", reasoning_content="see."), chunk(content="42"), chunk(reason="stop"),
    )  # fmt: skip
    assert "".join(e.text for e in events if isinstance(e, ThinkingDelta)) == "Let me see."
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "42"
    assert stopped is not None


def test_content_may_be_a_list_of_parts():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    events, _ = fold(
        chunk(content=[thinking, {"type": "text", "text": "Yes."}]), chunk(reason="stop")
    )
    assert events == [ThinkingDelta("Hm."), TextDelta("Yes.")]


def test_what_a_server_adds_to_a_turn_goes_back_to_it_alone():
    signed = {**a(index=0, id="x"), "extra_content": {"google": {"thought_signature": "s"}}}
    detail = {"type": "reasoning.text", "index": 0, "text": "Let "}
    more = {"type": "reasoning.text", "index": 0, "text": "me.", "signature": "sig"}
    _, stopped = fold(
        chunk(reasoning="Let ", reasoning_details=[detail]), chunk(reasoning_details=[more]),
        chunk(signed), chunk(reason="tool_calls"),
    )  # fmt: skip
    assert stopped is not None
    turn_of = AssistantMessage("", (ToolCall("x", "f", '{"n": 1}'),), stopped.raw, AUTHOR)
    asked = request(ask(), turn_of, answer("x"))
    own = json.dumps(build_params(asked, model="m", author=AUTHOR))
    assert '"thought_signature": "s"' in own
    assert '"text": "Let me.", "signature": "sig"' in own
    assert "reasoning_content" not in own
    other = json.dumps(build_params(asked, model="m", author="openai:other"))
    assert "signature" not in other
    assert "Let me." not in other


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 7}, (100, 0, 7)),
        (
            {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": None},
            (100, 0, 7),
        ),
        ({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 80}}, (20, 80, 0)),
        ({"prompt_tokens": 100, "prompt_cache_hit_tokens": 60}, (40, 60, 0)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (0, 0, 0)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}}, (0, 9, 0)),
    ],
)
def test_token_counts(usage: dict[str, Any], expected: tuple[int, int, int]):
    events, _ = fold(chunk(reason="stop"), {"choices": [], "usage": usage})
    (reported,) = [e.usage for e in events if isinstance(e, UsageReported)]
    assert (reported.input_tokens, reported.cached_tokens, reported.output_tokens) == expected
    assert reported.cost_usd is None


@pytest.mark.parametrize(
    ("cost", "known"), [(0.25, 0.25), (-1, None), ("free", None), (None, None)]
)
def test_a_cost_is_taken_where_it_is_known_to_be_one(cost: Any, known: float | None):
    told = {"choices": [], "usage": {"prompt_tokens": 1, "cost": cost}}
    for states_cost, expected in ((True, known), (False, None)):
        events, _ = fold(chunk(reason="stop"), told, states_cost=states_cost)
        (reported,) = [e.usage for e in events if isinstance(e, UsageReported)]
        assert reported.cost_usd == expected


# --- requests --------------------------------------------------------------------------------------

parts = st.one_of(st.builds(Text, st.text(max_size=8)), st.builds(Image, st.just(PIXEL)))
words = st.lists(parts, max_size=2).map(tuple)


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """Draw histories that are valid for the core: each call is answered in the next message."""
    messages: list[Message] = []
    waiting: tuple[str, ...] = ()
    for number in range(draw(st.integers(1, 5))):
        results = tuple(ToolResult(call_id, draw(words)) for call_id in waiting)
        messages.append(UserMessage(results, draw(words)))
        if not results and draw(st.booleans()):
            messages.append(UserMessage((), draw(words)))
        ids = draw(st.lists(st.text(min_size=1, max_size=50), max_size=2, unique=True))
        waiting = tuple(f"{number}{call_id}" for call_id in ids)
        calls = tuple(ToolCall(i, "run_python", draw(st.text(max_size=9))) for i in waiting)
        messages.append(AssistantMessage(draw(st.text(max_size=8)), calls, None, "offline:rules"))
    messages.append(UserMessage(tuple(ToolResult(i, draw(words)) for i in waiting), draw(words)))
    return messages


@given(histories(), st.sampled_from(["openai", "common"]), st.booleans(), st.booleans())
def test_any_history_is_one_that_templates_take(
    messages: list[Message], dialect: Any, short: bool, last: bool
):
    quirks: set[Quirk] = set()
    quirks |= {"short_ids"} if short else set()
    changed = frozenset(quirks)
    if last:
        # Words after a result stand in it; a picture cannot.
        changed |= {"results_last"}
    params = build_params(
        request(*messages), model="m", author="nobody:else", dialect=dialect, changed=changed,
        sees_images=not last,
    )  # fmt: skip
    check_chat(
        {**params, "stream": True}, frozenset(quirks | ({"results_last"} if last else set()))
    )


QUIRKS: list[tuple[Quirk, int]] = [
    ("completion_tokens", 1), ("little_room", 1), ("no_usage", 1), ("no_system", 1),
    ("no_effort", 1), ("no_images", 1), ("short_ids", 1), ("results_last", 1), ("echo", 1),
]  # fmt: skip


@pytest.mark.parametrize(("quirk", "refused"), QUIRKS, ids=[quirk for quirk, _ in QUIRKS])
async def test_what_a_server_does_not_take_is_left_out_from_then_on(quirk: Quirk, refused: int):
    """It is asked once more, at once, for nothing was generated; later requests know it."""
    shown = UserMessage(
        results=(ToolResult("call_from_another_model", (Text("A chart."), Image(PIXEL))),),
        text=(Text("And now?"),),
    )
    foreign = AssistantMessage(
        "I look.", (ToolCall("call_from_another_model", "run_python", '{"code": "0"}'),)
    )
    named = {"type": "tool_use", "id": "a1b2c3d4e", "name": "run_python", "input": {"code": "1"}}
    steps = [turn(think("Hm."), Turn((named,))), turn(say("42."))]
    with OpenAIChatServer(steps, quirks=[quirk]) as server:
        model = chat(server.url, sees_images=quirk != "results_last")
        asked = (ask(), foreign, shown)
        message = assistant(await collect(model, request(*asked)), model.name)
        await collect(model, request(*asked, message, answer(message.calls[0].call_id)))
        await model.aclose()
    assert len([r for r in server.requests if r.refused]) == refused
    assert [r.status for r in server.requests if not r.refused] == [200, 200]
    if quirk == "no_images":
        assert not model.sees_images
        assert "does not see pictures" in json.dumps(server.requests[-1].body)


async def test_a_refusal_that_names_nothing_known_is_told():
    with OpenAIChatServer([], quirks=["no_usage"]) as server:
        model = chat(server.url)
        with pytest.raises(ModelError, match="no turn left"):
            await collect(model)
        await model.aclose()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("dialect", "limit", "choice"),
    [("openai", "max_completion_tokens", "auto"), ("common", "max_tokens", None)],
)
def test_the_dialects(dialect: Any, limit: str, choice: str | None):
    params = build_params(request(), model="m", author=AUTHOR, dialect=dialect)
    assert params[limit] == 16_000
    assert params.get("tool_choice") == choice
    assert params["stream_options"] == {"include_usage": True}
    last = build_params(request(tool_choice="none"), model="m", author=AUTHOR, dialect=dialect)
    assert ("tools" in last) == (dialect == "openai")
