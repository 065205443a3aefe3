"""Scatter plots, segments, and what a colour or a size of a point stands for."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.sheet import Sheet, own_name, rgb
from analyst_kernel.kernel.payload.charts.values import floats, listed, span

_MOST_GROUPS = 50


def read_points(sheet: Sheet) -> None:
    """Read collections of markers, and of straight pieces of line."""
    scattered: list[dict[str, Any]] = []
    first_scatter = None
    for shape in sheet.axes.collections:
        if not sheet.is_open(shape):
            continue
        kind = {cls.__name__ for cls in type(shape).__mro__}
        if "PathCollection" in kind and all(sheet.in_data(shape.get_offset_transform())):
            sheet.use(shape)
            if elements := _clouds(sheet, shape):
                first_scatter = first_scatter or shape
                scattered.extend(elements)
        elif "LineCollection" in kind:
            sheet.use(shape)
            _segments(sheet, shape)
    sheet.add("scatter", _joined(scattered), first_scatter)


def _clouds(sheet: Sheet, shape: Any) -> list[dict[str, Any]]:
    """Return one element per group of points that the legend names by colour, else one."""
    offsets = shape.get_offsets()
    x, y = floats(offsets[:, 0]), floats(offsets[:, 1])
    if not len(x):
        return []
    beside = _beside(shape, len(x))
    if own_name(shape) or "values" in beside:
        return [sheet.points(own_name(shape), x, y, beside=beside)]
    colors = shape.get_facecolors()
    if len(colors) != len(x) or len(x) < 2:
        name = sheet.names.named(shape) or _category(sheet, x, y)
        return [sheet.points(name, x, y, beside=beside)]
    kinds, which = np.unique(np.asarray(colors), axis=0, return_inverse=True)
    seen = [rgb(color) or () for color in kinds[:_MOST_GROUPS]]
    names = [sheet.names.by_look.get(color) for color in seen]
    if len(kinds) > _MOST_GROUPS or None in names or len(set(names)) < 2:
        name = sheet.names.named(shape) if len(kinds) == 1 else ""
        return [sheet.points(name or _category(sheet, x, y), x, y, beside=beside)]
    order = [name for name, _ in sheet.names.entries if name in names]
    found = []
    for name in order:
        mine = np.flatnonzero(which.reshape(-1) == names.index(name))
        columns = {key: floats(column)[mine] for key, column in beside.items()}
        found.append(sheet.points(str(name), x[mine], y[mine], beside=columns))
    return found


def _joined(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put clouds of one name together: libraries draw one per category."""
    found: dict[str, dict[str, Any]] = {}
    rest: list[dict[str, Any]] = []
    for element in elements:
        known = element
        if element["label"] and not {"values", "sizes"} & element.keys():
            known = found.setdefault(element["label"], element)
        if known is element:
            rest.append(element)
            continue
        known["points"] = [*known["points"], *element["points"]]
        known["_count"] += element["_count"]
        for axis in ("_x", "_y"):
            known[axis] = span([*(known[axis] or []), *(element[axis] or [])]) or known[axis]
    return rest


def _category(sheet: Sheet, x: Any, y: Any) -> str:
    """Return the category in which all points lie, where an axis has categories."""
    for scale, positions in ((sheet.x, x), (sheet.y, y)):
        if scale.kind == "category" and len(positions):
            names = {scale.label_at(float(position)) for position in positions[:500]}
            if len(names) == 1:
                return names.pop()
    return ""


def _beside(shape: Any, count: int) -> dict[str, Any]:
    """Return what the colours and sizes of points stand for, where they differ."""
    beside = {}
    mapped = shape.get_array()
    if mapped is not None and len(mapped) == count:
        beside["values"] = floats(mapped)
    sizes = floats(shape.get_sizes())
    if len(sizes) == count and count > 1 and len(np.unique(sizes)) > 1:
        beside["sizes"] = sizes
    return beside


def _segments(sheet: Sheet, shape: Any) -> None:
    if not all(sheet.in_data(shape.get_transform())):
        return
    pieces = [floats(piece) for piece in shape.get_segments()]
    straight = np.array([piece for piece in pieces if piece.shape == (2, 2)])
    if not len(straight):
        if pieces:
            sheet.warnings.append(f"{len(pieces)} curves of a line collection are not listed.")
        return
    element = sheet.points(sheet.names.named(shape), straight[:, 0, 0], straight[:, 0, 1])
    if len(element["points"]) == len(straight):
        ends_x = sheet.x.values(straight[:, 1, 0])
        ends_y = sheet.y.values(straight[:, 1, 1])
        element["ends"] = [list(end) for end in zip(ends_x, ends_y)]  # noqa: B905 - a kernel may be older
    element["_x"] = element["_y"] = None
    sheet.add("segments", [element], shape)


def read_hexagons(sheet: Sheet) -> None:
    """Read hexagonal bins: the middle and the value of each."""
    for shape in sheet.axes.collections:
        if type(shape).__name__ != "PolyCollection" or not sheet.is_open(shape):
            continue
        values, offsets = shape.get_array(), shape.get_offsets()
        if values is None or len(values) != len(offsets) or len(shape.get_paths()) != 1:
            continue
        sheet.use(shape)
        beside = {"values": floats(values)}
        element = sheet.points(own_name(shape), offsets[:, 0], offsets[:, 1], beside=beside)
        element["_values"] = listed(floats([np.nanmin(values), np.nanmax(values)]))
        bar = getattr(shape, "colorbar", None)
        label = bar.ax.get_ylabel() if bar is not None else ""
        sheet.add("hexbin", [element], shape, value_label=label or None)
