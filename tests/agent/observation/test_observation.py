from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.lineage.lines import lineage_lines
from analyst_kernel.agent.observation.cell import (
    about_chart,
    charts_of,
    clip,
    envelope,
    observation_text,
    outputs_text,
    picture,
)
from analyst_kernel.agent.observation.text import chart_text, html_text
from analyst_kernel.agent.ports import Execution, OutputChange
from analyst_kernel.agent.run import apply_change
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import (
    CHART_MIME,
    DisplayOutput,
    ErrorOutput,
    Frame,
    FrameColumn,
    Output,
    ResultOutput,
    StreamOutput,
)


def frame(name: str, *shape: int) -> Frame:
    return Frame(name=name, type="t", shape=shape, columns=(FrameColumn(name="a", dtype="int64"),))


def png(width: int, height: int) -> str:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return base64.b64encode(head).decode()


def test_the_header_the_outputs_and_the_changes() -> None:
    execution = Execution(
        "ok",
        (
            StreamOutput(name="stdout", text="\x1b[1mhello\x1b[0m\n"),
            ResultOutput(data={"text/plain": "5"}),
        ),
        None,
        0.42,
        frames=(frame("new", 3, 1), frame("cars", 90, 1), frame("same", 1, 1)),
        notices=(("cut", "Something was cut."),),
    )  # fmt: skip
    text = observation_text(
        iteration=3, execution=execution,
        before=(frame("cars", 100, 1), frame("same", 1, 1), frame("gone", 1, 1)),
        nonce="n1", notes=["hint"],
    )  # fmt: skip
    assert text.splitlines() == [
        "cell 3: ok, 0.4 s",
        '<data id="n1">',
        "hello",
        "5",
        "",
        "variables:",
        "new: 3 x 1 ('a' int64) [new]",
        "cars: 90 x 1 ('a' int64) [was 100 x 1; -10 rows]",
        "gone: deleted",
        "",
        "note: Something was cut.",
        '</data id="n1">',
        "hint",
    ]


@given(st.text(max_size=3000), st.integers(100, 1000))
def test_clipping_is_visible_and_bounded(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    assert len(clipped) <= limit + 120
    assert clipped == text if len(text) <= limit else "omitted here" in clipped


@given(st.lists(st.text(max_size=3000), max_size=6))
def test_no_output_disappears_in_a_flood(texts: list[str]) -> None:
    outputs = [StreamOutput(name="stdout", text=text + f"<{n}>") for n, text in enumerate(texts)]
    said = outputs_text(outputs, 2000)
    assert all(f"<{n}>" in said for n in range(len(texts)))
    assert len(said) < 2000 + 150 * len(texts)


@given(st.text(alphabet='</>daAtTn1 id="', max_size=60))
def test_no_text_closes_the_envelope(text: str) -> None:
    wrapped = envelope(text, "n1")
    inside = wrapped.split("\n", 1)[1].rsplit("\n", 1)[0]
    assert "</data" not in inside.lower()
    assert "n1" not in inside


def test_many_variables_are_counted() -> None:
    text = "\n".join(lineage_lines((), [frame(f"f{n}", n, 1) for n in range(20)], None))
    assert "… 8 more variables changed" in text


def test_charts_of_a_cell() -> None:
    data = {"type": "bar", "title": "Cars", "alt": "Bars of cars."}
    outputs: list[Output] = [
        StreamOutput(name="stdout", text="x"),
        DisplayOutput(data={"image/png": "aGk=\n", CHART_MIME: data}),
        ResultOutput(data={"image/png": "aGk="}),
        DisplayOutput(data={"text/plain": "no chart"}),
    ]
    first, second = charts_of(outputs, cell=CellId("c"), iteration=2, title="purpose")
    assert (first.id, first.output, first.title, first.alt) == ("c1", 1, "Cars", "Bars of cars.")
    assert (first.png, first.data) == ("aGk=", data)
    assert (second.id, second.title, second.alt) == ("c2", "purpose", "Chart: purpose.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"type": "line", "title": "T", "x_label": "Year", "y_label": "cty", "y_unit": "mpg",
             "elements": [{"label": "all", "points": [[1999, 17.0], [2015, 20.8]]}]},
            ["line 'T'", "y 'cty' in mpg", "series 'all': 2 points, x 1999 to 2015, y 17 to 20.8"],
        ),
        (
            {"type": "bar", "elements": [{"label": str(n), "value": n} for n in range(20)]},
            ["no axis labels", "20 bars: 0 0, 1 1", "… 8 more"],
        ),
        (
            {"type": "superchart", "elements": [{"type": "pie"}, {"type": "box", "elements": [
                {"label": "a", "median": 3}]}]},
            ["pie", "box 'a': median 3"],
        ),
        (
            {"type": "heatmap", "matrix": {"values": [[1, 0.5, None], [0.5, 1, -0.25]]}},
            ["heatmap", "matrix of 2 rows by 3 columns, values -0.25 to 1"],
        ),
        (
            {"type": "bar", "elements": [{"label": "a", "value": 1}], "layers": [
                {"type": "bar", "elements": [{"label": "a", "value": 1}]},
                {"type": "line", "elements": [{"label": "trend", "points": [[0, 1], [1, 3]]}]}]},
            ["1 bars: a 1", "over it, line:", "series 'trend': 2 points"],
        ),
        ({"type": "heatmap", "matrix": "broken", "layers": [3]}, ["heatmap"]),
        ({"elements": "broken"}, ["chart ''"]),
    ],
)  # fmt: skip
def test_a_chart_in_words(data: dict[str, Any], words: list[str]) -> None:
    text = chart_text(data)
    assert all(word in text for word in words), text


def test_only_a_picture_that_fits_is_shown() -> None:
    def output(picture: str) -> DisplayOutput:
        return DisplayOutput(data={"image/png": picture})

    fits = png(800, 600)
    image = picture([output(fits), output(png(9000, 10)), output("???"), output("aGk=")])
    assert image is not None
    assert image.base64 == fits
    assert picture([ErrorOutput(ename="E", evalue="")]) is None


def test_about_chart() -> None:
    assert about_chart("", "Draw a line chart")
    assert about_chart("histogram of ages")
    assert not about_chart("Compute the mean", "How many?")


def test_html_becomes_text() -> None:
    html = (
        "<style>x</style><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
    )
    assert html_text(html) == "a\tb\n1\t2"
    assert outputs_text([DisplayOutput(data={"text/html": "<p>a <b>b</b></p>"})]) == "a b"
    assert outputs_text([DisplayOutput(data={"application/json": {"a": 1}})]) == "{'a': 1}"
    assert outputs_text([DisplayOutput(data={"text/plain": "<Figure size 640x480>"})]) == ""


def test_live_outputs_fold() -> None:
    live: list[Output] = []
    for change in [
        OutputChange(0, StreamOutput(name="stdout", text="a")),
        OutputChange(0, StreamOutput(name="stdout", text="b"), append=True),
        OutputChange(1, DisplayOutput(data={"text/plain": "1"})),
        OutputChange(1, DisplayOutput(data={"text/plain": "2"})),
    ]:
        apply_change(live, change)
    assert live == [
        StreamOutput(name="stdout", text="ab"),
        DisplayOutput(data={"text/plain": "2"}),
    ]
    apply_change(live, OutputChange(0, None))
    assert live == []
