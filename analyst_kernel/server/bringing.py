"""Brings the kernel of a branch to the state of its cell, and tells how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyst_kernel.agent.errors import AnalystError
from analyst_kernel.notebook.verify import CellCheck
from analyst_kernel.protocol.events import BranchAdvanced, BranchFinished
from analyst_kernel.server.jobs import BranchState

if TYPE_CHECKING:
    from analyst_kernel.server.living import LivingAnalysis

STOPPED = "It was stopped. The next question runs these cells first."


async def bring_branch(living: LivingAnalysis, job: BranchState) -> None:
    """Do the job to its end; cancelled or failed, the branch stays usable without a kernel."""
    checks: list[CellCheck] = []

    def told(check: CellCheck, number: int, of: int) -> None:
        checks.append(check)
        living.tell(
            BranchAdvanced(
                analysis=living.id, cell=check.cell, place=number,
                verdict=check.verdict, detail=check.detail,
            )
        )  # fmt: skip

    total, reason = job.cells, STOPPED
    try:
        analysis = await living.opened()
        await analysis.bring_state(on_check=told)
        total, reason = sum(check.verdict != "skipped" for check in checks), ""
    except AnalystError as error:
        reason = str(error)
    finally:
        reproduced = sum(check.verdict == "reproduced" for check in checks)
        living.tell(
            BranchFinished(analysis=living.id, reproduced=reproduced, total=total, reason=reason)
        )
