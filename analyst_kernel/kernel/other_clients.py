"""Hears what others run in the same kernel: a user's cells in the notebook's tab, a console.

Only published messages are seen: the code, its outputs, how it ended. Silent requests (completion,
variable inspectors) are not runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.agent.manual.changes import HeardRun
from analyst_kernel.kernel.diagnosis import cell_error
from analyst_kernel.kernel.execution import CellRun
from analyst_kernel.kernel.messages import ExecuteInputMsg, content_of, parent_of, parse, type_of
from analyst_kernel.kernel.outputs.limits import OutputLimits

LONGEST_CODE = 100_000
"""Characters of code that are kept of one run."""
_MOST = 20
"""Runs under way at once; a kernel does one after the other, so more are leftovers."""


@dataclass(slots=True)
class _Heard:
    run: CellRun
    code: str | None = None
    count: int | None = None


class ForeignRuns:
    """Collects the runs of others until each is over.

    Attributes:
        listener: Told of each run that ended; ``None`` while nobody wants to know.
    """

    def __init__(self, limits: OutputLimits) -> None:
        """Keep as much output of each as of a run of ours."""
        self._limits = limits
        self._runs: dict[str, _Heard] = {}
        self.listener: Callable[[HeardRun], None] | None = None

    async def take(self, raw: Mapping[str, Any], *, own: str) -> None:
        """Take a published message that answers no request of ours; ``own`` is our session."""
        parent = raw.get("parent_header")
        if self.listener is None or not isinstance(parent, Mapping):
            return
        if parent.get("msg_type") != "execute_request" or parent.get("session") == own:
            return
        key = parent_of(raw)
        heard = self._runs.get(key)
        if heard is None:
            while len(self._runs) >= _MOST:
                del self._runs[next(iter(self._runs))]
            heard = self._runs[key] = _Heard(CellRun(self._limits))
        message = parse(raw)
        if isinstance(message, ExecuteInputMsg):
            code = content_of(raw).get("code")
            heard.code = code[:LONGEST_CODE] if isinstance(code, str) else None
            heard.count = message.execution_count
        await heard.run.take(message)
        if type_of(raw) == "status" and heard.run.idle:
            del self._runs[key]
            self._tell(heard)

    def _tell(self, heard: _Heard) -> None:
        if heard.code is None or not heard.code.strip() or self.listener is None:
            return  # silent, or its beginning was not heard
        run = heard.run
        finished = run.finish()
        failure = run.state.error
        error = None
        if failure is not None:
            error = cell_error(failure, execution_count=heard.count, frames=())
        self.listener(
            HeardRun(
                code=heard.code,
                outcome="ok" if error is None else "error",
                outputs=finished.outputs,
                error=error,
                seconds=time.monotonic() - run.began,
                execution_count=heard.count,
            )
        )
