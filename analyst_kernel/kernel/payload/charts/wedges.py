"""Pies and rings: the slices with their values and shares."""

from __future__ import annotations

from typing import Any

from analyst_kernel.kernel.payload.charts.legends import own_name
from analyst_kernel.kernel.payload.charts.sheet import Sheet
from analyst_kernel.kernel.payload.charts.values import scalar, text_of


def read_wedges(sheet: Sheet) -> None:
    """Read the wedges of a panel as slices."""
    wedges = [
        patch
        for patch in sheet.axes.patches
        if type(patch).__name__ == "Wedge" and sheet.is_open(patch)
    ]
    if not wedges:
        return
    sheet.use(*wedges)
    entries = sheet.names.entries
    from_legend = [name for name, _ in entries] if len(entries) == len(wedges) else []
    rings = {(round(float(w.r), 9), w.width) for w in wedges}
    elements = []
    for place, wedge in enumerate(wedges):
        record = sheet.records.get(wedge, {})
        angle = abs(float(wedge.theta2) - float(wedge.theta1))
        name = text_of(record.get("label") or "") or own_name(wedge)
        if not name and from_legend:
            name = from_legend[place]
        element: dict[str, Any] = {
            "label": name or sheet.names.named(wedge),
            "angle": scalar(round(angle, 9)),
            "radius": scalar(float(wedge.r)),
            "share": scalar(round(angle / 360, 9)),
        }
        if "value" in record:
            element["value"] = scalar(record["value"])
        if wedge.width is not None:
            element["inner_radius"] = scalar(float(wedge.r) - float(wedge.width))
        if len(rings) > 1:
            element["group"] = f"ring with radius {float(wedge.r):.4g}"
        elements.append(element)
    sheet.add("pie", elements, wedges[0])
