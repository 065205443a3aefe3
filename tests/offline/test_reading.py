"""What the rules understand: columns, values, intents. One line per question."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.offline.model import RECIPES
from analyst_kernel.offline.reader import FoundValue, Known, interpret
from analyst_kernel.offline.task import (
    AskWhich,
    Intent,
    LookUp,
    Reading,
    Ready,
    Unclear,
)
from analyst_kernel.offline.words import name_tokens, stem, unit_of
from tests.offline.profiles import profile_frame, real
from tests.support.examples import examples


def brief(reading: Reading) -> str:
    """Write a reading as one short line."""
    match reading:
        case Ready(task=task):
            parts = [task.intent]
            if task.measures:
                parts.append(" & ".join(column.name for column in task.measures))
            if task.groups:
                parts.append("by " + " & ".join(column.name for column in task.groups))
            if task.time is not None:
                parts.append(f"over {task.time.column.name} ({task.time.grain})")
            if task.members:
                parts.append("of " + " / ".join(member.label for member in task.members))
            if task.filters:
                parts.append("where " + " and ".join(f.describe() for f in task.filters))
            if task.statistic != "mean":
                parts.append(task.statistic)
            if task.direction:
                parts.append("high" if task.direction > 0 else "low")
            if task.top:
                parts.append(f"top {task.top}")
            return ", ".join(parts)
        case AskWhich(options=options):
            return "ask " + " / ".join(options)
        case LookUp(phrases=phrases):
            return "look up " + " / ".join(phrases)
        case Unclear(unknown=unknown):
            return "unclear " + " / ".join(unknown)


VEHICLES = """
How did average city mileage change by model year? Show a line chart. -> trend, cty, over year (value)
How did city mileage change by model year? -> trend, cty, over year (value)
HOW DID CITY MILEAGE CHANGE BY MODEL YEAR -> trend, cty, over year (value)
Make a line chart of cty by year -> trend, cty, over year (value)
How did mileage change over the years? -> ask hwy / cty
Plot the trend of highway mileage over time -> trend, hwy, over year (value)
median displacement over the years -> trend, displ, over year (value), median
how did the number of models per year change -> trend, model, over year (value), distinct
city mileage by make and year -> trend, cty, by make, over year (value)
Which makes have the highest city mileage? -> groups, cty, by make, high
Which maker has the lowest highway mpg? -> groups, hwy, by make, low
Which year had the highest city mileage? -> groups, cty, over year (value), high
average highway mileage by class -> groups, hwy, by class
mean hwy per drive -> groups, hwy, by drive
median displacement by cylinders -> groups, displ, by cyl, median
maximum city mileage by fuel -> groups, cty, by fuel, max
top 5 makes -> top_values, by make, rows, high, top 5
What are the ten most common classes? -> top_values, by class, rows, high, top 10
Which fuel is most common? -> top_values, by fuel, rows, high
Which drive is the rarest? -> top_values, by drive, rows, low
which 10 cars have the highest city mileage -> top_rows, cty, high, top 10
What is the maximum city mileage? -> scalar, cty, max, high
What is the average fuel economy in the city? -> scalar, cty
average city mileage of Toyota cars since 2000 -> scalar, cty, where make is Toyota and year >= 2000
average city mileage between 1990 and 1999 -> scalar, cty, where year from 1990 to 1999
cars with 8 cylinders: average city mileage -> scalar, cty, where cyl is 8
average city mileage of SUVs in 2010 -> scalar, cty, where class contains Sport Utility and year is 2010
How many cars are there? -> count
How many cars are electric? -> count, where fuel is Electricity
What percentage of cars are diesel? -> count, where fuel is Diesel
How many cars have more than 6 cylinders? -> count, where cyl > 6
How many cars have city mileage over 30? -> count, where cty > 30
How many cars are front-wheel drive? -> count, where drive is Front-Wheel Drive
How many Ford or Toyota cars were there in 2015? -> count, where make is Ford or Toyota and year is 2015
How many different makes are there? -> distinct, by make
Compare city mileage of automatic and manual cars -> compare, cty, by trans, of Automatic / Manual
Is city mileage higher for petrol or diesel? -> compare, cty, by fuel, of petrol / Diesel
Difference in highway mileage between Ford and Toyota -> compare, hwy, by make, of Ford / Toyota
Is there a relationship between engine size and city mileage? -> correlation, displ & cty
highway mileage vs city mileage -> correlation, hwy & cty
distribution of highway mileage -> distribution, hwy
Plot a histogram of displ -> distribution, displ
Describe city mileage -> distribution, cty
Are there outliers in hwy? -> outliers, hwy
What is in this data? -> profile
How good is the data quality? -> profile
Which columns have missing values? -> missing
average city milage in 2010 -> scalar, cty, where year is 2010
average city mileage by clas -> groups, cty, by class
How many Tesla cars are there? -> look up Tesla
Compare city mileage of Toyota and Honda -> look up Honda
How did average city population change by year? -> look up population
what is the meaning of life -> unclear meaning / life
average city mileage in 12345 -> unclear 12345
city mileage -> unclear
"""

PENGUINS = """
Do heavier penguins have longer flippers? -> correlation, Body Mass (g) & Flipper Length (mm), high
Do lighter penguins have longer flippers? -> correlation, Body Mass (g) & Flipper Length (mm), low
Is culmen length related to culmen depth? -> correlation, Culmen Length (mm) & Culmen Depth (mm)
Which species is heaviest? -> groups, Body Mass (g), by Species, high
average body mass by species and sex -> groups, Body Mass (g), by Species & Sex
Are males heavier than females? -> compare, Body Mass (g), by Sex, of MALE / FEMALE, high
Compare body mass between species -> compare, Body Mass (g), by Species
What is the mean bill length of Chinstraps? -> scalar, Culmen Length (mm), where Species is Chinstrap penguin (Pygoscelis antarctica)
How many penguins are on each island? -> top_values, by Island, rows, high
How many female penguins are on Dream? -> count, where Sex is FEMALE and Island is Dream
average length by species -> ask Culmen Length (mm) / Flipper Length (mm)
How did body mass change over time? -> trend, Body Mass (g), over Date Egg (month)
average body mass by year -> trend, Body Mass (g), over Date Egg (year)
distribution of flipper length -> distribution, Flipper Length (mm)
outliers in body mass -> outliers, Body Mass (g)
missing values -> missing
average wing span by species -> look up wing / span
number of eggs -> unclear
"""

WEATHER = """
Which months are windiest at each airport? -> best_per_group, wind_speed, by origin, over month (value), high
Which month is the calmest at each origin? -> best_per_group, wind_speed, by origin, over month (value), low
average temperature by month -> trend, temp, over month (value)
hottest month -> groups, temp, over month (value), high
How did temperature change by month at each airport? -> trend, temp, by origin, over month (value)
monthly average temperature at JFK -> trend, temp, over month (value), where origin is JFK
Which airport has the highest wind gust? -> groups, wind_gust, by origin, high
average pressure in March -> scalar, pressure, where month is 3
What is the average wind speed at LGA in July? -> scalar, wind_speed, where origin is LGA and month is 7
Does humidity affect visibility? -> correlation, humid & visib
How many rows are from JFK? -> count, where origin is JFK
wind by month -> ask wind_dir / wind_speed / wind_gust
How many flights from JFK? -> unclear flights
"""


def lines(dataset: str, text: str) -> list[tuple[str, str, str]]:
    pairs = [line.rpartition(" -> ") for line in text.strip().splitlines()]
    return [(dataset, question, expected) for question, _, expected in pairs]


CASES = [
    *lines("vehicles", VEHICLES),
    *lines("penguins_raw", PENGUINS),
    *lines("nyc_weather", WEATHER),
]


@pytest.mark.parametrize(("dataset", "question", "expected"), CASES)
def test_question_is_read_as(dataset, question, expected):
    assert brief(interpret(question, [real(dataset)])).strip() == expected.strip()


PLAIN_WAYS = {
    "penguins_raw": """
What is the longest flipper in the data? -> scalar, Flipper Length (mm), max, high
What is the average body mass in this data? -> scalar, Body Mass (g)
""",
    "nyc_planes": """
How many planes have four engines? -> count, where engines is 4
planes with more than two engines -> count, where engines > 2
How many planes have at least three engines? -> count, where engines >= 3
How many seats do all planes have together? -> scalar, seats, sum
How many different planes are there? -> unclear
""",
    "nyc_weather": """
How hot did it get, at most? -> scalar, temp, max
What was the temperature at LGA, at least? -> scalar, temp, where origin is LGA, min
Why was it so cold at JFK? -> unclear
""",
    "vehicles": """
Why is the mileage of Toyota higher? -> unclear
Which two makes have the highest city mileage? -> groups, cty, by make, high, top 2
""",
}


@pytest.mark.parametrize(
    ("dataset", "question", "expected"),
    [case for dataset, text in PLAIN_WAYS.items() for case in lines(dataset, text)],
)
def test_what_is_asked_in_plain_ways_is_not_another_question(dataset, question, expected):
    assert brief(interpret(question, [real(dataset)])).strip() == expected.strip()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the total price?", "unclear"),
        ("average price by country", "unclear"),
        ("Which order has the highest price?", "unclear"),
        ("average price in EUR or USD", "compare, price, by currency, of EUR / USD"),
        ("total price by currency", "groups, price, by currency, sum"),
        ("average price in EUR", "scalar, price, where currency is EUR"),
        ("mean weight", "scalar, weight"),
    ],
)
def test_amounts_of_several_currencies_are_not_taken_together(question, expected):
    rows = {
        "price": [10.5, 20.25, 7.0, 8.0] * 10,
        "currency": ["EUR", "USD", "GBP", "EUR"] * 10,
        "country": ["Austria", "Chile", "Malta", "Spain"] * 10,
        "weight": [1.5, 2.5, 3.5, 4.5] * 10,
    }
    reading = interpret(question, [profile_frame("orders", pd.DataFrame(rows))])
    assert brief(reading).strip() == expected


def awkward():
    return profile_frame(
        "sales_2024",
        pd.DataFrame(
            {
                'unit "net" price (EUR)': [1.5, 2.5, 3.0, 4.0] * 10,
                "OrderDate": ["2024-01-03", "2024-02-04", "2024-02-09", "2024-03-01"] * 10,
                " shop name ": ["North", "South", "South", "West"] * 10,
                "isReturned": [True, False, False, False] * 10,
                "Revenue USD": ["1,200", "1,350", "980", "2,001"] * 10,
                "total": [1, 2, 3, 4] * 10,
                "Größe": [1.0, 2.0, 3.0, 5.0] * 10,
            }
        ),
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("average unit net price by shop name", 'groups, unit "net" price (EUR), by  shop name '),
        ("which shop has the highest revenue", "groups, Revenue USD, by  shop name , sum, high"),
        ("revenue by month", "trend, Revenue USD, over OrderDate (month), sum"),
        ("total revenue per shop", "groups, Revenue USD, by  shop name , sum"),
        ("How many rows are from South?", "count, where  shop name  is South"),
        ("distribution of Größe", "distribution, Größe"),
        ("mean of total by shop", "groups, total, by  shop name "),
        ("average revenue since 2024", "scalar, Revenue USD, where year of OrderDate >= 2024"),
        ("average revenue in February", "scalar, Revenue USD, where month of OrderDate is 2"),
        ("average profit by shop", "unclear profit"),
    ],
)
def test_awkward_names_are_found(question, expected):
    assert brief(interpret(question, [awkward()])).strip() == expected.strip()


def test_the_dataset_that_explains_the_question_is_chosen():
    profiles = [real("nyc_planes"), real("nyc_weather"), real("vehicles")]
    reading = interpret("average city mileage by make", profiles)
    assert isinstance(reading, Ready)
    assert reading.task.profile.dataset.name == "vehicles"
    reading = interpret("How many rows does nyc_planes have?", profiles)
    assert isinstance(reading, Ready)
    assert reading.task.profile.dataset.name == "nyc_planes"


def test_equal_datasets_are_asked_about():
    reading = interpret("distribution of year", [real("nyc_planes"), real("vehicles")])
    assert brief(reading) == "ask nyc_planes / vehicles"


@pytest.mark.parametrize(
    ("earlier", "question", "expected"),
    [
        (
            "How did city mileage change by year?",
            "Only for Toyota",
            "trend, cty, over year (value), where make is Toyota",
        ),
        (
            "How did city mileage change by year for Ford?",
            "and for Toyota?",
            "trend, cty, over year (value), where make is Toyota",
        ),
        (
            "Which makes have the highest city mileage?",
            "only petrol",
            "groups, cty, by make, where fuel is Regular or Premium or Midgrade, high",
        ),
        (
            "average city mileage by class",
            "the same for highway mileage",
            "groups, hwy, by class",
        ),
        (
            "average city mileage by class",
            "but without diesel",
            "groups, cty, by class, where fuel is not Diesel",
        ),
        (
            "average city mileage by class",
            "not for Ford",
            "groups, cty, by class, where make is not Ford",
        ),
    ],
)
def test_follow_ups_continue_the_question_before(earlier, question, expected):
    assert brief(interpret(question, [real("vehicles")], earlier=[earlier])) == expected


def test_follow_up_without_a_question_before_is_unclear():
    assert brief(interpret("Only for Toyota", [real("vehicles")])).startswith("unclear")


def test_a_follow_up_of_a_question_that_needed_a_look_looks_again():
    earlier = ["average city mileage by class", "and for Honda?"]
    vehicles = real("vehicles")
    reading = interpret("what about 2010?", [vehicles], earlier=earlier)
    assert isinstance(reading, LookUp)
    known = Known(found=(FoundValue("Honda", "make", "Honda"),), searched=("Honda",))
    assert brief(interpret("what about 2010?", [vehicles], known, earlier=earlier)) == (
        "groups, cty, by class, where make is Honda and year is 2010"
    )


def test_it_is_no_make():
    assert brief(interpret("make it a bar chart", [real("vehicles")])).startswith("unclear")


def test_every_intent_has_a_recipe():
    assert set(RECIPES) == set(Intent.__args__)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("species", "specy"), ("makes", "make"), ("classes", "class"), ("gas", "gas"), ("bus", "bus")],
)
def test_stem(word, expected):
    assert stem(word) == expected


def test_names_are_split_and_units_found():
    assert name_tokens("Body Mass (g)") == ("body", "mass")
    assert name_tokens("flipperLengthMM") == ("flipper", "length")
    assert unit_of("Delta 15 N (o/oo)") == "o/oo"
    assert unit_of("weight_kg") == "kg"
    assert unit_of("make") == ""


WORDS = st.sampled_from(
    "average highest lowest how many by per each which city mileage make year toyota cyl of the "
    "change over time compare and or than more 5 2010 missing distribution correlation top only "
    "outliers join most common percent `class` zzz between from to in March count ? , chart".split()
)


@examples(300)
@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=12).map(" ".join)))
def test_any_text_has_a_reading_and_a_recipe(question):
    profiles = [real("vehicles"), real("nyc_airlines"), awkward()]
    reading = interpret(question, profiles, earlier=["average city mileage by year"])
    if isinstance(reading, Ready):
        recipe = RECIPES[reading.task.intent](reading.task)
        assert 1 <= len(recipe.goals) <= 7
    else:
        assert isinstance(reading, AskWhich | LookUp | Unclear)


FEW = pd.DataFrame(
    {
        "price": [round(n * 1.37 % 90, 2) for n in range(300)],
        "units": [n % 13 for n in range(300)],
        "region": ["North", "South", "West"] * 100,
    }
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("correlation between price and units", ["price", "units"]),
        ("Is price related to units?", ["price", "units"]),
        ("units vs price", ["units", "price"]),
        ("Are there outliers in units?", ["units"]),
    ],
)
def test_a_number_of_few_values_is_a_number_where_one_is_asked_for(question, expected):
    reading = interpret(question, [profile_frame("sales", FEW)])
    assert isinstance(reading, Ready), reading
    assert {m.name for m in reading.task.measures} == set(expected)
    assert reading.task.groups == ()
