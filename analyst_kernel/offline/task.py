"""What a question was read as: a task on one dataset, or the reason why it was not understood.

Plain values without behaviour beyond naming themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

Intent = Literal[
    "profile",
    "missing",
    "distribution",
    "top_values",
    "top_rows",
    "groups",
    "best_per_group",
    "scalar",
    "trend",
    "compare",
    "correlation",
    "outliers",
    "count",
    "distinct",
    "join",
]

Statistic = Literal["mean", "median", "sum", "min", "max", "std", "rows", "distinct", "share"]

Grain = Literal["value", "year", "quarter", "month", "month of year", "week", "day", "hour of day"]
"""How a time column is cut. ``value``: the column's own numbers (a year, a month number)."""

DatePart = Literal["", "year", "month"]
"""Which part of a date is compared; empty for other columns."""

Operator = Literal["is", "contains", "<", "<=", ">", ">=", "between"]


_DENIED: dict[Operator, str] = {"is": "is not", "contains": "does not contain"}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column.

    Attributes:
        column: The column.
        operator: ``is`` holds for any of the values; ``between`` includes both ends.
        values: Text or numbers.
        part: For date columns, which part is compared.
        negated: Whether it holds for the rows whose value meets the rest not; a missing value
            meets neither.
    """

    column: ColumnProfile
    operator: Operator
    values: tuple[str | float, ...]
    part: DatePart = ""
    negated: bool = False

    def describe(self) -> str:
        """Return the condition as text: ``make is Toyota``."""
        name = f"{self.part} of {self.column.name}" if self.part else self.column.name
        said = [value if isinstance(value, str) else f"{value:g}" for value in self.values]
        if self.operator == "between":
            return f"{name} from {said[0]} to {said[1]}"
        verb = _DENIED[self.operator] if self.negated else self.operator
        return f"{name} {verb} {' or '.join(said)}"


@dataclass(frozen=True, slots=True)
class Member:
    """One side of a comparison: rows whose group has one of the values.

    With ``whole`` false, rows whose group contains the (one) value as text.
    """

    label: str
    values: tuple[str, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """A column that orders rows in time, and how it is cut."""

    column: ColumnProfile
    grain: Grain

    @property
    def word(self) -> str:
        """What one point is called: ``year``, ``month``."""
        match self.grain:
            case "value":
                return self.column.name
            case "month of year":
                return "month"
            case "hour of day":
                return "hour"
            case _:
                return self.grain


@dataclass(frozen=True, slots=True)
class DataTask:
    """A question that was understood.

    Attributes:
        intent: Which recipe answers it.
        profile: The dataset.
        measures: Numeric columns that are summarised, in the order named.
        groups: Columns that rows are grouped by; the ranked one first.
        time: The time axis, for trends and for ranking periods.
        filters: Conditions that all hold.
        members: What of ``groups[0]`` is compared; empty means all.
        statistic: What is computed of a measure.
        direction: 1 asks for the highest first, -1 for the lowest, 0 for neither; of a comparison
            whether the first member is said to have more (1) or less (-1).
        top: How many items are asked for.
        wants_chart: Whether the words ask for a picture.
        assumptions: How doubtful words were read.
        others: More datasets that the task covers.
        also: More datasets that the question means just as well; the answer covers all.
        part: Conditions whose share of the rows is asked, per period or group.
        alike: Names of datasets with the same columns, which the task leaves out.
    """

    intent: Intent
    profile: DatasetProfile
    measures: tuple[ColumnProfile, ...] = ()
    groups: tuple[ColumnProfile, ...] = ()
    time: TimeAxis | None = None
    filters: tuple[Filter, ...] = ()
    members: tuple[Member, ...] = ()
    statistic: Statistic = "mean"
    direction: int = 0
    top: int | None = None
    wants_chart: bool = False
    assumptions: tuple[str, ...] = ()
    others: tuple[DatasetProfile, ...] = ()
    also: tuple[DatasetProfile, ...] = ()
    part: tuple[Filter, ...] = ()
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The question is understood. ``weight`` counts the words that the data explains."""

    task: DataTask
    weight: int = 0


@dataclass(frozen=True, slots=True)
class AskWhich:
    """Several readings fit equally well; the user decides."""

    question: str
    options: tuple[str, ...]
    default: str
    weight: int = 0


@dataclass(frozen=True, slots=True)
class LookUp:
    """Words that may be values which the profile does not list; a cell has to look for them."""

    profile: DatasetProfile
    phrases: tuple[str, ...]
    columns: tuple[str, ...]
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Unclear:
    """No reading. ``reason`` is one sentence; ``unknown`` are the words without a meaning here."""

    reason: str
    unknown: tuple[str, ...] = ()
    weight: int = 0


Reading: TypeAlias = Ready | AskWhich | LookUp | Unclear
