"""What a template inserts is a literal: names and values of data never become code."""

from __future__ import annotations

import ast

import jinja2
import pytest

from analyst_kernel.offline.recipes.recipe import Code, code, literal

NASTY = 'a"]); __import__("os").remove("x") #\n\\ «b»'


@pytest.mark.parametrize("value", [NASTY, "", 3, 2.5, None, True, [NASTY, 1], ("a", None)])
def test_a_value_is_read_back_as_it_was(value):
    assert ast.literal_eval(literal(value)) == (list(value) if isinstance(value, tuple) else value)


def test_a_nasty_column_name_stays_a_string():
    text = code("columns/distinct", frame=Code("used"), column=NASTY, query="")
    strings = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert NASTY in strings
    assert "__import__" not in {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}


def test_a_missing_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        code("columns/distinct", frame=Code("used"))
