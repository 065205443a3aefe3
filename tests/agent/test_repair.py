from __future__ import annotations

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
    assert "iteration 1" in repair.progress_warning([failed, fine], Attempt(4, "a", "E: x"))
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
