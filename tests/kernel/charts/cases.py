"""Figures and what their typed data must be: the cells, and checks that compute from the same data.

The data is made by one text that runs both here and in the kernel, so the input is the oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SETUP = """
import numpy as np
import pandas as pd
import matplotlib
import matplotlib.pyplot as plt

YEARS = [2018, 2019, 2020, 2021, 2022]
MILEAGE = [18.25, 19.5, 19.0, 21.75, 22.5]
TRUCKS = [15.0, 15.5, 16.25, 16.0, 17.5]
MAKERS = ['Audi', 'BMW', 'Fiat', 'Kia']
SALES = [30, 12, 25, 8]
EXPORTS = [3, 7, 5, 6]
_random = np.random.default_rng(7)
SAMPLE = _random.normal(50, 10, 200)
GROUPS = [_random.normal(m, 2, 40) for m in (10, 12, 15)]
GROUPS[0] = np.append(GROUPS[0], [40.0, -20.0])
DAYS = pd.date_range('2024-01-30', periods=4, freq='D')
HOURS = pd.date_range('2024-01-30 06:30', periods=4, freq='h')
MATRIX = np.array([[1.5, 2.0, -1.0], [4.0, np.nan, 6.0]])
FRAME = pd.DataFrame({
    'maker': ['Audi', 'Audi', 'Audi', 'Kia', 'Kia', 'Kia', 'Fiat', 'Fiat', 'Fiat', 'Fiat'],
    'fuel': ['gas', 'oil', 'gas', 'gas', 'oil', 'oil', 'gas', 'oil', 'gas', 'oil'],
    'mpg': [20.0, 25.0, 21.0, 18.0, 22.0, 23.0, 28.0, 31.0, 27.0, 30.0],
    'power': [90, 110, 95, 70, 80, 85, 60, 65, 61, 66],
})
"""

DATA: dict[str, Any] = {}
exec(SETUP, DATA)

Check = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Case:
    """One figure.

    Attributes:
        name: Unique.
        code: The cell that draws it.
        check: Asserts what its chart must be.
    """

    name: str
    code: str
    check: Check


CASES: list[Case] = []


def figure(code: str) -> Callable[[Check], Check]:
    """Register the decorated check for the figure that ``code`` draws."""

    def register(check: Check) -> Check:
        CASES.append(Case(check.__name__, code, check))
        return check

    return register


def near(value: Any, expected: Any) -> bool:
    """Compare JSON with numbers; NaN is null."""
    if isinstance(expected, list | tuple):
        same = isinstance(value, list) and len(value) == len(expected)
        return same and all(near(a, b) for a, b in zip(value, expected, strict=True))
    if isinstance(expected, str) or expected is None:
        return bool(value == expected)
    number = float(expected)
    if number != number:
        return value is None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value - number) <= 1e-9 * max(1.0, abs(number))


def assert_near(value: Any, expected: Any) -> None:
    assert near(value, expected), f"{value!r} is not {expected!r}"


def pairs(x: Any, y: Any) -> list[list[Any]]:
    return [[a, b] for a, b in zip(x, y, strict=True)]


def points(chart: dict[str, Any], place: int = 0) -> Any:
    return chart["elements"][place]["points"]


def bars(chart: dict[str, Any], group: str | None = None) -> dict[str, Any]:
    """Return the bars' values by label; of one group where it is given."""
    found = [e for e in chart["elements"] if group is None or e["group"] == group]
    values = {element["label"]: element["value"] for element in found}
    assert len(values) == len(found), "labels are not unique"
    return values


def layer(chart: dict[str, Any], kind: str) -> dict[str, Any]:
    found = [layer for layer in chart["layers"] if layer["type"] == kind]
    assert len(found) == 1, [each["type"] for each in chart["layers"]]
    return dict(found[0])
