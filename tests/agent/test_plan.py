from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.budget import MOST_STEPS
from analyst_kernel.agent.plan import Plan, PlanRefused, guidance, plan_text
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.records import CellLabel

FIRST, SECOND, THIRD = (CellLabel(number=n, cell=CellId(f"c{n}")) for n in (1, 2, 3))
RAN = frozenset({FIRST.cell, SECOND.cell})
GOALS = st.lists(
    st.text("abcd ", min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=MOST_STEPS
)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["begin", "ok", "fail", "revise", "finish"]), st.integers(0, 8), GOALS
    ),
    max_size=30,
)


@given(GOALS, MOVES)
def test_any_sequence_of_moves_keeps_the_plan_sound(
    goals: list[str], moves: list[tuple[str, int, list[str]]]
) -> None:
    plan = Plan.of(goals)
    for move, number, others in moves:
        step = min(number, len(plan.steps)) or None
        match move:
            case "begin":
                plan, begun = plan.begin(number, FIRST, RAN)
                assert begun is not None
                assert plan.steps[begun - 1].status == "doing"
            case "ok":
                plan = plan.succeeded(step)
            case "fail":
                plan = plan.failed(step, repairs=3)
            case "finish":
                plan = plan.finished(RAN, answered=True)
                assert not {s.status for s in plan.steps} & {"todo", "doing"}
            case "revise":
                blocked = plan.blocked
                try:
                    plan = plan.revised(others)
                except PlanRefused:
                    assert blocked is not None
                else:
                    assert plan.blocked is None
        assert [s.number for s in plan.steps] == list(range(1, len(plan.steps) + 1))
        assert len(plan.failures) == len(plan.steps)
        assert sum(s.status == "doing" for s in plan.steps) <= len(plan.steps)
        assert 1 <= len(plan.steps) <= MOST_STEPS


def test_a_step_has_one_attempt_and_three_repairs() -> None:
    plan, step = Plan.of(["a", "b"]).begin(None, FIRST)
    assert step == 1
    for attempt in (1, 2, 3):
        assert plan.attempt(1) == attempt
        plan = plan.failed(1, repairs=3)
        assert plan.blocked is None
    plan = plan.failed(1, repairs=3)
    assert plan.blocked is not None
    assert plan.unfinished == ("a", "b")


def test_success_starts_the_count_again() -> None:
    plan = Plan.of(["a"]).failed(1, repairs=3).succeeded(1)
    assert plan.attempt(1) == 1


def test_revision_keeps_what_stays_and_refuses_a_blocked_step() -> None:
    plan, _ = Plan.of(["Load", "Join", "Count"]).begin(1, FIRST)
    plan, _ = plan.begin(2, SECOND, RAN)
    plan = plan.failed(2, repairs=0)
    with pytest.raises(PlanRefused, match="Step 2 is blocked"):
        plan.revised(["Load", "join.", "Look", "Count"])
    plan = plan.revised(["load", "Join by name", "Count"])
    assert [step.status for step in plan.steps] == ["done", "todo", "todo"]
    assert [step.cells for step in plan.steps] == [(FIRST,), (), ()]
    assert plan_text(plan).splitlines()[1] == "2. [todo] Join by name"


def test_without_a_step_the_current_one_is_meant() -> None:
    plan, step = Plan.of(["a", "b"]).begin(9, FIRST)
    assert step == 1
    plan, step = plan.begin(2, SECOND, RAN)
    assert [s.status for s in plan.steps] == ["done", "doing"]
    assert plan.begin(None, THIRD)[1] == 2
    assert Plan().begin(1, FIRST) == (Plan(), None)


def test_steps_are_marked_as_they_ended() -> None:
    plan, _ = Plan.of(["a", "b", "c", "d"]).begin(1, FIRST)
    plan, _ = plan.begin(2, THIRD, RAN)
    plan, _ = plan.begin(3, SECOND, RAN)
    ended = plan.finished(RAN, answered=True)
    assert [s.status for s in ended.steps] == ["done", "failed", "done", "skipped"]
    assert ended.unfinished == ("b", "d")
    assert [s.cells for s in ended.steps] == [(FIRST,), (THIRD,), (SECOND,), ()]
    # A failed cell, then one that succeeds for the same step.
    plan, _ = Plan.of(["a"]).begin(1, THIRD)
    plan, _ = plan.begin(1, FIRST, RAN)
    assert plan.finished(RAN, answered=True).steps[0].status == "done"
    blocked = Plan.of(["a", "b"]).failed(1, repairs=0).finished(RAN, answered=False)
    assert [s.status for s in blocked.steps] == ["blocked", "skipped"]


@pytest.mark.parametrize("answered", [True, False])
def test_the_step_that_the_loop_made_up_is_the_question(answered: bool) -> None:
    plan, _ = Plan.of(["How many?"], implicit=True).begin(None, FIRST)
    (step,) = plan.finished(RAN, answered=answered).steps
    assert step.status == ("done" if answered else "failed")


@pytest.mark.parametrize(
    "goal",
    [
        "Answer",
        "Answer the question.",
        "answer with the mean and the number of rows",
        "Finally, summarise the findings",
        "Summarize results and answer",
        "Report the answer with caveats",
        "Report findings",
        "Write up the final answer for the user",
        "Draw conclusions and recommendations",
        "Conclude",
        "State the conclusion",
        "Interpret and report the results",
        "Interpret the results",
        "Present the key insights to the user",
        "Final answer",
        "Compose a concise summary",
        "Give the answer with assumptions and caveats",
        "Reply to the user",
    ],
)
def test_answering_is_no_step(goal: str) -> None:
    assert [s.goal for s in Plan().revised(["Count rows", goal]).steps] == ["Count rows"]
    assert [s.goal for s in Plan().revised([goal]).steps] == [" ".join(goal.split())]


@pytest.mark.parametrize(
    "goal",
    [
        "Summarise mass by species",
        "Report results by region",
        "Present the yearly totals as a chart",
        "Explain the drop in March",
        "Draw a chart of the results",
        "Summarize missing values",
        "Compare the results with last year",
        "State the share of returned orders",
        "Check the answer with a second method",
        "Interpret the coefficients of the regression",
        "Give totals per year",
        "Results per region",
        "Write the cleaned table to a file",
        "Discuss outliers above 900",
        "Conclude whether the means differ with a t-test",
        "Share of each region",
    ],
)
def test_work_is_a_step(goal: str) -> None:
    assert [s.goal for s in Plan().revised(["Count rows", goal]).steps] == ["Count rows", goal]


def test_guidance_escalates() -> None:
    said = [guidance(n, 3) for n in (1, 2, 3, 4)]
    assert "as little as possible" in said[0]
    assert "different hypothesis" in said[1]
    assert "Inspect first" in said[2]
    assert "update_plan" in said[3]
    assert "blocked" in guidance(1, 0)
