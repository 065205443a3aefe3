from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from analyst_kernel.agent.observation import repair, reply
from analyst_kernel.agent.observation.repair import Attempt
from analyst_kernel.protocol.outputs import (
    CellError,
    ErrorOutput,
    Frame,
    FrameColumn,
    ResultOutput,
    StreamOutput,
)

SALES = Frame(
    name="sales",
    type="pandas.DataFrame",
    shape=(100, 3),
    columns=tuple(
        FrameColumn(name=n, dtype=d)
        for n, d in [("revenue_usd", "float64"), ("Region ", "str"), ("Year", "int64")]
    ),
)


@pytest.mark.parametrize(
    ("error", "message", "words"),
    [
        ("KeyError", "'Revenue'", "Nearest: 'revenue_usd'"),
        ("KeyError", "'region'", "Nearest: 'Region '"),
        ("KeyError", "'zzz'", ""),
        ("KeyError", "\"Label(s) ['Revenue'] do not exist\"", "Nearest: 'revenue_usd'"),
        ("KeyError", "\"['Revenue', 'zzz'] not in index\"", "Nearest: 'revenue_usd'"),
        ("NameError", "name 'sale' is not defined", "variable 'sale'. Nearest: 'sales'"),
        ("AttributeError", "'DataFrame' object has no attribute 'append'", "pd.concat"),
        ("AttributeError", "'DataFrame' object has no attribute 'year'", "Nearest: 'Year'"),
        ("BinderException", 'Referenced column "years" not found', "Nearest: 'Year'"),
        ("CatalogException", "Table with name salez does not exist", "Nearest: 'sales'"),
        ("ValueError", "'x'", ""),
    ],
)
def test_hints_name_the_nearest(error: str, message: str, words: str) -> None:
    said = repair.hint(CellError(name=error, message=message), "sales['x']", [SALES])
    assert (words in said) if words else said == ""


STATIONS = pd.DataFrame({"site": ["a", "b"], "water_level": [1.0, 2.0], "basin": ["x", "y"]})
LIVE = Frame(
    name="stations",
    type="pandas.DataFrame",
    shape=STATIONS.shape,
    columns=tuple(FrameColumn(name=n, dtype=str(d)) for n, d in STATIONS.dtypes.items()),
)
LEVEL, SITE = "Nearest: 'water_level'", "Nearest: 'site'"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("stations['waterlevel']", LEVEL),
        ("stations[['waterlevel', 'basin']]", LEVEL),
        ("stations[['waterlevel', 'sites']]", LEVEL),
        ("stations[['waterlevel', 'sites']]", SITE),
        ("stations.loc[:, 'waterlevel']", LEVEL),
        ("stations.waterlevel", LEVEL),
        ("stations.groupby('site')['waterlevel'].mean()", LEVEL),
        ("stations.groupby('site')[['waterlevel']].mean()", LEVEL),
        ("stations.groupby('site').waterlevel.mean()", LEVEL),
        ("stations.groupby('sites')['water_level'].mean()", SITE),
        ("stations.groupby('site').agg({'waterlevel': 'mean'})", LEVEL),
        ("stations.groupby('site').agg(m=('waterlevel', 'mean'))", LEVEL),
        ("stations.agg({'waterlevel': 'mean'})", LEVEL),
        ("stations.sort_values('waterlevel')", LEVEL),
        ("stations.merge(stations, on='sites')", SITE),
        ("stations.set_index('sites')", SITE),
        ("stations.drop(columns=['waterlevel'])", LEVEL),
        ("stations.rename(columns={'waterlevel': 'x'}, errors='raise')", LEVEL),
        ("stations.astype({'waterlevel': int})", LEVEL),
        ("stations.dropna(subset=['waterlevel'])", LEVEL),
        ("stations.drop_duplicates(['sites'])", SITE),
        ("stations.query('waterlevel > 1')", LEVEL),
        ("stations.eval('waterlevel * 2')", LEVEL),
        ("stations.melt(id_vars=['sites'])", SITE),
        ("stations.pivot(index='sites', columns='basin', values='water_level')", SITE),
        ("stations.pivot_table(index='sites', values='water_level')", SITE),
        ("stations.site.vaue_counts()", "Nearest: 'value_counts'"),
        ("staions.head()", "Nearest: 'stations'"),
        ("duckdb.sql('SELECT waterlevel FROM stations')", LEVEL),
        ("duckdb.sql('SELECT s.waterlevel FROM stations s')", LEVEL),
        ("duckdb.sql('SELECT avg(water_level) FROM stations GROUP BY sites')", SITE),
        ("duckdb.sql('SELECT * FROM station_s')", "Nearest: 'stations'"),
    ],
)
def test_however_a_library_says_it_the_nearest_name_is_found(code: str, words: str) -> None:
    space = {"stations": STATIONS, "duckdb": duckdb}
    with pytest.raises(Exception, match=r".") as failure:  # whatever the library raises
        eval(code, space)
    error = CellError(name=type(failure.value).__name__, message=str(failure.value))
    assert words in repair.hint(error, code, [LIVE])


def test_an_error_names_its_place_and_the_current_columns() -> None:
    code = "a = 1\ndef f():\n    return sales['x']\nb = 2\nf()\nc = 3"
    output = ErrorOutput(
        ename="KeyError",
        evalue="'x'",
        traceback=(
            "\x1b[31mCell In[3], line 5\x1b[0m",
            "Cell In[3], line 3, in f()",
            "File /usr/lib/pandas/frame.py:100, in __getitem__",
        ),
    )
    text = repair.error_text(CellError(name="KeyError", message="'x'"), code, [output], [SALES])
    assert text.splitlines()[0] == "KeyError: 'x'"
    assert "->   3 |     return sales['x']" in text
    assert "    1 | a = 1" in text
    assert "called: line 5 in the cell -> line 3 in f" in text
    assert "pandas/frame.py" not in text
    assert "live now: sales: 100 x 3 ('revenue_usd' float64, 'Region ' str, 'Year' int64)" in text


def test_a_flood_of_a_message_is_cut_visibly() -> None:
    text = repair.error_text(CellError(name="E", message="x" * 5000), "1", [], [])
    assert "5,000 characters in all" in text
    assert len(text) < 1200


def test_comments_and_layout_do_not_change_the_fingerprint() -> None:
    one = repair.fingerprint("x = 1  # a\n\ny = (2)")
    assert one == repair.fingerprint("# b\nx=1\ny = 2")
    assert one != repair.fingerprint("x = 1\ny = 3")
    assert repair.fingerprint("def (") == repair.fingerprint("def   (  # no")


def test_no_progress_is_detected() -> None:
    failed, empty, fine = Attempt(1, "a", "E: x"), Attempt(2, "b", empty=True), Attempt(3, "c")
    assert "as cell 1" in repair.progress_warning([failed, fine], Attempt(4, "a", "E: x"))
    assert "same error" in repair.progress_warning([fine, failed], Attempt(4, "d", "E: x"))
    assert "no rows again" in repair.progress_warning([empty], Attempt(3, "c", empty=True))
    assert repair.progress_warning([failed, fine], Attempt(4, "d", "E: x")) == ""
    assert repair.progress_warning([fine], Attempt(4, "c")) == ""


@pytest.mark.parametrize(
    "text", ["Empty DataFrame\nColumns: [a]", "Series([], dtype: int64)", "[0 rows x 3 columns]"]
)
def test_an_empty_result_is_detected(text: str) -> None:
    result = ResultOutput(data={"text/plain": text})
    assert reply.is_empty_result([result], [], [])


def test_a_new_table_without_rows_is_detected() -> None:
    none = SALES.model_copy(update={"shape": (0, 3)})
    assert reply.is_empty_result([], [], [none])
    assert not reply.is_empty_result([], [none], [none])
    assert not reply.is_empty_result([], [], [none, SALES])


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("a   NaN\nb   NaN\nName: x, dtype: float64", True),
        ("      x    y\n0   NaN  NaN\n1  None  NaN", True),
        ("nan", True),
        ("a   NaN\nb   1.5", False),
        ("      x    y\n0   1.0  NaN\n1   2.0  NaN", False),
        ("17.5", False),
    ],
)
def test_only_missing_values_are_detected(text: str, missing: bool) -> None:
    found = reply.doubts([ResultOutput(data={"text/plain": text})], "x")
    assert bool(found) is missing


def test_silent_changes_of_pandas_3_are_detected() -> None:
    warned = StreamOutput(name="stderr", text="ChainedAssignmentError: A value is being set")
    assert "changed nothing" in reply.doubts([warned], "x")[0]
    assert "dtype 'str'" in reply.doubts([], "df[c].dtype == object")[0]


WIDE = pd.DataFrame([[n / 7 for n in range(25)]] * 3, columns=[f"measure {n}" for n in range(25)])


@pytest.mark.parametrize(
    ("table", "leaves_out"),
    [
        pytest.param(WIDE, True, id="more columns than are shown"),
        pytest.param(WIDE.iloc[:, :18], False, id="wrapped, and whole"),
        pytest.param(WIDE.T, False, id="turned round"),
        pytest.param(pd.DataFrame({"a": range(100)}), False, id="rows left out"),
        pytest.param(pd.DataFrame({"said": ["and ... so"] * 100}), False, id="dots in a value"),
    ],
)
def test_columns_that_a_display_leaves_out_are_no_secret(
    table: pd.DataFrame, leaves_out: bool
) -> None:
    with pd.option_context("display.max_columns", 20):
        shown = ResultOutput(data={"text/plain": repr(table)}, execution_count=1)
    found = reply.doubts([shown], "table")
    assert any("leaves columns out" in doubt for doubt in found) is leaves_out
