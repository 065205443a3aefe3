"""Cases: what a whole reply becomes, and what goes back of it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from analyst_kernel.agent.ports import (
    Stopped,
    ThinkingDelta,
    ToolEnded,
    UsageReported,
)
from analyst_kernel.testing.fakes.turns import (
    Fault,
    ScriptedTurn,
    call,
    raw_call,
    say,
    think,
    turn,
)
from analyst_kernel.testing.wires import (
    CODE,
    Wire,
    answer,
    ask,
    assistant,
    case,
    collect,
    of,
    request,
    talk,
    usual,
)


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
@case(forms=True)
async def test_any_chunking_gives_the_same_message(wire: Wire, chunk: int) -> None:
    async with talk(wire, usual(chunk=chunk)) as (server, model):
        events = await collect(model)
    message = assistant(events, model.name)
    assert "".join(e.text for e in of(ThinkingDelta, events)) == "I look first."
    assert message.text == "Let me see."
    (made,) = message.calls
    assert (made.tool, json.loads(made.raw_input)) == ("run_python", {"code": CODE})
    assert [e.reason for e in of(Stopped, events)] == ["tool_use"]
    assert isinstance(events[-1], Stopped)
    assert server.requests[0].refused == ""


@case(forms=True, parallel=True)
async def test_parallel_calls_stay_apart_and_are_answered(wire: Wire) -> None:
    several = turn(*(call("run_python", code=str(n)) for n in range(3)))
    async with talk(wire, several, turn(say("Done."))) as (server, model):
        message = assistant(await collect(model), model.name)
        assert [json.loads(c.raw_input)["code"] for c in message.calls] == ["0", "1", "2"]
        ids = [c.call_id for c in message.calls]
        assert len(set(ids)) == 3
        await collect(model, request(ask(), message, answer(*ids)))
    assert [r.refused for r in server.requests] == ["", ""]


@case(forms=True)
async def test_a_call_without_arguments_is_the_empty_object(wire: Wire) -> None:
    made = turn(call("run_python"))
    async with talk(wire, made, *wire.and_again(made)) as (_, model):
        events = await collect(model)
    assert [e.raw_input for e in of(ToolEnded, events)] == ["{}"]


@case()
async def test_what_no_client_knows_is_passed_over(wire: Wire) -> None:
    async with talk(wire, usual()) as (server, model):
        server.noise = wire.noise
        events = await collect(model)
    assert assistant(events, model.name).text == "Let me see."
    assert [json.loads(e.raw_input) for e in of(ToolEnded, events)] == [{"code": CODE}]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (turn(say("Done.")), "end_turn"),
        (turn(say("Do"), stop_reason="max_tokens"), "max_tokens"),
        (turn(say("No."), fault=Fault("refusal")), "refusal"),
        (turn(call("run_python", code="1")), "tool_use"),
        (turn(call("run_python", code=CODE), fault=Fault("max_tokens_in_tool")), "max_tokens"),
    ],
)
@case()
async def test_reasons(wire: Wire, made: ScriptedTurn, reason: str) -> None:
    async with talk(wire, made, turn(say("Well."))) as (server, model):
        events = await collect(model)
        stopped = events[-1]
        assert isinstance(stopped, Stopped)
        assert stopped.reason == reason
        if reason == "refusal":
            assert stopped.detail == "This request was declined."
        # Whatever was said, the conversation can go on from it.
        message = assistant(events, model.name)
        ids = [c.call_id for c in message.calls]
        await collect(model, request(ask(), message, answer(*ids) if ids else ask("And?")))
    assert server.requests[-1].refused == ""


@pytest.mark.parametrize("raw", ['{"title": }', '{"code": "1', "[1]", '{"a": NaN}', "nonsense"])
@case(forms=True)
async def test_an_input_that_is_no_json_object_is_never_sent_back(wire: Wire, raw: str) -> None:
    made = turn(raw_call("run_python", raw))
    async with talk(wire, made, *wire.and_again(made), turn(say("Sorry."))) as (
        server,
        model,
    ):
        events = await collect(model)
        assert [e.raw_input for e in of(ToolEnded, events)] == [raw]
        message = assistant(events, model.name)
        await collect(model, request(ask(), message, answer(message.calls[0].call_id)))
    assert server.requests[-1].refused == ""
    assert raw not in json.dumps(server.requests[-1].body)


@case(forms=True)
async def test_six_calls_share_their_prefix_and_its_cache(wire: Wire) -> None:
    steps = [turn(think(f"Step {n}."), call("run_python", code=f"{n}")) for n in range(5)]
    messages: list[Any] = [ask("How many rows? " + "Look closely. " * 400)]
    used = []
    async with talk(wire, *steps, turn(say("42."))) as (server, model):
        for _ in range(6):
            events = await collect(model, request(*messages))
            message = assistant(events, model.name)
            messages += [message, answer(*(c.call_id for c in message.calls))]
            used += of(UsageReported, events)[-1:]
    assert [r.refused for r in server.requests] == [""] * 6
    bodies = [r.body for r in server.requests]
    for before, after in itertools.pairwise(bodies):
        count = len(wire.parts(before))
        assert json.dumps(wire.parts(after)[:count]) == json.dumps(wire.parts(before))
    for name in set(bodies[0]) - wire.moving:
        assert all(body[name] == bodies[0][name] for body in bodies), name
    if used:
        cached = sum(u.usage.cached_tokens for u in used)
        assert cached >= 0.8 * sum(u.usage.prompt_tokens for u in used[1:])
