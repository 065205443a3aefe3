from __future__ import annotations

import re

import pandas as pd
import pytest


async def test_vehicles(load, real_data):
    got = await load(real_data / "vehicles.csv")
    assert got.profile.dataset.rows == 33_442
    assert len(got.profile.dataset.columns) == 12
    oracle = pd.read_csv(real_data / "vehicles.csv")
    pd.testing.assert_frame_equal(got.frame, oracle)
    assert got.column("cty").mean == pytest.approx(oracle["cty"].mean())
    assert got.column("make").top[0].value == "Chevrolet"
    assert len(got.column("make").top) == 10
    assert len(got.column("drive").top) == 7
    assert got.profile.duplicate_rows == 0
    assert re.search(r'^vehicles = pd\.read_csv\("[^"]*vehicles\.csv"\)$', got.code, re.MULTILINE)
    assert "# vehicles: 33,442 rows x 12 columns" in got.code
    assert {"candidate-keys", "id-column"} <= got.codes


async def test_penguins_with_na_and_units(load, real_data):
    got = await load(real_data / "penguins_raw.csv")
    assert got.profile.dataset.rows == 344
    assert got.column("Culmen Length (mm)").nulls == 2
    assert got.column("Sex").nulls == 11
    assert got.column("Date Egg").kind == "date"
    assert got.column("Date Egg").minimum == "2007-11-09"
    assert got.profile.dataset.options["missing_values"] == ["NA"]


async def test_weather_with_utc_times(load, real_data):
    got = await load(real_data / "nyc_weather.csv")
    assert got.profile.dataset.rows == 26_115
    assert got.frame["time_hour"].dt.tz is not None
    assert got.column("time_hour").dtype == "TIMESTAMP WITH TIME ZONE"
    assert got.column("wind_gust").nulls == int(
        pd.read_csv(real_data / "nyc_weather.csv")["wind_gust"].isna().sum()
    )
    assert {"constant-column", "mostly-missing"} <= got.codes


async def test_a_folder_gives_each_file_once(load, real_data):
    got = await load(real_data)
    assert set(got.profiles) == {
        "nyc_airlines", "nyc_airports", "nyc_planes", "nyc_weather", "penguins_raw", "vehicles",
    }  # fmt: skip
    again = await got.catalog.grant([str(real_data / "vehicles.csv")])
    assert [one.name for one in again] == ["vehicles"]
    assert len(got.catalog.datasets) == 6


async def test_the_head_is_the_start_and_the_sample_is_the_same_each_time(load, real_data):
    first = await load(real_data / "vehicles.csv")
    assert first.profile.head[0][:4] == ("13309", "Acura", "2.2CL/3.0CL", "1997")
    assert len(first.profile.head) == 5
    second = await load(real_data / "vehicles.csv")
    assert len(first.profile.sample) == 3
    assert first.profile.sample == second.profile.sample
