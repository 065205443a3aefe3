"""Collects what other clients run in the same kernel: a user's cells in the tab, a console.

Only published messages are seen: the code, its outputs, how it ended. Silent requests (completion,
variable inspectors) are not runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.agent.ports import Execution, UserExecution
from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.diagnosis import cell_error
from analyst_kernel.kernel.messages import (
    ExecuteInputMsg,
    clean_text,
    content_of,
    parent_of,
    parse,
    type_of,
)
from analyst_kernel.kernel.outputs.sanitise import OutputLimits

LONGEST_CODE = 100_000
"""Characters of code that are kept of one run."""
_MOST = 20
"""Runs under way at once; a kernel runs one after the other, so more are leftovers."""


@dataclass(slots=True)
class _ClientRun:
    run: CellRun
    code: str | None = None


class OtherClientRuns:
    """Collects the runs of other clients until each is over, with their outputs within ``limits``.

    Attributes:
        listener: Called with each run that ended; nothing is collected while it is None.
    """

    def __init__(self, limits: OutputLimits) -> None:
        self._limits = limits
        self._runs: dict[str, _ClientRun] = {}
        self.listener: Callable[[UserExecution], None] | None = None

    async def take(self, raw: Mapping[str, Any], *, own: str) -> None:
        """Take a published message that answers no request of ours; ``own`` is our session."""
        parent = raw.get("parent_header")
        if self.listener is None or not isinstance(parent, Mapping):
            return
        if parent.get("msg_type") != "execute_request" or parent.get("session") == own:
            return
        key = parent_of(raw)
        theirs = self._runs.get(key)
        if theirs is None:
            while len(self._runs) >= _MOST:
                del self._runs[next(iter(self._runs))]
            theirs = self._runs[key] = _ClientRun(CellRun(self._limits))
        message = parse(raw)
        if isinstance(message, ExecuteInputMsg):
            code = content_of(raw).get("code")
            theirs.code = clean_text(code[:LONGEST_CODE]) if isinstance(code, str) else None
        await theirs.run.take(message)
        if type_of(raw) == "status" and theirs.run.idle:
            del self._runs[key]
            self._emit(theirs)

    def _emit(self, theirs: _ClientRun) -> None:
        if theirs.code is None or not theirs.code.strip() or self.listener is None:
            return  # silent, or its beginning was missed
        run = theirs.run
        finished = run.finish()
        count, failure = run.state.execution_count, run.state.error
        error = cell_error(failure, execution_count=count) if failure else None
        self.listener(
            UserExecution(
                theirs.code,
                Execution(
                    outcome="ok" if error is None else "error",
                    outputs=finished.outputs,
                    error=error,
                    seconds=time.monotonic() - run.began,
                    execution_count=count,
                ),
            )
        )
