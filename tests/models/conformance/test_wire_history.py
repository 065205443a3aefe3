"""The conformance suite: what each wire makes of a conversation, and through the whole loop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import (
    AnswerEntry,
)
from analyst_kernel.models.wire.streaming import StreamingModel
from analyst_kernel.protocol.events import ModelRetried
from analyst_kernel.protocol.records import Limits
from analyst_kernel.testing.wires import (
    Wire,
    answer,
    ask,
    assistant,
    collect,
    request,
    talk,
    usual,
)
from tests.agent.fake_deps import Scene
from tests.fakes.turns import (
    Fault,
    Turn,
    finish,
    plan,
    python,
    say,
    think,
    turn,
)
from tests.models.conformance.wires import ALL_FORMS, WIRES, each_form

# --- history ---------------------------------------------------------------------------------------

PAIRS = [(one, other) for one in WIRES for other in WIRES if one is not other]


@pytest.mark.parametrize(
    ("one", "other"), PAIRS, ids=[f"{one.name}-{other.name}" for one, other in PAIRS]
)
async def test_another_wire_goes_on_with_the_conversation(one: Wire, other: Wire):
    odd = {"type": "tool_use", "id": "functions.run:0/" + "x" * 80, "name": "run_python"}
    first = turn(think("My secret plan."), Turn(({**odd, "input": {"code": "1"}},)))
    async with talk(one, first) as (_, model):
        message = assistant(await collect(model), model.name)
    result = answer(message.calls[0].call_id)
    async with talk(other, usual(), turn(say("Yes."))) as (server, next_model):
        second = assistant(await collect(next_model, request(ask(), message, result)), "")
        own = replace(second, model=next_model.name)
        later = answer(own.calls[0].call_id)
        await collect(next_model, request(ask(), message, result, own, later))
    assert [r.refused for r in server.requests] == ["", ""]
    sent = json.dumps(server.requests[-1].body)
    assert "My secret plan." not in sent
    assert '\\"code\\": \\"1\\"' in sent or '"code": "1"' in sent
    assert "42 rows" in sent


# --- through the whole loop ------------------------------------------------------------------------

MEAN = "cty = cars.column('cty')\nround(sum(cty) / len(cty), 2)"
STORY = (
    turn(think("First a plan."), say("I look."), plan("Compute the mean", "Check it")),
    turn(python("cars.column('city')", step=1)),
    turn(think("The column is cty."), python(MEAN, step=1)),
    turn(python("len(cars)", step=2)),
    finish("The mean is 18.18 mpg [cell 2]."),
)
"""A plan, an attempt that fails, its repair, a check, the answer."""


def notebook_of(scene: Scene) -> list[Any]:
    """Return the notebook's entries without what is made by chance."""
    written = []
    for entry in scene.notebook.entries.values():
        text = re.sub(r"\b[0-9a-f]{12}\b", "ID", repr(entry))
        written.append(text.replace(scene.model.name, "MODEL"))
    return written


async def question(model: StreamingModel, scene: Scene | None = None) -> Scene:
    scene = scene or Scene(model)
    scene.model = model
    await run_question(scene.deps, scene.memory, "What is the mean city mileage?", limits=Limits())
    return scene


async def test_the_same_question_gives_the_same_notebook_through_each_wire():
    notebooks = {}
    for wire in ALL_FORMS:
        async with talk(wire, *STORY) as (server, model):
            scene = await question(model)
        assert scene.finished.status == "answered", wire.name
        assert [r.refused for r in server.requests] == [""] * 5
        assert scene.finished.usage.calls == 5
        notebooks[wire.name] = notebook_of(scene)
    assert len(notebooks["messages"]) > 5
    for name, notebook in notebooks.items():
        assert notebook == notebooks["messages"], name


LOOPED = [
    Fault("truncate", after="tool"), Fault("truncate", after=10_000), Fault("reset", after="tool"),
    Fault("stall", after="tool"), Fault("garbage_sse", after="tool"),
    Fault("error_event", after="tool"), Fault("max_tokens_in_tool"), Fault("bad_json"),
]  # fmt: skip


@each_form
async def test_nothing_runs_twice_and_half_a_text_never_stays(wire: Wire):
    """Each fault once, each within a question of its own, in one analysis."""
    async with talk(wire) as (server, model):
        scene = Scene(model)

        def hurry(made: Turn) -> Callable[[Any], Turn]:
            """Wait less, from when the server takes this turn; a reply of a busy fake may take long."""

            def taken(_: Any) -> Turn:
                model.stall_seconds = 0.3
                return made

            return taken

        def calm(_: int) -> None:
            if isinstance(scene.events[-1], ModelRetried):
                model.stall_seconds = 120.0

        scene.on_event = calm
        for number, fault in enumerate(LOOPED):
            code = f"measured({number})"
            said = f"Half a text {number}."
            broken = turn(think("Hm."), say(said), python(f"broken = {number}"), fault=fault)
            server.push(
                hurry(broken) if fault.kind == "stall" else broken,
                turn(python(code)),
                finish(f"It is {number} [cell {number + 1}]."),
            )
            scene = await question(model, scene)
            assert server.turns_left == 0
            assert scene.finished.status == "answered", fault
            assert scene.kernel.executed.count(code) == 1
            assert not any("broken" in cell for cell in scene.kernel.executed), fault
            if fault.kind != "bad_json":
                assert said not in json.dumps(server.requests[-1].body), fault
    assert [r.refused for r in server.requests if r.refused] == []
    retried = len(LOOPED) - 1
    assert len(scene.of(ModelRetried)) == retried
    assert len(scene.notebook.of(AnswerEntry)) == len(LOOPED)


async def test_a_model_of_another_wire_takes_over_in_the_middle_of_an_analysis():
    scene: Scene | None = None
    for number, wire in enumerate((*ALL_FORMS, *WIRES)):
        steps = (
            turn(think(f"Secret {number}."), say("I look."), python(f"measured({number})")),
            finish(f"It is {number} [cell {number + 1}]."),
        )
        async with talk(wire, *steps) as (server, model):
            scene = await question(model, scene)
        assert scene.finished.status == "answered", wire.name
        assert [r.refused for r in server.requests] == ["", ""], wire.name
        sent = json.dumps(server.requests[-1].body)
        assert not re.findall(r"Secret \d+", sent.replace(f"Secret {number}.", ""))
