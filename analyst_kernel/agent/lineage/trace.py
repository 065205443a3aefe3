"""What the kernel saw of a cell's tables, as it reports it. Code in the kernel may forge it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_TEXT = 200
_LISTED = 20
_EVENTS = 60


def _cut(value: Any) -> Any:
    return value[:_TEXT] if isinstance(value, str) else value


def _some(value: Any) -> Any:
    return value[:_LISTED] if isinstance(value, list) else value


def _most(value: Any) -> Any:
    return value[:_EVENTS] if isinstance(value, list) else value


Text = Annotated[str, BeforeValidator(_cut)]
Texts = Annotated[list[Text], BeforeValidator(_some)]
Size = Annotated[int, Field(ge=-(2**53), le=2**53)]


class TraceEvent(BaseModel):
    """One fact; which of the fields it has is up to its kind.

    Attributes:
        kind: Such as ``join``, ``sample`` or ``changed``; others are passed over.
        label, rows: The table that it is about, and its rows.
        other, other_rows: A second table.
        before, after: Rows before and after.
        column, operator, values: What was tested or aggregated, and the values in question.
        near, there: Values that nearly are those, and the most frequent ones.
        what: The function or option that the code used.
        made: How made-up data was made.
        use: What became of the result (``rows`` if more than counted).
        by, groups, count, low, high: Groups, how many of them matter, and the range of sizes.
        added, gone: Columns.
        text, types: Whether a text was asked for, and whether the column holds another type.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Text
    label: Text = ""
    rows: Size = -1
    other: Text = ""
    other_rows: Size = -1
    before: Size = -1
    after: Size = -1
    column: Text = ""
    operator: Text = ""
    values: Texts = []
    near: Texts = []
    there: Texts = []
    what: Text = ""
    made: Text = ""
    use: Text = ""
    by: Texts = []
    groups: Size = -1
    count: Size = 0
    low: Text | Size | None = None
    high: Text | Size | None = None
    added: Texts = []
    gone: Texts = []
    text: bool = False
    types: bool = False


class TraceFrame(BaseModel):
    """Where one named table comes from.

    Attributes:
        label, rows: The table that it was taken from, and that table's rows.
        others: Tables that were joined to it, with their rows.
        roots: Datasets and files that it was made of; ``?`` for what was there before.
        reduced: Whether it holds results of an aggregation, by the columns ``by``.
        made: How it was made up, if it was.
        sample: How a part of the rows was taken, if it was.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    label: Text = ""
    rows: Size = -1
    others: Annotated[list[tuple[Text, Size]], BeforeValidator(_some)] = []
    roots: Texts = []
    reduced: bool = False
    by: Texts = []
    made: Text = ""
    sample: Text = ""


class CellTrace(BaseModel):
    """The report about one cell.

    Attributes:
        reads: Datasets and files that the cell used; ``?`` for tables of unknown origin.
        skipped: What was too large, or took too long, to be looked at.
        problem: What went wrong in looking; empty if nothing did.
        ms: What looking took, in milliseconds.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    events: Annotated[list[TraceEvent], BeforeValidator(_most)] = []
    frames: Annotated[dict[str, TraceFrame], Field(max_length=60)] = {}
    reads: Texts = []
    skipped: Texts = []
    problem: Text = ""
    ms: float = 0.0
