"""Outputs as a notebook's file holds them: they may come from anywhere, and are what it claims."""

from __future__ import annotations

from typing import assert_never

from analyst_kernel.kernel.messages import DisplayMsg, ErrorMsg, ResultMsg, StreamMsg
from analyst_kernel.kernel.outputs.fold import OutputState, finish, fold
from analyst_kernel.kernel.outputs.sanitise import OutputLimits
from analyst_kernel.protocol.outputs import (
    CellError,
    DisplayOutput,
    ErrorOutput,
    Output,
    ResultOutput,
    StreamOutput,
)


def sanitise_saved_outputs(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """Return saved outputs as they would stand had a kernel just sent them."""
    limits = OutputLimits()
    state = OutputState()
    for output in outputs:
        state, _ = fold(state, _message(output), limits)
    return finish(state).outputs


def _message(output: Output) -> StreamMsg | DisplayMsg | ResultMsg | ErrorMsg:
    match output:
        case StreamOutput():
            return StreamMsg(output.name, output.text)
        case DisplayOutput():
            return DisplayMsg(output.data, output.metadata)
        case ResultOutput():
            return ResultMsg(output.data, output.metadata, output.execution_count)
        case ErrorOutput():
            return ErrorMsg(output.ename, output.evalue, output.traceback)
        case _:
            assert_never(output)


def error_of(outputs: tuple[Output, ...]) -> CellError | None:
    """Return the last error among sanitised outputs."""
    errors = [output for output in outputs if isinstance(output, ErrorOutput)]
    return CellError(name=errors[-1].ename, message=errors[-1].evalue) if errors else None
