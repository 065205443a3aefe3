"""Units of measure as column names and written values state them.

Knows how a unit is written for a person; converts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

STRIPPED = frozenset(
    "mm cm m km g kg mg lb lbs oz l ml usd eur gbp pct percent mph kmh kwh kw c f celsius "
    "fahrenheit hpa hz seconds minutes".split()
)
"""Last words of column names that are units, and so no part of what the column is called."""

_WRITTEN = {
    "usd": "USD", "eur": "EUR", "gbp": "GBP", "chf": "CHF", "pct": "%", "percent": "%",
    "kmh": "km/h", "kwh": "kWh", "kw": "kW", "hpa": "hPa", "hz": "Hz", "c": "°C", "f": "°F",
    "celsius": "°C", "fahrenheit": "°F", "min": "minutes",
}  # fmt: skip
_WARMTH = frozenset("temp temperature temperatur température temperatura dewpoint dewp".split())
_LASTS = frozenset("wait waiting duration delay elapsed travel response trip time".split())
_DEGREES = re.compile(r"\s*(°\s?[CF]|%|‰|€|£|\$)\s*$")
_BRACKET = re.compile(r"[\(\[\{]([^)\]}]*)[\)\]}]")
_MARK = re.compile(r"[$€£%]")


def unit_of(name: str) -> str:
    """Return the unit a column name states in brackets or at its end, or ``""``."""
    found = _BRACKET.findall(name)
    if found and 0 < len(found[-1].strip()) <= 12:
        return str(found[-1].strip())
    sign = _DEGREES.search(name)
    if sign is not None and sign.start() > 0:
        return sign[1].replace(" ", "")
    parts = [part.casefold() for part in re.split(r"[\W_]+", name) if part]
    if len(parts) < 2 or len(parts[0]) < 2:
        return ""
    last, rest = parts[-1], set(parts[:-1])
    if last in ("c", "f"):
        return _WRITTEN[last] if rest & _WARMTH else ""
    if last == "min":
        return _WRITTEN[last] if rest & _LASTS else ""
    return _WRITTEN.get(last, last) if last in STRIPPED else ""


def without_unit(name: str) -> str:
    """Return a column name without the unit at its end: ``fare_eur`` -> ``fare``."""
    bare = _DEGREES.sub("", _BRACKET.sub(" ", name)).strip() or name
    of = unit_of(name)
    if not of or bare != name.strip():
        return bare
    return re.sub(r"[\W_]+[^\W_]+$", "", bare) or bare


def mark_of(values: Iterable[str]) -> str:
    """Return the one sign of money or share that all of the written values carry, or ``""``."""
    signs = {"".join(sorted(set(_MARK.findall(value)))) for value in values}
    only = signs.pop() if len(signs) == 1 else ""
    return only if len(only) == 1 else ""


def decimal_comma(values: Iterable[str]) -> bool:
    """Whether written numbers use a comma for the decimals: "1.234,50 €"."""
    texts = [value.strip() for value in values if "," in value]
    return bool(texts) and all(_COMMA_LAST.search(text) for text in texts)


_COMMA_LAST = re.compile(r"^\D*(?:\d{1,3}(?:[. ']\d{3})+|\d+),\d{1,2}(?!\d)\D*$")
