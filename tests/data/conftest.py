"""Fixtures that grant a file and compare what the setup cell loads with the profile."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile
from tests.support.reading import catalog_here

DATA = Path(__file__).parents[2] / "notebooks" / "data"


@pytest.fixture
def real_data() -> Path:
    return DATA


class Loaded:
    """What granting a path gave: profiles, the setup cell and the data that the cell loaded."""

    def __init__(
        self, catalog: LocalCatalog, profiles: dict[str, DatasetProfile], code: str
    ) -> None:
        self.catalog = catalog
        self.profiles = profiles
        self.code = code
        self.names: dict[str, Any] = {}

    @property
    def profile(self) -> DatasetProfile:
        (only,) = self.profiles.values()
        return only

    @property
    def frame(self) -> pd.DataFrame:
        (only,) = self.profiles
        return self.names[only]

    @property
    def codes(self) -> set[str]:
        return {warning.code for one in self.profiles.values() for warning in one.warnings}

    def column(self, name: str) -> ColumnProfile:
        return next(column for column in self.profile.columns if column.name == name)


def agree(profile: DatasetProfile, frame: pd.DataFrame) -> None:
    """Assert that a loaded frame is what the profile describes; pandas is the oracle."""
    dataset = profile.dataset
    assert list(frame.columns) == list(dataset.columns)
    assert len(frame) == dataset.rows
    assert [column.name for column in profile.columns] == list(dataset.columns)
    for place, column in enumerate(profile.columns):
        series = frame.iloc[:, place]
        assert int(series.isna().sum()) == column.nulls, column.name
        present = series.dropna()
        if column.kind == "number" and len(present):
            assert pd.api.types.is_numeric_dtype(present.dtype), (column.name, present.dtype)
            finite = present[present.abs() != math.inf].astype(float)
            for found, expected in (
                (column.minimum, finite.min()),
                (column.maximum, finite.max()),
                (column.mean, finite.mean()),
                (column.median, finite.median()),
                (column.p25, finite.quantile(0.25)),
                (column.p75, finite.quantile(0.75)),
            ):
                assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), (
                    column.name
                )
            if len(finite) > 1:
                assert column.std == pytest.approx(finite.std(), rel=1e-6, abs=1e-9)
            assert column.zeros == int((present == 0).sum())
            assert column.negatives == int((present < 0).sum())
            assert column.distinct == present.nunique()
        elif column.kind == "date" and len(present):
            assert pd.api.types.is_datetime64_any_dtype(series.dtype), (column.name, series.dtype)
            assert str(present.min())[:10] == str(column.minimum)[:10]
            assert str(present.max())[:10] == str(column.maximum)[:10]
            assert column.distinct == present.nunique()
        elif column.kind == "text" and len(present):
            texts = present.astype(str)
            assert not pd.api.types.is_numeric_dtype(series.dtype), column.name
            assert column.distinct == texts.nunique(), column.name
            counts = texts.value_counts()
            assert column.top
            assert column.top[0].count == counts.iloc[0]
            for item in column.top:
                if len(item.value) < 200:
                    assert counts[item.value] == item.count
            assert column.max_length == texts.str.len().max()


def agree_on_disk(profile: DatasetProfile, duckdb: Any) -> None:
    """Assert that a table which stays on disk is what the profile describes; SQL is the oracle."""
    dataset = profile.dataset
    table = duckdb.sql(f'SELECT * FROM "{dataset.name}"')
    assert tuple(table.columns) == dataset.columns
    assert table.count("*").fetchall()[0][0] == dataset.rows
    for column in profile.columns:
        name = '"' + column.name.replace('"', '""') + '"'
        found = duckdb.sql(
            f'SELECT count(*) - count({name}), min({name}), max({name}) FROM "{dataset.name}"'
        ).fetchall()[0]
        assert found[0] == column.nulls, column.name
        if column.kind == "number" and column.nulls < (dataset.rows or 0):
            if math.isfinite(float(found[1])) and math.isfinite(float(found[2])):
                assert float(found[1]) == pytest.approx(column.minimum), column.name
                assert float(found[2]) == pytest.approx(column.maximum), column.name
        elif column.kind == "date" and found[1] is not None:
            assert str(found[1])[:10] == str(column.minimum)[:10], column.name
            assert str(found[2])[:10] == str(column.maximum)[:10], column.name


def says_the_same(profile: DatasetProfile, shown: pd.DataFrame) -> None:
    """Assert that what the setup cell displays of a table is what its profile says."""
    dataset = profile.dataset
    assert shown.index.name == f"{dataset.name}: {dataset.rows:,} rows"
    assert list(shown.index) == list(dataset.columns)
    for place, column in enumerate(profile.columns):
        missing, smallest, largest = shown.iloc[place]
        assert missing == column.nulls
        for found, expected in ((smallest, column.minimum), (largest, column.maximum)):
            if pd.isna(found) or (pd.api.types.is_number(found) and math.isinf(found)):
                continue
            if column.kind == "number":
                assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-12), column.name
            elif column.kind == "date":
                assert str(found)[:10] == str(expected)[:10], column.name


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[Loaded]]:
    """Grant paths to an analysis, run its setup cell, check that both agree."""

    async def run(
        *paths: Path | str,
        max_frame_bytes: int = 200_000_000,
        said: Sequence[tuple[str, str, str]] = (),
    ) -> Loaded:
        folder = tmp_path / "analysis"
        folder.mkdir(exist_ok=True)
        catalog = catalog_here(notebook=str(folder / "a.ipynb"), max_frame_bytes=max_frame_bytes)
        await catalog.grant([str(path) for path in paths])
        for name, key, value in said:
            await catalog.choose(name, key, value)
        profiles = {one.name: await catalog.profile(one.name) for one in catalog.datasets}
        loaded = Loaded(catalog, profiles, catalog.setup_code())
        monkeypatch.chdir(folder)  # and stays: views read their files when they are asked
        shown: list[pd.DataFrame] = []
        loaded.names["display"] = shown.append
        exec(compile(loaded.code, "<setup>", "exec"), loaded.names)  # the cell as it is saved
        del loaded.names["display"]
        for profile in profiles.values():
            if profile.dataset.load == "view":
                agree_on_disk(profile, loaded.names["duckdb"])
        frames = [profile for profile in profiles.values() if profile.dataset.load == "frame"]
        for profile, table in zip(frames, shown, strict=True):
            agree(profile, loaded.names[profile.dataset.name])
            says_the_same(profile, table)
        return loaded

    return run
