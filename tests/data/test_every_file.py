"""Profile and loaded table are one, for every data file of the tests, whatever its format or size.

``load`` compares each frame with its profile, and each table that stays on disk by SQL.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from analyst_kernel.data.read.formats import looks_like_data
from tests.data.conftest import DATA

TESTS = Path(__file__).parents[1]
FILES = sorted(
    path
    for folder in (TESTS / "data" / "awkward", TESTS / "answers" / "tables", TESTS / "saved", DATA)
    for path in folder.rglob("*")
    if path.is_file()
    and looks_like_data(path.name)
    and path.name not in ("keys.json", "kernel.json")
    and not path.name.endswith(".dictionary.json")
)
AWKWARD = [path for path in FILES if "awkward" in path.parts]
"""Those whose reading is no matter of course; each is small."""


def named(path: Path) -> str:
    return str(path.relative_to(TESTS.parent))


@pytest.mark.parametrize("path", FILES, ids=named)
async def test_profile_and_frame_are_one_table(load, path):
    got = await load(path)
    assert got.profile.dataset.load == "frame"
    assert got.profile.dataset.rows == len(got.frame)


@pytest.mark.parametrize("path", AWKWARD, ids=named)
async def test_profile_and_table_on_disk_are_one(load, path):
    """A table of any size may be too big for somebody's memory."""
    got = await load(path, max_frame_bytes=1)
    assert got.profile.dataset.load in ("view", "frame")


@pytest.mark.parametrize("kind", ["parquet", "arrow", "duckdb"])
async def test_every_table_in_the_formats_of_columns(load, tmp_path, kind):
    """What is read from text is written by columns, and read back as the same table."""
    import duckdb
    import pandas as pd

    written: dict[str, pd.DataFrame] = {}
    sources = [path for path in AWKWARD if path.suffix == ".csv"]
    texts = await load(*sources)
    folder = tmp_path / "columns"
    folder.mkdir()
    for number, (name, profile) in enumerate(texts.profiles.items()):
        frame = texts.names[name].copy()
        frame.columns = [column.strip() or "blank" for column in frame.columns]
        if len({column.lower() for column in frame.columns}) < len(frame.columns):
            continue  # SQL knows no letter case of names
        stem = f"t{number}"
        if kind == "parquet":
            frame.to_parquet(folder / f"{stem}.parquet")
        elif kind == "arrow":
            frame.to_feather(folder / f"{stem}.arrow")
        else:
            with duckdb.connect(str(folder / "all.duckdb")) as database:
                database.register("incoming", frame)
                database.execute(f"CREATE TABLE {stem} AS SELECT * FROM incoming")
        written[stem] = frame
        assert profile.dataset.rows == len(frame)
    paths = [folder / "all.duckdb"] if kind == "duckdb" else sorted(folder.iterdir())
    for most in (200_000_000, 1):  # as frames, and left on disk
        got = await load(*paths, max_frame_bytes=most)
        assert set(got.profiles) == set(written)
        for stem, frame in written.items():
            dataset = got.profiles[stem].dataset
            assert (dataset.rows, list(dataset.columns)) == (len(frame), list(frame.columns)), stem
