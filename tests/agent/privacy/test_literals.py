"""A token in code becomes its value, whatever stands in the value and wherever the token stands."""

from __future__ import annotations

import ast
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.privacy.literals import in_python, in_sql

VALUES = st.text(
    st.one_of(st.sampled_from("'\"\\{}\n\r#;-/*⟦⟧v1 %$"), st.characters(codec="utf-8")), min_size=1
).filter(lambda text: "\0" not in text)

PYTHON = {
    "single quotes": "x = '⟦v1⟧'",
    "double quotes": 'x = "⟦v1⟧"',
    "triple quotes": 'x = """⟦v1⟧"""',
    "other triple quotes": "x = '''⟦v1⟧'''",
    "raw": "x = r'⟦v1⟧'",
    "raw, with a quote of its own": "x = r'a\\'⟦v1⟧'[3:]",
    "formatted": "x = f'⟦v1⟧'",
    "formatted, raw": "x = rf'⟦v1⟧'",
    "after a brace": "x = f'{{⟦v1⟧}}'[1:-1]",
    "after a text": "y = 'it is # \\' no'; x = '⟦v1⟧'",
    "after an apostrophe": 'x = "the bird\'s ⟦v1⟧"[11:]',
    "behind a comment": "# don't ⟦v1⟧\nx = '⟦v1⟧'",
    "as a key": "x = {'⟦v1⟧': 1}\nx = next(iter(x))",
    "bare": "x = ⟦v1⟧",
    "in a call": "x = str(⟦v1⟧)",
    "bytes": "x = b'⟦v1⟧'.decode()",
}


@pytest.mark.parametrize("code", PYTHON.values(), ids=PYTHON)
@given(value=VALUES)
def test_python_gets_the_value(code: str, value: str):
    names: dict[str, object] = {}
    exec(in_python(code, {"v1": value}.get), names)
    found = names["x"]
    if found != value:  # bare, a text that is written as a number is one
        assert "= ⟦v1⟧" in code or "(⟦v1⟧)" in code
        assert float(str(found)) == float(value.replace(",", ""))


@given(value=VALUES)
def test_python_stays_one_expression(value: str):
    tree = ast.parse(in_python("x = ['⟦v1⟧', ⟦v1⟧]", {"v1": value}.get))
    assert len(tree.body) == 1


SQL = {
    "text": ("SELECT '⟦v1⟧'", "{}"),
    "within a text": ("SELECT 'a ''b'' ⟦v1⟧'", "a 'b' {}"),
    "behind a comment": ("-- it's ⟦v1⟧\nSELECT '⟦v1⟧'", "{}"),
    "behind a long comment": ("/* it's ⟦v1⟧ */ SELECT '⟦v1⟧'", "{}"),
    "bare": ("SELECT CAST(⟦v1⟧ AS TEXT)", "{}"),
}


@pytest.mark.parametrize(("sql", "expected"), SQL.values(), ids=SQL)
@given(value=VALUES.filter(lambda text: not text[0].isdigit() and text[0] != "-"))
def test_sql_gets_the_value(sql: str, expected: str, value: str):
    with sqlite3.connect(":memory:") as base:
        rows = base.execute(in_sql(sql, {"v1": value}.get)).fetchall()
    assert rows == [(expected.format(value),)]


@pytest.mark.parametrize("quote", ["'", '"', '"""'])
@given(value=VALUES)
def test_sql_within_python_gets_the_value(quote: str, value: str):
    inner = '"' if quote == "'" else "'"
    code = f"x = {quote}SELECT a FROM t WHERE a = {inner}⟦v1⟧{inner} AND 1 = 1{quote}"
    names: dict[str, str] = {}
    exec(in_python(code, {"v1": value}.get), names)
    doubled = value.replace(inner, inner * 2)
    assert names["x"] == f"SELECT a FROM t WHERE a = {inner}{doubled}{inner} AND 1 = 1"


@given(value=VALUES)
def test_a_query_of_pandas_gets_the_value(value: str):
    names: dict[str, str] = {}
    exec(in_python("x = \"name == '⟦v1⟧'\"", {"v1": value}.get), names)
    compared = ast.parse(names["x"].replace("\r", "\\r").replace("\0", ""), mode="eval").body
    assert isinstance(compared, ast.Compare)
    assert ast.literal_eval(compared.comparators[0]) == value


NUMBERS = {
    "1234": "1234", "1,234.5": "1234.5", "1e-05": "1e-05", "-7": "-7", "007": "'007'",
    "1,2": "'1,2'", "2026-01-05": "'2026-01-05'",
}  # fmt: skip


@pytest.mark.parametrize(("value", "literal"), NUMBERS.items())
def test_a_bare_token_is_a_number_where_the_value_is_one(value: str, literal: str):
    assert in_python("x > ⟦n1⟧", {"n1": value}.get) == f"x > {literal}"
    assert in_sql("a > ⟦n1⟧", {"n1": value}.get) == f"a > {literal}"


def test_bare_tokens_beside_each_other_are_one_text():
    values = {"v1": "Anna", "v2": "Moe"}
    assert in_python("df[df.a == ⟦v1⟧ ⟦v2⟧]", values.get) == "df[df.a == 'Anna Moe']"


def test_unknown_tokens_stay():
    assert in_python("x = '⟦v9⟧' + ⟦v8⟧", {}.get) == "x = '⟦v9⟧' + ⟦v8⟧"
