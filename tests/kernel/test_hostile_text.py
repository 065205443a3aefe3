"""No text of a kernel takes its host more time than in proportion to its length."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from analyst_kernel.agent.observation.repair import hint
from analyst_kernel.kernel.diagnosis import cell_error
from analyst_kernel.kernel.messages import ErrorMsg
from analyst_kernel.kernel.outputs.sanitise import OutputLimits, sanitise_bundle, sanitise_error
from analyst_kernel.kernel.outputs.terminal import TextBuffer
from analyst_kernel.protocol.outputs import CHART_MIME, ErrorOutput, Frame, FrameColumn
from tests.support.linear_time import grows_too_fast

WIDE = OutputLimits(stream_chars=10_000_000, bundle_bytes=50_000_000, total_bytes=90_000_000)


def bundle(mime: str, wrap: Callable[[str], object] = str) -> Callable[[str], object]:
    return lambda text: sanitise_bundle({mime: wrap(text)}, {}, WIDE, WIDE.total_bytes)


TABLE = Frame(
    name="table",
    type="DataFrame",
    shape=(1, 1),
    columns=(FrameColumn(name="reading", dtype="int64"),),
)


def failure(name: str) -> Callable[[str], object]:
    def looked_up(text: str) -> object:
        error = cell_error(
            ErrorOutput(ename=name, evalue=text, traceback=[text]), execution_count=1
        )
        return hint(error, "table[0]", [TABLE])

    return looked_up


SANITISERS: dict[str, Callable[[str], object]] = {
    "a traceback": lambda text: sanitise_error(ErrorMsg("E", "", (text,)), WIDE),
    "an error's message": lambda text: sanitise_error(ErrorMsg("E", text, ()), WIDE),
    "a stream": lambda text: TextBuffer(1_000_000).feed(text)[0].render(),
    "HTML": bundle("text/html"),
    "Markdown": bundle("text/markdown"),
    "LaTeX": bundle("text/latex"),
    "plain text": bundle("text/plain"),
    "a picture": bundle("image/png"),
    "a plotly figure": bundle("application/vnd.plotly.v1+json", lambda text: {"a": text}),
    "a chart": bundle(CHART_MIME, lambda text: {"type": "line", "title": text}),
    "a KeyError": failure("KeyError"),
    "a NameError": failure("NameError"),
    "an AttributeError": failure("AttributeError"),
}


@pytest.mark.parametrize("name", SANITISERS)
def test_time_grows_with_the_length(name: str) -> None:
    assert grows_too_fast(SANITISERS[name]) == []


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda n: "<div>" * n, "deep"),
        (lambda n: "<span>" * n + "</div>" * n, "deep"),
        (lambda n: "".join(f"<b id={i}>" for i in range(n)), "deep"),
        (lambda n: "<div><!--</div>-->" * n, "deep"),
        (lambda n: "<div a='</div>'>" * n, "deep"),
        (lambda n: "<svg>" + "<td>" * n, "deep"),
        (lambda n: "<dd><li>" * n, "deep"),
        (lambda n: "<div><style></div></style>" * n, "deep"),
        (lambda n: "<p " + " ".join(f"a{i}" for i in range(n)) + ">", "attributes"),
        (lambda n: "<p/" + "/".join(f"a{i}" for i in range(n)) + ">", "attributes"),
    ],
)
def test_html_that_would_hold_up_the_parser_is_left_out_and_named(
    make: Callable[[int], str], reason: str
) -> None:
    clean = sanitise_bundle({"text/html": make(9_000), "text/plain": "p"}, {}, WIDE, 10**9)
    assert clean.data == {"text/plain": "p"}
    assert reason in clean.notices[0][1]


@pytest.mark.parametrize(
    "html",
    [
        "<table>" + "<tr><td>1</td><td>2<br></td></tr>" * 5_000 + "</table>",
        "<table>" + "<tr><td>1<td>2" * 5_000 + "</table>",
        "<ul>" + "<li>point" * 5_000 + "</ul>" + "<p>text" * 5_000,
        "<style>\n#T_1 { color: red }\n</style><!-- a > b -->".replace(" > ", " ")
        + "<table>" + '<tr><td class="x y" style="color: red">1 &amp; 2</td></tr>' * 5_000 + "</table>",
        "<div>" * 100 + "x < y" * 5_000 + "</div>" * 100,
    ],
)  # fmt: skip
def test_large_ordinary_html_stays(html: str) -> None:
    clean = sanitise_bundle({"text/html": html}, {}, WIDE, 10**9)
    assert "text/html" in clean.data
    assert clean.notices == ()


def test_the_place_of_a_library_is_cut_from_every_path() -> None:
    lines = (
        "File ~/env/lib/python3.11/site-packages/pandas/core.py:3",
        "File /usr/lib/python3.12/json/decoder.py",
        "see '/a/dist-packages/b' and \"/opt/site-packages/c\"",
        "/site-packages/only",
    )
    output, _ = sanitise_error(ErrorMsg("E", "", lines), OutputLimits())
    assert list(output.traceback) == [
        "File site-packages/pandas/core.py:3",
        "File python3.12/json/decoder.py",
        "see 'dist-packages/b' and \"site-packages/c\"",
        "/site-packages/only",
    ]
