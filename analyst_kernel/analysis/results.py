"""What the Python API hands back: the answer of a run, its charts, and a cell that a user ran."""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields
from typing import Any

from analyst_kernel.agent.evidence.marks import marked
from analyst_kernel.protocol.events import RunFinished
from analyst_kernel.protocol.outputs import (
    CellError,
    DisplayOutput,
    Frame,
    Outcome,
    Output,
    ResultOutput,
    StreamOutput,
)
from analyst_kernel.protocol.records import (
    Answer,
    ChartRecord,
    Finding,
    IterationRecord,
    RunStatus,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Chart:
    """One captured figure.

    Attributes:
        title: As drawn, or the purpose of the cell that drew it.
        alt: One sentence for a screen reader.
        png: The picture's bytes, or ``None`` where the figure has none.
        data: Typed data of the figure (see the README), or ``None``.
        cell: Id of the notebook cell that drew it.
    """

    title: str
    alt: str
    png: bytes | None
    data: dict[str, Any] | None
    cell: str

    @classmethod
    def of(cls, record: ChartRecord) -> Chart:
        """Decode the record that travels on the wire."""
        png = base64.b64decode(record.png) if record.png is not None else None
        return cls(record.title, record.alt, png, record.data, record.cell)

    def _repr_png_(self) -> bytes | None:
        """Show the picture when a chart is the last expression of a notebook cell."""
        return self.png


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run.

    Attributes:
        status: ``answered``, ``incomplete`` (a budget ended or it gave up), ``failed`` (the model
            provider failed) or ``cancelled``.
        answer: Markdown.
        reason: Why, where the status is not ``answered``.
        details: Assumptions, caveats, next questions and the proof of each number.
        findings: Recorded statements with their cells.
        charts: In the order drawn.
        notebook: Absolute path of the saved notebook.
        iterations: Each piece of code that ran, failed ones too, in order.
        usage: Tokens and cost.
        seconds: Wall time.
    """

    status: RunStatus
    answer: str
    reason: str
    details: Answer | None
    findings: tuple[Finding, ...]
    charts: tuple[Chart, ...]
    notebook: str | None
    iterations: tuple[IterationRecord, ...]
    usage: Usage
    seconds: float

    @classmethod
    def of(cls, event: RunFinished) -> Result:
        """Make the result from the run's last event."""
        shared = {field.name: getattr(event, field.name) for field in fields(cls)}
        return cls(**shared | {"charts": tuple(map(Chart.of, event.charts))})

    def _repr_markdown_(self) -> str:
        """Show the answer when a result is the last expression of a notebook cell."""
        return marked(self.answer, self.details.numbers if self.details is not None else ())


@dataclass(frozen=True, slots=True)
class CellResult:
    """A cell that a user ran through the API.

    Attributes:
        outcome: ``ok``, ``error``, ``timeout`` or ``cancelled``.
        outputs: As saved in the notebook.
        error: Set unless ``ok``.
        charts: Figures among the outputs.
        frames: Variables in the kernel afterwards.
        cell: Id of the notebook cell.
        seconds: Wall time.
    """

    outcome: Outcome
    outputs: tuple[Output, ...]
    error: CellError | None
    charts: tuple[Chart, ...]
    frames: tuple[Frame, ...]
    cell: str
    seconds: float

    @property
    def text(self) -> str:
        """Everything the cell printed and the plain text of what it displayed."""
        parts: list[str] = []
        for output in self.outputs:
            if isinstance(output, StreamOutput):
                parts.append(output.text)
            elif isinstance(output, DisplayOutput | ResultOutput):
                plain = output.data.get("text/plain")
                if isinstance(plain, str):
                    parts.append(plain)
        return "\n".join(part.rstrip("\n") for part in parts)
