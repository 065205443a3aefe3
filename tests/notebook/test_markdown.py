"""Safe Markdown, rendered by the Markdown library that exports use."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analyst_kernel.agent.evidence.marks import UNVERIFIED, sign_places
from analyst_kernel.notebook.document.cells import answer_source
from analyst_kernel.notebook.document.markdown import (
    inline,
    literal,
    proven,
    safe_markdown,
    table_cell,
    unescaped,
    zones,
)
from analyst_kernel.notebook.verify.compare import normalised
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.records import Answer, CellLabel, NumberProof, Value
from tests.support.linear_time import grows_too_fast

RENDER = MarkdownIt("commonmark", {"html": True}).enable("table")
HOSTILE = st.text(alphabet="<>/!imgsrc=x`~*_[]()|&#;\\ \n-1.0$\"'", max_size=60)


def tags(markdown: str) -> set[str]:
    return set(re.findall(r"<([a-z0-9]+)", RENDER.render(markdown)))


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "# 3. *bold* _it_ `code` [a](b) <b>x</b> &amp; a|b ~~no~~ $5 $6",
        "- item",
        "1. item",
        "> quote",
        "+ plus",
        "= under",
        "2019",
        "ends with #",
        "back\\slash \\*",
    ],
)
def test_literal_text_renders_as_itself(text: str) -> None:
    html = RENDER.render(literal(text))
    shown = re.sub(r"^<p>|</p>\n$", "", html)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(entity, character)
    assert shown == text
    assert unescaped(literal(text)) == text


@given(HOSTILE)
def test_literal_and_back(text: str) -> None:
    assert unescaped(literal(text)) == " ".join(text.split())
    assert tags(f"## {literal(text)}") <= {"h2"}


@given(HOSTILE)
def test_model_markdown_has_neither_raw_html_nor_pictures(text: str) -> None:
    for markdown in (safe_markdown(text), f"- {inline(text)}"):
        tokens = RENDER.parse(markdown)
        kinds = {t.type for t in tokens} | {c.type for t in tokens for c in t.children or ()}
        assert not kinds & {"html_block", "html_inline", "image"}


@given(HOSTILE)
def test_zones_cover_the_text_without_gaps(text: str) -> None:
    found, _ = zones(text)
    assert "".join(text[z.start : z.end] for z in found) == text


def test_code_keeps_its_characters() -> None:
    text = "Use `a < b` or\n\n```python\nx = '<b>' # $5\n```\nand <b>not</b> this"
    safe = safe_markdown(text)
    assert "`a < b`" in safe
    assert "x = '<b>' # $5" in safe
    assert "&lt;b>not&lt;/b>" in safe


def test_an_open_fence_is_closed() -> None:
    assert safe_markdown("look:\n```\n1").endswith("1\n```")


def test_prices_do_not_start_a_formula() -> None:
    assert safe_markdown("from $20 to $30") == r"from \$20 to \$30"
    assert safe_markdown("$x^2$") == "$x^2$"


def at(text: str, number: str, cell: str | None) -> NumberProof:
    start = text.index(number)
    return NumberProof.model_validate(
        {"text": number, "start": start, "end": start + len(number), "cell": cell}
    )


def test_proven_numbers_are_links_and_others_are_marked() -> None:
    text = "Rose from **18.4** to $20.8; 7 of it."
    shown, left = proven(
        text, [at(text, "18.4", "c1"), at(text, "20.8", "c2"), at(text, "7", None)]
    )
    assert shown == (r"Rose from **[18.4](#cell-id=c1)** to \$[20.8](#cell-id=c2); 7† of it.")
    assert left == ()


@pytest.mark.parametrize(
    "text",
    [
        "see `41.5` there",
        "```\n41.5\n```",
        "| a | 41.5 |",
        "[about 41.5](https://example.org)",
        "https://example.org/41.5/x",
        "$x_{41.5}$",
    ],
)
def test_numbers_where_a_link_would_break_markdown_are_left(text: str) -> None:
    proof = at(text, "41.5", "c1")
    shown, left = proven(text, [proof])
    assert shown == safe_markdown(text)
    assert left == (proof,)


LABELS = tuple(CellLabel(number=n, cell=CellId(f"it{n}")) for n in (2, 3, 12))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("so [cell 3].", "so [cell [3](#cell-id=it3)]."),
        ("so [Cells 2, 3 and 12].", "so [Cells [2](#cell-id=it2), [3](#cell-id=it3) and [12](#cell-id=it12)]."),
        ("so [cells 2-12]", "so [cells [2](#cell-id=it2)-[12](#cell-id=it12)]"),
        ("so [cells 2\u201312]", "so [cells [2](#cell-id=it2)\u2013[12](#cell-id=it12)]"),
        # Another number, a link, code, mathematics, a closed form: as they are.
        ("so [cell 4]", "so [cell 4]"),
        ("so [cell 3](https://example.org)", "so [cell 3](https://example.org)"),
        ("so `[cell 3]`", "so `[cell 3]`"),
        ("cell 3 and [cell x]", "cell 3 and [cell x]"),
        ("@cell[3]", "@cell[3]"),
    ],
)  # fmt: skip
def test_cited_cells_are_links(text: str, shown: str) -> None:
    assert proven(text, (), LABELS) == (shown, ())
    assert inline(text, LABELS) == shown


def test_a_number_in_a_citation_is_no_number_of_the_answer() -> None:
    proof = NumberProof(text="3", start=7, end=8, cell=CellId("other"))
    assert proven("[cell 3]", (proof,), LABELS)[0] == "[cell [3](#cell-id=it3)]"


def test_list_markers_and_wrong_offsets_are_left() -> None:
    text = "1. first 5\n2. second"
    wrong = NumberProof.model_validate({"text": "9", "start": 9, "end": 10, "cell": "c"})
    shown, left = proven(text, [at(text, "1", "c"), wrong, at(text, "2", "c")])
    assert shown == text
    assert len(left) == 3


@given(HOSTILE, st.data())
def test_each_proof_is_shown_or_left(text: str, data: st.DataObject) -> None:
    numbers = list(re.finditer(r"\d+(?:\.\d+)?", text))
    chosen = [
        NumberProof.model_validate(
            {
                "text": m[0],
                "start": m.start(),
                "end": m.end(),
                "cell": data.draw(st.sampled_from(["abc", None])),
            }
        )
        for m in numbers
    ]
    shown, left = proven(text, chosen)
    here = [p for p in chosen if p not in left]
    assert shown.count("](#cell-id=abc)") == sum(p.cell is not None for p in here)
    assert shown.count(UNVERIFIED) - text.count(UNVERIFIED) == len(
        {place for place, proof in sign_places(text, chosen) if proof in here}
    )


def test_values_of_five_digits_are_grouped_and_years_are_not() -> None:
    values = (Value(label="Total", value=17846.02, unit="USD"), Value(label="Best", value=2014))
    source = answer_source(Answer(text="It rose.", key_values=values), "answered")
    assert "| Total | 17,846.02 USD |" in source
    assert "| Best | 2014 |" in source


def with_proofs(text: str) -> object:
    places = range(0, len(text), 5)
    cell = CellId("c")
    return proven(
        text, [NumberProof(text=text[p : p + 1], start=p, end=p + 1, cell=cell) for p in places]
    )


WRITERS: dict[str, Callable[[str], object]] = {
    "Markdown": safe_markdown,
    "Markdown with proofs": with_proofs,
    "one line": inline,
    "a table's cell": table_cell,
    "literal text": literal,
    "unescaped text": unescaped,
    "outputs to compare": normalised,
}


@pytest.mark.parametrize("name", WRITERS)
def test_time_grows_with_the_length_of_hostile_text(name: str) -> None:
    assert grows_too_fast(WRITERS[name]) == []
