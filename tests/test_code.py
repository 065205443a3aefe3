from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from analyst_kernel._code import (
    Block,
    Comment,
    Name,
    NotPython,
    block_literal,
    parsed,
    source,
    statements,
    text_literal,
    tree_of,
)

CONTROLS = set("\r\x0b\x0c\x00\x1c\x85\u2028\u202e\ud800")
TEXTS = st.text(st.sampled_from("\"'\\\n\r\t\x0b\x0c\x00\x1c\x85\u2028\u202e\ud800\xa0 !%#(){}aéN"))


@given(st.one_of(st.text(), TEXTS))
def test_a_literal_is_the_text_on_one_line_of_plain_sight(text: str) -> None:
    literal = text_literal(text)
    assert ast.literal_eval(literal) == text
    assert literal.isprintable()


@given(TEXTS)
def test_a_block_is_the_text_between_two_line_breaks(text: str) -> None:
    literal = block_literal(text)
    if literal is None:
        assert set(text) & CONTROLS or ("'''" in text and '"""' in text)
        return
    assert ast.literal_eval(literal) == f"\n{text}\n"
    assert not set(text) & CONTROLS
    # IPython finds no command in it; it only takes blanks out of lines that hold nothing else.
    cell = TransformerManager().transform_cell(f"x = {literal}").removeprefix("x = ").strip()
    read, meant = (
        re.sub(r"(?m)^\s+$", "", found) for found in (ast.literal_eval(cell), f"\n{text}\n")
    )
    assert read == meant


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("SELECT 1", '"""\nSELECT 1\n"""'),
        ('SELECT "a"', '"""\nSELECT "a"\n"""'),
        ("SELECT\n\t1", '"""\nSELECT\n\t1\n"""'),
        ("'à\xa0b'", '"""\n\'à\xa0b\'\n"""'),
        ("a\\b", 'r"""\na\\b\n"""'),
        ('"""', "'''\n\"\"\"\n'''"),
        ("\"\"\" '''", None),
        ("a\rb", None),
        ("a\u2028b", None),
        ("a\x00b", None),
    ],
)
def test_a_block_is_readable_where_that_is_safe(text: str, literal: str | None) -> None:
    assert block_literal(text) == literal


@given(TEXTS, TEXTS)
def test_values_fill_a_template_and_change_nothing_else(key: str, value: str) -> None:
    template = "NAME = pd.read_csv(PATH, **OPTIONS)\nduckdb.sql(SQL)\nNAME[KEY] = KEY"
    holes = {"NAME": Name("x"), "PATH": value, "KEY": key, "SQL": Block(value)}
    parts = statements(template, **holes, OPTIONS={"names": [key], "na": {key: (value, None, 1)}})
    code = source([Comment(value), None, *parts])
    read, ran, kept = ast.parse(code).body
    assert isinstance(read, ast.Assign)
    assert isinstance(read.value, ast.Call)
    assert ast.literal_eval(read.value.args[0]) == value
    options = {one.arg: ast.literal_eval(one.value) for one in read.value.keywords}
    assert options == {"names": [key], "na": {key: [value, None, 1]}}
    assert isinstance(ran, ast.Expr)
    assert isinstance(kept, ast.Assign)
    assert not set(code) & CONTROLS


@pytest.mark.parametrize("name", ["", "a b", "a.b", "class", "1a", "a\n", "x=1", "é", "ﬁ"])
def test_a_name_is_a_plain_name(name: str) -> None:
    with pytest.raises(ValueError, match="plain Python name"):
        Name(name)
    with pytest.raises(ValueError, match="plain Python name"):
        statements("NAME = 1", NAME=name)
    with pytest.raises(ValueError, match="plain Python name"):
        statements("f(**OPTIONS)", OPTIONS={name: 1})


def test_only_values_with_a_literal_fill_a_hole() -> None:
    with pytest.raises(TypeError, match="no literal"):
        statements("f(X)", X=object())
    with pytest.raises(KeyError):
        statements("f(X)")


def test_code_that_was_not_foreseen_is_not_written() -> None:
    for template in ("del x", "f(lambda: 1)", "x = 1 + 1", "for a in f():\n    break"):
        with pytest.raises(ValueError, match="not written here"):
            source(statements(template))


@pytest.mark.parametrize(
    "code", ["x =", "(" * 400, "\0", "1" + "+1" * 200_000, "if x:\nprint()", "\ud800"]
)
def test_what_is_not_python_has_no_tree(code: str) -> None:
    assert tree_of(code) is None
    with pytest.raises(NotPython) as caught:
        parsed(code)
    assert str(caught.value)
    assert caught.value.line >= 1


def test_a_parser_that_fails_beside_another_one_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python 3.11.2, as Debian ships it, fails so now and then; no machine can be made to."""
    parse, failures = ast.parse, [1, 2]

    def failing(code: str) -> ast.Module:
        if failures:
            failures.pop()
            raise SystemError("AST constructor recursion depth mismatch (before=147, after=198)")
        return parse(code)

    monkeypatch.setattr(ast, "parse", failing)
    tree = tree_of("x = 1")
    assert tree is not None
    failures.extend([1, 2, 3])
    with pytest.raises(SystemError):
        parsed("x = 1")
