"""Periods that the data cover in part: left out of comparisons of sums and counts.

Writes code and sentences; runs nothing.
"""

from __future__ import annotations

from analyst_kernel.models.offline.code_text import quoted
from analyst_kernel.models.offline.prose import listed
from analyst_kernel.models.offline.recipe import Shown
from analyst_kernel.models.offline.rows import Prepared
from analyst_kernel.models.offline.task import Grain, Task

_NAMES: dict[Grain, str] = {
    "year": "moment.year",
    "quarter": 'f"{moment.year}-Q{moment.quarter}"',
    "month": 'moment.strftime("%Y-%m")',
    "week": 'moment.strftime("%G-W%V")',
}
"""Grain -> how the period of a moment is called; the same names as the cut column has."""

_SLACK: dict[Grain, int] = {"year": 14, "quarter": 7, "month": 3, "week": 1}
"""Days without rows that may stand at the edge of a period that is taken as whole."""

SPAN = (
    '    "incomplete": incomplete,',
    '    "data from": str(start.date()),',
    '    "data to": str(end.date()),',
)
"""Entries of the shown result that :func:`incomplete` reads."""


def adds_up(task: Task) -> bool:
    """Whether a period that is cut short has a smaller value for that reason alone."""
    axis = task.time
    return axis is not None and axis.grain in _NAMES and task.statistic in ("sum", "rows")


def whole_periods(task: Task, rows: Prepared) -> list[str]:
    """Return lines that make ``compared`` of ``by_period``, without the periods cut short."""
    axis = task.time
    if axis is None or not adds_up(task):
        return ["compared = by_period"]
    return [
        f"dates = {rows.frame}[{quoted(axis.column.name)}]",
        "start, end = dates.min(), dates.max()",
        "gap = dates.drop_duplicates().sort_values().diff().median()",
        f"slack = max(pd.Timedelta(days={_SLACK[axis.grain]}), 1.5 * gap)",
        "",
        "",
        "def period(moment):",
        f"    return {_NAMES[axis.grain]}",
        "",
        "",
        "cut = {period(start)} if period(start - slack) == period(start) else set()",
        "cut |= {period(end)} if period(end + slack) == period(end) else set()",
        "compared = {name: value for name, value in by_period.items() if name not in cut}",
        "if len(compared) < 2:",
        "    compared, cut = by_period, set()",
        "incomplete = sorted(cut)",
    ]


def incomplete(shown: Shown) -> tuple[str, ...]:
    """Say which periods were left out of the comparison, and why."""
    names = [str(name) for name in shown.get("incomplete", ())]
    if not names:
        return ()
    verb = "is" if len(names) == 1 else "are"
    span = f"the rows run from {shown['data from']} to {shown['data to']}"
    return (f"{listed(names)} {verb} left out of this comparison as incomplete: {span}.",)
