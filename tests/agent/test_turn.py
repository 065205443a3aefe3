from __future__ import annotations

from typing import Any

import pytest

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import (
    Stopped,
    TextDelta,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import AssistantMessage, parsed_input
from analyst_kernel.agent.turn import retry_wait
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.errors import ModelError, ModelFault
from analyst_kernel.protocol.records import Limits, Usage
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel
from tests.fakes.turns import call, calls, finish, python, say

OVERLOADED = ModelError("It is overloaded.", fault="overloaded", retryable=True)


async def ask(scene: Scene) -> ev.RunFinished:
    finished = await run_question(scene.deps, scene.memory, "Which?", limits=Limits())
    scene.model.check_prefixes()
    return finished


async def test_failures_are_retried_in_the_open_and_the_partial_turn_is_dropped() -> None:
    scene = Scene(FakeModel([TextDelta("half"), OVERLOADED], [OVERLOADED], say("The whole of it.")))
    finished = await ask(scene)
    assert finished.answer == "The whole of it."
    retries = scene.of(ev.ModelRetried)
    assert [(r.attempt, r.of, r.call) for r in retries] == [(2, 5, 1), (3, 5, 1)]
    assert scene.clock.waits == [r.wait for r in retries] == [1.0, 2.0]
    assert finished.usage.calls == 1


async def test_after_five_attempts_the_run_fails_with_all_saved() -> None:
    scene = Scene(FakeModel(python("measured(16.5)"), *[[OVERLOADED]] * 5))
    finished = await ask(scene)
    assert finished.status == "failed"
    assert "overloaded" in finished.reason
    assert "tried 5 times" in finished.reason
    assert len(scene.clock.waits) == 4
    assert len(scene.notebook.iterations) == 1


async def test_what_cannot_be_retried_fails_at_once() -> None:
    auth = ModelError("The key is wrong.", "Set another key.", fault="auth", retryable=False)
    finished = await ask(Scene(FakeModel([auth])))
    assert finished.status == "failed"
    assert finished.reason == "The key is wrong. Set another key."


@pytest.mark.parametrize("asked", [7.0, 60.0])
async def test_the_provider_says_how_long_to_wait(asked: float) -> None:
    limited = ModelError("Slow down.", fault="rate_limited", retryable=True, retry_after=asked)
    scene = Scene(FakeModel([limited], say("Here.")))
    assert (await ask(scene)).answer == "Here."
    assert scene.clock.waits == [asked]


async def test_a_wait_over_a_minute_ends_the_run() -> None:
    limited = ModelError("Slow down.", fault="rate_limited", retryable=True, retry_after=3600)
    scene = Scene(FakeModel([limited]))
    finished = await ask(scene)
    assert finished.status == "failed"
    assert "3,600 s" in finished.reason
    assert scene.clock.waits == []


@pytest.mark.parametrize(
    "cut",
    [
        [TextDelta("half")],
        [ToolStarted(0, "a", "run_python"), ToolInputDelta(0, '{"co'), Stopped("tool_use")],
    ],
)
async def test_a_cut_stream_is_asked_for_again_and_never_runs(cut: list[Any]) -> None:
    scene = Scene(FakeModel(cut, say("Whole.")))
    finished = await ask(scene)
    assert finished.answer == "Whole."
    assert finished.iterations == ()
    assert len(scene.of(ev.ModelRetried)) == 1


@pytest.mark.parametrize("fault", ["transport", "server", "stalled", "malformed"])
def test_jitter_halves_at_most(fault: ModelFault) -> None:
    error = ModelError("x", fault=fault, retryable=True)
    waits = [retry_wait(error, attempt, 0.0) for attempt in range(1, 6)]
    assert waits == [0.5, 1.0, 2.0, 4.0, None]


async def test_a_truncated_call_is_asked_for_with_more_room_then_refused() -> None:
    cut = calls(("run_python", '{"code": "prin'), reason="max_tokens")
    scene = Scene(FakeModel(cut, cut, python("1 + 1"), say("2")))
    finished = await ask(scene)
    assert [r.max_tokens for r in scene.model.requests[:3]] == [16_000, 32_000, 16_000]
    ((text, is_error),) = scene.model.results(2)
    assert is_error
    assert "cut off" in text
    assert len(finished.iterations) == 1


async def test_a_call_truncated_once_is_asked_for_again() -> None:
    cut = calls(("run_python", '{"code": "prin'), reason="max_tokens")
    scene = Scene(FakeModel(cut, python("1 + 1"), say("2")))
    await ask(scene)
    assert len(scene.model.requests[1].messages) == 1


async def test_invalid_json_is_put_back_as_empty_with_the_raw_text_quoted() -> None:
    scene = Scene(FakeModel(calls(("run_python", '{"code": 1 + }')), say("Sorry.")))
    finished = await ask(scene)
    ((text, is_error),) = scene.model.results(1)
    assert is_error
    assert '{"code": 1 + }' in text
    turn = scene.model.requests[1].messages[1]
    assert isinstance(turn, AssistantMessage)
    assert turn.calls[0].raw_input == "{}"
    assert finished.iterations == ()


async def test_a_refusal_ends_the_run_with_the_providers_words() -> None:
    scene = Scene(FakeModel([TextDelta("no"), Stopped("refusal", detail="policy")]))
    finished = await ask(scene)
    assert finished.status == "failed"
    assert "policy" in finished.reason


async def test_a_full_context_ends_the_run_with_what_is_established() -> None:
    finding = calls(("record_finding", {"statement": "2 stands"}))
    scene = Scene(FakeModel(python("1 + 1"), finding, [Stopped("context_exceeded")]))
    finished = await ask(scene)
    assert finished.status == "incomplete"
    assert "2 stands" in finished.answer


async def test_tools_do_not_run_unless_the_turn_ended_as_a_tool_call() -> None:
    wrong = calls(("run_python", {"code": "1 + 1"}), reason="end_turn")
    scene = Scene(FakeModel(wrong, say("Well.")))
    finished = await ask(scene)
    assert finished.iterations == ()
    assert scene.model.results(1)[0][1]


async def test_empty_replies_and_useless_calls_do_not_go_on_for_ever() -> None:
    scene = Scene(FakeModel(*[calls(("no_such_tool", {}))] * 6, say("I give up.")))
    finished = await ask(scene)
    assert finished.status == "incomplete"
    assert "no progress" in finished.reason
    assert "There is no tool 'no_such_tool'. Tools: run_python" in scene.model.results(1)[0][0]
    scene = Scene(FakeModel(say(""), say("Here it is.")))
    assert (await ask(scene)).answer == "Here it is."


async def test_everything_that_streams_becomes_an_event() -> None:
    scene = Scene(FakeModel(call("run_python", code="1 + 1"), say("2 it is")))
    await ask(scene)
    assert len(scene.of(ev.ThinkingStreamed)) == 1
    assert "".join(e.text for e in scene.of(ev.ToolInputStreamed)) == '{"code": "1 + 1"}'
    assert "".join(e.text for e in scene.of(ev.TextStreamed)) == "2 it is"
    assert [e.usage.input_tokens for e in scene.of(ev.ModelReplied)] == [100, 200]


async def test_a_cost_limit_without_a_known_price_raises_a_notice() -> None:
    unknown = UsageReported(Usage(input_tokens=5, cost_usd=None))
    scene = Scene(FakeModel([TextDelta("Nothing."), unknown, Stopped("end_turn")]))
    await run_question(scene.deps, scene.memory, "Which?", limits=Limits(cost_usd=1.0))
    assert "cost-unknown" in scene.notices


@pytest.mark.parametrize(
    "raw", ["[1]", '{"a": 1e999}', '"a"', '{"a": NaN}', '{"a": 1', "{} {}", "nul"]
)
def test_only_one_json_object_is_an_input(raw: str) -> None:
    assert parsed_input(raw) is None
    assert parsed_input("") == {}


async def test_finish_before_other_calls_in_one_turn() -> None:
    scene = Scene(
        FakeModel(
            python("measured(16.5)"),
            calls(("finish", {"answer": "It is 99."}), ("run_python", {"code": "1"})),
            finish("It is 16.5."),
        )
    )
    finished = await ask(scene)
    assert [error for _, error in scene.model.results(2)] == [True, True]
    assert "after finish" in scene.model.results(2)[1][0]
    assert len(finished.iterations) == 1
