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
    "several",
]

Statistic = Literal["mean", "median", "sum", "min", "max", "std", "rows", "distinct", "share"]

Grain = Literal["value", "year", "quarter", "month", "month of year", "week", "day", "hour of day"]
"""How a time column is cut. ``value``: the column's own numbers (a year, a month number)."""

DatePart = Literal["", "year", "quarter", "month", "year-month", "date"]
"""Which part of a date is compared; empty for other columns. The last two are ISO text."""

Operator = Literal["is", "contains", "<", "<=", ">", ">=", "between"]


_DENIED: dict[Operator, str] = {"is": "is not", "contains": "does not contain"}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column; a missing value never meets it, negated or not."""

    column: ColumnProfile
    operator: Operator  # ``is`` holds for any of the values; ``between`` includes both ends
    values: tuple[str | float, ...]
    part: DatePart = ""
    negated: bool = False

    def describe(self) -> str:
        """Return the condition as text: ``make is Toyota``."""
        part = "month" if self.part == "year-month" else self.part
        name = f"{part} of {self.column.name}" if part not in ("", "date") else self.column.name
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
        return self.column.name if self.grain == "value" else self.grain.partition(" of ")[0]


@dataclass(frozen=True, slots=True)
class DataTask:
    """A question that was understood."""

    intent: Intent
    profile: DatasetProfile
    measures: tuple[ColumnProfile, ...] = ()  # in the order named
    groups: tuple[ColumnProfile, ...] = ()  # the ranked one first
    time: TimeAxis | None = None
    filters: tuple[Filter, ...] = ()
    members: tuple[Member, ...] = ()  # what of ``groups[0]`` is compared; empty means all
    statistic: Statistic = "mean"
    direction: int = 0
    """1 asks for the highest first, -1 for the lowest, 0 for neither; of a comparison whether the
    first member is said to have more (1) or less (-1)."""
    top: int | None = None
    wants_chart: bool = False
    assumptions: tuple[str, ...] = ()
    others: tuple[DatasetProfile, ...] = ()  # more datasets that the task covers
    also: tuple[DatasetProfile, ...] = ()  # those that the question means just as well
    part: tuple[Filter, ...] = ()  # conditions whose share of the rows is asked
    alike: tuple[str, ...] = ()  # datasets with the same columns, which the task leaves out
    of_total: bool = False  # each group's percentage of the sum of all is asked
    then: tuple[DataTask, ...] = ()  # the requests of a question that has several
    chart: str = ""  # the kind of chart that is asked for by name; empty: the usual one


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
