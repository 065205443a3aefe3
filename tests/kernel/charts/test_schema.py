"""Whatever a kernel sends as chart data, plain, bounded JSON comes out; what was lost is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.kernel.outputs.charts import MOST_POINTS, clean_chart
from analyst_kernel.kernel.outputs.sanitise import OutputLimits, sanitise_bundle
from analyst_kernel.protocol.outputs import CHART_MIME

KEYS = ("version", "library", "type", "title", "elements", "warnings", "alt")


def line(points: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "line", "elements": [{"label": "a", "points": points}], **fields}


def reasons(chart: Any) -> str:
    return " ".join(chart["warnings"])


def test_a_valid_chart_passes_as_it_is() -> None:
    chart = {
        "version": 1,
        "library": "matplotlib",
        "type": "bar",
        "title": "Sales",
        "x_label": None,
        "elements": [{"label": "a", "group": "", "value": 3, "low": 2.5, "high": 3.5}],
        "series": [],
        "orientation": "vertical",
        "warnings": [],
        "alt": "Bar chart 'Sales'; 1 bar: a 3.",
    }
    assert clean_chart(chart) == chart


def test_nan_and_infinity_are_null_and_big_numbers_are_gone() -> None:
    chart = clean_chart(line([[1, float("nan")], [float("-inf"), 2], [10**400, 3]]))
    assert chart["elements"] == [{"label": "a", "points": [[1, None], [None, 2], [None, 3]]}]


def test_unknown_fields_are_left_out() -> None:
    chart = clean_chart(line([[1, 2]], onclick="alert(1)", data={"url": "https://evil.example"}))
    assert "onclick" not in chart
    assert "data" not in chart
    assert "evil" not in json.dumps(chart)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        "line",
        [],
        {},
        {"type": "script"},
        {"type": ["line"]},
        line("points"),
        line([[1]]),
        line([[1, {"x": 1}]]),
        line([[1, 2]], title={"a": 1}),
        line([[1, 2]], version=2),
        {"type": "superchart", "elements": [{"type": "superchart", "elements": []}]},
        {"type": "heatmap", "matrix": {"rows": [1]}},
        {"type": "bar", "elements": [[1, 2]]},
    ],
)
def test_invalid_data_becomes_an_unknown_chart_with_the_reason(bad: Any) -> None:
    chart = clean_chart(bad)
    assert (chart["type"], chart["elements"]) == ("unknown", [])
    assert "not valid" in reasons(chart)
    assert "not valid" in str(chart["alt"])


def test_the_picture_is_kept_beside_data_that_is_not_valid() -> None:
    from tests.kernel.test_output_sanitise import png

    bundle = sanitise_bundle(
        {"image/png": png(), CHART_MIME: "<script>"}, {}, OutputLimits(), 10_000_000
    )
    assert isinstance(chart := bundle.data[CHART_MIME], dict)
    assert chart["type"] == "unknown"
    assert "image/png" in bundle.data


def count(chart: dict[str, Any]) -> int:
    """Return the points of a chart, as its layers show them where it has some."""
    if chart["type"] == "superchart":
        return sum(count(part) for part in chart["elements"])
    holders = chart.get("layers") or [chart]
    found = 0
    for holder in holders:
        for element in holder.get("elements", []):
            found += max(1, len(element.get("points") or []) + len(element.get("outliers") or []))
    return found


def test_points_are_capped_with_a_warning() -> None:
    many = [[n, n] for n in range(4_000)]
    chart: Any = clean_chart({"type": "line", "elements": [{"points": many}, {"points": many}]})
    assert count(chart) == MOST_POINTS
    assert "at most 5,000" in reasons(chart)
    several: Any = clean_chart({"type": "superchart", "elements": [line(many), line(many)]})
    assert count(several) == MOST_POINTS
    assert "at most 5,000" in reasons(several)
    bars: Any = clean_chart({"type": "bar", "elements": [{"value": 1}] * 100_000})
    assert len(bars["elements"]) == MOST_POINTS
    boxes: Any = clean_chart(
        {"type": "box_and_whisker", "elements": [{"median": 1, "outliers": [1] * 90_000}] * 9}
    )
    assert count(boxes) <= MOST_POINTS
    assert "at most" in reasons(boxes)


def test_layers_and_their_leading_copy_count_once() -> None:
    layer = line([[n, n] for n in range(3_000)])
    band = {"type": "band", "elements": [{"points": [[n, 1, 2] for n in range(2_000)]}]}
    chart: Any = clean_chart({**layer, "layers": [layer, band]})
    assert count(chart) == 5_000
    assert len(chart["elements"][0]["points"]) == 3_000
    assert chart["warnings"] == []


def test_a_large_matrix_loses_rows() -> None:
    matrix = {"rows": [], "columns": [], "values": [[0] * 1_000] * 20, "shape": [20, 1_000]}
    chart: Any = clean_chart({"type": "heatmap", "matrix": matrix})
    assert len(chart["matrix"]["values"]) == 5
    assert chart["matrix"]["shape"] == [20, 1_000]
    assert "at most" in reasons(chart)


def test_text_is_short_and_has_no_control_characters() -> None:
    title = "a\x1b[31mred\x00\u202eb" + "x" * 10_000 + "\ud800"
    chart: Any = clean_chart(line([["\x07bell", 1]], title=title))
    assert chart["title"].startswith("a [31mred b")
    assert len(chart["title"]) <= 500
    assert chart["elements"][0]["points"] == [[" bell", 1]]
    json.dumps(chart).encode()


def test_deep_nesting_does_no_harm() -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    assert clean_chart(line(deep))["type"] == "unknown"
    assert clean_chart({"type": "line", "elements": [], "extra": deep})["type"] == "line"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(["line", "bar", "superchart", "heatmap", "vertical"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["type", "elements", "layers", "points", "matrix", "values", "rows", "title", "label",
             "series", "bins", "version", "alt", "warnings", "references", "shape", "bin"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip
POINTS = st.lists(st.lists(st.floats() | st.text(max_size=5) | st.none(), max_size=5), max_size=5)


def assert_plain(chart: dict[str, Any]) -> None:
    assert set(KEYS) <= set(chart)
    assert chart["version"] == 1
    assert isinstance(chart["alt"], str)
    assert chart["alt"]
    text = json.dumps(chart, allow_nan=False)
    text.encode("utf-8")
    # What was cleaned once is clean.
    assert clean_chart(json.loads(text)) == chart


@given(JSON)
def test_anything_becomes_a_plain_chart(value: Any) -> None:
    assert_plain(clean_chart(value))


@given(
    st.sampled_from(["line", "scatter", "bar", "pie", "heatmap", "superchart", "unknown"]),
    st.lists(st.fixed_dictionaries({}, optional={"label": JSON, "points": POINTS, "value": JSON})),
    JSON,
)
def test_charts_with_hostile_parts_become_plain(kind: str, elements: Any, part: Any) -> None:
    chart = {"type": kind, "elements": elements, "title": part, "layers": part, "warnings": part}
    assert_plain(clean_chart(chart))
