"""What the readers of one panel share: its scales, its names, what was read already, its layers.

A layer is everything of one type that a panel shows (all bars, all lines). Fields that begin with
an underscore are facts for the summary; they are removed before the chart leaves the kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.legends import Names
from analyst_kernel.kernel.payload.charts.scales import Scale
from analyst_kernel.kernel.payload.charts.values import MOST_POINTS, chosen, floats, listed, span

Layer = dict[str, Any]

_BY_SERIES = ("line", "scatter", "area", "band", "errorbar", "stem", "segments", "hexbin")
"""Types whose elements are whole series; of the others a series is a group of elements."""


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

        Args:
            label: Its name, may be empty.
            x: Positions, n.
            y: Positions, n.
            originals: What the caller gave for each.
            beside: More arrays of n values, by name.
        """
        x, y = floats(x), floats(y)
        count = min(len(x), len(y))
        position = chosen(count, MOST_POINTS)
        given = []
        for original in originals:
            # A scalar was broadcast and has no length.
            whole = hasattr(original, "__len__") and len(original) == count
            given.append(_array(original)[position] if whole else None)
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


def _array(values: Any) -> Any:
    return values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
