from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.agent.preflight import check_code
from analyst_kernel.agent.tools.handlers import sql_cell

INSTALLED = frozenset({"pandas", "duckdb"})


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("import pandas as pd\nfrom matplotlib import pyplot\nimport json, math", []),
        ("import urllib.parse\nfrom __future__ import annotations", []),
        ("x = (", ["syntax"]),
        ("a = '\0'", ["syntax"]),
        ("import sklearn", ["missing-import"]),
        ("import mylib", ["unlisted-import"]),
        ("import requests", ["network"]),
        ("import urllib.request", ["network"]),
        ("from urllib import request", ["network"]),
        ("import subprocess", ["shell"]),
        ("import os\nos.system('ls')", ["shell"]),
        ("!pip install x\ny = 1", ["shell"]),
        ("%pip install x", ["shell"]),
        ("%%bash\nls", ["shell"]),
        ("%matplotlib inline\nx = 1", ["magic"]),
        ("eval('1')", ["eval"]),
        ("df.eval('a + b')", []),
        ("pd.read_csv('https://example.org/a.csv')", ["network"]),
        ("pd.read_csv('a.csv')", []),
        ("df.to_csv('a.csv')", ["write"]),
        ("df.to_csv('/tmp/a.csv')", []),
        ("df.to_csv(f'{OUTPUT_DIR}/a.csv')", []),
        ("df.to_csv()", []),
        ("open('a.txt', 'w')", ["write"]),
        ("open('a.txt', mode='a')", ["write"]),
        ("open('a.txt')", []),
        ("Path('a.txt').write_text('x')", ["write"]),
        ("cars = 1", ["overwrite"]),
        ("cars2 = cars", []),
        ("x = 5 % 3", []),
        ("s = '''\n%d\n!x\n'''", []),
    ],
)
def test_findings(code: str, kinds: list[str]) -> None:
    found = check_code(code, installed=INSTALLED | {"matplotlib"}, datasets=frozenset({"cars"}))
    assert [finding.kind for finding in found] == kinds


def test_findings_name_the_line_and_what_to_do() -> None:
    (finding,) = check_code("x = 1\n\ndf.to_csv('out/a.csv')")
    assert finding.line == 3
    assert "OUTPUT_DIR}/a.csv" in finding.message


def test_missing_imports_are_found_only_if_the_libraries_are_known() -> None:
    assert check_code("import sklearn") == ()


@given(st.text(max_size=300))
def test_any_text_is_checked_without_an_exception(code: str) -> None:
    check_code(code, installed=INSTALLED)


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_sql_becomes_python_that_holds_it(sql: str) -> None:
    query = sql.strip().rstrip(";").rstrip()
    tree = ast.parse(sql_cell(sql, "result", import_duckdb=True))
    held = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert len(held) == 1
    assert held[0].strip("\n") == query.strip("\n")


@pytest.mark.parametrize(
    ("sql", "has_result"),
    [
        ("select 1;", True),
        ("-- note\nWITH a AS (select 1) select * from a", True),
        ("CREATE VIEW v AS select 1", False),
        ("CREATE TABLE t (a int); select * from t", True),
        ("/* x */ copy t to 'a.csv'", False),
        ("select 'a; drop it'", True),
    ],
)
def test_only_queries_are_displayed(sql: str, has_result: bool) -> None:
    code = sql_cell(sql, "r", import_duckdb=False)
    assert code.endswith("\nr") is has_result
    assert (".df()" in code) is has_result


def test_an_attached_address_may_be_read() -> None:
    code = 'import pandas as pd\npd.read_csv("s3://lake/open/sales.csv")'
    folder = 'import pandas as pd\npd.read_parquet("s3://lake/open/")'
    other = 'import pandas as pd\npd.read_csv("s3://lake/open/sales")'
    attached = ["s3://lake/open/sales.csv"]
    for text, kinds in ((code, []), (folder, []), (other, ["network"])):
        assert [one.kind for one in check_code(text, addresses=attached)] == kinds
    assert [one.kind for one in check_code(code)] == ["network"]
