"""Box plots and violins: the five numbers of each group, each from its own lines.

The numbers come from the call that drew them; lines are read only where no call was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.sheet import Sheet
from analyst_kernel.kernel.payload.charts.values import floats, is_close, listed, scalar, xy_of

Found = tuple[Any, dict[str, Any], str]
"""The artist that stands for a box or violin, its element, and its direction."""


def read_boxes(sheet: Sheet) -> None:
    """Read the boxes of a panel."""
    lines = [line for line in sheet.axes.lines if sheet.is_open(line)]
    found: list[Found] = []
    for line in lines:
        record = sheet.records.get(line, {})
        if "box" in record:
            found.append(_recorded(sheet, line, record))
    if not found:
        found = _from_shapes(sheet, lines)
    _add(sheet, "box_and_whisker", found)


def _add(sheet: Sheet, kind: str, found: list[Found]) -> None:
    """Add one layer per direction."""
    for along in ("vertical", "horizontal"):
        members = [(artist, element) for artist, element, way in found if way == along]
        if members:
            elements = [element for _, element in members]
            sheet.add(kind, elements, members[0][0], orientation=along)


def _element(label: str, group: str, numbers: Iterable[Any], outliers: Any = ()) -> dict[str, Any]:
    """Return a box or a violin with its five numbers, from the least to the greatest."""
    names = ("min", "first_quartile", "median", "third_quartile", "max")
    five = {name: scalar(number) for name, number in zip(names, numbers)}  # noqa: B905 - a kernel may be older
    return {"label": label, "group": group, **five, "outliers": listed(floats(outliers))}


def _recorded(sheet: Sheet, median: Any, record: dict[str, Any]) -> Found:
    stats = record["box"]
    parts = [part for reference in record["parts"] if (part := reference()) is not None]
    sheet.use(*parts)
    along = record["orientation"]
    scale = sheet.scales(along)[0]
    fixed = scale.is_text or not stats.get("label")
    label = scale.label_at(float(record["position"])) if fixed else str(stats["label"])
    box = next((part for part in parts if hasattr(part, "get_facecolor")), None)
    group = sheet.names.named(box) if box is not None else ""
    numbers = [stats.get(name) for name in ("whislo", "q1", "med", "q3", "whishi")]
    element = _element(label, group, numbers, stats["fliers"])
    if "mean" in stats:
        element["mean"] = scalar(stats["mean"])
    return median, element, along


def _from_shapes(sheet: Sheet, lines: list[Any]) -> list[Found]:
    """Find boxes among shapes: a closed rectangle with a line across it and lines at its ends."""
    boxes = [
        (shape, corners)
        for shape in [*lines, *sheet.axes.patches]
        if (corners := _corners(shape)) and all(sheet.in_data(shape.get_transform()))
    ]
    found = []
    for shape, corners in boxes:
        for along in ("vertical", "horizontal"):
            read = _one_box(sheet, lines, shape, corners, along)
            if read is not None:
                found.append((*read, along))
                break
    return found


def _corners(shape: Any) -> tuple[float, float, float, float] | None:
    """Return low and high x, low and high y of a closed rectangle."""
    if hasattr(shape, "get_xdata"):
        points = np.column_stack(xy_of(shape))
    elif type(shape).__name__ == "PathPatch":
        points = floats(shape.get_path().vertices)
    else:
        return None
    if len(points) not in (5, 6) or not np.isfinite(points).all():
        return None
    if not np.array_equal(points[0], points[4]):
        return None
    xs, ys = np.unique(points[:5, 0]), np.unique(points[:5, 1])
    if len(xs) != 2 or len(ys) != 2:
        return None
    return float(xs[0]), float(xs[1]), float(ys[0]), float(ys[1])


def _one_box(
    sheet: Sheet,
    lines: list[Any],
    shape: Any,
    corners: tuple[float, float, float, float],
    along: str,
) -> tuple[Any, dict[str, Any]] | None:
    left, right, low, high = corners if along == "vertical" else (*corners[2:], *corners[:2])
    middle, width = (left + right) / 2, right - left
    median, ends, outliers, used = None, [low, high], [], [shape]
    first = None
    for line in lines:
        if line is shape or not sheet.is_open(line):
            continue
        across, up = xy_of(line) if along == "vertical" else xy_of(line)[::-1]
        if not len(across) or not np.isfinite(across).all() or not np.isfinite(up).all():
            continue
        centred = all(is_close(position, middle, width) for position in across.tolist())
        if len(up) == 2 and up[0] == up[1]:
            spans_box = is_close(float(min(across)), left, width)
            spans_box = spans_box and is_close(float(max(across)), right, width)
            if spans_box and low <= up[0] <= high and median is None:
                median, first = float(up[0]), line
                used.append(line)
            elif is_close((across[0] + across[1]) / 2, middle, width) and up[0] in ends:
                used.append(line)  # a cap
        elif centred and len(up) == 2 and line.get_linestyle() not in ("None", "", " "):
            if low in up or high in up:
                ends.extend(float(end) for end in up)
                used.append(line)
        elif centred and line.get_linestyle() in ("None", "", " "):
            outliers.extend(up.tolist())
            used.append(line)
    if median is None or len(ends) == 2:
        return None
    sheet.use(*used)
    label = sheet.scales(along)[0].label_at(middle)
    group = sheet.names.named(shape) if hasattr(shape, "get_facecolor") else ""
    numbers = (min(ends), low, median, high, max(ends))
    return first, _element(label, group, numbers, outliers)


def read_violins(sheet: Sheet) -> None:
    """Read the violins of a panel: recorded ones, or those with a box drawn inside."""
    found: list[Found] = []
    for body in sheet.axes.collections:
        record = sheet.records.get(body, {})
        if "violin" not in record or not sheet.is_open(body):
            continue
        parts = [part for reference in record["parts"] if (part := reference()) is not None]
        sheet.use(body, *parts)
        along = record["orientation"]
        label = sheet.scales(along)[0].label_at(record["position"])
        element = _element(label, sheet.names.named(body), record["violin"].values())
        found.append((body, element, along))
    _add(sheet, "violin", found or _inner_boxes(sheet))


def _inner_boxes(sheet: Sheet) -> list[Found]:
    """Find violins by a thin line (whiskers), a thick one (box) and a point (median) inside."""
    bodies = [
        body
        for body in sheet.axes.collections
        if sheet.is_open(body) and any(c.__name__ == "PolyCollection" for c in type(body).__mro__)
    ]
    lines = [line for line in sheet.axes.lines if sheet.is_open(line)]
    found = []
    for first, second, dot in zip(lines, lines[1:], lines[2:]):  # noqa: B905 - of unlike length
        sizes = [len(line.get_xdata(orig=False)) for line in (first, second, dot)]
        if sizes != [2, 2, 1]:
            continue
        xs, ys = zip(*(xy_of(line) for line in (first, second, dot)))  # noqa: B905 - a kernel may be older
        if all((x == xs[2][0]).all() for x in xs):
            along, position, ends = "vertical", float(xs[2][0]), ys
        elif all((y == ys[2][0]).all() for y in ys):
            along, position, ends = "horizontal", float(ys[2][0]), xs
        else:
            continue
        body = _body_at(bodies, along, position, float(ends[2][0]))
        if body is None:
            continue
        sheet.use(first, second, dot, body)
        label = sheet.scales(along)[0].label_at(position)
        whiskers, box, median = ends
        numbers = (whiskers.min(), box.min(), median[0], box.max(), whiskers.max())
        found.append((body, _element(label, sheet.names.named(body), numbers), along))
    if found:
        sheet.warnings.append("Least and greatest values of the violins are those of its whiskers.")
    return found


def _body_at(bodies: list[Any], along: str, position: float, value: float) -> Any:
    point = (position, value) if along == "vertical" else (value, position)
    for body in bodies:
        for path in body.get_paths():
            box = path.get_extents()
            slack = 1e-9 * max(1.0, abs(point[0]), abs(point[1]))
            if (
                box.x0 - slack <= point[0] <= box.x1 + slack
                and box.y0 - slack <= point[1] <= box.y1 + slack
            ):
                return body
    return None
