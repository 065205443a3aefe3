from __future__ import annotations

import asyncio
import csv
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from analyst_kernel.data.read import values
from analyst_kernel.data.read.names import loaded_names
from analyst_kernel.data.readings import KeptReadings
from analyst_kernel.data.setup_code import identifier
from tests.support.examples import examples
from tests.support.reading import catalog_here

WORDS = st.text(st.sampled_from("abcdefghij ÄÖéñ\"',;|\n"), min_size=1, max_size=12).map(
    lambda text: "w" + text.strip() + "w"
)
FLOATS = st.integers(-10_000_000, 10_000_000).map(lambda n: n / 100)


@st.composite
def tables(draw):
    """A table, and how it is written: delimiter, decimal mark, encoding, gaps, quotes, line ends."""
    rows = draw(st.integers(3, 12))
    kinds = draw(st.lists(st.sampled_from(["text", "int", "float"]), min_size=2, max_size=5))
    columns = {}
    for place, kind in enumerate(kinds):
        strategy = {"text": WORDS, "int": st.integers(-(10**12), 10**12), "float": FLOATS}[kind]
        cells = draw(st.lists(strategy, min_size=rows, max_size=rows))
        columns[f"{kind} {place}"] = [
            None if draw(st.integers(0, 9)) == 0 and row else cell for row, cell in enumerate(cells)
        ]
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    decimal = "," if delimiter == ";" and draw(st.booleans()) else "."
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    missing = draw(st.sampled_from(["", "NA", "null"]))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return columns, delimiter, decimal, encoding, missing, quoting, end


def written(columns, delimiter, decimal, missing, quoting, end):
    def cell(value):
        if value is None:
            return missing
        return f"{value:.2f}".replace(".", decimal) if isinstance(value, float) else str(value)

    target = io.StringIO()
    writer = csv.writer(target, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    return target.getvalue()


@examples(60, suppress_health_check=list(HealthCheck))
@given(tables())
def test_any_small_table_reads_back(table):
    columns, delimiter, decimal, encoding, missing, quoting, end = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(
            written(columns, delimiter, decimal, missing, quoting, end).encode(encoding)
        )
        catalog = catalog_here(notebook=os.path.join(folder, "n.ipynb"))
        asyncio.run(catalog.grant([str(path)]))
        names: dict[str, Any] = {"display": lambda _table: None}
        code = catalog.setup_code().replace('"t.csv"', repr(str(path)))
        exec(code, names)
        frame = names["t"]
        profile = asyncio.run(catalog.profile("t"))
    # A usual word for a gap is one where a column of numbers has it too; else it is a text.
    gaps = any(None in cells for name, cells in columns.items() if not name.startswith("text"))
    if missing and not gaps:
        columns = {
            name: [missing if cell is None else cell for cell in cells]
            for name, cells in columns.items()
        }
    assert list(frame.columns) == list(columns)
    assert profile.dataset.rows == len(frame)
    for (name, expected), column in zip(columns.items(), profile.columns, strict=True):
        found = [None if pd.isna(value) else value for value in frame[name]]
        if name.startswith("text"):
            assert found == expected
        else:
            assert found == [None if v is None else pytest.approx(v) for v in expected], name
        assert column.nulls == expected.count(None)
        assert column.distinct == len(set(expected) - {None})


@st.composite
def said(draw):
    """A table written so that its reading is open, and what the user says of it.

    Dates that read both ways, a mark before thousands or decimals, a value that stands for a gap, a
    word, lines above the header.
    """
    rows = draw(st.integers(4, 10))

    def column(strategy):
        return draw(st.lists(strategy, min_size=rows, max_size=rows))

    sentinel = draw(st.sampled_from([None, -999, 9999]))
    amounts = [
        sentinel if sentinel is not None and row and draw(st.integers(0, 4)) == 0 else amount
        for row, amount in enumerate(column(st.integers(1000, 999_999)))
    ]
    days = [(draw(st.integers(1, 12)), draw(st.integers(1, 12)), year) for year in
            column(st.integers(1990, 2030))]  # fmt: skip
    words = [draw(st.sampled_from(["w", "x y", "NA"])) for _ in range(rows)]
    order = draw(st.sampled_from(["day", "month", "text"]))
    above = draw(st.integers(0, 2))
    marks = draw(st.sampled_from(["value", "gap"]))
    decimal = draw(st.sampled_from([".", ","]))
    return amounts, days, words, sentinel, order, above, marks, decimal


@examples(30, suppress_health_check=list(HealthCheck))
@given(said())
def test_any_small_table_reads_back_as_the_user_says(table):
    amounts, days, words, sentinel, order, above, marks, decimal = table
    thousandths = [
        str(amount) if amount == sentinel else f"{amount // 1000}{decimal}{amount % 1000:03d}"
        for amount in amounts
    ]
    lines = [f"note {n}" for n in range(above)]
    lines += ["key;amount;share;day;word"]
    lines += [
        f"k{n};{amount};{share};{one:02d}/{two:02d}/{year};{word}"
        for n, (amount, share, (one, two, year), word) in enumerate(
            zip(amounts, thousandths, days, words, strict=True)
        )
    ]
    choices = [("header", str(above + 1)), ("decimal", decimal), ("dates.day", order)]
    if "NA" in words:
        choices.append(("word.NA", marks))
    if sentinel is not None:
        choices += [("gap.amount", str(sentinel)), ("gap.share", str(sentinel))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_text("\n".join(lines) + "\n")
        catalog = catalog_here(notebook=os.path.join(folder, "n.ipynb"))
        rows = [(os.path.realpath(path), "", "", key, value) for key, value in choices]
        catalog.keep_readings(KeptReadings(rows))
        asyncio.run(catalog.grant([str(path)]))
        assert catalog.notices() == ()
        names: dict[str, Any] = {"display": lambda _table: None}
        exec(catalog.setup_code().replace('"t.csv"', repr(str(path))), names)
        frame = names["t"]
        profile = asyncio.run(catalog.profile("t"))
    assert list(frame.columns) == ["key", "amount", "share", "day", "word"]
    assert profile.dataset.rows == len(frame) == len(amounts)
    expected = [None if amount == sentinel else amount for amount in amounts]
    assert [None if pd.isna(v) else v for v in frame["amount"]] == expected
    shares = [None if amount is None else pytest.approx(amount / 1000) for amount in expected]
    assert [None if pd.isna(v) else v for v in frame["share"]] == shares
    if order == "text":
        assert frame["day"].tolist() == [f"{one:02d}/{two:02d}/{year}" for one, two, year in days]
    else:
        months = [two if order == "day" else one for one, two, _ in days]
        assert frame["day"].dt.month.tolist() == months
    is_gap = "NA" in words and marks == "gap"
    assert [None if pd.isna(v) else v for v in frame["word"]] == [
        None if word == "NA" and is_gap else word for word in words
    ]
    for column in profile.columns:
        assert column.nulls == int(frame[column.name].isna().sum()), column.name
    by_user = {one.key for one in profile.dataset.choices if one.by_user}
    assert by_user == {key for key, _ in choices}


@given(st.text(max_size=40))
def test_identifiers_are_valid(stem):
    assert identifier(stem).isidentifier()


@given(st.lists(st.sampled_from(["a", "b", "a.1", "", "A", "Unnamed: 0"]), min_size=1, max_size=8))
def test_names_are_given_as_pandas_gives_them(header):
    text = ",".join(f'"{name}"' for name in header) + "\n" + ",".join("1" for _ in header) + "\n"
    assert loaded_names(header) == list(pd.read_csv(io.StringIO(text)).columns)


def test_null_texts_are_the_ones_of_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(values.NULL_TEXTS) == set(STR_NA_VALUES)


# VmHWM, not ru_maxrss: the latter starts at the size of the process that forked this one.
MEMORY = """
import asyncio, re, sys
from tests.support.reading import catalog_here

path, small = sys.argv[1:]
catalog = catalog_here("n.ipynb")
asyncio.run(catalog.grant([small]))
asyncio.run(catalog.grant([path]))
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded(tmp_path):
    path, small = tmp_path / "t.csv", tmp_path / "s.csv"
    small.write_text("a,b\n1,2\n")
    with path.open("w") as file:
        file.write("id,city,amount,day,note\n")
        file.writelines(
            f"{n},city {n % 50},{n * 7 % 1000 / 10},"
            f"2024-{n % 12 + 1:02d}-{n % 28 + 1:02d},note {n}\n"
            for n in range(500_000)
        )
    assert path.stat().st_size > 20_000_000
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path, small], capture_output=True, text=True, check=True,
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert int(done.stdout) < 500, f"{done.stdout} MB resident for a file of 20 MB"
