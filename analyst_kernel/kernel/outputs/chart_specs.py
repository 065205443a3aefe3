"""Specifications of Vega, Vega-Lite and Plotly charts, without what they would load. Pure.

A browser draws a chart as soon as it is there, so nothing in it may name a place elsewhere: a
field that holds an address keeps only ``data:`` pictures, and any other text that a browser would
read as an address goes. Rows of data are left alone, because no field that would read an address
from them is.
"""

from __future__ import annotations

import re
from typing import Final

from analyst_kernel.protocol.base import Json

_OF_ADDRESSES: Final = frozenset(
    """
    baseurl cursor href image imageurl link loader mapboxaccesstoken plotlyserverurl source sources
    sourceurl src tiles topojsonurl url urls usermeta
    """.split()
)
"""Fields that hold addresses, or style sheets with them, in small letters without underscores."""
_VEGA_ONLY: Final = frozenset({"url", "href", "src", "usermeta", "loader", "baseurl"})
"""Fields that go from Vega whatever they hold: an expression or a field of the data, too."""
_ROWS: Final = frozenset({"values", "datasets"})
_MAP = re.compile(r"(?:map|mapbox)\d*")
_MAP_TRACES: Final = frozenset(
    {"choropleth", "scattergeo", "choroplethmap", "scattermap", "densitymap"}
    | {"choroplethmapbox", "scattermapbox", "densitymapbox"}
)
_IGNORED = re.compile(
    r"^\s+|[\x00-\x1f\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Signs that browsers skip in an address, or that nobody sees in one."""
_REMOTE = re.compile(
    r"(?:[a-z][a-z0-9+.-]{0,30}:)?//|(?:javascript|vbscript|file|blob|https?|ftp):(?! )"
)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_LOADS_IN_STYLE = re.compile(r"(?:url|image-set|src)\s*\(|@import|expression\s*\(", re.IGNORECASE)
_KEYWORD = re.compile(r"[a-z-]{1,20}")


def harmless_spec(spec: Json, *, vega: bool) -> tuple[Json, list[str]]:
    """Return a specification that loads nothing, and the fields that were taken out.

    Raises:
        ValueError: It is a map, whose outlines or tiles the browser would load.
    """
    if not vega and _has_map_traces(spec):
        raise ValueError("its map would be loaded from elsewhere")
    gone: list[str] = []
    shown = _without_fetches(spec, gone, vega=vega)
    if vega and _names_image(spec):
        # The box at the pointer shows a picture from the address in a field of that name.
        shown = _without_key(shown, "tooltip", gone)
    return shown, gone


def is_remote(text: str) -> bool:
    """Return whether a browser would read text as an address that leaves the page."""
    if text[:5].lower() == "data:" and _PICTURE.fullmatch(text):
        return False
    # Long texts are prose or pictures; an address shows itself at once.
    start = _IGNORED.sub("", text[:2_000]).replace("\\", "/").lower()
    return _REMOTE.match(start) is not None


def _without_fetches(spec: Json, gone: list[str], *, vega: bool) -> Json:
    match spec:
        case dict():
            kept: dict[str, Json] = {}
            for key, item in spec.items():
                name = key.replace("_", "").lower()
                if vega and key in _ROWS:
                    kept[key] = item
                elif not vega and _MAP.fullmatch(key):
                    gone.append(key)
                elif key == "$schema" and isinstance(item, str):
                    kept[key] = item
                elif _is_harmless(name, item, vega=vega):
                    kept[key] = _without_fetches(item, gone, vega=vega)
                else:
                    gone.append(key)
            return kept
        case list():
            return [_without_fetches(item, gone, vega=vega) for item in spec]
    return spec


def _is_harmless(name: str, item: Json, *, vega: bool) -> bool:
    """Return whether a field may stay; what is inside a list or an object is looked at later."""
    if vega and name in _VEGA_ONLY:
        return False
    if name == "cursor":
        value = item.get("value") if isinstance(item, dict) and len(item) == 1 else item
        return isinstance(value, str) and _KEYWORD.fullmatch(value) is not None
    if isinstance(item, list) and name in _OF_ADDRESSES:
        return not _holds_text(item)
    if not isinstance(item, str):
        return True
    if name in _OF_ADDRESSES:
        # A keyword names something in the page ("source": "table"); the rest is an address.
        return _PICTURE.fullmatch(item) is not None or (
            vega and re.fullmatch(r"\w+", item) is not None
        )
    return not is_remote(item) and _LOADS_IN_STYLE.search(item[:2_000]) is None


def _holds_text(items: list[Json]) -> bool:
    """Return whether a list, or a list in it, holds a text."""
    return any(
        isinstance(item, str) or (isinstance(item, list) and _holds_text(item)) for item in items
    )


def _has_map_traces(spec: Json) -> bool:
    match spec:
        case dict():
            kind = spec.get("type")
            if isinstance(kind, str) and kind in _MAP_TRACES:
                return True
            return any(_has_map_traces(spec.get(key)) for key in ("data", "frames"))
        case list():
            return any(_has_map_traces(item) for item in spec)
    return False


def _names_image(spec: Json) -> bool:
    """Return whether "image" is named anywhere, except as the type of a mark."""
    match spec:
        case dict():
            return any(
                key == "image" or (key not in ("type", "mark") and _names_image(item))
                if not isinstance(item, dict | list)
                else key == "image" or _names_image(item)
                for key, item in spec.items()
            )
        case list():
            return any(_names_image(item) for item in spec)
        case str():
            return "image" in spec
    return False


def _without_key(spec: Json, name: str, gone: list[str]) -> Json:
    match spec:
        case dict():
            if name in spec:
                gone.append(name)
            return {k: _without_key(v, name, gone) for k, v in spec.items() if k != name}
        case list():
            return [_without_key(item, name, gone) for item in spec]
    return spec
