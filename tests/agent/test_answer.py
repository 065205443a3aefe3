from __future__ import annotations

from typing import Any

from analyst_kernel.agent.loop import run_question
from analyst_kernel.agent.ports import AnswerEntry
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.records import Limits
from tests.agent.fake_deps import Scene
from tests.agent.fake_model import FakeModel
from tests.fakes.turns import finish, python, say


async def ask(*script: Any) -> Scene:
    scene = Scene(FakeModel(*script))
    await run_question(scene.deps, scene.memory, "What in 2008?", limits=Limits())
    scene.model.check_prefixes()
    return scene


async def test_unproven_numbers_get_one_round_and_are_corrected() -> None:
    scene = await ask(
        python("measured(17.25)"),
        finish("It is 17.9 in 2008."),
        python("measured(17.94)"),
        finish("It is 17.9 in 2008."),
    )
    ((text, is_error),) = scene.model.results(2)
    assert is_error
    assert "17.9" in text
    assert "2008" not in text
    (checked,) = scene.of(ev.NumbersChecked)
    assert checked.corrected
    assert checked.numbers[0].cell == scene.notebook.iterations[1].cell
    assert scene.finished.answer == "It is 17.9 in 2008."
    assert "numbers-unproven" in scene.notices
    assert "numbers-unverified" not in scene.notices


async def test_what_stays_unproven_is_marked_in_the_saved_answer() -> None:
    scene = await ask(
        python("measured(17.25)"),
        finish("It is 17.9."),
        finish("It is 17.9.", caveats=["5 rows"], key_values=[{"label": "m", "value": 17.9}]),
    )
    assert scene.finished.status == "incomplete"
    assert "No executed cell shows 17.9" in scene.finished.reason
    # The text stays as the model wrote it; what is not proven is marked where it is shown.
    assert scene.finished.answer == "It is 17.9."
    (entry,) = scene.notebook.of(AnswerEntry)
    assert entry.answer.text == scene.finished.answer
    (number,) = entry.answer.numbers
    assert entry.answer.text[number.start : number.end] == "17.9"
    assert number.cell is None
    assert number.nearest == "17.25"
    assert number.nearest_cell == scene.notebook.iterations[0].cell
    caveats = entry.answer.caveats
    assert caveats == ("5† rows", "m: 17.9 is not verified; no executed cell shows this number.")
    assert "numbers-unverified" in scene.notices


async def test_a_reply_in_words_is_checked_like_finish() -> None:
    scene = await ask(python("measured(17.25)"), say("It is 17.9."), say("It is 17.25."))
    assert scene.finished.answer == "It is 17.25."
    assert "17.9" in scene.model.said(2)


async def test_citations_of_cells_that_do_not_exist_are_sent_back() -> None:
    scene = await ask(python("measured(17.25)"), finish("17.25 [cell 4]"), finish("17.25 [cell 1]"))
    assert "[cell 4]" in scene.model.results(2)[0][0]
    assert scene.finished.answer == "17.25 [cell 1]"


async def test_everything_of_finish_arrives() -> None:
    scene = await ask(
        python("measured(17.25)"),
        finish(
            "It is 17.25.",
            key_values=[{"label": "mean", "value": 17.25, "unit": "mpg"}],
            assumptions="city mileage",
            caveats=["few rows"],
            next_questions=["a?", "b?", "c?", "d?"],
        ),
    )
    details = scene.finished.details
    assert details is not None
    assert details.assumptions == ("city mileage",)
    assert details.next_questions == ("a?", "b?", "c?")
    assert scene.finished.key_values[0].unit == "mpg"


async def test_the_wrap_up_takes_a_finish_that_was_sent_anyway() -> None:
    scene = Scene(
        FakeModel(python("measured(17.25)"), python("measured(1)"), finish("At least 17.25."))
    )
    finished = await run_question(scene.deps, scene.memory, "What?", limits=Limits(iterations=1))
    assert (finished.status, finished.answer) == ("incomplete", "At least 17.25.")
