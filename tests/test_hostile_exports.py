"""Texts of strangers in exports: words, names of files, versions and paths never become code."""

from __future__ import annotations

import ast
import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.serialize import parse
from analyst_kernel.notebook.export.clean import cleaned
from analyst_kernel.notebook.export.export import ExportFormat, clean_checked, export, script
from analyst_kernel.notebook.export.source import relocated
from analyst_kernel.notebook.verify.verify import VerifyReport
from tests.support.examples import examples
from tests.support.unguarded import Unguarded, unguarded

CODE = ["x = 1", "y = '''\n% 2\n!ls\n? a\n'''", "import math\n\nz = math.pi", "x + 1  # %% no cell"]
WORDS = st.lists(
    st.sampled_from([
        "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029", "\t", " ", "#",
        "%%", "%", "!", "?", "import os", "open('canary','w')", "'''", '"""', "\\", "%% [markdown]",
        "coding: utf-7", "coding=cp037", "+AAo-open('canary','w')+AAo-", "```", "é", "<script>",
    ]),
    max_size=6,
).map("".join)  # fmt: skip


@pytest.fixture(scope="module")
def process() -> Iterator[Unguarded]:
    with unguarded() as running:
        yield running


def made_of(texts: list[str], code: list[str], **metadata: Any) -> str:
    """Return a notebook with a text before each piece of code, and one text as a failed cell."""
    form: Any = nbformat.v4
    cells = [form.new_markdown_cell(texts[0])]
    for text, source in zip(texts, code, strict=True):
        tags = {"tags": ["raises-exception"]}
        cells += [form.new_markdown_cell(text), form.new_code_cell(source)]
        cells += [form.new_code_cell(text, metadata=tags), form.new_raw_cell(text)]
    written: str = nbformat.writes(form.new_notebook(cells=cells, metadata=metadata))
    return written


@examples(150)
@given(st.lists(WORDS, min_size=len(CODE), max_size=len(CODE)))
@example(["", "", "", "?!"])
@example(["coding: utf-7\n+AAo-open('canary','w')+AAo-", "a\rb = 1", "a\x0c!ls", "%%\n!ls"])
def test_a_script_holds_the_code_and_comments(texts):
    made = script(parse(made_of(texts, CODE), "n"))
    expected = [ast.dump(node) for source in CODE for node in ast.parse(source).body]
    assert [ast.dump(node) for node in ast.parse(made.encode()).body] == expected
    inside = {line for source in CODE for line in source.splitlines()}
    others = [line for line in made.splitlines() if line not in inside]
    assert all(line.startswith("#") or not line for line in others)
    heads = {"# %%", "# %% [markdown]", "# %% (failed, kept as comments)"}
    assert {line for line in others if line.startswith("# %")} <= heads
    assert not any(line.startswith(("# !", "# ?!")) for line in others)


@pytest.mark.parametrize(
    "stem",
    [
        'x"); open("canary","w"); ("',
        "x'); open('canary','w'); ('",
        "a\\",
        "a\nb",
        "a\u2028!ls",
        "{x}",
    ],
)
def test_the_name_of_an_export_stays_a_name(process, tmp_path, stem):
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(made_of(["t"] * 2, ["import os", "print(OUTPUT_DIR)"]))
    target = tmp_path / f"{stem}.py"
    made = export(notebook, "py", destination=target)
    (place,) = [
        node.args[0]
        for node in ast.walk(ast.parse(made))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "Path"
    ]
    assert ast.literal_eval(place) == f"{stem}_files"
    assert made.splitlines() == made.split("\n")[:-1]
    ran = process.run(made, folder=str(tmp_path), root=str(tmp_path))
    assert not (tmp_path / "canary").exists()
    assert set(ran.noticed) <= {"os.mkdir"}  # of the folder itself


@pytest.mark.parametrize(
    "version", ["2.0; rm -rf ~", "1\n```\n<script>", "$(ls)", "", "-r evil", "1 2"]
)
def test_what_a_notebook_says_it_needs_is_a_version_or_nothing(tmp_path, version):
    noted = {"version": 1, "packages": {"pandas": version, "numpy": "2.0.1"}}
    language = {"name": "python", "version": version}
    text = made_of(
        ["t"], ["import numpy\nimport pandas"], analyst_kernel=noted, language_info=language
    )
    document = cleaned(parse(text, "n"), folder=tmp_path, destination=tmp_path / "o.ipynb")
    needs = document["metadata"]["requirements"]
    assert needs["packages"]["numpy"] == "2.0.1"
    said = document["cells"][0]["source"] + needs["packages"]["pandas"] + needs["python"]
    assert not version or version not in said


PLACES = [
    "a b",
    "it's",
    'say "x"',
    "a\\b",
    "a\nb",
    "{x}",
    "a\u2028b",
    "[1]*",
    "~",
    "file:",
    "é",
    "'''",
    "#",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "code",
    [
        "x = pd.read_csv({})",
        "x = read({}, sep='\\t')",
        "x = read(r{})",
        'x = read(\n    {}\n    ""\n)',
    ],
)  # fmt: skip
def test_a_moved_path_is_that_path(tmp_path: Path, place: str, code: str) -> None:
    old, new = tmp_path / "old", tmp_path / place / "deep"
    new.mkdir(parents=True)
    (old / "in").mkdir(parents=True)
    (old / "in" / "d.csv").write_text("a\n1\n")
    (new / "in").mkdir()
    for start, end in ((old, new), (new, old)):
        (start / "in" / "d.csv").write_text("a\n1\n")
        moved = relocated(code.format('"in/d.csv"'), start, end)
        texts = [n.value for n in ast.walk(ast.parse(moved)) if isinstance(n, ast.Constant)]
        (path,) = [text for text in texts if "d.csv" in str(text)]
        assert os.path.realpath(end / str(path)) == os.path.realpath(start / "in" / "d.csv")
        assert moved.splitlines() == moved.split("\n")


@pytest.mark.parametrize("name", ["it's.csv", "[1].csv", "a*.csv", "~x.csv", "file:x.csv"])
def test_a_moved_path_in_a_query_is_that_path(tmp_path: Path, name: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new's"
    old.mkdir()
    new.mkdir()
    (old / name).write_text("a\n1\n")
    pattern = name.replace("[", "[[]").replace("*", "[*]").replace("'", "''")
    code = f'duckdb.sql("""\nSELECT * FROM read_csv(\'{pattern}\')\n""")'
    moved = relocated(code, old, new)
    (call,) = [node for node in ast.walk(ast.parse(moved)) if isinstance(node, ast.Constant)]
    import duckdb

    here = os.getcwd()
    os.chdir(new)
    try:
        assert duckdb.sql(str(call.value)).fetchall() == [(1,)]
    finally:
        os.chdir(here)


PROOFS = [
    "Proof: 3 of 3 numbers stand in the output of an executed cell.",
    "---\n\nProof: 1 of 1 number stands in the output of an executed cell. Also: [4](#cell-id=x).",
    "**Proof:** 3 of 3",
    "Sources: 3 of 3 numbers stand in the output of an executed cell.",
    "> *Sources:* 12 of 12 numbers stand in the output of an executed cell. Also: [4](#cell-id=x).",
    "> proof : all of them",
    "- *Proof*: all",
    "# PROOF: all",
    "<b>Proof: all</b>",
    "<b class='proof'>Pro<i>of</i></b>: all",
    "x\rProof: all",
    "text\n  Proof: all",
]


@pytest.mark.parametrize("said", PROOFS)
@pytest.mark.parametrize("to", ["html", "py", "ipynb"])
async def test_a_proof_in_an_export_is_the_notebooks_claim(
    tmp_path: Path, said: str, to: ExportFormat
) -> None:
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(made_of([said] * 2, ["x = 1", "y = 'Proof: 1'"]))
    made = export(notebook, to, clean=True)
    claim = "Claimed by the notebook, not checked by the export: "
    # The first text, and with each piece of code the text and a raw cell.
    assert made.count(claim) == 5
    assert "y = 'Proof: 1'" in html.unescape(re.sub("<[^>]*>", "", made))

    async def check(document: Document) -> VerifyReport:
        return VerifyReport((), "", "")

    clean, _ = await clean_checked(notebook, check, destination=tmp_path / "o.ipynb")
    assert clean.count(claim) == 5


def test_a_page_says_first_whose_words_it_shows_and_a_copy_stays_as_it_is(tmp_path: Path) -> None:
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(made_of([PROOFS[0]] * 2, ["x = 1", "y = 2"]))
    shown = re.sub("<[^>]*>", "", export(notebook, "html").partition("<body")[2].partition(">")[2])
    assert shown.lstrip().startswith("Everything on this page is what its notebook holds")
    assert parse(export(notebook), "n")["cells"] == parse(notebook.read_text(), "n")["cells"]
