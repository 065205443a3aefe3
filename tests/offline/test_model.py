"""The turn machine: failures, corrections, wrapping up, and that it always comes to an end."""

from __future__ import annotations

import asyncio

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.transcript import (
    AssistantMessage,
    ModelRequest,
    Observation,
    Situation,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from analyst_kernel.offline.answers import CLOSING, suggest_questions
from analyst_kernel.offline.model import Call, OfflineRules, Say, decide
from analyst_kernel.offline.reader import interpret
from analyst_kernel.offline.task import Ready
from analyst_kernel.offline.transcript import parse_shown, read_conversation
from analyst_kernel.protocol.outputs import ErrorOutput, ResultOutput
from tests.offline.player import Player
from tests.offline.profiles import profile_frame, real
from tests.support.examples import examples

TREND = "How did city mileage change by model year?"
TOOLS = frozenset({"run_python", "run_sql", "update_plan", "record_finding", "ask_user", "finish"})


def error(name: str, message: str) -> ErrorOutput:
    return ErrorOutput(ename=name, evalue=message)


def test_it_says_what_it_is():
    model = OfflineRules()
    assert (model.name, model.is_ai, model.sees_images) == ("offline:rules", False, False)
    asyncio.run(model.aclose())


async def test_the_order_of_tools_and_the_plan():
    played = await Player(real("vehicles")).ask(TREND)
    assert played.tools == [
        "update_plan", "run_python", "run_python", "run_python", "record_finding", "finish",
    ]  # fmt: skip
    steps = [arguments["step"] for tool, arguments in played.calls if tool == "run_python"]
    assert steps == [1, 2, 3]
    assert len(played.calls[0][1]["steps"]) == 3
    assert played.calls[4][1]["cells"] == ["cell0", "cell1"]
    assert all(len(a["purpose"].split()) <= 12 for _, a in played.calls[1:4])
    ids = [
        call.call_id for m in played.messages if isinstance(m, AssistantMessage) for call in m.calls
    ]
    assert len(set(ids)) == len(ids)


async def test_lost_variables_are_made_again():
    lost = error("NameError", "name 'vehicles_used' is not defined")
    played = await Player(real("vehicles")).ask(TREND, sabotage={1: lost})
    assert played.outcomes == ["ok", "error", "ok", "ok"]
    assert played.codes[2].startswith(played.codes[0])
    assert played.codes[2].endswith(played.codes[1])
    assert played.unproven(TREND) == []
    assert played.figures["Change"] == pytest.approx(5.2569, abs=1e-3)


async def test_column_under_another_name_is_found():
    frame = pd.DataFrame({"weight": [1.0, 2.0, 4.0], "group": ["a", "b", "b"]})
    profile = profile_frame("things", frame.rename(columns={"weight": "weight "}))
    transcript = [
        UserMessage(situation=Situation("average weight by group", (profile,))),
    ]
    call = decide(read_conversation(transcript), tools=TOOLS - {"update_plan"}, wrap_up=False)
    assert isinstance(call, Call)
    from analyst_kernel.protocol.outputs import Frame, FrameColumn

    live = Frame(
        name="things",
        type="pandas.DataFrame",
        shape=(3, 2),
        columns=(
            FrameColumn(name="weight", dtype="float64"),
            FrameColumn(name="group", dtype="str"),
        ),
    )
    seen = Observation("error", (error("KeyError", "\"['weight '] not in index\""),), (live,), "c1")
    transcript += [
        AssistantMessage("", (ToolCall("1", call.tool, _json(call.arguments)),)),
        UserMessage(results=(ToolResult("1", (Text("error"),), True, seen),)),
    ]
    again = decide(read_conversation(transcript), tools=TOOLS - {"update_plan"}, wrap_up=False)
    assert isinstance(again, Call)
    assert '"weight"' in again.arguments["code"]
    assert '"weight "' not in again.arguments["code"]


def _json(arguments: object) -> str:
    import json

    return json.dumps(arguments)


async def test_a_chart_that_fails_does_not_cost_the_answer():
    broken = error("RuntimeError", "no display")
    played = await Player(real("vehicles")).ask(TREND, sabotage={2: broken})
    assert played.outcomes == ["ok", "ok", "error"]
    assert "The chart could not be drawn." in played.finish["caveats"]
    assert "20.81 mpg in 2015" in played.answer


@pytest.mark.parametrize("name", ["MemoryError", "ZeroDivisionError"])
async def test_what_cannot_be_repaired_is_told(name):
    broken = error(name, "out of luck at 0x7f")
    played = await Player(real("vehicles")).ask(TREND, sabotage={1: broken})
    assert played.answer.startswith("I could not finish this")
    assert name in played.answer
    assert "33,442" in played.answer
    assert played.unproven(TREND) == []
    assert played.finish["key_values"] == []


async def test_an_output_that_cannot_be_read_back_is_no_answer():
    odd = ResultOutput(data={"text/plain": "<something else>"})
    played = await Player(real("vehicles")).ask(TREND, sabotage={1: odd})
    assert "could not be read back" in played.answer
    assert "20.81" not in played.answer


async def test_an_answer_that_is_sent_back_is_corrected():
    complaint = (
        "These numbers stand in no executed output of this analysis: 15.55. Run a cell that shows "
        "each at that precision, or correct it, or leave it out. Then finish again."
    )
    played = await Player(real("vehicles")).ask(TREND, refuse_finish=[complaint])
    assert played.tools.count("finish") == 2
    assert "15.55" not in played.answer
    assert played.answer.endswith(CLOSING)
    played = await Player(real("vehicles")).ask(TREND, refuse_finish=[complaint, complaint])
    assert played.finish == {}
    assert played.said.endswith(CLOSING)


@pytest.mark.parametrize("turns", range(7))
async def test_wrap_up_at_every_turn_tells_what_is_established(turns):
    played = await Player(real("vehicles")).ask(TREND, stop_after=turns)
    assert played.answer.endswith(CLOSING)
    if played.outcomes.count("ok") >= 3:
        assert "20.81 mpg in 2015" in played.answer
    elif played.outcomes:
        assert "Established so far: This uses all 33,442 rows" in played.answer
    else:
        assert "Nothing is established yet" in played.answer


async def test_without_data_it_asks_for_data():
    played = await Player().ask("How did sales change?")
    assert "Attach a data file" in played.answer
    assert played.tools == ["finish"]


async def test_an_unclear_question_gets_three_of_the_users_own():
    played = await Player(real("penguins_raw")).ask("Why is the sky blue?")
    assert "not an AI model" in played.answer
    assert played.outcomes == []
    assert len(played.finish["next_questions"]) == 3
    for question in played.finish["next_questions"]:
        again = await Player(real("penguins_raw")).ask(question)
        assert set(again.outcomes) == {"ok"}
        assert again.unproven(question) == []


@pytest.mark.parametrize(
    "name",
    ["vehicles", "penguins_raw", "nyc_weather", "nyc_planes", "nyc_airports", "nyc_airlines"],
)
def test_suggestions_are_understood(name):
    questions = suggest_questions([real(name)])
    assert len(set(questions)) == 3
    for question in questions:
        assert isinstance(interpret(question, [real(name)]), Ready), question


def test_suggestions_of_the_example_data():
    assert suggest_questions([real("nyc_airlines"), real("vehicles")]) == (
        "How did average city mileage change by year?",
        "Which make has the highest average city mileage?",
        "Is city mileage related to highway mileage?",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{'a': 1, 'b': -2.5}", {"a": 1, "b": -2.5}),
        ("{'a': nan, 'b': None}", {"a": None, "b": None}),
        ("{'a': np.float64(1.5), ('x', 1): [1, 2]}", {"a": 1.5, ("x", 1): [1, 2]}),
        ("{'t': Timestamp('2013-01-01 00:00:00')}", {"t": "2013-01-01 00:00:00"}),
        ("   cty\n0  1", None),
        ("[1, 2]", None),
        ("{'a': -nan}", {"a": None}),
        ("{[1]: 2}", None),
    ],
)
def test_outputs_are_read_back(text, expected):
    assert parse_shown(text) == expected


@given(st.text(max_size=60))
def test_any_output_is_read_or_refused(text):
    assert parse_shown(text) is None or isinstance(parse_shown(text), dict)


QUESTIONS = st.one_of(
    st.sampled_from(
        [
            TREND,
            "average length by species",
            "Which make is Tesla?",
            "How many Teslas are there?",
            "What is in this data?",
            "top 3 makes",
            "Compare city mileage of Toyota and Honda",
            "join",
        ]
    ),
    st.text(max_size=50),
)
OUTPUTS = st.sampled_from(
    [
        (),
        (error("NameError", "name 'x' is not defined"),),
        (error("KeyError", "'cty'"),),
        (error("ValueError", ""),),
        (ResultOutput(data={"text/plain": "{'rows': 3, 'rows used': 0, 'missing': {}}"}),),
        (ResultOutput(data={"text/plain": "{'found': [('Tesla', 'make', 'Tesla', 6)]}"}),),
        (ResultOutput(data={"text/plain": "17"}),),
        (ResultOutput(data={"text/plain": "{'rows': 3, 'rows used': 'x', 'missing': [1]}"}),),
        (ResultOutput(data={"text/plain": "{'best': [7], 'found': [7], 'mean': {}, 'r': []}"}),),
    ]
)


@examples(150)
@given(
    QUESTIONS,
    st.lists(
        st.tuples(st.sampled_from(["ok", "error", "timeout", "rejected"]), OUTPUTS, st.booleans()),
        min_size=1,
        max_size=6,
    ),
)
def test_every_conversation_ends(question, results):
    profiles = (real("vehicles"), real("penguins_raw"))
    messages = [UserMessage(situation=Situation(question, profiles))]
    for turn in range(40):
        action = decide(read_conversation(messages), tools=TOOLS, wrap_up=False)
        if isinstance(action, Say):
            return
        outcome, outputs, refused = results[turn % len(results)]
        seen = None
        if action.tool.startswith("run_") and not (outcome == "ok" and refused):
            seen = Observation(outcome, outputs, (), f"c{turn}")
        is_error = outcome != "ok" or refused
        if action.tool == "finish" and not is_error:
            return
        messages += [
            AssistantMessage("", (ToolCall(str(turn), action.tool, _json(action.arguments)),)),
            UserMessage(
                results=(ToolResult(str(turn), (Text("These numbers: 5."),), is_error, seen),)
            ),
        ]
    raise AssertionError("no end")


@examples(60)
@given(st.text(max_size=60))
def test_any_question_is_finished_asked_or_answered_in_the_stream(question):
    request = ModelRequest(
        "", (), (UserMessage(situation=Situation(question, (real("vehicles"),))),)
    )

    async def tools() -> list[str]:
        return [e.tool async for e in OfflineRules().stream(request) if hasattr(e, "tool")]

    assert asyncio.run(tools())[0] in ("update_plan", "finish", "ask_user")
