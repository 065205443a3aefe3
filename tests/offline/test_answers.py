"""Each intent, played to its end on real data; every number is checked against pandas by itself."""

from __future__ import annotations

import pandas as pd
import pytest

from analyst_kernel.offline.answers import CLOSING
from tests.offline.player import Played, Player
from tests.offline.profiles import DATA, profile_frame, real

VEHICLES = pd.read_csv(DATA / "vehicles.csv")
PENGUINS = pd.read_csv(DATA / "penguins_raw.csv")
WEATHER = pd.read_csv(DATA / "nyc_weather.csv")
MASS, FLIPPER = "Body Mass (g)", "Flipper Length (mm)"


async def play(dataset: str, question: str, **options: object) -> Played:
    played = await Player(real(dataset)).ask(question, **options)
    assert set(played.outcomes) <= {"ok"}, played.outputs
    assert played.unproven(question) == []
    assert played.answer.endswith(CLOSING)
    assert played.tools[0] in ("update_plan", "ask_user")
    assert played.tools[-2:] == ["record_finding", "finish"]
    assert len(played.finish["next_questions"]) == 3
    return played


def near(expected: float) -> object:
    return pytest.approx(float(expected), abs=6e-5)


@pytest.mark.parametrize(
    "question",
    [
        "How did average city mileage change by model year? Show a line chart.",
        "How did city mileage change by model year?",
    ],
)
async def test_trend(question):
    played = await play("vehicles", question)
    mean = VEHICLES.groupby("year")["cty"].mean()
    assert played.figures["Average city mileage (`cty`) in 1984"] == near(mean[1984])
    assert played.figures["Average city mileage (`cty`) in 2015"] == near(mean[2015])
    assert played.figures["Change"] == near(mean[2015] - mean[1984])
    first = played.answer.split("\n")[0]
    assert f"from {mean[1984]:.2f} mpg in 1984 to {mean[2015]:.2f} mpg in 2015" in first
    assert f"highest in {mean.idxmax()}" in played.answer
    assert "33,442 rows" in first
    (chart,) = played.charts
    assert chart["lines"] == "1"
    assert "mpg" in chart["y"]
    assert chart["x"] == "year"
    assert chart["title"]
    assert any("2015 has only 205 rows" in caveat for caveat in played.finish["caveats"])


async def test_do_heavier_penguins_have_longer_flippers():
    played = await play("penguins_raw", "Do heavier penguins have longer flippers?")
    both = PENGUINS[[MASS, FLIPPER]].dropna()
    r = both[MASS].corr(both[FLIPPER])
    heavy = both[both[MASS] > both[MASS].median()][FLIPPER]
    light = both[both[MASS] <= both[MASS].median()][FLIPPER]
    assert played.answer.startswith("Yes:")
    assert played.figures["Correlation r"] == near(r)
    assert played.figures["Rows"] == len(both) == 342
    assert played.figures[f"Mean {FLIPPER}, upper half"] == near(heavy.mean())
    assert f"{heavy.mean():.1f} mm" in played.answer
    assert f"{light.mean():.1f} mm" in played.answer
    assert any("2 without `Body Mass (g)`" in caveat for caveat in played.finish["caveats"])
    (chart,) = played.charts
    assert (chart["x"], chart["y"]) == (MASS, FLIPPER)
    assert chart["marks"] == "1"


async def test_lighter_penguins_do_not_have_longer_flippers():
    played = await play("penguins_raw", "Do lighter penguins have longer flippers?")
    assert played.answer.startswith("No:")


async def test_which_months_are_windiest_at_each_airport():
    played = await play("nyc_weather", "Which months are windiest at each airport?")
    mean = WEATHER.pivot_table(index="month", columns="origin", values="wind_speed")
    names = {2: "February", 3: "March"}
    for airport in ("EWR", "JFK", "LGA"):
        best = mean[airport].idxmax()
        assert f"{names[best]} at {airport} ({mean[airport].max():.2f})" in played.answer
        assert played.figures[f"{airport}: {names[best]}"] == near(mean[airport].max())
    assert played.charts[0]["lines"] == "3"
    assert any("4 without `wind_speed`" in caveat for caveat in played.finish["caveats"])


async def test_best_per_group_can_ask_for_the_lowest():
    played = await play("nyc_weather", "Which month is the calmest at each origin?")
    mean = WEATHER.groupby(["origin", "month"])["wind_speed"].mean()
    assert played.figures["JFK: August"] == near(mean["JFK"].min())
    assert mean["JFK"].idxmin() == 8


async def test_trend_per_group():
    played = await play("nyc_weather", "How did temperature change by month at each airport?")
    mean = WEATHER.groupby(["origin", "month"])["temp"].mean()
    for airport in ("EWR", "JFK", "LGA"):
        change = mean[airport, 12] - mean[airport, 1]
        assert played.figures[f"Change for {airport}"] == near(change)


async def test_trend_over_dates_counts_what_cannot_be_read():
    played = await play("penguins_raw", "average body mass by year")
    used = PENGUINS.dropna(subset=[MASS])
    mean = used.groupby(pd.to_datetime(used["Date Egg"]).dt.year)[MASS].mean()
    assert played.figures["Average body mass in 2007"] == near(mean[2007])
    assert played.figures["Average body mass in 2009"] == near(mean[2009])


async def test_number_of_different_values_per_year():
    played = await play("vehicles", "how did the number of models per year change")
    models = VEHICLES.groupby("year")["model"].nunique()
    assert f"from {models[1984]} in 1984 to {models[2015]} in 2015" in played.answer


async def test_groups_ranked():
    played = await play("vehicles", "Which makes have the highest city mileage?")
    mean = VEHICLES.groupby("make")["cty"].mean().sort_values(ascending=False)
    assert list(played.figures)[:2] == list(mean.index[:2])
    assert played.figures[mean.index[0]] == near(mean.iloc[0])
    assert mean.index[-1] in played.answer
    assert played.charts[0]["marks"] == "10"


async def test_groups_lowest_first():
    played = await play("vehicles", "Which class has the lowest highway mileage?")
    mean = VEHICLES.groupby("class")["hwy"].mean()
    assert played.figures[mean.idxmin()] == near(mean.min())


async def test_two_groups_and_median():
    played = await play("penguins_raw", "median body mass by species and sex")
    median = PENGUINS.groupby(["Species", "Sex"])[MASS].median()
    assert played.figures["Gentoo penguin (Pygoscelis papua), MALE"] == near(median.max())


async def test_hottest_month_is_named():
    played = await play("nyc_weather", "Which month is the hottest?")
    mean = WEATHER.groupby("month")["temp"].mean()
    assert mean.idxmax() == 7
    assert played.figures["July"] == near(mean.max())


async def test_compare_two_values():
    played = await play("penguins_raw", "Are males heavier than females?")
    groups = PENGUINS.groupby("Sex")[MASS]
    assert played.figures["Mean for MALE"] == near(groups.mean()["MALE"])
    assert played.figures["Difference"] == near(groups.mean()["MALE"] - groups.mean()["FEMALE"])
    assert f"MALE {groups.median()['MALE']:,.0f} g (n = 168)" in played.answer


@pytest.mark.parametrize(
    ("dataset", "question", "begins"),
    [
        (
            "penguins_raw",
            "Are males heavier than females?",
            "Yes: average body mass is higher for MALE",
        ),
        ("penguins_raw", "Do males weigh less than females?", "No: average"),
        ("penguins_raw", "Are females lighter than males?", "Yes: average"),
        ("penguins_raw", "Is body mass higher for females than for males?", "No: average"),
        ("penguins_raw", "Do females have a higher body mass than males?", "No: average"),
        ("penguins_raw", "Do Gentoo penguins have longer flippers than Adelie?", "Yes: average"),
        (
            "penguins_raw",
            "Do Biscoe penguins have longer culmens than Dream?",
            "Not clearly: average",
        ),
        ("vehicles", "Do diesel cars have better highway mileage than premium?", "Average"),
        ("vehicles", "Is city mileage lower for diesel than for premium?", "No: average"),
        ("vehicles", "Do petrol cars have a higher city mileage than diesel?", "No: average"),
        ("penguins_raw", "Are Gentoo or Adelie penguins heavier than Chinstrap?", "Average"),
        ("penguins_raw", "Who is heavier, males or females?", "Average"),
    ],
)
async def test_what_a_question_claims_of_two_sides_is_judged(
    dataset: str, question: str, begins: str
):
    played = await play(dataset, question)
    assert played.answer.startswith(begins), played.answer
    assert played.unproven(question) == []


@pytest.mark.parametrize(
    ("question", "axis"),
    [("Compare body mass between species", "x"), ("Body mass by species and sex", "y")],
)
async def test_long_names_of_groups_are_wrapped_in_the_chart_not_cut(question: str, axis: str):
    played = await play("penguins_raw", question)
    names = played.charts[0][f"{axis} names"]
    for species in PENGUINS["Species"].unique():
        assert species in " ".join(names.split())
    assert max(map(len, names.replace("|", "\n").splitlines())) <= 36


async def test_compare_words_that_stand_for_several_values():
    played = await play("vehicles", "Is city mileage higher for petrol or diesel?")
    petrol = VEHICLES[VEHICLES["fuel"].isin(["Regular", "Premium", "Midgrade"])]["cty"]
    assert played.figures["Mean for petrol"] == near(petrol.mean())
    assert any("petrol" in assumption for assumption in played.finish["assumptions"])


async def test_compare_by_contained_text():
    played = await play("vehicles", "Compare city mileage of automatic and manual cars")
    manual = VEHICLES[VEHICLES["trans"].str.contains("Manual", na=False)]["cty"]
    assert played.figures["Mean for Manual"] == near(manual.mean())


async def test_value_that_the_profile_does_not_list_is_looked_up():
    played = await play("vehicles", "Compare city mileage of Toyota and Honda")
    mean = VEHICLES.groupby("make")["cty"].mean()
    assert played.figures["Mean for Honda"] == near(mean["Honda"])
    assert played.figures["Mean for Toyota"] == near(mean["Toyota"])


async def test_word_that_stands_nowhere_is_not_guessed():
    question = "How did average city population change by year?"
    played = await Player(real("vehicles")).ask(question)
    assert "population" in played.answer
    assert "did not find it" in played.answer
    assert played.finish["key_values"] == []
    assert len(played.finish["next_questions"]) == 3


async def test_distribution():
    played = await play("penguins_raw", "distribution of flipper length")
    values = PENGUINS[FLIPPER].dropna()
    assert played.figures["Median"] == near(values.median())
    assert played.figures["Standard deviation"] == near(values.std())
    assert played.charts[0]["title"] == "Distribution of Flipper Length (mm)"


async def test_distribution_of_text_is_counted():
    played = await play("penguins_raw", "distribution of species")
    counts = PENGUINS["Species"].value_counts()
    assert played.figures[counts.index[0]] == counts.iloc[0]


async def test_outliers():
    played = await play("vehicles", "Are there outliers in hwy?")
    low, high = VEHICLES["hwy"].quantile([0.25, 0.75])
    fence = 1.5 * (high - low)
    out = VEHICLES[(VEHICLES["hwy"] < low - fence) | (VEHICLES["hwy"] > high + fence)]
    assert played.figures["Outliers"] == len(out)


async def test_column_without_outliers():
    played = await play("penguins_raw", "outliers in body mass")
    assert played.figures["Outliers"] == 0
    assert played.answer.startswith("No value")


async def test_count_with_conditions():
    played = await play("vehicles", "How many Ford or Toyota cars were there in 2015?")
    wanted = VEHICLES[VEHICLES["make"].isin(["Ford", "Toyota"]) & (VEHICLES["year"] == 2015)]
    assert played.figures["Rows that match"] == len(wanted)


async def test_count_of_electric_cars():
    played = await play("vehicles", "How many cars are electric?")
    assert played.figures["Rows that match"] == int((VEHICLES["fuel"] == "Electricity").sum()) == 55


async def test_count_compares_numbers():
    played = await play("vehicles", "How many cars have more than 6 cylinders?")
    assert played.figures["Rows that match"] == int((VEHICLES["cyl"] > 6).sum())
    assert any("58 rows have no `cyl`" in caveat for caveat in played.finish["caveats"])


async def test_distinct():
    played = await play("vehicles", "How many different makes are there?")
    assert played.figures["Different values"] == VEHICLES["make"].nunique()


async def test_top_values():
    played = await play("vehicles", "top 5 makes")
    counts = VEHICLES["make"].value_counts().head(5)
    assert played.figures == counts.to_dict()


async def test_top_rows():
    played = await play("vehicles", "which 10 cars have the highest city mileage")
    assert f"{VEHICLES['cty'].max()} mpg" in played.answer.split("\n")[0]
    assert list(played.figures.values()) == VEHICLES["cty"].nlargest(5).tolist()


async def test_scalar_with_conditions():
    played = await play("vehicles", "average city mileage of Toyota cars since 2000")
    wanted = VEHICLES[(VEHICLES["make"] == "Toyota") & (VEHICLES["year"] >= 2000)]
    assert played.figures["Average city mileage (`cty`)"] == near(wanted["cty"].mean())
    assert played.figures["Rows"] == len(wanted)


async def test_maximum_names_where_it_is():
    played = await play("vehicles", "What is the maximum city mileage?")
    row = VEHICLES.loc[VEHICLES["cty"].idxmax()]
    assert row["make"] in played.answer
    assert row["model"] in played.answer


async def test_missing():
    played = await play("penguins_raw", "Which columns have missing values?")
    gaps = PENGUINS.isna().sum()
    assert f"`Comments` {gaps['Comments']}" in played.answer
    assert f"{gaps.sum()} values are missing" in played.answer
    assert f"{len(PENGUINS.dropna())} of 344 rows are complete" in played.answer


async def test_profile():
    played = await play("penguins_raw", "What is in this data?")
    assert "344 rows and 17 columns" in played.answer
    assert f"{PENGUINS.isna().sum().sum()} cells" in played.answer
    assert any("`Region`" in caveat for caveat in played.finish["caveats"])


async def test_join_check():
    player = Player(real("nyc_weather"), real("nyc_airports"))
    played = await player.ask("Can nyc_weather be joined with nyc_airports?")
    assert played.outcomes == ["ok", "ok"]
    assert played.unproven("") == []
    assert "on `origin` = `faa`" in played.answer
    assert played.figures["Rows matched"] == len(WEATHER)
    assert played.figures["Repeated keys"] == 0


async def test_join_that_finds_nothing():
    player = Player(real("nyc_airlines"), real("penguins_raw"))
    played = await player.ask("Do the keys of nyc_airlines match penguins_raw?")
    assert "do not fit together" in played.answer


async def test_ties_are_asked_and_the_answer_is_used():
    played = await play("penguins_raw", "average length by species", answers=[FLIPPER])
    assert played.tools[0] == "ask_user"
    assert played.calls[0][1]["options"] == ["Culmen Length (mm)", FLIPPER]
    mean = PENGUINS.groupby("Species")[FLIPPER].mean()
    assert played.figures[mean.idxmax()] == near(mean.max())


async def test_follow_up_in_the_same_analysis():
    player = Player(real("vehicles"))
    await player.ask("How did average city mileage change by model year?")
    played = await player.ask("Only for Toyota")
    mean = VEHICLES[VEHICLES["make"] == "Toyota"].groupby("year")["cty"].mean()
    assert played.figures["Average city mileage (`cty`) in 1984"] == near(mean[1984])
    assert played.unproven("Only for Toyota") == []


async def test_dataset_on_disk_is_read_with_sql():
    profile = profile_frame("weather", WEATHER, load="view", path=str(DATA / "nyc_weather.csv"))
    played = await Player(profile).ask("Which months are windiest at each origin?")
    assert played.tools.count("run_sql") == 1
    assert set(played.outcomes) == {"ok"}
    mean = WEATHER.groupby(["origin", "month"])["wind_speed"].mean()
    assert played.figures["JFK: March"] == near(mean["JFK"].max())


AWKWARD = pd.DataFrame(
    {
        'unit "net" price (€)': [1.5, 2.5, None, 4.0] * 10,
        "Order Date": ["2024-01-03", "2024-02-04", "2024-02-09", "2024-03-01"] * 10,
        " shop's\tname ": ["Nörth", "South", "South", "It's $5"] * 10,
        "is returned": [True, False, False, False] * 10,
        "Revenue USD": ["1,200", "1,350", "980", "n/a"] * 10,
        "mean": [1.0, 2.0, 3.0, 4.0] * 10,
    }
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("average unit net price by shop's name", {"It's $5": 4.0, "South": 2.5, "Nörth": 1.5}),
        ("Which shop's name has the highest revenue?", {"Nörth": 12000.0, "South": 23300.0}),
        ("distribution of mean", {"Median": 2.5, "Mean": 2.5}),
    ],
)
async def test_awkward_names_and_numbers_as_text(question, expected):
    frame = AWKWARD.assign(**{"Revenue USD": AWKWARD["Revenue USD"].replace("n/a", None)})
    player = Player(profile_frame("order_list", frame), frames={"order_list": frame})
    played = await player.ask(question)
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert {key: played.figures[key] for key in expected} == expected
    assert played.unproven(question) == []


async def test_no_row_is_left():
    played = await play("vehicles", "average city mileage of Toyota cars in 2999")
    assert played.answer.startswith(
        "In none of the 33,442 rows of `vehicles`, make is Toyota and year is 2999"
    )
    assert played.finish["key_values"] == []


async def test_names_in_use_are_not_hidden():
    frame = pd.DataFrame({"len": [1.0, 2.0, 3.0, 9.0] * 5, "things": [2.0, 1.0, 5.0, 7.0] * 5})
    player = Player(profile_frame("things", frame), frames={"things": frame})
    played = await player.ask("correlation between `len` and `things`")
    assert set(played.outcomes) == {"ok"}, played.outputs
    assert played.figures["Correlation r"] == near(frame["len"].corr(frame["things"]))
    again = await player.ask("distribution of len")
    assert again.figures["Median"] == 2.5
    assert player.space["things"] is frame
