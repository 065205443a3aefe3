"""What a kernel sends, from frames of its sockets to outputs of a notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from jupyter_client.session import Session

from analyst_kernel._text import printable
from analyst_kernel.agent.ports import OutputChange
from analyst_kernel.kernel.channels import read_message
from analyst_kernel.kernel.collector import merge
from analyst_kernel.kernel.messages import ErrorMsg, content_of, error_of, parent_of, parse, type_of
from analyst_kernel.kernel.outputs.chart_specs import harmless_spec
from analyst_kernel.kernel.outputs.charts import MOST_POINTS, clean_chart
from analyst_kernel.kernel.outputs.fold import OutputState, finish, fold
from analyst_kernel.kernel.outputs.sanitise import (
    OutputLimits,
    clean_json,
    sanitise_bundle,
    sanitise_error,
)
from analyst_kernel.kernel.outputs.terminal import TextBuffer
from analyst_kernel.kernel.startup import read_facts, read_frames
from analyst_kernel.notebook.document.cells import nbformat_output
from analyst_kernel.notebook.document.serialize import validate_cell
from analyst_kernel.protocol.outputs import CHART_MIME, Output, StreamOutput
from tests.fuzz.target import Seed, Target, hold, only
from tests.support.harmless import active_html

LIMITS = OutputLimits(stream_chars=2_000, bundle_bytes=20_000, outputs=6, total_bytes=40_000)
_UNREADABLE = (ValueError, TypeError, RecursionError, KeyError, IndexError, AttributeError)
"""What the reader of the channels passes over."""
_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@cache
def _session() -> Session:
    return Session(key=b"key")


def _messages(given: Any) -> None:
    """Take ``[[type, content, metadata], ...]`` as the messages of one cell."""
    state = OutputState()
    shown: list[Output] = []
    pending: list[OutputChange] = []
    for one in given if isinstance(given, list) else [given]:
        kind, content, metadata = (
            (list(one) + [None] * 3)[:3] if isinstance(one, list) else (one, one, one)
        )
        header = {
            "msg_id": "m",
            "msg_type": kind,
            "session": "s",
            "version": "5.3",
            "date": "2024-01-01",
        }
        try:
            parts = [
                json.dumps(part).encode() for part in (header, {"msg_id": "p"}, metadata, content)
            ]
        except RecursionError:
            return
        frames = [b"topic", b"<IDS|MSG>", _session().sign(parts), *parts]
        _session().digest_history.clear()
        try:
            raw = read_message(_session(), frames)
        except _UNREADABLE:
            continue
        parent_of(raw).strip(), type_of(raw).strip()
        state, changes = fold(state, parse(raw), LIMITS)
        _apply(shown, changes)
        for change in changes:
            pending = merge(pending, change)
        if type_of(raw) == "execute_reply":
            reply = content_of(raw)
            state, _ = fold(state, error_of(reply), LIMITS)
            shown, pending = list(finish(state).outputs), []
            expressions = reply.get("user_expressions")
            if isinstance(expressions, dict):
                read_facts(expressions)
                read_frames(expressions)
    finished = finish(state)
    _apply(shown, finished.changes)
    hold(len(finished.outputs) <= LIMITS.outputs + 11, "outputs are counted")
    hold(len(shown) == len(finished.outputs), "the changes lead to the outputs")
    hold(
        [_text(one) for one in shown] == [_text(one) for one in finished.outputs],
        "and to their texts",
    )
    for output in finished.outputs:
        harmless(output)
    "".join(f"{code}{text}" for code, text in finished.notices).encode()


def _text(output: Output) -> str:
    return output.text if isinstance(output, StreamOutput) else output.model_dump_json()


def _apply(shown: list[Output], changes: tuple[OutputChange, ...]) -> None:
    """Apply changes as a front end does."""
    for change in changes:
        if change.output is None:
            shown.clear()
        elif change.append:
            before = shown[change.index]
            assert isinstance(before, StreamOutput)
            assert isinstance(change.output, StreamOutput)
            text = before.text + change.output.text
            shown[change.index] = before.model_copy(update={"text": text})
        elif change.index == len(shown):
            shown.append(change.output)
        else:
            shown[change.index] = change.output


def harmless(output: Output) -> None:
    """Hold that an output can be saved, sent and shown."""
    body = output.model_dump(mode="json")
    json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    saved = nbformat_output(output)
    cell = {"cell_type": "code", "id": "c", "metadata": {}, "source": "", "execution_count": None}
    validate_cell({**cell, "outputs": [saved]})
    if "text/html" in body.get("data", {}):
        hold(not active_html(str(body["data"]["text/html"])), "HTML is harmless")


def _bundle(given: Any) -> None:
    """Take ``{MIME type: value}``."""
    if not isinstance(given, dict):
        return
    first = sanitise_bundle(given, {"needs_background": "light"}, LIMITS, 40_000)
    json.dumps(first.data, allow_nan=False, ensure_ascii=False).encode()
    "".join(text for _, text in first.notices).encode()
    again = sanitise_bundle(first.data, first.metadata, LIMITS, 40_000)
    for mime, value in first.data.items():
        if mime != "text/html" and not (mime == "text/plain" and "omitted" in str(value)):
            hold(again.data.get(mime) == value, f"a second pass changes nothing of {mime}")


def _html(text: str) -> None:
    first = sanitise_bundle({"text/html": text}, {}, OutputLimits(), 10_000_000)
    clean = first.data.get("text/html")
    if clean is None:
        return
    hold(not active_html(str(clean)), "HTML is harmless")
    # A browser mends the nesting of what it reads; that must not bring anything back to life.
    again = sanitise_bundle({"text/html": clean}, {}, OutputLimits(), 10_000_000)
    hold(not active_html(str(again.data.get("text/html"))), "a second pass is harmless as well")


def _latex(text: str) -> None:
    first = sanitise_bundle({"text/latex": text}, {}, OutputLimits(), 10_000_000)
    if "text/latex" in first.data:
        again = sanitise_bundle(
            {"text/latex": first.data["text/latex"]}, {}, OutputLimits(), 10_000_000
        )
        hold(again.data == first.data, "a second pass changes nothing")


def _spec(given: Any) -> None:
    for vega in (True, False):
        with only(ValueError):
            spec, _ = harmless_spec(clean_json(given), vega=vega)
            json.dumps(spec, allow_nan=False, ensure_ascii=False).encode()
            again, gone = harmless_spec(clean_json(spec), vega=vega)
            hold(again == spec and not gone, "a second pass changes nothing")
            _no_addresses(spec, vega=vega)


def _no_addresses(spec: Any, *, vega: bool, of: str = "") -> None:
    """Hold that no field that a browser loads from holds an address."""
    match spec:
        case dict():
            for key, value in spec.items():
                if not (vega and key in ("values", "datasets")):
                    _no_addresses(value, vega=vega, of=key)
        case list():
            for value in spec:
                _no_addresses(value, vega=vega, of=of)
        case str() if of.lower() in ("url", "href", "src", "source", "image", "tiles"):
            hold("//" not in spec or spec.startswith("data:"), f"no address in {of}")


def _chart(given: Any) -> None:
    chart = clean_chart(given)
    json.dumps(chart, allow_nan=False, ensure_ascii=False).encode()
    points = sum(len(one.get("points") or ()) for one in chart["elements"])
    hold(points <= MOST_POINTS, "points are counted")
    hold(clean_chart(chart) == chart, "a second pass changes nothing")


def _stream(text: str) -> None:
    whole, _ = TextBuffer(500).feed(text)
    for size in (1, 7):
        part = TextBuffer(500)
        for at in range(0, len(text), size):
            piece = text[at : at + size]
            if piece.endswith("\r") or text[at + size : at + size + 1] == "\n":
                return  # chunks that cut a line end are another text
            part, _ = part.feed(piece)
        hold(part.render() == whole.render(), "any pieces give the same text")
    hold(len(whole.render()[0]) <= 500 + 10_100, "kept within its limit")


def _stream_time(text: str) -> None:
    TextBuffer(100_000).feed(text)[0].render()


def _traceback(text: str) -> None:
    lines = tuple(text.split("\n\n"))
    output, _ = sanitise_error(ErrorMsg(lines[0], text, lines), OutputLimits(traceback_lines=40))
    harmless(output)
    for shown in (output.ename, output.evalue, *output.traceback):
        hold(not _CONTROLS.search(shown), "no control characters but colours")
        hold(printable(shown, colours=True) == shown, "a second pass changes nothing")


def _frames(given: Any) -> None:
    text = given if isinstance(given, str) else json.dumps(given)
    for mime in ("application/vnd.analyst-kernel.frames+json", "text/plain", "application/json"):
        reply = {"frames": {"status": "ok", "data": {mime: text}}, "facts": {"data": {mime: text}}}
        for frame in read_frames(reply) or ():
            frame.model_dump_json().encode()
        read_facts(reply)


def _wire(data: bytes) -> None:
    """Take bytes as the parts of a message, signed or not."""
    parts = data.split(b"\n")
    signed = [b"topic", b"<IDS|MSG>", _session().sign(parts[:4]), *parts]
    for frames in (parts, signed):
        _session().digest_history.clear()
        with only(*_UNREADABLE):
            raw = read_message(_session(), list(frames))
            if "too_large" not in raw:
                fold(OutputState(), parse(raw), LIMITS)


# --- seeds -------------------------------------------------------------------------------------


def _message_seeds() -> Iterator[Seed]:
    html = "<table class='dataframe'><tr><th>a</th></tr></table><script>1</script>"
    yield [
        ["status", {"execution_state": "busy"}],
        ["execute_input", {"code": "x", "execution_count": 3}],
        ["stream", {"name": "stdout", "text": "a\r\nb\rc\b"}, {"analyst_kernel_omitted": {"lines": 3, "chars": 9}}],
        ["stream", {"name": "stderr", "text": "warn"}],
        ["display_data", {"data": {"text/plain": "x", "text/html": html}, "metadata": {}, "transient": {"display_id": "d"}}],
        ["update_display_data", {"data": {"text/plain": "y"}, "metadata": {}, "transient": {"display_id": "d"}}],
        ["clear_output", {"wait": True}],
        ["execute_result", {"data": {"text/plain": "1", "image/png": _PNG}, "metadata": {"image/png": {"width": 3}}, "execution_count": 3}],
        ["error", {"ename": "E", "evalue": "v", "traceback": ["\x1b[31mE\x1b[0m", "File /usr/lib/python3.11/x.py"]}],
        ["comm_open", {"comm_id": "c"}],
        ["execute_reply", {"status": "error", "ename": "E", "evalue": "v", "traceback": [], "user_expressions": {}}],
    ]  # fmt: skip
    for seed in _bundle_seeds():
        yield [["display_data", {"data": seed, "metadata": {}}]]


def _bundle_seeds() -> Iterator[Seed]:
    yield {
        "text/plain": "x",
        "text/html": "<b>x</b>",
        "text/markdown": "**x** ![a](https://e.example)",
    }
    yield {"image/png": _PNG, CHART_MIME: next(iter(_chart_seeds()))}
    yield {
        "text/latex": "$\\href{x}{y}$",
        "application/json": {"a": [1, None]},
        "image/svg+xml": "<svg/>",
    }
    for spec in _spec_seeds():
        yield {"application/vnd.vegalite.v5+json": spec, "application/vnd.plotly.v1+json": spec}


def _spec_seeds() -> Iterator[Seed]:
    yield {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json", "mark": {"type": "bar", "tooltip": True},
        "data": {"values": [{"a": "https://x.example", "b": 1}]},
        "encoding": {"x": {"field": "a"}, "url": {"value": "//e.example"}, "href": {"field": "a"}},
        "usermeta": {"embedOptions": {"loader": {}}}, "datasets": {"d": [{"image": "x"}]},
    }  # fmt: skip
    yield {
        "data": [{"type": "scatter", "x": [1, 2], "y": [3, None], "text": ["a", "https://e.example"]}],
        "layout": {"images": [{"source": "https://e.example/x.png"}], "title": {"text": "<a href='x'>t</a>"}},
        "config": {"plotlyServerURL": "https://e.example"}, "frames": [],
    }  # fmt: skip


def _html_seeds() -> Iterator[Seed]:
    yield "<table border='1' class='dataframe'><thead><tr style='text-align: right;'><th></th></tr></thead></table>"
    yield "<style>.a{background:url(//x)}</style><p style='color:red;background:url(//x)' onclick=x()>a &lt; b & c</p>"
    yield "<svg><script>alert(1)</script></svg><math><mtext><img src=x onerror=alert(1)></math><!-- c --><![CDATA[x]]>"
    yield "<details open><summary>x</summary><a href='javascript:1' title=\"a\">b</a><br/></details><select><option>"


def _chart_seeds() -> Iterator[Seed]:
    yield {
        "version": 1, "type": "line", "library": "matplotlib", "title": "T", "x_label": "x", "x_ticks": [0, 1],
        "elements": [{"label": "a", "points": [[0, 1.5], [1, None]]}], "alt": "x",
        "layers": [{"type": "line", "elements": [{"points": [[1, 2]]}]}, {"type": "heatmap", "matrix": {"rows": [1], "columns": [1, 2], "values": [[1, 2]]}}],
        "references": [{"axis": "y", "value": 3}, {"axis": "x", "span": [1, 2]}],
    }  # fmt: skip
    yield {
        "version": 1,
        "type": "superchart",
        "elements": [{"type": "bar", "elements": [{"label": "a", "value": 3}]}],
    }
    yield {
        "type": "box_and_whisker",
        "elements": [{"min": 1, "outliers": [1, 2], "median": 3}],
        "orientation": "vertical",
    }


def _stream_seeds() -> Iterator[Seed]:
    yield "a\r\nb\rcc\b\bd\n" * 3
    yield "  5%|#    | 1/20\r 10%|##   | 2/20\r\x1b[A\n"


def _traceback_seeds() -> Iterator[Seed]:
    yield (
        "\x1b[0;31m---------\x1b[0m\n\nTraceback\n\nFile ~/x/site-packages/pandas/core.py:10, in f(x)\n\n"
        "ValueError: \x1b]0;title\x07 \x1b[2J \u202ex"
    )


def _frames_seeds() -> Iterator[Seed]:
    yield [
        {
            "name": "df",
            "type": "DataFrame",
            "shape": [3, 2],
            "columns": [["a", "int64"]],
            "summary": "x",
        }
    ]


def _wire_seeds() -> Iterator[Seed]:
    yield b'{"msg_id":"m","msg_type":"stream"}\n{"msg_id":"p"}\n{}\n{"name":"stdout","text":"x"}\nbuffer'
    yield b"topic\n<IDS|MSG>\n\n{}\n{}\n{}\n{}"


_HTML_TOKENS = (
    "<a href='", "<b>", "</b>", "<td>", "<table>", "<select>", "<svg>", "<math>", "<style>", "</style>",
    "<noscript>", "<template>", "<textarea>", "<title>", "<script>", "<p style='", "url(", "onerror=",
    "data-commandlinker-command=", "class='dataframe", "<!--", "-->", "<![CDATA[", "&lt;", "&#106;", "/>",
)  # fmt: skip
_MIMES = (
    "text/plain",
    "text/html",
    "text/markdown",
    "text/latex",
    "image/png",
    "application/json",
    CHART_MIME,
)
_TYPES = (
    "stream",
    "error",
    "display_data",
    "status",
    "display_id",
    "traceback",
    "omitted",
    "user_expressions",
)
TARGETS = (
    Target("kernel-messages", "json", _messages, _message_seeds, 8192, (*_TYPES, *_MIMES)),
    Target("kernel-wire", "bytes", _wire, _wire_seeds, 2048),
    Target("output-bundle", "json", _bundle, _bundle_seeds, 8192, _MIMES),
    Target("output-html", "text", _html, _html_seeds, 2048, _HTML_TOKENS, grows=True),
    Target("output-latex", "text", _latex, lambda: iter(["$\\href{x}{y} \\\\url$ \\begin{a}"]), 1024,
           ("\\href", "\\url", "\\class", "\\begin", "$", "\\"), grows=True),
    Target("output-chart-spec", "json", _spec, _spec_seeds, 8192, ("url", "href", "source", "image", "tooltip", "src")),
    Target("output-chart", "json", _chart, _chart_seeds, 8192, ("points", "elements", "layers", "matrix", "type")),
    Target("output-stream", "text", _stream, _stream_seeds, 2048),
    Target("output-stream-time", "text", _stream_time, _stream_seeds, 512, grows=True),
    Target("output-traceback", "text", _traceback, _traceback_seeds, 2048,
           ("\x1b[31m", "\x1b]8;;", "/site-packages/", "~/", "\x9d", "\n\n"), grows=True),
    Target("kernel-variables", "json", _frames, _frames_seeds, 4096),
)  # fmt: skip
