"""Nothing of a question is left out: a word that the task has no place for makes it unclear."""

from __future__ import annotations

import pandas as pd
import pytest

from analyst_kernel.offline.reader import interpret
from analyst_kernel.offline.task import Ready, Unclear
from tests.offline.player import Player
from tests.offline.profiles import profile_frame, real
from tests.offline.test_answers import play
from tests.offline.test_plain_words import read


@pytest.mark.parametrize(
    ("dataset", "question", "expected"),
    [
        ("vehicles", "How many rows have no cyl?", "missing, mean, cyl"),
        ("nyc_planes", "how many planes without year", "missing, mean, year"),
        ("nyc_weather", "How many readings have no rain?", "count, mean, where precip is 0"),
        ("vehicles", "Which year had the most models?", "groups, distinct, model, over year/value"),
        ("vehicles", "Which model appears most often?", "top_values, rows, model"),
        ("vehicles", "mean, median and std of cty", "several, mean"),
        ("vehicles", "cty and hwy by class", "several, mean"),
        ("nyc_weather", "average temp without EWR", "scalar, mean, temp, where origin is not EWR"),
        ("nyc_planes", "What is the largest plane by seats?", "top_rows, mean, seats"),
        ("nyc_planes", "median seats for Boeing vs Airbus", "groups, median, seats, manufacturer, where manufacturer is BOEING or AIRBUS"),
        ("penguins_raw", "How many penguins of each species on each island?", "groups, rows, Species, Island"),
        ("vehicles", "number of models per make", "groups, distinct, model, make"),
        ("vehicles", "How many different models does each make have?", "groups, distinct, model, make"),
        ("vehicles", "How many vehicles are not automatic?", "count, mean, where trans does not contain Automatic"),
        ("vehicles", "average city mileage of cars that aren't diesel", "scalar, mean, cty, where fuel is not Diesel"),
        ("vehicles", "How many cars are neither diesel nor electric?", "count, mean, where fuel is not Diesel or Electricity"),
        ("vehicles", "average cty per make except Ford and Chevrolet", "groups, mean, cty, make, where make is not Ford or Chevrolet"),
        ("vehicles", "average cty of cars other than Ford", "scalar, mean, cty, where make is not Ford"),
        ("vehicles", "share of cars that are not automatic by year", "trend, share, over year/value, part trans does not contain Automatic"),
        ("penguins_raw", "average body mass by species, not on Dream", "groups, mean, Body Mass (g), Species, where Island is not Dream"),
        ("nyc_weather", "windiest day at JFK", "groups, mean, wind_speed, over time_hour/day, where origin is JFK"),
        ("nyc_weather", "daily average temperature", "trend, mean, temp, over time_hour/day"),
        ("nyc_weather", "average temp by day of the month", "trend, mean, temp, over day/value"),
        ("nyc_weather", "average temp on day 5", "scalar, mean, temp, where day is 5"),
    ],
)  # fmt: skip
async def test_every_word_has_its_place(dataset, question, expected):
    assert read(question, dataset) == expected
    await play(dataset, question)


@pytest.mark.parametrize(
    ("dataset", "question", "said"),
    [
        ("vehicles", "How many cars do not have 4 cylinders?", "“not”"),
        ("vehicles", "Which makes do not have electric cars, on average city mileage?", "“not”"),
        ("vehicles", "Which years have no electric cars?", "“no”"),
        ("nyc_weather", "How many days had rain?", "not the days"),
        ("nyc_weather", "Which origin has the most missing wind gust values?", "not per `origin`"),
        ("penguins_raw", "How many values are missing for Gentoo penguins?", "not of a part by `Species`"),
        ("penguins_raw", "Are males larger than females?", "“larger” needs a column"),
        ("vehicles", "difference between hwy and cty", "no difference"),
        ("vehicles", "Which class improved the most since 1984?", "not rank them by their change"),
        ("vehicles", "When did Toyota have the best average city mileage?", "“When”"),
        ("nyc_weather", "Was January colder than February?", "“than”"),
        ("nyc_weather", "temperature range per month", "not over time"),
    ],
)  # fmt: skip
def test_what_has_no_place_is_said(dataset, question, said):
    reading = interpret(question, [real(dataset)])
    assert isinstance(reading, Unclear), reading
    assert said in reading.reason


def test_no_rain_is_zero_only_where_nothing_is_missing():
    gaps = pd.DataFrame({"rain": [0.0, 1.5, None, 2.0] * 20, "place": ["Bern", "Basel"] * 40})
    reading = interpret("How many rows have no rain?", [profile_frame("gaps", gaps)])
    assert isinstance(reading, Unclear)
    assert "has both" in reading.reason


@pytest.mark.parametrize(
    ("words", "direction"),
    [("lowest first", -1), ("in descending order", 1), ("sorted ascending", -1)],
)
def test_an_order_is_kept(words, direction):
    reading = interpret(f"average hwy by class, {words}", [real("vehicles")])
    assert isinstance(reading, Ready)
    assert (reading.task.statistic, reading.task.direction) == ("mean", direction)


SHOP = pd.DataFrame(
    {
        "Order Date": pd.date_range("2023-01-01", periods=400, freq="44h").strftime("%Y-%m-%d"),
        "country": ["Spain", "Italy", "France", "Italy"] * 100,
        "returned": [n % 10 == 0 for n in range(400)],
        "revenue": [float(n % 50) for n in range(400)],
        "profit": [float(n % 30) - 10 for n in range(400)],
    }
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which country has the highest revenue?", "groups sum revenue country"),
        ("average revenue by country", "groups mean revenue country"),
        ("What was the revenue in 2023?", "scalar sum revenue"),
        ("Which month had the highest revenue?", "groups sum revenue by month"),
        ("Which month of the year has the highest revenue?", "groups sum revenue by month of year"),
        ("Which month had the most orders?", "groups rows by month"),
        ("How did revenue change from 2023 to 2024?", "trend sum revenue by year"),
        ("return rate by country", "groups share country"),
        ("How many orders have a negative profit?", "count mean where profit < 0"),
        ("Which country is the least profitable?", "groups sum profit country"),
        ("worst 5 orders by profit", "top_rows mean profit"),
        ("What is the revenue in the last quarter?", "“last quarter”"),
    ],
)
async def test_the_words_of_a_shop(question, expected):
    reading = interpret(question, [profile_frame("orders", SHOP)])
    if isinstance(reading, Unclear):
        assert expected in reading.reason
        return
    assert isinstance(reading, Ready)
    task = reading.task
    said = [task.intent, task.statistic, *(c.name for c in (*task.measures, *task.groups))]
    said += [f"by {task.time.grain}"] if task.time else []
    said += [f"where {found.describe()}" for found in task.filters if not found.part]
    assert " ".join(said) == expected
    meant = any("adds up" in note for note in task.assumptions)
    assert meant == (task.statistic == "sum")
    played = await Player(profile_frame("orders", SHOP), frames={"orders": SHOP}).ask(question)
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert played.unproven(question) == []


async def test_what_is_ruled_out_has_a_value_and_another_one():
    frame = pd.DataFrame({"kind": ["red", "blue", None, "green"] * 10, "size": range(40)})
    player = Player(profile_frame("balls", frame), frames={"balls": frame})
    played = await player.ask("How many balls are not red?")
    assert "In 20 of 40 rows" in played.answer
    assert "kind is not red" in played.answer
    assert "10 rows have no `kind`" in str(played.finish["caveats"])


@pytest.mark.parametrize(
    ("question", "percent"),
    [("share of balls that are not red by size", 50.0), ("share of new red balls by size", 25.0)],
)
async def test_a_share_has_any_conditions(question, percent):
    frame = pd.DataFrame(
        {
            "kind": ["red", "blue", "red", "green"] * 10,
            "age": ["new", "new", "old", "old"] * 10,
            "size": ["small"] * 20 + ["large"] * 20,
        }
    )
    player = Player(profile_frame("balls", frame), frames={"balls": frame})
    played = await player.ask(question)
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert played.figures["large"] == percent


async def test_a_relation_is_told_within_each_group():
    frame = pd.DataFrame(
        {
            "height": [1.0, 2, 3, 4, 5, 6] * 10,
            "weight": [2.0, 4, 6, 7, 6, 5] * 10,
            "kind": ["up", "up", "up", "down", "down", "down"] * 10,
        }
    )
    played = await Player(profile_frame("plants", frame), frames={"plants": frame}).ask(
        "How is height related to weight by kind?"
    )
    assert "r = 1 for up (n = 30)" in played.answer
    assert "r = -1 for down (n = 30)" in played.answer
    assert played.unproven("How is height related to weight by kind?") == []
    assert len(played.charts) == 1


def test_the_highest_of_the_rows_is_no_count():
    frame = pd.DataFrame({"region": ["North", "South"] * 20, "paid": [float(n) for n in range(40)]})
    profile = profile_frame("sales", frame)
    reading = interpret("Which region has the highest sales?", [profile])
    assert isinstance(reading, Unclear)
    assert "“highest” needs a column of numbers" in reading.reason
    for counted in (
        "Which region has the most sales?",
        "Which region has the highest number of sales?",
    ):
        assert isinstance(interpret(counted, [profile]), Ready)


async def test_a_row_without_a_name_is_ranked_too():
    names = [None if n == 39 else f"ball {n:02}" for n in range(40)]
    frame = pd.DataFrame(
        {"name": names, "year": [None, 1990.0, None, 1991.0] * 10, "size": range(40)}
    )
    player = Player(profile_frame("balls", frame), frames={"balls": frame})
    played = await player.ask("top 3 balls by size")
    assert "The highest `size` is 39: 1991 (of 40 rows)" in played.answer
    assert "ball 38 (38) and ball 37 1990 (37)" in played.answer
