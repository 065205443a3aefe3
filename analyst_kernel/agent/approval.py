"""Asks the person for leave to run a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from analyst_kernel.agent.run import OpenCell, Run
from analyst_kernel.protocol.events import ApprovalDecided, ApprovalRequested
from analyst_kernel.protocol.ids import new_ask_id


async def ask_approval(run: Run, opened: OpenCell, concerns: Sequence[str]) -> bool:
    """Wait for the person's decision about the open cell; an edit replaces its code.

    Args:
        run: With a person at the bench.
        opened: The cell, already recorded.
        concerns: What the preflight holds against it, told with the purpose.

    Returns:
        Whether it may run.
    """
    person = run.bench.person
    assert person is not None
    entry = opened.entry
    purpose = " ".join([entry.purpose, *concerns]).strip()
    ask = new_ask_id()
    run.tell(
        ApprovalRequested(**run.stamp, ask=ask, cell=entry.cell, code=entry.code, purpose=purpose)
    )
    with run.meter.waiting_for_person():
        approval = await person.approve(entry.code, purpose)
    run.tell(ApprovalDecided(**run.stamp, ask=ask, decision=approval.decision))
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
