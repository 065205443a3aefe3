"""Lines, markers, stems, error bars, and straight lines across a panel."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.sheet import Sheet, look, own_name
from analyst_kernel.kernel.payload.charts.values import floats, is_close, xy_of

_MOST_SERIES = 300


def read_containers(sheet: Sheet) -> None:
    """Read error bars (of points) and stems."""
    for container in sheet.axes.containers:
        if type(container).__name__ == "ErrorbarContainer":
            parts = [part for part in parts_of(container) if id(part) not in sheet.used]
            if parts and (element := _error_series(sheet, container)):
                sheet.add("errorbar", [element], parts[0])
            sheet.use(*parts)
        elif type(container).__name__ == "StemContainer":
            marks, stems, base = container.markerline, container.stemlines, container.baseline
            label = own_name(container) or sheet.names.named(marks)
            sheet.add("stem", [_series(sheet, marks, label)], marks)
            sheet.use(marks, base, *(stems if isinstance(stems, (list, tuple)) else [stems]))


def read_lines(sheet: Sheet) -> None:
    """Read the lines of a panel: series, marker-only series, and reference lines."""
    found = [line for line in sheet.axes.lines if sheet.is_open(line)]
    series: list[Any] = []
    for line in found:
        sheet.use(line)
        if type(line).__name__ == "AxLine":
            sheet.references.append({"axis": "both", "label": own_name(line)})
            continue
        inside = sheet.in_data(line.get_transform())
        if all(inside):
            if len(line.get_xdata(orig=False)):
                series.append(line)
        elif any(inside):
            _reference(sheet, line, "x" if inside[0] else "y")
    taken = _taken_spans(series)
    spans = {id(line) for mine in taken.values() for line, _, _ in mine}
    kept = [line for line in series if id(line) not in spans]
    if len(kept) > _MOST_SERIES:
        sheet.warnings.append(f"Only {_MOST_SERIES} of {len(kept)} lines are listed.")
        kept = kept[:_MOST_SERIES]
    by_kind: dict[str, list[Any]] = {"line": [], "scatter": []}
    for line in kept:
        bare = line.get_linestyle() in ("None", "", " ")
        by_kind["scatter" if bare else "line"].append(line)
    for kind, lines in by_kind.items():
        elements = []
        for line in lines:
            element = _series(sheet, line, sheet.names.named(line))
            style = str(line.get_drawstyle())
            if style.startswith("steps"):
                element["step"] = style.partition("-")[2] or "pre"
            if id(line) in taken:
                axis = taken[id(line)][0][1]
                across = xy_of(line)[0 if axis == "y" else 1]
                if len(across) == len(element["points"]):
                    spans_of_points = [found for _, _, found in taken[id(line)]]
                    _bounds(element, axis, across.tolist(), spans_of_points)
            elements.append(element)
        if lines:
            sheet.add(kind, elements, lines[0])


Interval = tuple[float, Any, Any]
"""A position on one axis, and the two ends on the other; an interval of nothing has null ends."""


def span_of(line: Any, axis: str) -> Interval | None:
    """Return the interval along ``axis`` that an unnamed, straight line marks, if it does.

    Caps at its ends, separated by gaps, are allowed.
    """
    x, y = xy_of(line)
    if own_name(line) or len(x) != len(y) or len(x) not in (2, 8):
        return None
    across, along = (x, y) if axis == "y" else (y, x)
    if len(x) == 8:
        if not np.isnan(across[[2, 5]]).all():
            return None
        across, along = across[3:5], along[3:5]
    if not np.isfinite(across).all() or across[0] != across[1]:
        return None
    if np.isnan(along).all():
        return (float(across[0]), None, None)
    if not np.isfinite(along).all():
        return None
    return (float(across[0]), float(along.min()), float(along.max()))


def error_spans(container: Any) -> dict[str, list[Interval]]:
    """Return the intervals of an error bar container by axis: position, low, high."""
    found: dict[str, list[Interval]] = {"x": [], "y": []}
    for collection in container.lines[2]:
        for segment in collection.get_segments():
            ends = floats(segment)
            if ends.shape != (2, 2) or not np.isfinite(ends).all():
                continue
            (x0, y0), (x1, y1) = ends.tolist()
            if x0 == x1:
                found["y"].append((x0, min(y0, y1), max(y0, y1)))
            else:
                found["x"].append((y0, min(x0, x1), max(x0, x1)))
    return found


def _series(sheet: Sheet, line: Any, label: str) -> dict[str, Any]:
    originals = (line.get_xdata(orig=True), line.get_ydata(orig=True))
    return sheet.points(label, *xy_of(line), originals)


def _reference(sheet: Sheet, line: Any, axis: str) -> None:
    positions = xy_of(line)[0 if axis == "x" else 1]
    if len(positions) and np.isfinite(positions[0]) and bool((positions == positions[0]).all()):
        value = (sheet.x if axis == "x" else sheet.y).value(float(positions[0]))
        sheet.references.append({"axis": axis, "value": value, "label": own_name(line)})


def _taken_spans(lines: list[Any]) -> dict[int, list[tuple[Any, str, Interval]]]:
    """Return, by the id of a line, the lines of its colour that are intervals of its points.

    Only where every point has one: a single upright line means something else.
    """
    taken: dict[int, list[tuple[Any, str, Interval]]] = {}
    spans = [
        (line, axis, found, look(line))
        for axis in ("y", "x")
        for line in lines
        if len(line.get_xdata(orig=False)) in (2, 8) and (found := span_of(line, axis)) is not None
    ]
    upright = {id(line) for line, _, _, _ in spans}
    for owner in [line for line in lines if id(line) not in upright] if spans else []:
        x, y = xy_of(owner)
        color = look(owner)
        for axis in ("y", "x"):
            mine = [
                (line, axis, found)
                for line, along, found, own_color in spans
                if line is not owner
                and (along, own_color) == (axis, color)
                and _crosses(axis, found, x, y)
            ]
            if len(mine) >= max(1, int(np.isfinite(x + y).sum())):
                taken[id(owner)] = mine
                break
    return taken


def _crosses(axis: str, found: Interval, x: Any, y: Any) -> bool:
    position, low, high = found
    along, across = (y, x) if axis == "y" else (x, y)
    at_position = across == position
    if low is None or high is None:
        return bool(at_position.any())
    return bool((at_position & (along >= low) & (along <= high)).any())


def _bounds(
    element: dict[str, Any], axis: str, positions: list[float], spans: list[Interval]
) -> None:
    """Add ``x_low``/``x_high`` or ``y_low``/``y_high``: one per point, null without an interval."""
    scale = max((abs(position) for position in positions if np.isfinite(position)), default=1.0)
    lows: list[float | None] = []
    highs: list[float | None] = []
    for index, position in enumerate(positions):
        near = [found for found in spans if is_close(found[0], position, scale)]
        own = spans[index] if len(spans) == len(positions) else None
        found = own if own is not None and own in near else (near[0] if near else None)
        lows.append(found[1] if found else None)
        highs.append(found[2] if found else None)
    element[f"{axis}_low"], element[f"{axis}_high"] = lows, highs


def _error_series(sheet: Sheet, container: Any) -> dict[str, Any] | None:
    line = container.lines[0]
    spans = error_spans(container)
    label = own_name(container)
    if line is None:
        axis = "y" if spans["y"] else "x"
        if not spans[axis]:
            return None
        positions = [found[0] for found in spans[axis]]
        middles = [(found[1] + found[2]) / 2 for found in spans[axis]]
        sheet.warnings.append("Error bars without a marker: the points are their middles.")
        pair = (positions, middles) if axis == "y" else (middles, positions)
        element = sheet.points(label, *pair)
    else:
        element = _series(sheet, line, label or sheet.names.named(line))
    if len(element["points"]) == element["_count"]:
        x, y = xy_of(line) if line is not None else (None, None)
        for axis, across in (("y", x), ("x", y)):
            if spans[axis]:
                positions = across.tolist() if across is not None else [s[0] for s in spans[axis]]
                _bounds(element, axis, positions[: element["_count"]], spans[axis])
    return element


def parts_of(errorbar: Any) -> list[Any]:
    """Return the artists of an error bar container: its line if it has one, caps and bars."""
    line, caps, bars = errorbar.lines
    return [part for part in (line, *caps, *bars) if part is not None]
