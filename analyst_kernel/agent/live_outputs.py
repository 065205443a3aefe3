"""The outputs of a running cell as they arrive: a cancelled cell keeps what it showed. Pure."""

from __future__ import annotations

from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.protocol.outputs import Output, StreamOutput


class LiveOutputs:
    """Folds changes into a list of outputs."""

    def __init__(self) -> None:
        """Start empty."""
        self._outputs: list[Output] = []

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What stands there now."""
        return tuple(self._outputs)

    def apply(self, change: OutputChange) -> None:
        """Fold one change: cleared, text appended, replaced, or added at the end."""
        output = change.output
        if output is None:
            self._outputs.clear()
            return
        if change.index >= len(self._outputs):
            self._outputs.append(output)
            return
        there = self._outputs[change.index]
        if change.append and isinstance(there, StreamOutput) and isinstance(output, StreamOutput):
            output = there.model_copy(update={"text": there.text + output.text})
        self._outputs[change.index] = output
