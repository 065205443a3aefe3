"""Files of Stata, SPSS and SAS: their labels describe columns, and those of values are a choice."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from analyst_kernel.data.files import find_files
from analyst_kernel.protocol.errors import DataError
from tests.support.reading import ReaderHere, catalog_here

SAID = {"sex": "Sex of the respondent", "age": "Age in years", "name": "First name"}
LABELS = {"sex": {1: "male", 2: "female"}, "age": {99: "refused"}}
ROWS = pd.DataFrame(
    {
        "sex": [1.0, 2.0, 1.0, None],
        "age": [30.0, 41.0, 99.0, 22.0],
        "name": ["Ämy", "Bo", "Cy", "Di"],
        "day": pd.to_datetime(["2024-01-31", "2024-02-01", None, "2024-05-05"]),
    }
)


def write(path: Path) -> Path:
    said = [SAID.get(name, "") for name in ROWS.columns]
    match path.suffix:
        case ".sav" | ".zsav":
            pyreadstat.write_sav(
                ROWS, path, column_labels=said, variable_value_labels=LABELS,
                compress=path.suffix == ".zsav",
            )  # fmt: skip
        case ".dta":
            pyreadstat.write_dta(ROWS, path, column_labels=said, variable_value_labels=LABELS)
        case ".xpt":
            pyreadstat.write_xport(ROWS, path, column_labels=said, table_name="T")
        case ".por":
            plain = ROWS.drop(columns="day").replace("Ämy", "Amy")
            plain.columns = [name.upper() for name in plain.columns]
            pyreadstat.write_por(plain, path)
    return path


async def granted(path: Path):
    catalog = catalog_here(notebook=str(path.parent / "n.ipynb"))
    (dataset,) = await catalog.grant([str(path)])
    return catalog, dataset, await catalog.profile(dataset.name)


def loaded(code: str, name: str, folder: Path) -> list[dict[str, object]]:
    """Run a setup cell in a folder, as plain Python, and return its rows."""
    names: dict[str, object] = {"display": lambda _table: None}
    with contextlib.chdir(folder):
        exec(compile(code, "<setup>", "exec"), names)
    return list(json.loads(names[name].to_json(orient="records", date_format="iso")))


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".sav", "spss"), (".zsav", "spss"), (".dta", "stata")]
)
async def test_labels_describe_columns_and_replace_codes_that_all_have_one(suffix, kind, tmp_path):
    catalog, dataset, profile = await granted(write(tmp_path / f"survey{suffix}"))
    assert (dataset.format, dataset.rows) == (kind, 4)
    columns = {column.name: column for column in profile.columns}
    assert {name: c.words.description for name, c in columns.items() if c.words} == SAID
    assert {top.value for top in columns["sex"].top} == {"male", "female"}
    assert (columns["sex"].nulls, columns["age"].maximum) == (1, 99.0)
    assert dict(columns["age"].words)["values"] == {"refused": ("99",)}
    assert columns["day"].kind == "date"
    said = {choice.key: choice for choice in dataset.choices}
    assert said["value-labels"].columns == ("sex",)
    assert (said["labels.sex"].value, said["labels.age"].value) == ("labels", "codes")
    assert any("labels" in text for text in dataset.options["assumptions"])
    assert "Age in years" in catalog.describe(profile)
    rows = loaded(catalog.setup_code(), "survey", tmp_path)
    assert [row["sex"] for row in rows] == ["male", "female", "male", None]
    assert [row["name"] for row in rows] == ["Ämy", "Bo", "Cy", "Di"]
    (found,) = await find_files([str(tmp_path)], reader=ReaderHere())
    assert (found.format, found.rows, found.columns) == (kind, 4, tuple(ROWS.columns))


async def test_value_labels_are_a_choice_of_the_user(tmp_path):
    catalog, _, _ = await granted(write(tmp_path / "survey.sav"))
    _, dataset = await catalog.choose("survey", "labels.sex", "codes")
    profile = await catalog.profile("survey")
    assert [top.value for top in profile.columns[0].top] == ["1.0", "2.0"]
    assert dict(profile.columns[0].words)["values"] == {"male": ("1",), "female": ("2",)}
    assert any(choice.by_user and choice.key == "labels.sex" for choice in dataset.choices)
    await catalog.choose("survey", "labels.age", "labels")
    rows = loaded(catalog.setup_code(), "survey", tmp_path)
    assert [row["age"] for row in rows] == [30, 41, "refused", 22]
    with pytest.raises(DataError, match="no labels for 'name'"):
        await catalog.choose("survey", "labels.name", "labels")
    with pytest.raises(DataError, match="cannot be 'maybe'"):
        await catalog.choose("survey", "labels.sex", "maybe")
    await catalog.choose("survey", "gap.age", "99")
    profile = await catalog.profile("survey")
    assert profile.columns[1].nulls == 0  # it is a label now, which is no 99
    await catalog.choose("survey", "labels.age", "")
    assert (await catalog.profile("survey")).columns[1].nulls == 1


@pytest.mark.parametrize(("suffix", "kind"), [(".xpt", "sas"), (".por", "spss")])
async def test_the_other_kinds(suffix, kind, tmp_path):
    catalog, dataset, profile = await granted(write(tmp_path / f"survey{suffix}"))
    assert (dataset.format, dataset.rows) == (kind, 4)
    assert [c.median for c in profile.columns[:2]] == [1.0, 35.5]
    rows = loaded(catalog.setup_code(), "survey", tmp_path)
    assert len(rows) == 4


async def test_damaged_files_say_so_in_a_sentence(tmp_path):
    whole = write(tmp_path / "survey.sav").read_bytes()
    for name in ("cut.sav", "cut.dta", "cut.sas7bdat", "cut.por", "cut.xpt"):
        (tmp_path / name).write_bytes(whole[:150] if name.endswith("sav") else b"\0\1nonsense" * 30)
        catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
        with pytest.raises(DataError, match=f"{name} cannot be read as a file of S"):
            await catalog.grant([str(tmp_path / name)])


async def test_without_its_library_a_file_says_what_is_missing(tmp_path, monkeypatch):
    path = write(tmp_path / "survey.dta")
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    with pytest.raises(DataError, match=r"needs the package pyreadstat.*\[statistics\]"):
        await catalog.grant([str(path)])
