"""Runs inside the kernel: gives every shown matplotlib figure its typed data, beside its picture.

Registers a display formatter without importing anything, and keeps what some calls were given where
their shapes do not show it any more. What reads figures is compiled when the first one is shown.
Standard library only; never imported on this side.
"""

from __future__ import annotations

import functools
import importlib
import sys
import weakref
from collections.abc import Callable
from typing import Any

CHART_MIME = "application/vnd.analyst-kernel.chart.v1+json"
READER = "_analyst_charts.figures"

records: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()
"""Artist to what the caller gave; kept as long as the artist."""

problems: list[str] = []


def install(shell: Any, when_imported: Callable[[str, Callable[[Any], None]], None]) -> None:
    """Register with a shell; the rest happens when matplotlib is imported and a figure is shown."""
    from IPython.core.formatters import BaseFormatter
    from traitlets import ObjectName, Unicode

    class ChartFormatter(BaseFormatter):
        """Makes the typed data of figures."""

        format_type = Unicode(CHART_MIME)
        print_method = ObjectName("_repr_analyst_chart_")
        _return_type = dict

        def __call__(self, shown: Any) -> Any:
            # Not by a registered printer: choosing picture formats removes those of figures.
            module = sys.modules.get("matplotlib.figure")
            return chart_of(shown) if module and isinstance(shown, module.Figure) else None

    formatters = shell.display_formatter.formatters
    if CHART_MIME in formatters:
        return
    formatters[CHART_MIME] = ChartFormatter(parent=shell.display_formatter)
    when_imported("matplotlib.axes._axes", record_calls)
    if "matplotlib.figure" in sys.modules:
        # A process that kernels are forked from: none of them has to compile it again.
        importlib.import_module(READER)


def chart_of(figure: Any) -> dict[str, Any] | None:
    """Return a figure's typed data; if that fails, a chart with the reason."""
    try:
        chart: dict[str, Any] | None = importlib.import_module(READER).read_figure(figure, records)
        return chart
    except Exception as error:  # noqa: BLE001 - the picture is shown whatever happens here
        reason = f"It could not be read ({type(error).__name__}: {error})."[:300]
        return {
            "version": 1,
            "library": "matplotlib",
            "type": "unknown",
            "title": None,
            "elements": [],
            "warnings": [reason],
            "alt": f"Chart of an unknown type; {reason}",
        }


def record_calls(module: Any) -> None:
    """Keep what ``hist``, ``bxp``, ``violinplot`` and ``pie`` are given from now on."""
    notes = {"hist": _note_hist, "bxp": _note_boxes, "violinplot": _note_violins, "pie": _note_pie}
    for name, note in notes.items():
        original = getattr(module.Axes, name, None)
        if original is not None and not hasattr(original, "_analyst_note"):
            setattr(module.Axes, name, _recorded(original, note))


def _recorded(original: Any, note: Callable[..., None]) -> Any:
    @functools.wraps(original)
    def call(*args: Any, **keywords: Any) -> Any:
        __tracebackhide__ = True  # a traceback shows the caller and matplotlib
        result = original(*args, **keywords)
        try:
            note(result, args[1:], keywords)
        except Exception as error:  # noqa: BLE001 - geometry is read instead
            if len(problems) < 20:
                problems.append(f"{original.__name__}: {type(error).__name__}: {error}"[:300])
        return result

    call.__dict__["_analyst_note"] = True
    return call


def _note_hist(result: Any, _args: Any, keywords: Any) -> None:
    counts, edges, drawn = result
    along = keywords.get("orientation", "vertical")
    bare = hasattr(drawn, "patches") or hasattr(drawn[0], "get_path")
    several = [drawn] if bare else list(drawn)
    rows = [counts] if len(several) == 1 and getattr(counts, "ndim", 1) == 1 else list(counts)
    stacked = bool(keywords.get("stacked")) or keywords.get("histtype") == "barstacked"
    below: Any = None
    for row, group in zip(rows, several):  # noqa: B905 - a kernel may be older
        first = group.patches[0] if hasattr(group, "patches") else group[0]
        values = row - below if stacked and below is not None else row
        below = row
        records[first] = {"edges": edges.copy(), "values": values.copy(), "orientation": along}


def _note_boxes(result: Any, args: Any, keywords: Any) -> None:
    given = keywords["bxpstats"] if "bxpstats" in keywords else args[0]
    if not isinstance(given, (list, tuple)) or len(given) != len(result["medians"]):
        return
    per_box = {name: len(result[name]) // max(1, len(given)) for name in result}
    for position, stats in enumerate(given):
        median = result["medians"][position]
        x, y = median.get_xdata(orig=False), median.get_ydata(orig=False)
        level = keywords.get("orientation") == "horizontal" or keywords.get("vert") is False
        parts = [
            part
            for name, count in per_box.items()
            for part in result[name][position * count : (position + 1) * count]
        ]
        kept = {key: stats[key] for key in stats if key not in ("fliers", "label")}
        records[median] = {
            "box": {**kept, "fliers": list(stats.get("fliers", ())), "label": stats.get("label")},
            "position": float(sum(y) / len(y)) if level else float(sum(x) / len(x)),
            "orientation": "horizontal" if level else "vertical",
            # The record must not keep its own artist alive.
            "parts": [weakref.ref(part) for part in parts],
        }


def _note_violins(result: Any, args: Any, keywords: Any) -> None:
    import numpy as np

    given = keywords["dataset"] if "dataset" in keywords else args[0]
    if keywords.get("data") is not None:
        given = keywords["data"][given]
    groups = _groups(given)
    bodies = result["bodies"]
    positions = keywords.get("positions", args[1] if len(args) > 1 else None)
    if positions is None:
        positions = range(1, len(groups) + 1)
    level = keywords.get("orientation") == "horizontal" or keywords.get("vert") is False
    extra = [part for name, part in result.items() if name != "bodies"]
    for body, group, position in zip(bodies, groups, positions):  # noqa: B905 - a kernel may be older
        values = np.asarray(group, dtype=float)
        values = values[np.isfinite(values)]
        if not values.size:
            continue
        names = ("min", "first_quartile", "median", "third_quartile", "max")
        numbers = np.percentile(values, [0, 25, 50, 75, 100]).tolist()
        records[body] = {
            "violin": dict(zip(names, numbers)),  # noqa: B905 - a kernel may be older
            "position": float(position),
            "orientation": "horizontal" if level else "vertical",
            "parts": [weakref.ref(part) for part in extra],
        }


def _groups(given: Any) -> list[Any]:
    """Return the groups of a data set as matplotlib takes it: columns, or sequences, or one."""
    import numpy as np

    if getattr(given, "ndim", 0) == 2:
        return list(np.asarray(given).T)
    values = list(np.asarray(given) if hasattr(given, "ndim") else given)
    return values if values and np.ndim(values[0]) else [values]


def _note_pie(result: Any, args: Any, keywords: Any) -> None:
    given = keywords["x"] if "x" in keywords else args[0]
    labels = keywords.get("labels", args[2] if len(args) > 2 else None)
    frame = keywords.get("data")
    if frame is not None:
        given = frame[given] if isinstance(given, str) else given
        labels = frame[labels] if isinstance(labels, str) else labels
    values = list(given)
    names = [None] * len(values) if labels is None else [str(label) for label in labels]
    wedges = result[0]
    if len(wedges) == len(values) == len(names):
        for wedge, value, name in zip(wedges, values, names):  # noqa: B905 - a kernel may be older
            records[wedge] = {"value": value, "label": name}
