"""Cell outputs as in a notebook (nbformat 4.5), typed, and the variables that a cell left."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from analyst_kernel.protocol.base import Json, Record

CHART_MIME = "application/vnd.analyst-kernel.chart.v1+json"
"""The MIME type of typed chart data, which is in the same bundle as ``image/png``."""

Outcome = Literal["ok", "error", "timeout", "cancelled", "rejected"]
"""How an iteration ended; ``rejected`` if the user or a check kept it from running."""


class StreamOutput(Record):
    """Text written to stdout or stderr; consecutive writes to one stream are one output."""

    output_type: Literal["stream"] = "stream"
    name: Literal["stdout", "stderr"]
    text: str


class DisplayOutput(Record):
    """A display bundle: MIME type to content (text, base64 for images, JSON)."""

    output_type: Literal["display_data"] = "display_data"
    data: dict[str, Json]
    metadata: dict[str, Json] = Field(default_factory=dict)


class ResultOutput(Record):
    """The value of a cell's last expression."""

    output_type: Literal["execute_result"] = "execute_result"
    data: dict[str, Json]
    metadata: dict[str, Json] = Field(default_factory=dict)
    execution_count: int | None = None


class ErrorOutput(Record):
    """An exception that reached the top of the cell. ``traceback`` lines carry ANSI colours."""

    output_type: Literal["error"] = "error"
    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()


Output = Annotated[
    StreamOutput | DisplayOutput | ResultOutput | ErrorOutput, Field(discriminator="output_type")
]


class FrameColumn(Record):
    """One column of a live table: its exact name and its dtype as the library prints it."""

    name: str
    dtype: str


class Frame(Record):
    """One variable that a cell left in the kernel.

    Attributes:
        name: The variable's name.
        type: Qualified class name, e.g. ``pandas.DataFrame``.
        shape: Rows and columns, or the array's shape; empty for other values.
        columns: The table's columns, at most 200; empty for anything that is not a table.
        summary: One short line for values without a shape (``17.3``, ``list of 12``).
    """

    name: str
    type: str
    shape: tuple[int, ...] = ()
    columns: tuple[FrameColumn, ...] = ()
    summary: str = ""


class LineageHint(Record):
    """Something in a cell that ran which should be looked at twice.

    Attributes:
        code: Stable kebab-case name of the matter, e.g. ``join-multiplies-rows``.
        message: The facts: which tables, rows before and after, columns, values.
        advice: What to check.
    """

    code: str
    message: str
    advice: str = ""


class CellError(Record):
    """The error that ended a cell.

    Attributes:
        name: Exception class (``KeyError``), or ``Timeout``, ``KernelDied``.
        message: The exception's own message.
        line: 1-based line of the cell that failed, if it is known.
        hint: What was probably meant, such as the nearest column name; may be empty.
    """

    name: str
    message: str
    line: int | None = None
    hint: str = ""
