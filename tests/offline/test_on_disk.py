"""A dataset that stays on disk is answered as one in memory is, and comes into memory small."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from analyst_kernel.agent.plan import Plan
from analyst_kernel.agent.tools.handlers import sql_cell
from analyst_kernel.offline.recipes.rows import load_cell
from tests.offline.player import Player
from tests.offline.profiles import DATA, profile_frame

SALES = pd.DataFrame(
    {
        "region": [
            *["North", "South", None, "West"] * 60,
            *["South", "O'Neil's \"best\"", "West"] * 20,
        ],
        "product line": [f"line {n % 7}" for n in range(300)],
        "price": [None if n % 11 == 0 else round(n * 1.37 % 90, 2) for n in range(300)],
        "units": [n % 13 for n in range(300)],
        "weight": [round(n**1.1 % 57 + (400 if n % 97 == 0 else 0), 3) for n in range(300)],
        "day": pd.to_datetime("2023-01-01") + pd.to_timedelta([n * 3 for n in range(300)], "D"),
        "is returned": [n % 5 == 0 for n in range(300)],
        "flat": [1] * 300,
        "signed": [f"{1 + n % 27:02d}.{1 + n % 12:02d}.2022" for n in range(300)],
        "Revenue USD": [f"{1 + n % 9},{n:03d}" for n in range(300)],
    }
)

QUESTIONS = [
    "How many rows are there?",
    "How many rows have region South?",
    "What is in this data?",
    "Is there missing data?",
    "missing values of price",
    "average price by region",
    "total units by region and product line",
    "How did average price change by month?",
    "How did total units change by quarter?",
    "How did average price change by week?",
    "How did average price change by year for each region?",
    "Which month of the year has the highest average price?",
    "distribution of price",
    "What is the maximum price?",
    "Are there outliers in weight?",
    "correlation between price and weight",
    "Compare price of South and West",
    "What are the most common product lines?",
    "How many different regions are there?",
    "top 3 rows by price",
    "average price by region for the South and line 2",
    "How many rows are there per region in 2023?",
    "What share of rows is returned by region?",
    "average price of line 3",
    "average revenue by region",
    "How did average price change by month of signed?",
    "average price by product line, not in the South",
    "How many rows are there for each region and product line?",
    "How is price related to weight by region?",
    "Which day has the highest total units?",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("disk") / "sales.csv"
    SALES.to_csv(file, index=False, na_rep="NA")
    return str(file)


def _without_cells(text: str) -> str:
    return re.sub(r" \[cell \d+\]", "", text)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_answer_is_that_of_a_frame(question: str, path: str):
    frame = Player(profile_frame("sales", SALES), frames={"sales": SALES})
    disk = Player(profile_frame("sales", SALES, load="view", path=path))
    there, here = await disk.ask(question), await frame.ask(question)
    assert set(there.outcomes) == {"ok"}, there.outputs
    assert there.finish, there.said
    assert there.finish["key_values"] == here.finish["key_values"]
    if "What is in" not in question:  # repeated rows are not counted on disk
        assert _without_cells(there.answer) == _without_cells(here.answer)
    assert there.unproven(question) == []
    assert len(there.charts) == len(here.charts)


@pytest.mark.parametrize("question", QUESTIONS)
async def test_each_step_of_the_plan_has_a_cell(question: str):
    """Answering is no step: the reader of a plan sees what was done, and nothing else."""
    played = await Player(profile_frame("sales", SALES), frames={"sales": SALES}).ask(question)
    plans = [arguments["steps"] for tool, arguments in played.calls if tool == "update_plan"]
    steps = {arguments["step"] for tool, arguments in played.calls if tool.startswith("run_")}
    for goals in plans[-1:]:
        assert steps == set(range(1, len(goals) + 1)), goals
        assert [step.goal for step in Plan().revised(goals).steps] == goals


async def test_a_value_that_the_profile_does_not_list_is_looked_for_on_disk(path: str):
    lines = [f"{kind} {letter * 3}" for letter in "abcdefghijklmno" for kind in ("Cog", "Drum")]
    named = [*lines * 10][:300]
    named[217] = "Zeppelin"
    rare = SALES.assign(**{"product line": named})
    file = path.replace("sales.csv", "rare.csv")
    rare.to_csv(file, index=False, na_rep="NA")
    player = Player(profile_frame("rare", rare, load="view", path=file))
    played = await player.ask("average price of Zeppelin")
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert "FROM rare" in played.codes[0]
    assert f"is {SALES['price'][217]} where product line is Zeppelin, over 1 row " in played.answer


async def test_whole_datasets_on_disk_are_counted_there(path: str):
    player = Player(profile_frame("sales", SALES, load="view", path=path))
    for question in ("How many rows are there?", "What is in this data?", "Is there missing data?"):
        played = await player.ask(question)
        assert "run_sql" not in played.tools, "nothing is loaded"
        assert all("SELECT *" not in code for code in played.codes)


async def test_texts_come_as_categories_and_dates_are_cut_once(path: str):
    player = Player(profile_frame("sales", SALES, load="view", path=path))
    played = await player.ask("Compare price of South and West")
    assert isinstance(player.space["sales_rows"]["region"].dtype, pd.CategoricalDtype)
    await player.ask("How did average price change by month?")
    assert isinstance(player.space["sales_used"]["month"].dtype, pd.CategoricalDtype)
    assert "CREATE OR REPLACE TYPE" in played.codes[0]


@pytest.mark.parametrize(
    "question",
    [
        "average price by region",
        "total units by region and product line",
        "What is the maximum price?",
        "How many rows are there per region?",
        "How many different regions are there?",
        "How many rows have units over 5 and are returned?",
        "median price excluding South",
    ],
)
async def test_what_sql_alone_can_compute_comes_into_memory_as_figures(question: str, path: str):
    player = Player(profile_frame("sales", SALES, load="view", path=path))
    played = await player.ask(question)
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert played.finish["key_values"]
    assert "run_sql" not in played.tools, "no column is loaded"
    assert not {"sales_rows", "sales_used", "sales_selected"} & set(player.space)


def test_many_different_texts_stay_texts():
    names = pd.DataFrame({"name": [f"n{n}" for n in range(10_500)]})
    cell = load_cell(profile_frame("nicknames", names, load="view", path="n.csv"), ["name"], "x")
    assert cell.code == 'SELECT "name"\nFROM nicknames'


async def test_a_question_that_names_no_dataset_is_answered_for_each():
    profiles = [
        profile_frame("planes", pd.read_csv(DATA / "nyc_planes.csv")),
        profile_frame("sales", SALES),
    ]
    frames = {"planes": pd.read_csv(DATA / "nyc_planes.csv"), "sales": SALES}
    player = Player(*profiles, frames=frames)
    rows = await player.ask("How many rows are there?")
    assert rows.figures == {"Rows of planes": 3322, "Rows of sales": 300}
    gaps = await player.ask("Is there missing data?")
    assert gaps.figures["sales: missing region"] == 60
    assert gaps.figures["planes: missing speed"] == frames["planes"]["speed"].isna().sum()
    overview = await player.ask("What is in this data?")
    assert "`planes` has 3,322 rows" in overview.answer
    assert "`sales` has 300 rows" in overview.answer
    named = await player.ask("How many planes are there?")
    assert named.figures == {"Rows": 3322}
    for played in (rows, gaps, overview):
        assert set(played.outcomes) == {"ok"}
        assert played.unproven("") == []


async def test_more_datasets_than_an_answer_tells_of_are_named():
    tiny = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    names = [f"part_{chr(97 + n)}" for n in range(14)]
    player = Player(
        *(profile_frame(name, tiny) for name in names), frames=dict.fromkeys(names, tiny)
    )
    played = await player.ask("How many rows are there?")
    assert len(played.figures) == 12
    assert played.finish["caveats"] == ["Not looked at: `part_m` and `part_n`."]


def test_names_that_read_alike_are_kept_apart(path: str):
    frame = pd.DataFrame({"a b": ["x", "y", "z"] * 20, "a_b": ["p", "q", "p"] * 20})
    file = path.replace("sales.csv", "alike.csv")
    frame.to_csv(file, index=False)
    profile = profile_frame("alike", frame, load="view", path=file)
    player = Player(profile)
    code = load_cell(profile, ["a b", "a_b"], "loaded").code
    player.execute(sql_cell(code, "loaded", import_duckdb=True))
    pd.testing.assert_frame_equal(
        player.space["loaded"].astype(str), frame.astype(str), check_dtype=False
    )
