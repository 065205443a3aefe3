"""What the readers of one panel share: its scales, its names, what was read already, its layers.

A layer is everything of one type that a panel shows (all bars, all lines). Fields that begin with
an underscore are facts for the summary; they are removed before the chart leaves the kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.scales import Scale
from analyst_kernel.kernel.payload.charts.values import (
    MOST_POINTS,
    as_array,
    chosen,
    floats,
    listed,
    span,
    text_of,
)

Layer = dict[str, Any]

_BY_SERIES = ("line", "scatter", "area", "band", "errorbar", "stem", "segments", "hexbin")
"""Types whose elements are whole series; of the others a series is a group of elements."""


def rgb(color: Any) -> tuple[float, ...] | None:
    """Return a colour's red, green and blue, rounded, or None if it is not a colour."""
    from matplotlib.colors import to_rgba

    try:
        red, green, blue, alpha = to_rgba(color)
    except (ValueError, TypeError):
        return None
    return None if alpha == 0 else (round(red, 3), round(green, 3), round(blue, 3))


def look(artist: Any) -> tuple[float, ...] | None:
    """Return the colour by which a user finds an artist in a legend."""
    for method in ("get_markerfacecolor", "get_color", "get_facecolor", "get_edgecolor"):
        get = getattr(artist, method, None)
        if get is None:
            continue
        if method == "get_markerfacecolor" and artist.get_linestyle() not in ("None", "", " "):
            continue
        color = get()
        if getattr(color, "ndim", 1) == 2:
            color = color[0] if len(color) else None
        found = rgb(color) if color is not None else None
        if found is not None:
            return found
    return None


def own_name(artist: Any) -> str:
    """Return an artist's or container's own label; matplotlib's hidden ones are none."""
    label = artist.get_label()
    return "" if label is None or str(label).startswith("_") else text_of(label)


class Names:
    """The legend of one panel, or the figure's if the panel has none."""

    def __init__(self, axes: Any) -> None:
        self.entries: list[tuple[str, tuple[float, ...] | None]] = []
        legend = axes.get_legend()
        legends = [legend] if legend is not None else list(axes.get_figure().legends)
        for each in legends:
            handles = getattr(each, "legend_handles", None) or getattr(each, "legendHandles", [])
            for handle, words in zip(handles, each.get_texts()):  # noqa: B905 - a kernel may be older
                if handle is not None and words.get_text():
                    self.entries.append((text_of(words.get_text()), look(handle)))
        looks = [seen for _, seen in self.entries]
        self.by_look = {
            seen: name for name, seen in self.entries if seen is not None and looks.count(seen) == 1
        }

    def named(self, artist: Any) -> str:
        """Return the name of a series, its own or the legend's; empty if it has none."""
        return own_name(artist) or self.by_look.get(look(artist) or (), "")


class Sheet:
    """One panel while it is read.

    Attributes:
        records: Artist to what the caller gave, of the calls that geometry cannot undo.
        used: Ids of the artists that some layer stands for.
        layers: Place of the first artist, and the layer.
        references: Straight lines and spans across the panel.
        warnings: What could not be read, one sentence each.
    """

    def __init__(self, axes: Any, records: Any) -> None:
        self.axes = axes
        self.records = records
        self.x = Scale(axes, "x")
        self.y = Scale(axes, "y")
        self.names = Names(axes)
        self.used: set[int] = set()
        self.layers: list[tuple[int, Layer]] = []
        self.references: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self._positions = {id(child): place for place, child in enumerate(axes.get_children())}

    def scales(self, along: str) -> tuple[Scale, Scale]:
        """Return the scale of the positions, and that of the values, of marks in a direction."""
        return (self.x, self.y) if along == "vertical" else (self.y, self.x)

    def use(self, *artists: Any) -> None:
        """Mark artists as read."""
        self.used.update(id(artist) for artist in artists if artist is not None)

    def is_open(self, artist: Any) -> bool:
        """Return whether an artist is shown and not read yet."""
        return id(artist) not in self.used and bool(artist.get_visible())

    def in_data(self, transform: Any) -> tuple[bool, bool]:
        """Return whether a transform's x and y are data coordinates of this panel."""
        found: tuple[bool, bool] = transform.contains_branch_seperately(self.axes.transData)
        return found

    def add(self, kind: str, elements: list[dict[str, Any]], first: Any, **fields: Any) -> None:
        """Add a layer that begins with the artist ``first``; nothing if it is empty."""
        if elements:
            field = "label" if kind in _BY_SERIES else "group"
            names = [str(element.get(field, "")) for element in elements]
            series = list(dict.fromkeys(name for name in names if name))
            kept = {name: value for name, value in fields.items() if value is not None}
            layer = {"type": kind, "elements": elements, "series": series, **kept}
            # In the order of drawing.
            place = self._positions.get(id(first), len(self._positions))
            self.layers.append((place, layer))

    def points(
        self,
        label: str,
        x: Any,
        y: Any,
        originals: tuple[Any, Any] = (None, None),
        beside: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return one series as an element.

        ``originals`` is what the caller gave for x and y; ``beside`` holds more values per point.
        """
        x, y = floats(x), floats(y)
        count = min(len(x), len(y))
        position = chosen(count, MOST_POINTS)
        given = []
        for original in originals:
            # A scalar was broadcast and has no length.
            whole = hasattr(original, "__len__") and len(original) == count
            given.append(as_array(original)[position] if whole else None)
        xs = self.x.values(x[position], given[0])
        ys = self.y.values(y[position], given[1])
        element: dict[str, Any] = {
            "label": label,
            "points": [[a, b] for a, b in zip(xs, ys)],  # noqa: B905 - a kernel may be older
            "_count": count,
            "_x": self._span(self.x, x, xs),
            "_y": self._span(self.y, y, ys),
        }
        for name, column in (beside or {}).items():
            element[name] = listed(column[position])
        return element

    @staticmethod
    def _span(scale: Scale, positions: Any, values: list[Any]) -> list[Any] | None:
        finite = positions[np.isfinite(positions)]
        if scale.kind == "category":
            return list(dict.fromkeys(str(value) for value in values if value is not None))
        if not finite.size:
            return None
        return span(scale.values([float(finite.min()), float(finite.max())]))
