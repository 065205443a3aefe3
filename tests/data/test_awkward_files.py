"""Files made after public bug reports, each with its right answer from what the setup cell loads.

``load`` compares each frame with its profile too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parent / "awkward"


@dataclass(frozen=True)
class Case:
    """A file, its size and columns, what is right of it, and what of its reading must be said."""

    file: str
    rows: int
    columns: tuple[str, ...]
    right: Callable[[Any], Any]
    answer: Any
    said: tuple[str, ...] = ()


def top(by: str, value: str) -> Callable[[Any], tuple[str, float]]:
    def found(frame: Any) -> tuple[str, float]:
        sums = frame.groupby(by)[value].sum()
        return sums.idxmax(), sums.max()

    return found


RATES = ("data", "1THB", "1USD", "nr tabeli")
CASES = [
    Case("customers.csv", 12, ("order_id", "customer_id", "amount"),
         lambda f: f["customer_id"].nunique(), 4),
    Case("totals_2024.csv", 10, ("region", "city", "foo"), lambda f: f["foo"].sum(), 88),
    Case("tickets.csv", 8, ("id", "priority", "hours"),
         lambda f: f["priority"].value_counts().to_dict(),
         {"High": 3, "None": 2, "Low": 2, "Medium": 1}, ("word-is-value",)),
    Case("sales_regions_NA.csv", 16, ("region", "quarter", "revenue"), top("region", "revenue"),
         ("NA", 2010), ("word-is-value",)),
    Case("first_row_extra_value.csv", 3, ("id", "name", "qty", "column_4"),
         lambda f: f["qty"].sum(), 18, ("extra-fields",)),
    Case("trailing_comma_one_row.csv", 3, ("a", "b"), lambda f: f["b"].tolist(), [2, 4, 6]),
    Case("footer_after_blank_cp1250.csv", 20, RATES, lambda f: round(f["1USD"].mean(), 4), 3.9105,
         ("footer-rows", "decimal-comma", "encoding-guessed")),
    Case("footer_same_width.csv", 20, ("data", "1THB", "USD rate", "nr tabeli"),
         lambda f: round(f["USD rate"].mean(), 4), 3.9105, ("footer-rows", "decimal-comma")),
    Case("globdecoy/sales[2024].csv", 3, ("region", "sales"), top("region", "sales"),
         ("South", 20)),
    Case("bigint_null.parquet", 5, ("deal_id", "price"),
         lambda f: (int(f["deal_id"].max()), f["deal_id"].nunique()), (1925036343869802847, 4)),
    Case("icd9_codes.csv", 6, ("icd", "patients"),
         lambda f: (f["icd"].tolist(), *top("icd", "patients")(f)),
         (["007.1", "008.45", "038.11", "250.0", "250.00", "410.10"], "250.00", 9),
         ("leading-zeros",)),
    Case("width_grows.csv", 60, ("a", "b", "column_3"), lambda f: f["b"].sum(), 3660,
         ("extra-fields",)),
    Case("total_suffix.csv", 10, ("region", "city", "sales"), lambda f: f["sales"].sum(), 88,
         ("totals-set-apart",)),
    Case("merged_groups.xlsx", 5, ("region", "city", "sales"), top("region", "sales"),
         ("North", 60), ("merged-cells",)),
    Case("pandas_default.json", 3, ("region", "sales"),
         lambda f: f.groupby("region")["sales"].sum().to_dict(), {"South": 20, "North": 15}),
    Case("closed_wal.sqlite", 3, ("region", "amount"), lambda f: f["amount"].sum(), 35),
    Case("gbk.csv", 3, ("城市", "销售额"), top("城市", "销售额"), ("上海", 20),
         ("encoding-guessed",)),
    Case("nul_bytes.csv", 3, ("id", "name", "qty"), lambda f: f["qty"].sum(), 18,
         ("nul-characters",)),
    Case("dates_ambiguous.csv", 5, ("order_date", "amount"),
         lambda f: f["order_date"].tolist()[0], "01/02/2024", ("ambiguous-dates",)),
    Case("formula_no_cache.xlsx", 3, ("region", "qty", "price", "total"),
         lambda f: f["total"].notna().sum(), 0, ("formulas-without-values",)),
    Case("expenses.csv", 6, ("department", "amount", "state", "month", "failed"),
         top("department", "amount"), ("IT", 30)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
async def test_a_file_is_read_right(load, tmp_path, case):
    """The folder is copied, so that neighbours lie beside the file and nothing new is left."""
    folder = tmp_path / "data"
    shutil.copytree((FILES / case.file).parent, folder, ignore=shutil.ignore_patterns(".git*"))
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    got = await load(folder / Path(case.file).name)
    assert got.profile.dataset.columns == case.columns
    assert got.profile.dataset.rows == case.rows
    assert case.right(got.frame) == case.answer
    assert set(case.said) <= got.codes
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_every_file_has_a_case():
    files = {p.relative_to(FILES).as_posix() for p in FILES.rglob("*") if p.is_file()}
    others = {".gitattributes", "globdecoy/sales2.csv"}
    assert files - others == {case.file for case in CASES}
