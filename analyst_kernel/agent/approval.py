"""Asks the user for approval: of a cell before it runs, of a plan before it is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from analyst_kernel.agent.plan import PlanRefused
from analyst_kernel.agent.ports import PlanReader
from analyst_kernel.agent.run import OpenCell, Run
from analyst_kernel.protocol import events as ev
from analyst_kernel.protocol.ids import new_ask_id


async def ask_approval(run: Run, opened: OpenCell, concerns: Sequence[str]) -> bool:
    """Wait for the user's decision about the open cell, and return whether it may run.

    An edit replaces its code. ``concerns`` of the preflight are shown with the purpose.
    """
    user = run.deps.user
    assert user is not None
    entry = opened.entry
    purpose = " ".join([entry.purpose, *concerns]).strip()
    ask = new_ask_id()
    run.emit(
        ev.ApprovalRequested(
            **run.stamp, ask=ask, cell=entry.cell, code=entry.code, purpose=purpose
        )
    )
    with run.meter.waiting_for_user():
        approval = await user.approve(ask, entry.code, purpose)
    run.emit(ev.ApprovalDecided(**run.stamp, ask=ask, decision=approval.decision))
    match approval.decision:
        case "run":
            return True
        case "run_all":
            run.approve = False
            return True
        case "skip":
            return False
        case "edit":
            if approval.code is not None and approval.code.strip() and approval.code != entry.code:
                opened.entry = replace(entry, code=approval.code, origin="user")
                await run.record(opened.entry)
            return True
        case _:
            assert_never(approval.decision)


async def ask_plan(run: Run) -> bool:
    """Wait until the user accepts the plan, if they want to, and return whether they changed it.

    The user is asked once per run. Later revisions are only shown.
    """
    reader = plan_reader(run)
    if reader is None:
        return False
    before = tuple(step.goal for step in run.plan.steps)
    ask = new_ask_id()
    run.emit(ev.PlanApprovalRequested(**run.stamp, ask=ask, steps=run.plan.steps))
    with run.meter.waiting_for_user():
        goals = await reader.approve_plan(ask, run.plan.steps)
    run.plan_approved = True
    edited = tuple(" ".join(goal.split()) for goal in goals if goal.strip()) != before
    if edited:
        try:
            run.move_plan(run.plan.revised(goals), "edited by the user")
        except PlanRefused:
            edited = False
    run.emit(ev.PlanApproved(**run.stamp, ask=ask, edited=edited))
    return edited


def plan_reader(run: Run) -> PlanReader | None:
    """Return the user if they want to see this run's plan and have not seen it yet."""
    user: object = run.deps.user
    if run.plan_approved or not isinstance(user, PlanReader) or not user.wants_plan:
        return None
    return user
