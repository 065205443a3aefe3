"""Whatever a kernel sends, only harmless content within the caps comes out."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.kernel.messages import ErrorMsg
from analyst_kernel.kernel.outputs.sanitise import (
    Bundle,
    OutputLimits,
    clean_json,
    sanitise_bundle,
    sanitise_error,
)
from analyst_kernel.protocol.outputs import CHART_MIME

LIMITS = OutputLimits()
ROOM = LIMITS.total_bytes


def png(width: int = 2, height: int = 2) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    return base64.b64encode(head + struct.pack(">II", width, height) + b"\x08\x02rest").decode()


def clean(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> Bundle:
    return sanitise_bundle(data, metadata or {}, LIMITS, ROOM)


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<img src="https://evil.example/?d=1">',
        "<svg onload=alert(1)></svg>",
        "<iframe src='/lab'></iframe>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='/logout'>x</a>",
        "<button data-commandlinker-command='terminal:create-new'>x</button>",
        "<a data-commandlinker-command='x' data-commandlinker-args='{}'>x</a>",
        "<form action='/api/kernels'><input name=a></form>",
        "<div style='background:url(https://evil.example/a)'>x</div>",
        "<div style='position:fixed;top:0;left:0'>x</div>",
        "<style>@import url(https://evil.example/a.css)</style>",
        "<link rel=stylesheet href='https://evil.example/a.css'>",
        "<meta http-equiv=refresh content='0;url=https://evil.example'>",
        "<p class='jp-Dialog' id='main'>x</p>",
        "<base href='https://evil.example'>",
    ],
)
def test_html_that_acts_or_loads_is_disarmed(html: str) -> None:
    kept = str(clean({"text/html": f"<table><tr><td>7</td></tr></table>{html}"}).data["text/html"])
    assert "<td>7</td>" in kept
    for word in ("script", "onerror", "onload", "evil", "commandlinker", "/logout", "<form"):
        assert word not in kept
    for word in ("position", "url(", "<style", "jp-Dialog", "id=", "<iframe", "<img", "<base"):
        assert word not in kept


def test_removed_content_is_noticed_and_plain_tables_are_not() -> None:
    assert [code for code, _ in clean({"text/html": "<script>1</script>"}).notices] == [
        "html_cleaned"
    ]
    table = '<style scoped>td {color: red}</style><table border="1" class="dataframe"></table>'
    bundle = clean({"text/html": table})
    assert bundle.notices == ()
    assert bundle.data["text/html"] == '<table border="1" class="dataframe"></table>'


@pytest.mark.parametrize(
    "mime",
    [
        "application/javascript",
        "application/vnd.jupyter.widget-view+json",
        "application/vnd.bokehjs_exec.v0+json",
        "text/html; charset=utf-8",
        "application/pdf",
        "video/mp4",
        "text/x-something",
        "",
    ],
)
def test_other_types_are_dropped_with_a_notice(mime: str) -> None:
    bundle = clean({mime: "x", "text/plain": "kept"})
    assert bundle.data == {"text/plain": "kept"}
    assert [code for code, _ in bundle.notices] == ["output_dropped"]


def test_a_bundle_is_never_empty() -> None:
    bundle = clean({"application/javascript": "alert(1)"})
    assert bundle.data == {"text/plain": "[output left out: application/javascript]"}
    assert clean({}).data == {"text/plain": "[output left out: no content]"}


def test_svg_is_dropped_in_silence_only_beside_a_png() -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    assert clean({"image/svg+xml": svg, "image/png": png()}).notices == ()
    assert [code for code, _ in clean({"image/svg+xml": svg}).notices] == ["output_dropped"]


def test_pictures_are_checked() -> None:
    folded = "\n".join([png()[:20], png()[20:], ""])
    assert clean({"image/png": folded}).data == {"image/png": png()}
    jpeg = base64.b64encode(b"\xff\xd8\xff\xe0 rest").decode()
    assert clean({"image/jpeg": jpeg}).data == {"image/jpeg": jpeg}
    for bad in (jpeg, "<svg/>", "not base64 !", 7, None, png(60_000, 60_000), png()[:8]):
        bundle = clean({"image/png": bad, "text/plain": "figure"})
        assert list(bundle.data) == ["text/plain"], bad
        assert bundle.notices[0][0] == "output_dropped"


def test_metadata_is_reduced() -> None:
    given_metadata = {
        "needs_background": "light",
        "isolated": True,
        "image/png": {"width": 300, "onclick": "x", "height": -1},
        "text/html": {"isolated": True},
    }
    bundle = clean({"image/png": png()}, given_metadata)
    assert bundle.metadata == {"needs_background": "light", "image/png": {"width": 300}}


def test_chart_specs_keep_their_data_and_lose_what_they_would_load() -> None:
    vega = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"url": "/api/contents/secret.csv"},
        "layer": [{"data": {"values": [{"url": "https://kept.example", "n": 1}]}}],
        "encoding": {"href": {"field": "x"}, "x": {"field": "n"}},
        "usermeta": {"embedOptions": {"loader": {}}},
    }
    bundle = clean({"application/vnd.vegalite.v6+json": vega})
    assert bundle.data["application/vnd.vegalite.v6+json"] == {
        "$schema": vega["$schema"],
        "data": {},
        "layer": [{"data": {"values": [{"url": "https://kept.example", "n": 1}]}}],
        "encoding": {"x": {"field": "n"}},
    }
    assert [code for code, _ in bundle.notices] == ["remote_content"]
    plotly = {
        "data": [{"x": [1, float("nan")], "type": "bar"}],
        "layout": {"images": [{"source": "https://evil.example/a.png", "x": 0}]},
        "config": {"plotlyServerURL": "https://evil.example"},
    }
    bundle = clean({"application/vnd.plotly.v1+json": plotly})
    assert bundle.data["application/vnd.plotly.v1+json"] == {
        "data": [{"x": [1, None], "type": "bar"}],
        "layout": {"images": [{"x": 0}]},
        "config": {},
    }


def test_markdown_and_latex_load_nothing() -> None:
    bundle = clean({"text/markdown": "**7** ![x](https://evil.example) <img src=y> a < b"})
    text = str(bundle.data["text/markdown"])
    assert text == "**7** &#33;[x](https://evil.example) &lt;img src=y> a < b"
    bundle = clean({"text/latex": r"$\href{javascript:alert(1)}{x} + \frac{1}{2}$"})
    assert bundle.data["text/latex"] == r"$href{javascript:alert(1)}{x} + \frac{1}{2}$"


def test_sizes_are_capped_with_a_notice() -> None:
    limits = OutputLimits(stream_chars=100, bundle_bytes=1000, total_bytes=1500)
    bundle = sanitise_bundle(
        {"text/plain": "x" * 500, "application/json": ["y" * 2000], CHART_MIME: {"type": "line"}},
        {},
        limits,
        1500,
    )
    assert "… 400 characters omitted …" in str(bundle.data["text/plain"])
    assert isinstance(chart := bundle.data[CHART_MIME], dict)
    assert chart["type"] == "line"
    assert "application/json" not in bundle.data
    assert {code for code, _ in bundle.notices} == {"text_cut", "output_too_big"}
    full = sanitise_bundle({"text/plain": "12345"}, {}, limits, 3)
    assert full.data == {"text/plain": "[output left out: text/plain]"}


def test_json_is_json() -> None:
    assert clean_json({"a": [1, 2.5, None, True, float("inf")]}) == {
        "a": [1, 2.5, None, True, None]
    }
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueError, match="too deep"):
        clean_json(deep)


def test_errors_are_capped() -> None:
    limits = OutputLimits(stream_chars=10_000, traceback_lines=10)
    entries = tuple(f"line {number}" for number in range(100))
    output, notices = sanitise_error(ErrorMsg("E" * 500, "m" * 5000, entries), limits)
    assert len(output.ename) == 200
    assert "omitted" in output.evalue
    assert len(output.traceback) == 11
    assert output.traceback[5] == "… 90 lines omitted …"
    assert [code for code, _ in notices] == ["traceback_cut", "error_cut"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MIMES = st.sampled_from(
    [
        "text/plain",
        "text/html",
        "text/markdown",
        "text/latex",
        "image/png",
        "image/svg+xml",
        "application/json",
        "application/vnd.plotly.v1+json",
        "application/javascript",
        CHART_MIME,
    ]
)


@given(st.dictionaries(MIMES, VALUES, max_size=5), st.dictionaries(st.text(), VALUES, max_size=3))
def test_any_bundle_becomes_a_valid_notebook_output(
    data: dict[str, Any], metadata: dict[str, Any]
) -> None:
    bundle = clean(data, metadata)
    json.dumps(bundle.data, allow_nan=False).encode("utf-8")
    output = nbformat.v4.new_output("display_data", data=bundle.data, metadata=bundle.metadata)
    cell = nbformat.v4.new_code_cell(outputs=[output])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))


def test_a_traceback_does_not_say_where_libraries_lie_on_this_machine() -> None:
    lines = (
        "File \x1b[32m~/env/lib/python3.11/site-packages/pandas/core/frame.py:10\x1b[39m, in f",
        "File /usr/lib/python3.11/ast.py:50, in parse",
        "KeyError: '/home/someone/data.csv'",
    )
    error, _ = sanitise_error(ErrorMsg("KeyError", "x", lines), OutputLimits())
    assert error.traceback == (
        "File \x1b[32msite-packages/pandas/core/frame.py:10\x1b[39m, in f",
        "File python3.11/ast.py:50, in parse",
        "KeyError: '/home/someone/data.csv'",
    )
