"""The schema of typed chart data, and the reading of what a kernel claims to be such data.

Pure. The kernel is hostile: only known fields come out, within the caps, as plain JSON. Data that
is no chart becomes one of type ``unknown`` with the reason; the picture beside it is not touched.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, ValidationInfo

from analyst_kernel.protocol.base import Json

MOST_POINTS = 5_000
"""Points, bars, cells and the like of one figure, together."""

_TEXT = 500
_ALT = 2_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+")
_GREATEST = 2**63

ChartType = Literal[
    "line", "scatter", "bar", "pie", "box_and_whisker", "histogram", "heatmap", "area",
    "band", "errorbar", "violin", "stem", "segments", "hexbin", "contour", "unknown",
]  # fmt: skip


def _scalar(value: object) -> object:
    match value:
        case None | bool():
            return value
        case int():
            return value if abs(value) < _GREATEST else None
        case float():
            return value if math.isfinite(value) else None
        case str():
            return _words(value, _TEXT)
    raise ValueError("not a number, a text or null")


def _words(value: object, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")  # noqa: TRY004 - pydantic expects a ValueError
    text = _CONTROL.sub(" ", value[: most + 1].encode("utf-8", "replace").decode("utf-8"))
    return text if len(value) <= most else text[: most - 1] + "…"


def _at_most(count: int) -> BeforeValidator:
    """Cut a list before its items are validated, and note that."""

    def cut(value: object, info: ValidationInfo) -> object:
        if isinstance(value, list) and len(value) > count:
            if info.context is not None:
                info.context["cut"] = True
            return value[:count]
        return value

    return BeforeValidator(cut)


Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_scalar)]
Text = Annotated[str, BeforeValidator(lambda value: _words(value, _TEXT))]
Alt = Annotated[str, BeforeValidator(lambda value: _words(value, _ALT))]
Scalars = Annotated[list[Scalar], _at_most(MOST_POINTS)]
Ticks = Annotated[list[Scalar], _at_most(500)]
Point = Annotated[list[Scalar], Field(min_length=2, max_length=4)]
Pair = Annotated[list[Scalar], Field(min_length=2, max_length=2)]
Points = Annotated[list[Point], _at_most(MOST_POINTS)]


class Element(BaseModel):
    """One series, bar, slice or box; which fields it has follows from the chart's type.

    Attributes:
        label: Name of the series, or of the bar's, slice's or box's place.
        points: ``[x, y]`` per point; of a band ``[position, low, high]``.
        values, sizes, x_low, x_high, y_low, y_high, ends: One entry per point.
        value, group, position, base, low, high: Of a bar; ``group`` is its series.
        bin: Two edges, of a histogram's bar.
        angle, radius, inner_radius, share: Of a slice, in degrees and in parts of one.
        min, first_quartile, median, third_quartile, max, mean, outliers: Of a box or violin.
    """

    label: Text = ""
    group: Text | None = None
    points: Points | None = None
    columns: Annotated[list[Text], Field(max_length=4)] | None = None
    step: Text | None = None
    values: Scalars | None = None
    sizes: Scalars | None = None
    ends: Points | None = None
    x_low: Scalars | None = None
    x_high: Scalars | None = None
    y_low: Scalars | None = None
    y_high: Scalars | None = None
    value: Scalar = None
    position: Scalar = None
    base: Scalar = None
    low: Scalar = None
    high: Scalar = None
    bin: Pair | None = None
    angle: Scalar = None
    radius: Scalar = None
    inner_radius: Scalar = None
    share: Scalar = None
    min: Scalar = None
    first_quartile: Scalar = None
    median: Scalar = None
    third_quartile: Scalar = None
    max: Scalar = None
    mean: Scalar = None
    outliers: Scalars | None = None


class Matrix(BaseModel):
    """Values on a grid: ``values[row][column]``; ``shape`` is the size before anything was cut."""

    rows: Scalars
    columns: Scalars
    values: Annotated[list[Scalars], _at_most(MOST_POINTS)]
    shape: Annotated[list[Annotated[int, Field(ge=0, le=_GREATEST)]], Field(min_length=2)] = [0, 0]
    label: Text | None = None
    row_edges: Scalars | None = None
    column_edges: Scalars | None = None


class Reference(BaseModel):
    """A straight line or span across the panel: at ``value`` or over ``span`` of ``axis``."""

    axis: Literal["x", "y", "both"]
    value: Scalar = None
    span: Pair | None = None
    label: Text = ""


class Layer(BaseModel):
    """All marks of one type in a panel."""

    type: ChartType
    elements: Annotated[list[Element], _at_most(MOST_POINTS)] = []
    series: Annotated[list[Text], _at_most(500)] = []
    orientation: Literal["vertical", "horizontal"] | None = None
    stacked: bool | None = None
    filled: bool | None = None
    bins: Scalars | None = None
    matrix: Matrix | None = None
    value_label: Text | None = None
    value_range: Pair | None = None


class Panel(Layer):
    """One pair of axes. The fields of the layer are those of its first, leading layer."""

    version: Literal[1] = 1
    library: Text = "matplotlib"
    title: Text | None = None
    projection: Text | None = None
    x_label: Text | None = None
    x_unit: Text | None = None
    x_scale: Text | None = None
    x_ticks: Ticks = []
    x_tick_labels: Annotated[list[Text], _at_most(500)] = []
    y_label: Text | None = None
    y_unit: Text | None = None
    y_scale: Text | None = None
    y_ticks: Ticks = []
    y_tick_labels: Annotated[list[Text], _at_most(500)] = []
    layers: Annotated[list[Layer], _at_most(20)] = []
    references: Annotated[list[Reference], _at_most(100)] = []
    warnings: Annotated[list[Text], _at_most(30)] = []
    alt: Alt = ""


class PanelGroup(BaseModel):
    """Several pairs of axes; ``elements`` are their charts."""

    version: Literal[1] = 1
    library: Text = "matplotlib"
    type: Literal["superchart"]
    title: Text | None = None
    elements: Annotated[list[Panel], _at_most(60)] = []
    warnings: Annotated[list[Text], _at_most(30)] = []
    alt: Alt = ""


def clean_chart(value: object) -> dict[str, Json]:
    """Return typed chart data that a kernel sent as plain, bounded, valid JSON. Never raises."""
    noted: dict[str, Any] = {}
    try:
        several = isinstance(value, dict) and value.get("type") == "superchart"
        kind = PanelGroup if several else Panel
        chart = kind.model_validate(value, context=noted)
    except (ValidationError, RecursionError, OverflowError) as error:
        return _invalid(error)
    panels = chart.elements if isinstance(chart, PanelGroup) else [chart]
    whole = _within_cap(panels)
    cut = "cut" in noted or not whole
    notice = f"Only part of the data is kept: at most {MOST_POINTS:,} points of one figure."
    chart.warnings = [*chart.warnings, *([notice] if cut else [])]
    return {
        "version": 1,
        "library": chart.library,
        "type": chart.type,
        "title": chart.title,
        "elements": [],
        **chart.model_dump(mode="json", exclude_unset=True),
        "alt": chart.alt or f"Chart of type {chart.type}.",
    }


def _within_cap(panels: list[Panel]) -> bool:
    """Cut what goes beyond the cap; return whether everything was within it."""
    left, whole = MOST_POINTS, True
    for panel in panels:
        for holder in (panel, *panel.layers):
            # The leading layer repeats what the panel holds.
            repeats = bool(panel.layers) and holder is panel
            left_here, fits = _cut(holder, left)
            left = left if repeats else left_here
            whole = whole and fits
    return whole


def _cut(layer: Layer, left: int) -> tuple[int, bool]:
    """Keep at most ``left`` points of a layer; return how many more there may be."""
    whole = True
    kept: list[Element] = []
    for element in layer.elements:
        if left <= 0:
            whole = False
            break
        for name in ("points", "outliers"):
            items = getattr(element, name)
            if items is not None and len(items) > left:
                setattr(element, name, items[:left])
                whole = False
        left -= max(1, len(element.points or ()) + len(element.outliers or ()))
        kept.append(element)
    layer.elements = kept
    if layer.matrix is not None:
        space, rows = MOST_POINTS, []
        for row in layer.matrix.values:
            if len(row) > space:
                whole = False
                break
            rows.append(row)
            space -= max(1, len(row))
        layer.matrix.values = rows
    return left, whole


def _invalid(error: Exception) -> dict[str, Json]:
    where = ""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        position = ".".join(str(part) for part in first["loc"][:6])
        where = _words(f" ({position}: {first['msg']})", 200)
    reason = f"The chart data that the kernel sent is not valid{where}."
    return {
        "version": 1,
        "library": "matplotlib",
        "type": "unknown",
        "title": None,
        "elements": [],
        "warnings": [reason],
        "alt": f"Chart of an unknown type; {reason}",
    }
