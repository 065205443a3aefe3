"""Tables in folders named like ``year=2024/month=01``: one dataset, whatever lies in them."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.files import find_files
from analyst_kernel.data.read.folders.tables import folder_tables
from analyst_kernel.protocol.errors import DataError
from tests.support.reading import ReaderHere, catalog_here


def put(path: Path, content: str | bytes | pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path, index=False)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def run_elsewhere(code: str, name: str, folder: Path) -> dict[str, list[object]]:
    """Run a setup cell in a folder, as plain Python, and return its table."""
    names: dict[str, object] = {"display": lambda _table: None}
    with contextlib.chdir(folder):
        exec(compile(code, "<setup>", "exec"), names)
        found = eval(name, names)
    return dict(json.loads(found.to_json(orient="split", date_format="iso")))


async def one_table(folder: Path, **options):
    catalog = catalog_here(notebook=str(folder.parent / "n.ipynb"), **options)
    (dataset,) = await catalog.grant([str(folder)])
    return catalog, dataset, await catalog.profile(dataset.name)


def kinds(profile) -> dict[str, str]:
    return {column.name: column.dtype for column in profile.columns}


def warnings(profile) -> dict[str, str]:
    return {f"{w.code} {w.column or ''}".strip(): w.message for w in profile.warnings}


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
async def test_it_is_one_dataset_whose_folders_are_columns(kind, view, tmp_path):
    folder = tmp_path / "sales"
    for month in (1, 2, 12):
        rows = pd.DataFrame({"amount": [1.5 * month, 2.0], "who": ["a", f"b{month}"]})
        content = rows if kind == "parquet" else rows.to_csv(index=False)
        put(folder / f"year=2024/month={month:02}/part.{kind}", content)
    put(folder / "_SUCCESS", "")
    put(folder / "README.md", "about sales")
    options = {"max_frame_bytes": 1} if view else {}
    catalog, dataset, profile = await one_table(folder, **options)
    assert (dataset.path, dataset.format, dataset.rows) == (str(folder), kind, 6)
    assert dataset.load == ("view" if view else "frame")
    assert dataset.columns == ("amount", "who", "year", "month")
    assert kinds(profile)["year"] == "BIGINT"
    assert [top.value for top in profile.columns[3].top] == ["01", "02", "12"]  # zeros stay
    assert [document.name for document in catalog.documents] == ["README.md"]
    assert catalog.skipped == ()
    code = catalog.setup_code()
    assert "'sales/year=*/month=*/*." in code
    table = "duckdb.sql('FROM sales').df()" if view else "sales"
    found = run_elsewhere(code, table, tmp_path)
    assert found["columns"] == ["amount", "who", "year", "month"]
    assert [18.0, "a", 2024, "12"] in found["data"]
    assert await catalog.refresh() == ()
    put(folder / f"year=2025/month=01/part.{kind}", content)
    assert await catalog.refresh() == ("sales",)
    assert catalog.datasets[0].rows == 8


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2023", "2024"], "BIGINT"),
        (["01", "10"], "VARCHAR"),
        (["2024-01-31", "2024-02-01"], "DATE"),
        (["EU", "__HIVE_DEFAULT_PARTITION__"], "VARCHAR"),
        (["7", "__HIVE_DEFAULT_PARTITION__"], "BIGINT"),
        (["a%20b", "c%2Fd"], "VARCHAR"),
    ],
)
async def test_values_of_folders_have_the_types_that_columns_would_have(values, kind, tmp_path):
    for value in values:
        put(tmp_path / "p" / f"k={value}" / "x.parquet", pd.DataFrame({"n": [1, 2], "m": [3, 4]}))
    _, _, profile = await one_table(tmp_path / "p")
    (key,) = (column for column in profile.columns if column.name == "k")
    assert key.dtype == kind
    gaps = sum(value.startswith("__") for value in values)
    assert (key.nulls, key.distinct) == (2 * gaps, 2 - gaps)
    assert "%" not in str(key.top)


async def test_files_that_differ_are_put_together_by_name(tmp_path):
    put(tmp_path / "p/y=1/a.parquet", pd.DataFrame({"id": [2**60, 1], "v": [1, 2]}))
    put(tmp_path / "p/y=2/a.parquet", pd.DataFrame({"v": [1.5], "extra": ["x"]}))
    put(tmp_path / "c/y=1/a.csv", "id,v\n007,1\n008,2\n")
    put(tmp_path / "c/y=2/a.csv", "v,id,extra\n2.5,100,x\n")
    for name in ("p", "c"):
        catalog, dataset, profile = await one_table(tmp_path / name)
        assert dataset.rows == 3
        said = warnings(profile)
        assert said["column-not-in-all extra"] == "1 file has no such column; it is empty there."
        found = run_elsewhere(catalog.setup_code(), name, tmp_path)
        assert sorted(found["columns"]) == ["extra", "id", "v", "y"]
        rows = [dict(zip(found["columns"], row, strict=True)) for row in found["data"]]
        assert [row["y"] for row in rows] == [1, 1, 2]
    assert kinds(profile)["id"] == "VARCHAR"
    assert {row["id"] for row in rows} == {"007", "008", "100"}
    assert [row["extra"] for row in rows] == [None, None, "x"]
    _, _, profile = await one_table(tmp_path / "p")
    assert "types-of-files-differ v" in warnings(profile)
    (ids,) = (column for column in profile.columns if column.name == "id")
    assert int(float(str(ids.maximum))) == 2**60
    assert ids.nulls == 1


async def test_a_column_of_files_and_folders_is_never_overridden(tmp_path):
    for year in (2023, 2024):
        for region in ("EU", "US"):
            other = region if year == 2023 else "XX"
            rows = f"year,region,n\n{year},{other},1\n"
            put(tmp_path / f"both/year={year}/region={region}/a.csv", rows)
    catalog, dataset, profile = await one_table(tmp_path / "both")
    assert dataset.columns == ("year", "region", "n", "region_folder")
    said = warnings(profile)
    assert "they differ" in said["folder-and-column region"]
    assert "folder-agrees year" in said
    found = run_elsewhere(catalog.setup_code(), dataset.name, tmp_path)
    assert [2024, "XX", 1, "US"] in found["data"]
    assert any("they differ" in text for text in dataset.options["assumptions"])


async def test_a_folder_further_up_that_looks_like_a_key_is_none(tmp_path):
    for year in (1, 2):
        put(tmp_path / f"region=EU/sales/year={year}/a.parquet", pd.DataFrame({"region": ["x"]}))
    catalog, dataset, _ = await one_table(tmp_path / "region=EU/sales")
    assert dataset.columns == ("region", "year")
    found = run_elsewhere(catalog.setup_code(), "sales", tmp_path / "region=EU")
    assert found["data"] == [["x", 1], ["x", 2]]


async def test_empty_and_broken_files_are_named_and_the_others_read(tmp_path):
    frame = pd.DataFrame({"a": range(50), "b": [f"t{n}" for n in range(50)]})
    for n in (1, 2):
        put(tmp_path / f"p/y={n}/a.parquet", frame)
        put(tmp_path / f"c/y={n}/a.csv", frame.to_csv(index=False))
    whole = (tmp_path / "p/y=1/a.parquet").read_bytes()
    put(tmp_path / "p/y=3/cut.parquet", whole[: len(whole) // 2])
    put(tmp_path / "p/y=3/empty.parquet", b"")
    put(tmp_path / "p/y=4/torn.parquet", whole[:4] + b"\xff" * 200 + whole[204:])
    put(tmp_path / "c/y=3/empty.csv", b"")
    put(tmp_path / "c/y=3/bytes.csv", bytes(range(256)) * 8)
    put(tmp_path / "c/y=4/unclosed.csv", 'a,b\n1,"x\n2,y\n')
    os.symlink("/etc/hostname", tmp_path / "c/y=1/out.csv")
    for name, broken in (
        ("p", ["cut.parquet", "empty.parquet", "torn.parquet"]),
        ("c", ["bytes.csv", "empty.csv", "out.csv", "unclosed.csv"]),
    ):
        catalog, dataset, profile = await one_table(tmp_path / name)
        assert dataset.rows == 100
        assert sorted(os.path.basename(path) for path, _ in catalog.problems) == broken
        assert warnings(profile)["files-left-out"].startswith(f"{len(broken)} files are left out")
        notices = [text for code, text in catalog.notices() if code == "file-left-out"]
        assert len(notices) == len(broken)
        found = run_elsewhere(catalog.setup_code(), name, tmp_path)
        assert len(found["data"]) == 100
        assert "files-left-out" in {c.key for c in dataset.choices}
    assert all(one.path.startswith(str(tmp_path)) for one in catalog.documents)


async def test_folders_with_files_of_several_tables_are_a_table_for_each_name(tmp_path):
    for run in (1, 2):
        put(tmp_path / f"runs/run={run}/metrics.csv", "step,loss\n1,2\n2,1\n")
        put(tmp_path / f"runs/run={run}/params.csv", "key,value\na,b\n")
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    found = {one.name: one for one in await catalog.grant([str(tmp_path / "runs")])}
    assert {name: (one.rows, one.columns) for name, one in found.items()} == {
        "metrics": (4, ("step", "loss", "run")), "params": (2, ("key", "value", "run")),
    }  # fmt: skip
    assert catalog.notices() == ()
    rows = run_elsewhere(catalog.setup_code(), "params", tmp_path)
    assert rows["data"] == [["a", "b", 1], ["a", "b", 2]]
    (listed,) = await find_files([str(tmp_path / "runs")], reader=ReaderHere())
    assert listed.tables == ("metrics.csv", "params.csv")
    put(tmp_path / "runs/run=3/params.csv", "key,value\nc,d\n")
    assert set(await catalog.refresh()) == {"metrics", "params"}
    assert [one.rows for one in catalog.datasets] == [4, 3]


async def test_what_only_looks_like_a_table_stays_files_and_says_why(tmp_path):
    for run in (1, 2):
        put(tmp_path / f"runs/run={run}/metrics{run}.csv", "step,loss\n1,2\n")
        put(tmp_path / f"runs/run={run}/params{run}.csv", "key,value\na,b\n")
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    found = await catalog.grant([str(tmp_path / "runs")])
    assert len(found) == 4
    (why,) = (text for code, text in catalog.notices() if code == "files-apart")
    assert "runs are not one table" in why
    assert "has other columns" in why
    profile = await catalog.profile(found[0].name)
    assert "folder-value" in {one.code for one in profile.warnings}
    listed = await find_files([str(tmp_path / "runs")], reader=ReaderHere())
    assert len(listed) == 4
    assert not any(one.problem for one in listed)


async def test_too_many_files_that_are_no_table_are_refused_with_the_reason(tmp_path):
    for n in range(101):
        put(tmp_path / f"k={n}/x.csv", f"only_{n},own_{n}\n1,2\n")
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    with pytest.raises(DataError, match=r"101 files that are not read as one.*other columns"):
        await catalog.grant([str(tmp_path)])
    assert catalog.datasets == ()


def test_names_that_make_no_table():
    alike = ["/r/a=1/x.csv", "/r/a=2/x.csv"]
    assert [one.keys for one in folder_tables("/r", alike)] == [("a",)]
    for others in (
        ["/r/a=1/x.csv"],  # one file
        ["/r/a=1/x.csv", "/r/b=2/x.csv"],  # other keys
        ["/r/a=1/x.csv", "/r/a=2/b=1/x.csv"],  # other depths
        ["/r/a=1/x.csv", "/r/a=2/x.parquet"],  # other kinds
        ["/r/a=1/x.csv", "/r/a=2/deep/x.csv"],  # a folder that is no key
        ["/r/a*=1/x.csv", "/r/a*=2/x.csv"],  # a pattern
        ["/r/a=1/A=1/x.csv", "/r/a=2/A=1/x.csv"],  # one key twice
        ["/r/a=1/x.xlsx", "/r/a=2/x.xlsx"],
    ):
        assert folder_tables("/r", others) == []


async def test_a_thousand_files_are_one_dataset(tmp_path):
    for n in range(1000):
        name = f"y={n // 100}/d={n % 100:02}/x.csv"
        put(tmp_path / "many" / name, f"id,v\n{n},0{n}\n" if n % 2 else f"v,id\n0{n},{n}\n")
    put(tmp_path / "many/extra.csv", "q,r\n1,2\n")
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    found = {one.name: one for one in await catalog.grant([str(tmp_path / "many")])}
    assert set(found) == {"many", "extra"}
    assert (found["many"].rows, found["many"].options["files"]) == (1000, 1000)
    assert kinds(await catalog.profile("many"))["v"] == "VARCHAR"


async def test_packed_files_and_gaps_that_the_user_names(tmp_path):
    for n in (1, 2):
        put(tmp_path / f"t/y={n}/a.csv.gz", gzip.compress(f"a,b\n{n},-999\n3,4\n".encode()))
    catalog, dataset, _ = await one_table(tmp_path / "t")
    assert (dataset.rows, dataset.columns) == (4, ("a", "b", "y"))
    _, changed = await catalog.choose("t", "gap.b", "-999")
    profile = await catalog.profile("t")
    assert [c.nulls for c in profile.columns] == [0, 2, 0]
    assert any(choice.by_user for choice in changed.choices)
    with pytest.raises(DataError, match="files in folders"):
        await catalog.choose("t", "decimal", ",")
    catalog.withdraw("t")
    assert catalog.datasets == ()


@pytest.mark.real
async def test_an_enclosed_reader_is_shown_the_folder(tmp_path):
    for n in (1, 2):
        put(tmp_path / f"t/y=0{n}/a.parquet", pd.DataFrame({"a": [n, 2]}))
        put(tmp_path / f"u/y=0{n}/a.csv", f"a,b\n{n},2\n")
    catalog = LocalCatalog(notebook=str(tmp_path / "n.ipynb"))
    found = await catalog.grant([str(tmp_path)])
    assert [(one.name, one.rows, one.columns[-1]) for one in found] == [
        ("t", 4, "y"),
        ("u", 2, "y"),
    ]
    assert catalog.notices() == ()
