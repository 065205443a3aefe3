"""What the user says of a reading holds: in the profile, in what the setup cell loads, later too.

``load`` compares each frame with its profile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.data.readings import AskedReading, KeptReadings
from analyst_kernel.protocol.errors import DataError
from tests.support.reading import catalog_here

SALES = (
    "Region;Day;Amount;Note\n"
    "North;01/02/2024;1,5;NA\nSouth;03/04/2024;-999;x\nWest;05/06/2024;2,5;y\n"
    "East;07/06/2024;3,5;y\nTotal;;-991,5;\n"
)
PLAIN_DATES = "day,n\n01/02/2024,1\n03/04/2024,2\n05/06/2024,3\n"
TITLED = "Report\nof June\n2024,2025\n1,2\n3,4\n5,6\n7,8\n"
FOOTED = (
    "name,amount,day\nann,1,2024-01-01\nbob,2,2024-01-02\ncid,3,2024-01-03\n"
    "dan,4,2024-01-04\nsource,census,office\n"
)
LATIN = "name,n\nJos\xe9,1\nZo\xeb,2\n"


@dataclass(frozen=True)
class Case:
    """A file, what is said of it, and what is right of the frame then."""

    content: str
    key: str
    value: str
    right: Callable[[Any], Any]
    answer: Any
    encoding: str = "utf-8"


CASES = {
    "dates": Case(SALES, "dates.Day", "month", lambda f: f["Day"].dt.month.tolist(), [1, 3, 5, 7]),
    "dates as text": Case(SALES, "dates.Day", "text", lambda f: f["Day"][0], "01/02/2024"),
    "text as dates": Case(
        PLAIN_DATES, "dates.day", "day", lambda f: f["day"].dt.day.tolist(), [1, 3, 5]
    ),
    "a sentinel": Case(
        SALES, "gap.Amount", "-999", lambda f: (f["Amount"].isna().sum(), f["Amount"].sum()),
        (1, 7.5 - 991.5),
    ),
    "no sentinel": Case(SALES, "gap.Amount", "none", lambda f: f["Amount"].min(), -999),
    "totals": Case(SALES, "rows.total", "keep", lambda f: f["Region"].tolist()[-1], "Total"),
    "a word": Case(SALES, "word.NA", "gap", lambda f: f["Note"].isna().sum(), 1),
    "a header": Case(TITLED, "header", "3", lambda f: (list(f.columns), len(f)),
                     (["2024", "2025"], 4)),
    "no header": Case(TITLED, "header", "none", lambda f: f["column_1"].tolist()[-1], 7),
    "a footer": Case(FOOTED, "rows.footer", "keep", lambda f: f["amount"].tolist()[-1], "census"),
    "an encoding": Case(LATIN, "encoding", "cp850", lambda f: f["name"][0], "JosÚ", "latin-1"),
    "a decimal mark": Case(
        "a;b\n1,234;x\n2,345;y\n3,456;z\n", "decimal", ".", lambda f: f["a"].tolist(),
        [1234, 2345, 3456],
    ),
    "a comma": Case(
        'a,b\n"1,234",x\n"2,345",y\n"3,456",z\n', "decimal", ",", lambda f: f["a"].tolist(),
        [1.234, 2.345, 3.456],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_what_the_user_says_holds(load, tmp_path, name):
    case = CASES[name]
    (tmp_path / "t.csv").write_bytes(case.content.encode(case.encoding))
    got = await load(tmp_path / "t.csv", said=[("t", case.key, case.value)])
    assert case.right(got.frame) == case.answer
    said = next(one for one in got.profile.dataset.choices if one.key == case.key)
    assert (said.by_user, said.value, bool(said.sentence)) == (True, case.value, True)
    assert any(line.startswith("You said") for line in got.profile.dataset.options["assumptions"])
    assert "-999" not in got.catalog.describe(got.profile.model_copy(update={
        "columns": (), "head": (), "warnings": (),
    })), "a model that may see no values is shown the rest"  # fmt: skip
    # It is kept as rows, and given back to another catalog it gives the same.
    rows = got.catalog.readings.rows()
    other = catalog_here(notebook=str(tmp_path / "analysis" / "a.ipynb"))
    other.keep_readings(KeptReadings(rows))
    await other.grant([str(tmp_path / "t.csv")])
    assert other.setup_code() == got.code
    # Taken back, the file is read by itself again.
    changed, dataset = await got.catalog.choose("t", case.key, "")
    assert changed == ("t",)
    assert not any(one.by_user for one in dataset.choices)
    assert got.catalog.readings.rows() == ()


async def test_a_big_table_that_stays_on_disk_is_read_as_said(load, tmp_path):
    (tmp_path / "t.csv").write_text(SALES)
    said = [("t", "dates.Day", "month"), ("t", "gap.Amount", "-999")]
    got = await load(tmp_path / "t.csv", max_frame_bytes=1, said=said)
    assert got.profile.dataset.load == "view"
    duckdb = got.names["duckdb"]
    assert duckdb.sql('SELECT count("Amount"), max(month("Day")) FROM t').fetchall()[0] == (4, 7)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("dates.Region", "day", "Not every value of 'Region' is a date with the day first."),
        ("dates.when", "day", "The table has no column 'when'."),
        ("gap.when", "-9", "The table has no column 'when'."),
        ("header", "900", "No row of names can stand in row 900 of the file."),
        ("encoding", "ascii", "t.csv is no ascii text."),
        ("decimal", ".", "No column holds numbers with a decimal point."),
        ("hidden-sheets", "load", "Nothing can be said of hidden-sheets for a csv file."),
        ("encoding", "klingon", "encoding cannot be 'klingon'."),
        ("encoding", "rot13", "encoding cannot be 'rot13'."),
        ("rows.surplus", "keep", "'rows.surplus' is nothing that can be chosen."),
        ("colour", "red", "'colour' is nothing that can be chosen."),
        ("colour", "", "'colour' is nothing that can be chosen."),
        ("dates.Day", "year", "dates.Day cannot be 'year'."),
        ("header", "0", "header cannot be '0'."),
    ],
)
async def test_what_cannot_be_is_refused_with_one_sentence(load, tmp_path, key, value, why):
    (tmp_path / "t.csv").write_text(SALES.replace("West", "Wést").replace("1,5;", "1,5;"))
    got = await load(tmp_path / "t.csv")
    with pytest.raises(DataError) as caught:
        await got.catalog.choose("t", key, value)
    assert why in str(caught.value)
    assert got.catalog.readings.rows() == ()
    assert got.catalog.setup_code() == got.code


async def test_what_no_longer_fits_the_file_is_said_and_the_rest_is_kept(load, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(SALES)
    said = [("t", "dates.Day", "month"), ("t", "gap.Amount", "-999")]
    got = await load(path, said=said)
    assert got.catalog.notices() == ()
    path.write_text(SALES.replace("Day", "Date"))
    assert await got.catalog.refresh() == ("t",)
    ((code, sentence),) = got.catalog.notices()
    assert code == "reading-not-kept"
    assert "t is not read as you said (dates.Day): The table has no column 'Day'." in sentence
    profile = await got.catalog.profile("t")
    assert {one.key for one in profile.dataset.choices if one.by_user} == {"gap.Amount"}
    # What was said stays, for the case that the column comes back.
    path.write_text(SALES)
    await got.catalog.refresh()
    assert got.catalog.notices() == ()


async def test_a_workbook_is_read_as_said(load, tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Seen"
    for row in (
        ["title", None, None], ["name", "amount", "day"], ["ann", -999, "01/02/2024"],
        ["bob", 2, "03/04/2024"], ["NA", 3, "05/06/2024"],
    ):  # fmt: skip
        sheet.append(row)
    hidden = book.create_sheet("Secret")
    hidden.append(["a", "b"])
    hidden.append([1, 2])
    hidden.sheet_state = "hidden"
    book.save(tmp_path / "b.xlsx")
    said = [
        ("b", "gap.amount", "-999"), ("b", "dates.day", "month"), ("b", "word.NA", "gap"),
        ("b", "header", "2"), ("b", "hidden-sheets", "load"),
    ]  # fmt: skip
    got = await load(tmp_path / "b.xlsx", said=said)
    frame = got.names["b"]
    assert frame["amount"].tolist()[1:] == [2, 3]
    assert frame["amount"].isna().sum() == 1
    assert frame["day"].dt.month.tolist() == [1, 3, 5]
    assert frame["name"].isna().sum() == 1
    assert got.names["b_Secret"]["b"].tolist() == [2]
    changed, _ = await got.catalog.choose("b", "hidden-sheets", "leave-out")
    assert "b_Secret" in changed
    assert [one.name for one in got.catalog.datasets] == ["b"]


@pytest.mark.parametrize("suffix", ["json", "sqlite", "parquet", "feather"])
async def test_a_sentinel_of_any_format_becomes_a_gap(load, tmp_path, suffix):
    import sqlite3

    import pandas as pd

    frame = pd.DataFrame({"name": ["a", "b", "c"], "n": [1, -999, 3]})
    path = tmp_path / f"t.{suffix}"
    if suffix == "json":
        frame.to_json(path, orient="records")
    elif suffix == "sqlite":
        with sqlite3.connect(path) as connection:
            frame.to_sql("t", connection, index=False)
        connection.close()
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_feather(path)
    got = await load(path, said=[("t", "gap.n", "-999")])
    assert got.frame["n"].sum() == 4
    assert got.column("n").nulls == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sales.csv:dates.order day=month", ("sales.csv", "dates.order day", "month")),
        (r"C:\x\sales.csv:header=3", (r"C:\x\sales.csv", "header", "3")),
        ("s.csv:gap.a:b=-9", ("s.csv", "gap.a:b", "-9")),
        ("s.csv:decimal=", ("s.csv", "decimal", "")),
        ("s.csv", None),
        ("s.csv:header", None),
        ("s.csv:dates=day", None),
    ],
)
def test_a_reading_in_words(text, found):
    if found is None:
        with pytest.raises(DataError):
            AskedReading.of(text)
    else:
        assert AskedReading.of(text) == AskedReading(*found)


def test_rows_that_no_version_knows_are_left_out(tmp_path: Path):
    known = (str(tmp_path), "", "", "header", "2")
    kept = KeptReadings([known, (str(tmp_path), "", "", "of the future", "1")])
    assert kept.rows() == (known,)
