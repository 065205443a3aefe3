"""Specifications of charts name no place from which a browser would load something."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analyst_kernel.kernel.outputs.chart_specs import harmless_spec, is_remote

ADDRESSES = [
    "https://evil.example/a",
    "HTTPS://evil.example/a",
    "//evil.example/a",
    "/\\evil.example/a",
    "\\\\evil.example/a",
    "\\/evil.example/a",
    " //evil.example/a",
    "\x01//evil.example/a",
    "/\t/evil.example/a",
    "ht\ntps://evil.example/a",
    "\u200bhttps://evil.example/a",
    "java\tscript:alert(1)",
    "javascript:alert(1)",
    "VBScript:x",
    "blob:https://evil.example/x",
    "file:///etc/passwd",
    "data:text/html,<script>1</script>//evil",
    "data:image/svg+xml,<svg/>//evil",
    "a.png?evil",
    "/files/evil",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("vega", "spec"),
    [
        (False, {"layout": {"images": [{"source": "%"}]}}),
        (False, {"data": [{"type": "image", "source": "%"}]}),
        (False, {"layout": {"template": {"layout": {"images": [{"source": "%"}]}}}}),
        (False, {"frames": [{"layout": {"images": [{"source": "%"}]}}]}),
        (False, {"layout": {"mapbox": {"style": {"sources": {"a": {"tiles": ["%"]}}}}}}),
        (False, {"layout": {"map2": {"style": "%"}}}),
        (False, {"config": {"plotlyServerURL": "%", "topojsonURL": "%", "mapboxAccessToken": "%"}}),
        (True, {"data": {"url": "%"}}),
        (True, {"data": [{"name": "a", "url": {"signal": "'%'"}}]}),
        (True, {"mark": {"type": "image", "url": "%"}}),
        (True, {"encoding": {"url": {"value": "%"}}}),
        (True, {"encoding": {"href": {"value": "%"}}}),
        (True, {"mark": {"type": "point", "cursor": "url(%),auto"}}),
        (True, {"mark": {"type": "point", "cursor": {"expr": "'url(%)'"}}}),
        (True, {"usermeta": {"embedOptions": {"loader": {"baseURL": "%"}}}}),
        (True, {"mark": {"type": "point", "tooltip": {"signal": "{image: '%'}"}}}),
        (True, {"data": {"values": [{"image": "%"}]}, "mark": {"tooltip": {"content": "data"}}}),
        (True, {"config": {"background": "url(%)"}}),
    ],
)
def test_no_address_leaves_the_page(address: str, vega: bool, spec: Any) -> None:
    hostile = json.loads(json.dumps(spec).replace("%", json.dumps(address)[1:-1]))
    shown, gone = harmless_spec(hostile, vega=vega)
    assert gone
    rows = {"data": {"values": [{"image": address}]}, "mark": {}}
    assert shown == rows or json.dumps(address)[1:-1] not in json.dumps(shown)


@pytest.mark.parametrize("kind", ["choropleth", "scattergeo", "scattermapbox", "densitymap"])
def test_a_map_is_left_out_because_its_outlines_are_loaded(kind: str) -> None:
    with pytest.raises(ValueError, match="loaded from elsewhere"):
        harmless_spec({"data": [{"type": "bar"}, {"type": kind}]}, vega=False)


@pytest.mark.parametrize(
    ("vega", "spec"),
    [
        (False, {"data": [{"type": "bar", "x": ["https://a.example", "b"], "y": [1, 2]}]}),
        (False, {"data": [{"type": "sankey", "link": {"source": [0, 1], "target": [1, 2]}}]}),
        (False, {"layout": {"title": {"text": "Data: 2020, file: a / b"}, "hovermode": "x"}}),
        (False, {"layout": {"images": [{"source": "data:image/png;base64,iVBORw0KGgo="}]}}),
        (True, {"data": {"values": [{"url": "https://kept.example"}]}, "mark": "bar"}),
        (True, {"data": [{"name": "b", "source": "table"}], "marks": [{"type": "rect"}]}),
        (True, {"mark": {"type": "bar", "cursor": "pointer", "tooltip": True}}),
        (True, {"$schema": "https://vega.github.io/schema/vega-lite/v6.json"}),
    ],
)
def test_ordinary_specifications_stay_as_they_are(vega: bool, spec: Any) -> None:
    assert harmless_spec(spec, vega=vega) == (spec, [])


def test_addresses_are_told_from_words() -> None:
    assert not any(map(is_remote, ["Data: 2020", "a//b", "Ratio 3:4", "12:30", "", "km/h"]))
