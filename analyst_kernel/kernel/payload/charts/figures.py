"""A whole figure as typed data: its panels, within the cap on points, ready to be sent.

Never raises: what cannot be read is a chart of type ``unknown`` with the reason.
"""

from __future__ import annotations

import warnings
from typing import Any

from analyst_kernel.kernel.payload.charts.panels import HEAD, is_bare, read_panel, title_of, unknown
from analyst_kernel.kernel.payload.charts.summary import sentence
from analyst_kernel.kernel.payload.charts.values import MOST_POINTS, chosen, text_of

_MOST_PANELS = 60
_PARALLEL = ("values", "sizes", "ends", "x_low", "x_high", "y_low", "y_high")


def read_figure(figure: Any, records: Any) -> dict[str, Any] | None:
    """Return a figure's chart, or None if it has no panel at all.

    Args:
        figure: A matplotlib figure; it is not changed.
        records: Artist to what the caller gave (see ``chart_capture.py``).
    """
    panels = [axes for axes in figure.axes if axes.get_visible() and not _is_colorbar(axes)]
    if not panels:
        return unknown("The figure has no axes.") if figure.get_children()[1:] else None
    bare = [axes for axes in panels if is_bare(axes) or type(axes).__name__ == "SecondaryAxis"]
    shown = [axes for axes in panels if axes not in bare] or panels[:1]
    notes = []
    if len(shown) > _MOST_PANELS:
        notes.append(f"Only {_MOST_PANELS} of {len(shown)} panels are listed.")
        shown = shown[:_MOST_PANELS]
    if len(bare) < len(panels) and any(title_of(axes) or axes.texts for axes in bare):
        notes.append(f"{len(bare)} of {len(panels)} panels show no data.")
    charts = [_panel(axes, records) for axes in shown]
    suptitle = getattr(figure, "_suptitle", None)
    title = text_of(suptitle.get_text()) if suptitle is not None else ""
    if len(charts) == 1:
        chart = charts[0]
        if title and not chart["title"]:
            chart["title"] = title
            chart["alt"] = sentence(chart)
        chart["warnings"] = [*chart["warnings"], *notes]
    else:
        chart = {
            **HEAD,
            "type": "superchart",
            "title": title or None,
            "elements": charts,
            "warnings": notes,
            "alt": _several(title, charts),
        }
    _cap(chart, charts)
    _strip(chart)
    return chart


def _is_colorbar(axes: Any) -> bool:
    return getattr(axes, "_colorbar", None) is not None or axes.get_label() == "<colorbar>"


def _panel(axes: Any, records: Any) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_panel(axes, records)
    except Exception as error:  # noqa: BLE001 - the picture is shown whatever happens here
        return unknown(f"It could not be read ({type(error).__name__}: {error})."[:300])


def _several(title: str, charts: list[dict[str, Any]]) -> str:
    begin = f"Figure '{title}'" if title else "Figure"
    parts = []
    for chart in charts:
        space = max(80, 900 // len(charts))
        words = chart["alt"].rstrip(".")
        parts.append(words if len(words) <= space else words[: space - 1] + "…")
    return f"{begin} with {len(charts)} charts: {' | '.join(parts)}."


def _elements(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every element of a chart once."""
    found = {id(element): element for element in chart["elements"]}
    for layer in chart.get("layers", []):
        found.update({id(element): element for element in layer["elements"]})
    return list(found.values())


def _cap(chart: dict[str, Any], charts: list[dict[str, Any]]) -> None:
    """Keep at most so many points of a figure, and report what was left out."""
    elements = [element for each in charts for element in _elements(each)]
    drawn = sum(element.get("_count", _weight(element)) for element in elements)
    total = sum(_weight(element) for element in elements)
    if total > MOST_POINTS:
        for element in elements:
            _thin(element, max(1, MOST_POINTS * _weight(element) // total))
        _thin_elements(charts)
    kept = sum(_weight(element) for each in charts for element in _elements(each))
    if kept < max(drawn, total) and not any(each["type"] == "heatmap" for each in charts):
        notice = f"{kept:,} of {max(drawn, total):,} points are listed, evenly spaced; "
        notice += "the picture shows all."
        chart["warnings"] = [*chart["warnings"], notice]


def _weight(element: dict[str, Any]) -> int:
    return max(1, len(element.get("points", ())) + len(element.get("outliers", ())))


def _thin(element: dict[str, Any], space: int) -> None:
    for name in ("points", "outliers"):
        if len(element.get(name, ())) > space:
            position = chosen(len(element[name]), space).tolist()
            if name == "points":
                for column in _PARALLEL:
                    if len(element.get(column, ())) == len(element["points"]):
                        element[column] = [element[column][index] for index in position]
            element[name] = [element[name][index] for index in position]


def _thin_elements(charts: list[dict[str, Any]]) -> None:
    """Leave out elements where there are more of them than points may be."""
    most = max(1, MOST_POINTS // len(charts))
    for chart in charts:
        for holder in [chart, *chart.get("layers", [])]:
            if len(holder["elements"]) > most:
                position = chosen(len(holder["elements"]), most).tolist()
                holder["elements"] = [holder["elements"][index] for index in position]


def _strip(chart: dict[str, Any]) -> None:
    """Remove the facts that served the summary."""
    for holder in [chart, *chart.get("layers", [])]:
        for element in holder["elements"]:
            for name in [name for name in element if name.startswith("_")]:
                del element[name]
            if "layers" in element or "x_ticks" in element:
                _strip(element)
            elif element.get("group") == "" and "value" not in element:
                del element["group"]
