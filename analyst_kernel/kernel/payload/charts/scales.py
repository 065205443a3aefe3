"""One axis of a panel: its label, unit, scale and ticks, and what a position on it means.

A position is matplotlib's float; the meaning is the caller's number, date or category.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np

from analyst_kernel.kernel.payload.charts.values import floats, from_days, listed, text_of

_UNIT = re.compile(r"(?:^|\s)[(\[]([^()\[\]]{1,40})[)\]]\s*$")
_MOST_TICKS = 200


def unit_of(label: str) -> str | None:
    """Return the unit that a label ends with, e.g. ``mpg`` of ``City mileage (mpg)``."""
    found = _UNIT.search(label)
    return found.group(1).strip() if found else None


def _clean(positions: list[float]) -> list[Any]:
    """Return ticks without the noise of counting up to them."""
    return listed(floats([float(f"{spot:.12g}") for spot in positions]))


class Scale:
    """The x or y axis of one panel.

    Attributes:
        kind: ``number``, ``datetime``, ``period`` or ``category``: how positions are read.
        ticks: Positions of the major ticks in view.
        labels: Their labels as drawn.
    """

    def __init__(self, axes: Any, name: str) -> None:
        self.axes = axes
        self.name = name
        self.axis = axes.xaxis if name == "x" else axes.yaxis
        self.kind, self._categories = self._read_kind()
        self.ticks, self.labels = self._read_ticks()
        self.is_text = self.kind == "category" or self._labelled_by_text()
        gaps = np.diff(np.unique(self.ticks)) if len(self.ticks) > 1 else np.array([])
        self._reach = float(gaps.min()) / 2 if gaps.size else 0.5

    def _read_kind(self) -> tuple[str, dict[int, str]]:
        get = getattr(self.axis, "get_converter", None)
        converter = get() if get is not None else getattr(self.axis, "converter", None)
        families = {cls.__name__ for cls in type(converter).__mro__}
        if "StrCategoryConverter" in families:
            mapping = getattr(self.axis.units, "_mapping", None) or {}
            return "category", {int(spot): text_of(word) for word, spot in mapping.items()}
        if self.name == "x" and getattr(self.axes, "freq", None) is not None:
            return "period", {}
        if families & {"DateConverter", "_SwitchableDateConverter", "ConciseDateConverter"}:
            return "datetime", {}
        return "number", {}

    def _read_ticks(self) -> tuple[list[float], list[str]]:
        low, high = sorted(float(end) for end in self.axis.get_view_interval())
        slack = (high - low) * 1e-6
        every = [float(spot) for spot in self.axis.get_majorticklocs()][: _MOST_TICKS * 5]
        formatter = self.axis.get_major_formatter()
        labels = [text_of(label, 200) for label in formatter.format_ticks(every)]
        if getattr(formatter, "get_offset", lambda: "")():
            # What a label leaves out stands once, at the end of the axis.
            labels = [f"{spot:.10g}" for spot in every] if self.kind == "number" else labels
        pairs = zip(every, labels)  # noqa: B905 - a kernel may be older
        shown = [(p, word) for p, word in pairs if low - slack <= p <= high + slack]
        if self.axis.get_scale() == "log":
            shown = [(spot, word) for spot, word in shown if word or len(shown) < 3]
        return [spot for spot, _ in shown[:_MOST_TICKS]], [w for _, w in shown[:_MOST_TICKS]]

    def _labelled_by_text(self) -> bool:
        """Return whether fixed labels name the positions, other than by their own number."""
        locator, formatter = self.axis.get_major_locator(), self.axis.get_major_formatter()
        if type(locator).__name__ != "FixedLocator":
            return False
        if type(formatter).__name__ not in ("FixedFormatter", "FuncFormatter"):
            return False
        for spot, word in zip(self.ticks, self.labels):  # noqa: B905 - a kernel may be older
            try:
                if word and abs(float(word.replace(",", "")) - spot) > 1e-9 * max(1, abs(spot)):
                    return True
            except ValueError:
                return True
        return False

    def values(self, positions: Any, original: Any = None) -> list[Any]:
        """Return what drawn positions mean; numbers are those of ``original``, if that is known."""
        array = floats(positions)
        if self.kind == "datetime":
            return from_days(array)
        if self.kind == "period":
            return self._periods(array)
        if self.kind == "category":
            return [self._category(spot) for spot in array.tolist()]
        given = None if original is None else np.ma.asanyarray(original)
        return listed(given if given is not None and given.dtype.kind in "iuf" else array)

    def value(self, position: float) -> Any:
        """Return what one position means."""
        return self.values([position])[0]

    def _category(self, spot: float) -> Any:
        if not np.isfinite(spot):
            return None
        # Points of a category are often spread around its position.
        return self._categories.get(round(spot), spot)

    def _periods(self, array: Any) -> list[Any]:
        known = np.isfinite(array)
        ordinals = np.where(known, array, 0).astype(np.int64)
        index = sys.modules["pandas"].PeriodIndex
        make = getattr(index, "from_ordinals", None)
        freq = self.axes.freq
        periods = make(ordinals, freq=freq) if make else index(ordinal=ordinals, freq=freq)
        starts = periods.to_timestamp(how="start").to_numpy().astype("datetime64[us]")
        starts[~known] = np.datetime64("NaT")
        return listed(starts)

    def label_at(self, position: float) -> str:
        """Return the name of a position: its category, its fixed tick label, or its value."""
        if not np.isfinite(position):
            return ""
        if self.kind == "category":
            spot = round(position)
            if spot in self._categories and abs(position - spot) <= 0.5:
                return self._categories[spot]
        elif self.is_text and self.ticks:
            nearest = min(range(len(self.ticks)), key=lambda i: abs(self.ticks[i] - position))
            near = abs(self.ticks[nearest] - position)
            if near < self._reach * 0.999 and self.labels[nearest]:
                return self.labels[nearest]
        return self.named(self.value(position))

    def within(self, low: float, size: float, *, last: bool) -> str:
        """Return the categories of a bin, which includes its upper end only if it is the last."""
        high = low + size
        names = [
            word
            for spot, word in self._categories.items()
            if low <= spot < high or (last and np.isclose(spot, high))
        ]
        return ", ".join(names)

    @staticmethod
    def named(value: Any) -> str:
        """Return the name of a place that has none but its value."""
        if value is None:
            return ""
        return f"{value:.10g}" if isinstance(value, float) else text_of(value)

    def label(self) -> str:
        """Return its label; inner panels of a grid have that of the panel at the edge."""
        own = text_of(self._label_of(self.axes))
        if own:
            return own
        shared = getattr(self.axes, f"get_shared_{self.name}_axes")()
        for other in shared.get_siblings(self.axes):
            if other is not self.axes and self._label_of(other):
                return text_of(self._label_of(other))
        figure = self.axes.get_figure()
        words = getattr(figure, f"_sup{self.name}label", None)
        return text_of(words.get_text()) if words is not None else ""

    def _label_of(self, axes: Any) -> str:
        return str(getattr(axes, f"get_{self.name}label")())

    def described(self) -> dict[str, Any]:
        """Return the chart's fields about this axis."""
        label = self.label()
        dated = self.kind in ("datetime", "period")
        drawn = "categorical" if self.is_text else str(self.axis.get_scale())
        return {
            f"{self.name}_label": label or None,
            f"{self.name}_unit": unit_of(label),
            f"{self.name}_scale": "datetime" if dated else drawn,
            f"{self.name}_ticks": self.values(self.ticks) if dated else _clean(self.ticks),
            f"{self.name}_tick_labels": self.labels,
        }
