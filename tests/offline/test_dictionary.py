"""A dataset's own dictionary names its columns, rows and values in place of the packaged words."""

from __future__ import annotations

import json

import pandas as pd

from tests.offline.player import Player
from tests.offline.profiles import DATA
from tests.support.reading import catalog_here

TABLE = pd.DataFrame(
    {
        "cty": [10.0, 20.0, 30.0] * 10,
        "hwy": [12.0, 22.0, 33.0] * 10,
        "k": ["A1", "B2", "B3"] * 10,
    }
)
WORDS = {
    "rows": ["canteen"],
    "columns": {
        "cty": {"label": "meals cooked", "unit": "kg", "synonyms": ["lunches"]},
        "k": {"label": "kitchen", "values": {"busy": ["B2", "B3"]}},
        "no such column": {"label": "ignored"},
    },
}


async def profiled(folder, words):
    path = folder / "food.csv"
    TABLE.to_csv(path, index=False)
    (folder / "food.dictionary.json").write_text(
        words if isinstance(words, str) else json.dumps(words)
    )
    catalog = catalog_here(notebook=str(folder / "n.ipynb"))
    granted = await catalog.grant([str(folder)])
    assert [dataset.name for dataset in granted] == ["food"]
    return await catalog.profile("food")


async def test_the_dictionary_names_columns_values_and_rows(tmp_path):
    profile = await profiled(tmp_path, WORDS)
    player = Player(profile)
    for question in ("average lunches by kitchen", "average meals cooked per kitchen"):
        played = await player.ask(question)
        assert played.answer.startswith("B3 has the highest average meals cooked (`cty`): 30 kg")
        assert not any("mpg" in note for note in played.finish["assumptions"])
    played = await player.ask("How many canteens are busy?")
    assert played.answer.startswith("In 20 of 30 rows of `food`")


async def test_packaged_words_of_the_column_no_longer_hold(tmp_path):
    played = await Player(await profiled(tmp_path, WORDS)).ask("average city mileage by kitchen")
    assert "cty" not in played.answer.partition("The columns of")[0]


async def test_a_dictionary_that_cannot_be_used_is_a_warning(tmp_path):
    profile = await profiled(tmp_path, '{"columns": {"cty": {"lable": "x"}}}')
    assert profile.columns[0].words is None
    assert profile.warnings[-1].code == "dictionary-unreadable"
    assert "food.dictionary.json is not used" in profile.warnings[-1].message


async def test_a_link_beside_the_data_is_not_followed(tmp_path):
    secret = tmp_path / "elsewhere.json"
    secret.write_text(json.dumps(WORDS))
    (tmp_path / "data").mkdir()
    TABLE.to_csv(tmp_path / "data" / "food.csv", index=False)
    (tmp_path / "data" / "food.dictionary.json").symlink_to(secret)
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    await catalog.grant([str(tmp_path / "data" / "food.csv")])
    assert (await catalog.profile("food")).columns[0].words is None


async def test_the_profiler_hands_over_sentinels_and_totals_as_values(tmp_path):
    path = tmp_path / "stations.csv"
    frame = pd.DataFrame(
        {"place": [*("north", "south") * 20, "Total"], "level": [*range(1, 40), -999, 700]}
    )
    frame.to_csv(path, index=False)
    catalog = catalog_here(notebook=str(tmp_path / "n.ipynb"))
    await catalog.grant([str(path)])
    found = {
        (w.code, tuple(w.model_dump()["values"]))
        for w in (await catalog.profile("stations")).warnings
    }
    assert {("sentinel", ("-999",)), ("total-rows", ("Total",))} <= found


def test_the_demonstration_data_have_no_dictionary():
    assert not list(DATA.glob("*.dictionary.json"))
