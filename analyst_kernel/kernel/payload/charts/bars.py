"""Bars and histograms: one element per bar, named by where it stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.lines import Interval, error_spans, parts_of, span_of
from analyst_kernel.kernel.payload.charts.sheet import Sheet, own_name
from analyst_kernel.kernel.payload.charts.values import floats, listed, scalar, short

_COUNTED = ("count", "frequency", "density", "probability", "percent", "proportion", "freq")


def read_bars(sheet: Sheet) -> None:
    """Read every bar container, stairs, and the outlines of histograms."""
    containers = [c for c in sheet.axes.containers if type(c).__name__ == "BarContainer" and len(c)]
    groups: dict[tuple[str, str], list[Any]] = {}
    for container in containers:
        along = _orientation(container)
        kind = "histogram" if _is_histogram(sheet, container, along) else "bar"
        groups.setdefault((kind, along), []).append(container)
        sheet.use(*container.patches)
        if container.errorbar is not None:
            sheet.use(*parts_of(container.errorbar))
    for (kind, along), members in groups.items():
        names = _series_names(sheet, members)
        elements = []
        for container, name in zip(members, names):  # noqa: B905 - a kernel may be older
            elements.extend(_bars(sheet, container, name, along, kind))
        if kind == "bar":
            _add_drawn_intervals(sheet, elements, along)
        fields: dict[str, Any] = {"orientation": along, "stacked": _is_stacked(elements) or None}
        if kind == "histogram":
            fields["bins"] = _shared_edges(elements)
        sheet.add(kind, elements, members[0].patches[0], **fields)
    _read_outlines(sheet)


def _orientation(container: Any) -> str:
    """Return the direction of the bars, which matplotlib records; shapes are the fallback."""
    known = getattr(container, "orientation", None)
    if known in ("vertical", "horizontal"):
        return str(known)
    widths = {round(patch.get_width(), 9) for patch in container.patches}
    heights = {round(patch.get_height(), 9) for patch in container.patches}
    return "horizontal" if len(heights) == 1 < len(widths) else "vertical"


def _box(patch: Any, along: str) -> tuple[float, float, float, float]:
    """Return a bar's place on its own axis (low, size) and on the value axis (base, value)."""
    if along == "vertical":
        return patch.get_x(), patch.get_width(), patch.get_y(), patch.get_height()
    return patch.get_y(), patch.get_height(), patch.get_x(), patch.get_width()


def _is_histogram(sheet: Sheet, container: Any, along: str) -> bool:
    scale, counted = sheet.scales(along)
    if "edges" in sheet.records.get(container.patches[0], {}):
        return scale.kind != "category"
    if scale.is_text or len(container.patches) < 2:
        return False
    boxes = sorted(_box(patch, along) for patch in container.patches)
    lows = np.array([box[0] for box in boxes], dtype=float)
    sizes = np.array([box[1] for box in boxes], dtype=float)
    span = float(lows[-1] + sizes[-1] - lows[0]) or 1.0
    if not (np.abs(lows[:-1] + sizes[:-1] - lows[1:]) < 1e-6 * span).all():
        return False
    middles = lows + sizes / 2
    discrete = bool(np.allclose(sizes, 1.0) and np.allclose(middles, np.round(middles)))
    return not discrete or any(word in counted.label().lower() for word in _COUNTED)


def _series_names(sheet: Sheet, containers: list[Any]) -> list[str]:
    names = []
    for container in containers:
        first = container.patches[0]
        plain = not own_name(container) and not own_name(first)
        names.append(sheet.names.named(first) if plain else own_name(container))
    if not any(names) and 1 < len(containers) == len(sheet.names.entries):
        return [name for name, _ in sheet.names.entries]
    return names


def _bars(sheet: Sheet, container: Any, group: str, along: str, kind: str) -> list[dict[str, Any]]:
    scale, counted = sheet.scales(along)
    record = sheet.records.get(container.patches[0], {})
    given = getattr(container, "datavalues", None)
    boxes = [_box(patch, along) for patch in container.patches]
    plain = given is not None and len(given) == len(boxes) and np.asarray(given).dtype.kind in "iuf"
    values = listed(np.asarray(given)) if plain else listed(floats([box[3] for box in boxes]))
    edges = listed(record["edges"]) if kind == "histogram" and "edges" in record else None
    if edges is not None and (len(edges) != len(boxes) + 1 or scale.kind != "number"):
        edges = None
    lows, sizes = floats([box[0] for box in boxes]), floats([box[1] for box in boxes])
    middles = _clean(lows + sizes / 2, sizes)
    starts, ends = scale.values(lows), scale.values(lows + sizes)
    if edges is not None:
        starts, ends = edges[:-1], edges[1:]
    positions = scale.values(middles)
    bases = counted.values([box[2] for box in boxes])
    on_log = counted.axis.get_scale() == "log"
    found = []
    counts_words = "edges" in record and scale.kind == "category"
    for index, patch in enumerate(container.patches):
        element: dict[str, Any] = {"group": group, "value": values[index]}
        element["_middle"], element["_size"] = float(middles[index]), float(sizes[index])
        if counts_words:
            # Bins over categories: those with no category in them mean nothing.
            last = index == len(boxes) - 1
            if words := scale.within(lows[index], sizes[index], last=last):
                found.append({**element, "label": words})
            continue
        if kind == "histogram":
            element["bin"] = [starts[index], ends[index]]
            element["label"] = f"{short(starts[index])} to {short(ends[index])}"
        else:
            element["group"] = group or own_name(patch)
            if scale.is_text:
                element["label"] = scale.label_at(float(middles[index]))
            else:
                element["position"] = positions[index]
                element["label"] = scale.named(positions[index])
        if not on_log and boxes[index][2] and np.isfinite(boxes[index][2]):
            element["base"] = bases[index]
        found.append(element)
    if container.errorbar is not None:
        spans = error_spans(container.errorbar)
        _add_spans(found, spans["y" if along == "vertical" else "x"])
    return found


def _add_spans(elements: list[dict[str, Any]], spans: list[Interval]) -> None:
    """Give each bar the interval that stands on it."""
    for number, (position, low, high) in enumerate(spans):
        likely = [elements[number]] if len(spans) == len(elements) else []
        for element in [*likely, *elements]:
            if abs(position - element["_middle"]) <= abs(element["_size"]) / 2:
                element["low"], element["high"] = scalar(low), scalar(high)
                break


def _clean(middles: Any, sizes: Any) -> Any:
    """Return the bars' middles without the noise of halving and adding their widths."""
    rounded = np.round(middles, 9)
    is_noise = np.abs(rounded - middles) < 1e-6 * np.maximum(np.abs(sizes), 1e-9)
    return np.where(is_noise, rounded, middles)


def _add_drawn_intervals(sheet: Sheet, elements: list[dict[str, Any]], along: str) -> None:
    """Take upright lines on the bars as their intervals, where at least half of the bars have one.

    Libraries that aggregate draw their confidence intervals as plain lines.
    """
    axis = "y" if along == "vertical" else "x"
    found: list[tuple[Any, dict[str, Any], float | None, float | None]] = []
    for line in sheet.axes.lines:
        interval = span_of(line, axis) if sheet.is_open(line) else None
        if interval is None:
            continue
        for element in elements:
            if abs(element["_middle"] - interval[0]) <= 1e-6 + abs(element["_size"]) * 0.01:
                found.append((line, element, interval[1], interval[2]))
                break
    if found and 2 * len({id(element) for _, element, _, _ in found}) >= len(elements):
        for line, element, low, high in found:
            sheet.use(line)
            if low is not None and high is not None:
                element["low"], element["high"] = scalar(low), scalar(high)


def _is_stacked(elements: list[dict[str, Any]]) -> bool:
    """Return whether bars of different groups stand on each other."""
    based = [element for element in elements if element.get("base")]
    middles = {round(element["_middle"], 9) for element in elements}
    return bool(based) and len({e["group"] for e in elements}) > 1 and len(middles) < len(elements)


def _shared_edges(elements: list[dict[str, Any]]) -> list[Any] | None:
    """Return the bin edges where all series have the same ones."""
    edges: list[Any] | None = None
    for group in dict.fromkeys(element["group"] for element in elements):
        bins = sorted((e["bin"] for e in elements if e["group"] == group), key=lambda b: b[0])
        own = [bins[0][0], *(bounds[1] for bounds in bins)]
        if edges is not None and edges != own:
            return None
        edges = own
    return edges


def _read_outlines(sheet: Sheet) -> None:
    """Read stairs, and histograms that are drawn as one outline."""
    elements: list[dict[str, Any]] = []
    first = None
    along = "vertical"
    for patch in sheet.axes.patches:
        if not sheet.is_open(patch):
            continue
        record = sheet.records.get(patch, {})
        if type(patch).__name__ == "StepPatch":
            data = patch.get_data()
            values, edges = data.values, data.edges
            along = str(patch.orientation)
        elif "edges" in record and "values" in record:
            values, edges, along = record["values"], record["edges"], record["orientation"]
        else:
            continue
        first = first or patch
        sheet.use(patch)
        group = sheet.names.named(patch)
        bounds = sheet.scales(along)[0].values(edges)
        for index, value in enumerate(listed(floats(values))):
            pair = bounds[index : index + 2]
            label = " to ".join(short(bound) for bound in pair)
            elements.append({"label": label, "group": group, "value": value, "bin": pair})
    if elements:
        sheet.add("histogram", elements, first, orientation=along, bins=_shared_edges(elements))
