"""Chart cells: matplotlib code with title, axis labels and units.

Writes code; draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.offline.recipes.recipe import Cell, quoted
from analyst_kernel.offline.task import DataTask, TimeAxis
from analyst_kernel.offline.words import name_tokens


def chart_cell(
    body: Sequence[str],
    *,
    title: str,
    x: str,
    y: str,
    step: int,
    purpose: str,
    grid: str = "both",
    size: str = "(8, 5)",
) -> Cell:
    """Return a cell that draws ``body`` on ``ax`` and labels it."""
    lines = [
        "import matplotlib.pyplot as plt",
        "",
        f"fig, ax = plt.subplots(figsize={size})",
        *body,
        f"ax.set_title({quoted(plain(title[:1].upper() + title[1:]))})",
        f"ax.set_xlabel({quoted(plain(x))})",
        f"ax.set_ylabel({quoted(plain(y))})",
        f'ax.grid(axis="{grid}", alpha=0.3)',
        "fig.tight_layout()",
        "plt.show()",
    ]
    return Cell("chart", purpose, "\n".join(lines), step, optional=True)


def time_ticks(task: DataTask, index: str) -> list[str]:
    """Return lines that name the points of a time axis: months by name, years as whole numbers."""
    axis = task.time
    if axis is None:
        return []
    if axis.grain in ("month", "quarter", "week", "day"):
        return [
            f"every = -(-len({index}) // 12)",
            f"ax.set_xticks({index}[::every])",
            'ax.tick_params(axis="x", rotation=45)',
        ]
    if is_month(axis):
        return [
            "import calendar",
            f"months = [int(month) for month in {index}]",
            "ax.set_xticks(months, [calendar.month_abbr[month] for month in months])",
        ]
    if axis.grain == "hour of day" or (axis.grain == "value" and axis.column.distinct <= 12):
        return [f"ax.set_xticks(list({index}))"]
    return ["ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True))"]


def is_month(axis: TimeAxis) -> bool:
    """Whether the points of the axis are months by their numbers."""
    if axis.grain == "month of year":
        return True
    low, high = axis.column.minimum, axis.column.maximum
    return (
        axis.grain == "value"
        and name_tokens(axis.column.name)[-1:] == ("month",)
        and isinstance(low, int | float)
        and isinstance(high, int | float)
        and 1 <= low <= high <= 12
    )


def grouped_digits(side: str, task: DataTask) -> list[str]:
    """Return the line that writes big numbers of an axis as 1,000,000, where there may be some."""
    measure = task.measures[0] if task.measures else None
    high = measure.maximum if measure is not None else None
    counted = task.statistic in ("sum", "rows", "distinct") and not task.part
    big = counted or (isinstance(high, int | float) and high >= 1000) or high is None
    return [f'ax.{side}axis.set_major_formatter("{{x:,.10g}}")'] if big and not task.part else []


def bar_values(shown: str, task: DataTask) -> list[str]:
    """Return lines that write its value beside each bar of ``bars``, with room for it."""
    return [
        f'labels = [f"{{value:{_digits(task)}}}" for value in {shown}["value"]]',
        "ax.bar_label(bars, labels, padding=3)",
        "ax.margins(x=0.15)",
        *grouped_digits("x", task),
    ]


def _digits(task: DataTask) -> str:
    """Return the format of a value beside its bar."""
    measure = task.measures[0] if task.measures else None
    high = measure.maximum if measure is not None else None
    if measure is not None and task.statistic in ("mean", "median") and measure.p75 is not None:
        high = measure.p75  # one far value must not take the decimals of all the others
    known = float(high) if isinstance(high, int | float) else None
    if task.part:
        return ",.2f"
    if task.statistic in ("rows", "distinct") or not task.measures:
        return ","
    if known is not None and known < 10:
        return ",.3g"
    big = task.statistic == "sum" or (known is not None and known >= 1000)
    return ",.0f" if big else ",.2f"


def plain(text: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics, and drop code marks."""
    text = " ".join(text.split())
    short = text if len(text) <= 90 else text[:89] + "…"
    return short.replace("`", "").replace("$", r"\$")
