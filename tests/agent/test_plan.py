from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.plan import MOST_STEPS, Plan, PlanRefused, guidance, plan_text

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
                plan, begun = plan.begin(number)
                assert begun is not None
                assert plan.steps[begun - 1].status == "doing"
            case "ok":
                plan = plan.succeeded(step)
            case "fail":
                plan = plan.failed(step, repairs=3)
            case "finish":
                plan = plan.finished()
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
    plan, step = Plan.of(["a", "b"]).begin(None)
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
    plan, _ = Plan.of(["Load", "Join", "Answer"]).begin(1)
    plan, _ = plan.begin(2)
    plan = plan.failed(2, repairs=0)
    with pytest.raises(PlanRefused, match="Step 2 is blocked"):
        plan.revised(["Load", "join.", "Look", "Answer"])
    plan = plan.revised(["load", "Join by name", "Answer"])
    assert [step.status for step in plan.steps] == ["done", "todo", "todo"]
    assert plan_text(plan).splitlines()[1] == "2. [todo] Join by name"


def test_without_a_step_the_current_one_is_meant() -> None:
    plan, step = Plan.of(["a", "b"]).begin(9)
    assert step == 1
    plan, step = plan.begin(2)
    assert [s.status for s in plan.steps] == ["done", "doing"]
    assert plan.begin(None)[1] == 2
    assert Plan().begin(1) == (Plan(), None)


def test_guidance_escalates() -> None:
    said = [guidance(n, 3) for n in (1, 2, 3, 4)]
    assert "as little as possible" in said[0]
    assert "different hypothesis" in said[1]
    assert "Inspect first" in said[2]
    assert "update_plan" in said[3]
    assert "blocked" in guidance(1, 0)
