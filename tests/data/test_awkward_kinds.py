"""Kinds of awkward files: other members of the families than the files in ``awkward/``.

``load`` holds each profile against the frame that the setup cell loads.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


MONTHS = [f"{n:02d}/2024;{n * 100},50" for n in range(1, 13)]
SALES = ["region,city,sales", "North,A,10", "North,B,20", "North subtotal,,30", "South,C,5",
         "South,D,6", "South subtotal,,11", "All,,41"]  # fmt: skip
TEXTS = {
    # text that looks like a gap
    "country code": ("iso,n\nNA,1\nDE,2\nFR,3\n", {"iso": ["NA", "DE", "FR"]}, "word-is-value"),
    "surname": ("who,n\nNull,1\nnull,2\nNan,3\nnan,4\n", {"who": ["Null", "null", "Nan", "nan"]},
                "word-is-value"),
    "a word that is the file's gap": ("sex,kg\nM,1.5\nNA,2.5\nF,NA\n", {"sex": ["M", None, "F"]},
                                      None),
    "a sign is never a value": ("a,n\n#N/A,1\nx,2\n", {"a": [None, "x"]}, None),
    # digits
    "versions": ("version,n\n1.1,5\n1.10,6\n1.2,7\n", {"version": ["1.1", "1.10", "1.2"]}, None),
    "powers": ("part,n\n12E3,5\n1E10,6\n455,7\n", {"part": ["12E3", "1E10", "455"]}, None),
    "real powers": ("x,n\n1.5E3,5\n2E-1,6\n", {"x": [1500, 0.2]}, None),
    "phones": ("tel,n\n+491701234567,1\n+491701234568,2\n",
               {"tel": ["+491701234567", "+491701234568"]}, None),
    "long with a gap": ("n,id\n1,1925036343869802845\n2,\n3,1925036343869802847\n",
                        {"id": ["1925036343869802845", None, "1925036343869802847"]}, None),
    "17 digits with a gap": ("n,id\n1,19250363438698021\n2,\n3,29250363438698023\n",
                             {"id": [19250363438698021, None, 29250363438698023]}, None),
    "amounts written carelessly": ("what,eur\na,2.5\nb,2.50\nc,3\n", {"eur": [2.5, 2.5, 3]},
                                   "same-number"),
    # marks
    "comma beside words": ("p;q\n1,5;1.234,50\nn/a;2.000,00\n3;12,75\n",
                           {"p": [1.5, None, 3], "q": [1234.5, 2000, 12.75]}, "decimal-comma"),
    "grouped": ('a,b\n1,"1,234"\n2,"12,000"\n', {"b": [1234, 12000]}, "thousands-separators"),
    # rows
    "note below": (lines("Land;Jahr;Wert", "A;2020;1,5", "B;2021;2,5", "C;2022;3,25", "D;2023;4,5",
                         "", "Quelle: Amt"), {"Wert": [1.5, 2.5, 3.25, 4.5]}, "footer-rows"),
    "units below the header": (
        lines("date,temp,rain", "(y-m-d),(C),(mm)", "2024-01-01,1.5,0", "2024-01-02,2.5,1",
              "2024-01-03,3.5,2", "2024-01-04,3.0,2"), {"temp": [1.5, 2.5, 3.5, 3]}, "unit-rows"),
    "header once more": (lines("a,b", "1,2", "3,4", "a,b", "5,6"), {"b": [2, 4, 6]},
                         "repeated-header"),
    "stray quotes": (lines("id,what,n", '1,"5 inch pipe,4', "2,plain,5", '3,"7 inch pipe,6',
                           "4,rod,7"), {"n": [4, 5, 6, 7]}, "quotes-are-text"),
    "some rows end with a comma": (lines("a,b", "1,2,", "3,4", "5,6,"), {"b": [2, 4, 6]}, None),
    "the last value is no number": ("name,n\na,1\nb,2\nc,pending\n", {"n": ["1", "2", "pending"]},
                                    None),
    # totals
    "subtotals and all": (lines(*SALES), {"sales": [10, 20, 5, 6]}, "totals-set-apart"),
    "months": (lines("Monat;Umsatz", *MONTHS, "Gesamt;7806,00"),
               {"Umsatz": [n * 100 + 0.5 for n in range(1, 13)]}, "totals-set-apart"),
    "a total in a column of years": (
        lines("year,v,w", "2019,10,1", "2020,20,2", "2021,30,4", "Toplam,60,7"),
        {"year": [2019, 2020, 2021]}, "totals-set-apart"),
    "without blanks": (lines("地区,销售额", "北京,10", "上海,20", "广州,30", "深圳,45", "合计,105"),
                       {"销售额": [10, 20, 30, 45]}, "totals-set-apart"),
    "first": (lines("area,pop", "World,1500", "A,100", "B,200", "C,300", "D,400", "E,500"),
              {"pop": [100, 200, 300, 400, 500]}, "totals-set-apart"),
    "a sum by chance": ("name,v\nA,10\nB,20\nC,30\n", {"v": [10, 20, 30]}, None),
    "doubling": (lines("day,v", *(f"d{n},{5 * 2**n}" for n in range(7))),
                 {"v": [5 * 2**n for n in range(7)]}, None),
    # dates
    "settled by another column": ("a,b\n01/02/2024,25/12/2024\n03/04/2024,26/12/2024\n",
                                  {"a": [pd.Timestamp(2024, 2, 1), pd.Timestamp(2024, 4, 3)]},
                                  "date-order"),
    "settled the other way": ("a,b\n01/02/2024,12/25/2024\n03/04/2024,12/26/2024\n",
                              {"a": [pd.Timestamp(2024, 1, 2), pd.Timestamp(2024, 3, 4)]},
                              "date-order"),
}  # fmt: skip


def values(series: pd.Series[Any]) -> list[Any]:
    return [
        None if missing else value for missing, value in zip(series.isna(), series, strict=True)
    ]


@pytest.mark.parametrize("kind", TEXTS)
async def test_text(load, tmp_path, kind):
    text, expected, said = TEXTS[kind]
    path = tmp_path / "t.csv"
    path.write_text(text)
    got = await load(path)
    for name, cells in expected.items():
        assert values(got.frame[name]) == cells
    if said is not None:
        assert said in got.codes
    else:
        assert not got.codes & {"totals-set-apart", "footer-rows", "surplus-rows", "bad-rows"}


@pytest.mark.parametrize(
    ("encoding", "rows"),
    [
        ("gb18030", ["产品,数量", "苹果,3", "香蕉,4"]),
        ("big5", ["城市,銷售額", "台北,10", "高雄,20"]),
        ("cp932", ["都市,売上", "東京,10", "名古屋,30"]),
        ("cp949", ["도시,매출", "서울,10", "부산,20"]),
        ("cp1251", ["город;сумма", "Москва;10", "Казань;20"]),
        ("cp1252", ["Ort;Umsatz", "Köln;1", "Münster;2"]),
        ("cp1250", ["miasto;suma", "Wrocław;1", "Białystok;2", "Kołobrzeg;3"]),
        ("utf-16", ["город;сумма", "Москва;10"]),
    ],
)
async def test_encodings(load, tmp_path, encoding, rows):
    path = tmp_path / "e.csv"
    path.write_bytes(lines(*rows).encode(encoding))
    got = await load(path)
    mark = ";" if ";" in rows[0] else ","
    assert list(got.frame.columns) == rows[0].split(mark)
    assert got.frame.iloc[:, 0].tolist() == [row.split(mark)[0] for row in rows[1:]]


async def test_one_damaged_byte_spoils_no_other_letter(load, tmp_path):
    path = tmp_path / "o.csv"
    rows = [f"Zoë Müller {n},{n}" for n in range(9)]
    path.write_bytes(lines("name,v", *rows).encode() + b"br\xffken,9\n")
    got = await load(path)
    assert got.frame["name"].tolist()[0] == "Zoë Müller 0"
    assert "damaged-bytes" in got.codes


LONG = 1925036343869802845
JSONS: dict[str, tuple[Any, dict[str, list[Any]]]] = {
    "api": ({"status": "ok", "result": {"page": 1, "items": [{"id": 1, "geo": {"x": 5}},
                                                             {"id": 2, "geo": {"x": 6}}]}},
            {"id": [1, 2], "geo.x": [5, 6]}),
    "sheet": ({"values": [["name", "n"], ["a", 1], ["b", 2]]}, {"name": ["a", "b"], "n": [1, 2]}),
    "table schema": ({"schema": {"fields": [{"name": n} for n in "abc"]},
                      "data": [{"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 2, "c": 4}]},
                     {"a": [1, 2], "c": [3, 4]}),
    "described columns": ({"fields": [{"name": "a"}, {"name": "b"}],
                           "rows": [[1, "x"], [2, "y"], [3, "z"]]},
                          {"a": [1, 2, 3], "b": ["x", "y", "z"]}),
    "by index": ({"r1": {"a": 1, "b": "x"}, "r2": {"a": 2, "b": "y"}}, {"key": ["r1", "r2"]}),
    "by column and day": ({"sales": {"2024-01-01": 1, "2024-01-02": 2},
                           "cost": {"2024-01-01": 3, "2024-01-02": 4}},
                          {"sales": [1, 2], "cost": [3, 4]}),
    "long with a gap": ([{"id": LONG, "v": 1}, {"id": None, "v": 2}, {"id": LONG + 2, "v": 3}],
                        {"id": [LONG, None, LONG + 2]}),
}  # fmt: skip


@pytest.mark.parametrize("kind", JSONS)
async def test_json(load, tmp_path, kind):
    document, expected = JSONS[kind]
    path = tmp_path / "j.json"
    path.write_text(json.dumps(document))
    got = await load(path)
    for name, cells in expected.items():
        assert values(got.frame[name]) == cells


async def test_lists_and_structs_are_what_they_are(load, tmp_path):
    path = tmp_path / "l.json"
    path.write_text(json.dumps([{"id": 1, "tags": ["a", "b"]}, {"id": 2, "tags": []}]))
    got = await load(path)
    assert (got.column("tags").dtype, got.column("tags").kind) == ("LIST", "other")


def book(path: Path, rows: list[list[Any]], *merged: str) -> Path:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    for cells in merged:
        made.active.merge_cells(cells)
    made.save(path)
    return path


async def test_a_report_in_a_workbook(load, tmp_path):
    rows: list[list[Any]] = [
        ["Sales report 2024"],
        [],
        ["region", "units (t)", "EUR"],
        ["N", 1, 10],
        ["S", 2, 20],
        ["E", 4, 40],
        ["Sum", 7, 70],
        [],
        ["Source: ERP"],
    ]
    got = await load(book(tmp_path / "r.xlsx", rows))
    assert got.frame["EUR"].tolist() == [10, 20, 40]
    assert {"totals-set-apart", "footer-rows", "preamble"} <= got.codes


async def test_two_header_rows(load, tmp_path):
    rows = [[None, 2023, None, 2024, None], ["region", "Q1", "Q2", "Q1", "Q2"], ["N", 1, 2, 3, 4],
            ["S", 5, 6, 7, 8], ["E", 5, 6, 7, 9]]  # fmt: skip
    got = await load(book(tmp_path / "h.xlsx", rows, "B1:C1", "D1:E1"))
    assert list(got.frame.columns) == ["region", "2023 Q1", "2023 Q2", "2024 Q1", "2024 Q2"]
    assert got.frame["2024 Q2"].tolist() == [4, 8, 9]


async def test_merged_years_stay_whole_numbers(load, tmp_path):
    rows = [["year", "city", "n"], [2023, "A", 1], [None, "B", 2], [2024, "C", 3], [None, "D", 4]]
    got = await load(book(tmp_path / "m.xlsx", rows, "A2:A3", "A4:A5"))
    assert got.frame["year"].tolist() == [2023, 2023, 2024, 2024]
    assert got.column("year").dtype == "BIGINT"


async def test_codes_and_countries_in_a_workbook(load, tmp_path):
    rows = [["zip", "country", "n"], ["01234", "NA", 1], ["00501", "DE", 2], ["99999", "FR", None]]
    got = await load(book(tmp_path / "c.xlsx", rows))
    assert got.frame["zip"].tolist() == ["01234", "00501", "99999"]
    assert got.frame["country"].tolist() == ["NA", "DE", "FR"]


async def test_long_integers_with_gaps_in_a_database(load, tmp_path):
    with closing(sqlite3.connect(tmp_path / "l.sqlite")) as connection:
        connection.execute("CREATE TABLE deals (id INTEGER, n INTEGER)")
        connection.executemany("INSERT INTO deals VALUES (?, ?)", [(LONG, 1), (None, 2)])
        connection.commit()
    got = await load(tmp_path / "l.sqlite")
    assert values(got.frame["id"]) == [LONG, None]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
async def test_a_broken_view_spoils_no_table(load, tmp_path, kind):
    path = tmp_path / f"b.{kind}"
    connection: Any = sqlite3.connect(path) if kind == "sqlite" else duckdb.connect(str(path))
    for statement in ("CREATE TABLE gone (a INTEGER)", "CREATE VIEW broken AS SELECT a FROM gone",
                      "DROP TABLE gone", "CREATE TABLE good (a INTEGER)",
                      "INSERT INTO good VALUES (1), (2)"):  # fmt: skip
        connection.execute(statement)
    connection.commit()
    connection.close()
    got = await load(path)
    assert got.frame["a"].tolist() == [1, 2]
    (warning,) = [one for one in got.profile.warnings if one.code == "broken-views"]
    assert "broken" in warning.message


async def test_exact_decimals_in_parquet(load, tmp_path):
    table = pa.table({"eur": pa.array([1, 2, None], pa.decimal128(10, 2)), "n": [1, 2, 3]})
    pq.write_table(table, tmp_path / "d.parquet")
    got = await load(tmp_path / "d.parquet")
    assert got.frame["eur"].sum() == 3
    assert "decimals-as-floats" in got.codes


async def test_a_column_of_the_file_wins_over_the_name_of_its_folder(load, tmp_path):
    folder = tmp_path / "year=1999"
    folder.mkdir()
    pd.DataFrame({"year": [2024, 2025], "n": [1, 2]}).to_parquet(folder / "p.parquet")
    got = await load(folder / "p.parquet")
    assert got.frame["year"].tolist() == [2024, 2025]
