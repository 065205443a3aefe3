"""Questions as analysts type them, on awkward tables: how they are read and what is answered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analyst_kernel.offline.answers import suggest_questions
from analyst_kernel.offline.reader import interpret
from analyst_kernel.offline.recipes.prose import called, figure, unit
from analyst_kernel.offline.task import Ready, Unclear
from analyst_kernel.offline.words import decimal_comma, mark_of, spoken, unit_of, without_unit
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile, DataWarning
from tests.offline.player import Played, Player
from tests.offline.profiles import profile_frame, real

RANDOM = np.random.default_rng(7)
ORDERS = pd.DataFrame(
    {
        "Order ID": range(1, 401),
        "Customer ID": [f"C{n % 40:03}" for n in range(400)],
        "Order Date": pd.date_range("2024-01-01", periods=400, freq="21h").strftime("%Y-%m-%d"),
        "Amount (USD)": RANDOM.lognormal(5, 1, 400).round(2),
        "Returned": [n % 10 == 0 for n in range(400)],
    }
)
CUSTOMERS = pd.DataFrame(
    {"Customer ID": [f"C{n:03}" for n in range(40)], "Country": ["Spain", "Italy"] * 20}
)
TRIPS = pd.DataFrame(
    {
        "pickup_at": pd.date_range("2024-01-01", periods=300, freq="7h").strftime("%Y-%m-%d %H:%M"),
        "zone": [f"Zone {n % 30:02}" for n in range(300)],
        "payment": ["card", "card", "cash"] * 100,
        "fare_eur": RANDOM.gamma(3, 7, 300).round(2),
    }
)
EVENTS = pd.DataFrame(
    {
        "ts": pd.date_range("2025-03-01", periods=200, freq="3h").strftime("%Y-%m-%d"),
        "event": ["login", "upload", "share", "login"] * 50,
        "user.plan": ["free", "pro"] * 100,
        "ms": RANDOM.gamma(2, 100, 200).round(1),
    }
)
STATIONS = pd.DataFrame(
    {
        "Station": ["Köln", "Berlin"] * 100,
        "Temperatur °C": [-999.0 if n % 25 == 0 else float(n % 30) - 5.5 for n in range(200)],
    }
)
TABLES = {
    "shop_Orders": ORDERS, "shop_Customers": CUSTOMERS, "trips": TRIPS, "events": EVENTS,
}  # fmt: skip


def table(name: str) -> DatasetProfile:
    return profile_frame(name, TABLES[name]) if name in TABLES else real(name)


def read(question: str, *names: str) -> str:
    reading = interpret(question, [table(name) for name in names])
    if not isinstance(reading, Ready):
        return type(reading).__name__
    task = reading.task
    said = [task.intent, task.statistic]
    said += [column.name for column in (*task.measures, *task.groups)]
    said += [f"over {task.time.column.name}/{task.time.grain}"] if task.time else []
    said += [f"where {found.describe()}" for found in task.filters]
    said += [f"part {found.describe()}" for found in task.part]
    return ", ".join([*said, *([f"top {task.top}"] if task.top else [])])


@pytest.mark.parametrize(
    ("dataset", "question", "expected"),
    [
        ("vehicles", "share of electric cars per year", "trend, share, over year/value, part fuel is Electricity"),
        ("vehicles", "share of diesel cars by class", "groups, share, class, part fuel is Diesel"),
        ("vehicles", "How many cylinders do SUVs have on average?", "scalar, mean, cyl, where class contains Sport Utility"),
        ("vehicles", "which columns have missing values and how bad is it?", "missing, mean"),
        ("vehicles", "top 10 makes by number of models", "groups, distinct, model, make, top 10"),
        ("vehicles", "which make has the most models", "groups, distinct, model, make"),
        ("penguins_raw", "flipper lenght vs body mass", "correlation, mean, Flipper Length (mm), Body Mass (g)"),
        ("penguins_raw", "average bodymass by island", "groups, mean, Body Mass (g), Island"),
        ("penguins_raw", "Do males weigh more than females, by species?", "best_per_group, mean, Body Mass (g), Sex, Species, where Sex is MALE or FEMALE"),
        ("nyc_airports", "ten airports with the highest altitude", "top_rows, mean, alt, top 10"),
        ("nyc_airports", "how many airports per time zone", "AskWhich"),
        ("nyc_planes", "average number of seats by engine type", "groups, mean, seats, engine"),
        ("nyc_airlines", "How many airlines are there?", "count, mean"),
        ("nyc_weather", "how many rows have temp below 32F", "count, mean, where temp < 32"),
        ("shop_Orders", "what share of orders was returned", "count, mean, where Returned is true"),
        ("shop_Orders", "how many orders were not returned", "count, mean, where Returned is false"),
        ("shop_Orders", "average amount of returned orders", "scalar, mean, Amount (USD), where Returned is true"),
        ("shop_Orders", "orders per month", "trend, rows, over Order Date/month"),
        ("trips", "number of trips per month", "trend, rows, over pickup_at/month"),
        ("trips", "which hour of the day has the most trips", "groups, rows, over pickup_at/hour of day"),
        ("trips", "share of cash trips by month", "trend, share, over pickup_at/month, part payment is cash"),
        ("vehicles", "cars with more than 8 cylinders", "count, mean, where cyl > 8"),
        ("vehicles", "what is in here?", "profile, mean"),
        ("vehicles", "How will mileage develop in 2030?", "Unclear"),
        ("penguins_raw", "predict body mass from flipper length", "correlation, mean, Flipper Length (mm), Body Mass (g)"),
        ("events", "how many events per plan", "top_values, rows, user.plan"),
        ("events", "daily events", "trend, rows, over ts/day"),
        ("events", "median ms by event type", "groups, median, ms, event"),
    ],
)  # fmt: skip
def test_plain_words_are_read_as(dataset, question, expected):
    assert read(question, dataset) == expected


def test_a_column_called_like_its_table_stays_a_column():
    sales = pd.DataFrame({"month": ["2024-01-05", "2024-02-05"] * 20, "sales": [1.5, 2.5] * 20})
    reading = interpret("total sales by month", [profile_frame("sales", sales)])
    assert isinstance(reading, Ready)
    assert [column.name for column in reading.task.measures] == ["sales"]


def test_the_most_sales_are_a_total():
    sales = pd.DataFrame({"region": ["North", "South"] * 20, "sales": [1.5, 2.5] * 20})
    reading = interpret("which region has the most sales", [profile_frame("books", sales)])
    assert isinstance(reading, Ready)
    assert (reading.task.intent, reading.task.statistic) == ("groups", "sum")


def test_numbers_in_names_tell_columns_apart():
    wide = pd.DataFrame({f"sensor_{n:03}_pressure_bar": [1.0, 2.0 + n] * 9 for n in range(20)})
    reading = interpret("average sensor 010 pressure", [profile_frame("wide", wide)])
    assert isinstance(reading, Ready)
    assert [column.name for column in reading.task.measures] == ["sensor_010_pressure_bar"]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("average amount by country", "`Country` is a column of `shop_Customers`"),
        ("how many orders from Spain", "`Country` is a column of `shop_Customers`"),
    ],
)
def test_a_word_of_another_table_is_said_to_be_one(question, said):
    reading = interpret(question, [table("shop_Orders"), table("shop_Customers")])
    assert isinstance(reading, Unclear)
    assert said in reading.reason


# --- answers ----------------------------------------------------------------------------


async def play(name: str, frame: pd.DataFrame, question: str, *warned: DataWarning) -> Played:
    described = profile_frame(name, frame).model_copy(update={"warnings": warned})
    played = await Player(described, frames={name: frame}).ask(question)
    assert set(played.outcomes) <= {"ok"}, played.outputs
    assert played.unproven(question) == []
    return played


async def test_a_period_that_is_cut_short_is_no_fall():
    played = await play("shop_Orders", ORDERS, "total amount per month")
    days = pd.to_datetime(ORDERS["Order Date"])
    total = ORDERS.groupby(days.dt.strftime("%Y-%m"))["Amount (USD)"].sum()
    last = total.index[-1]
    assert f"{last} is left out of this comparison as incomplete" in played.answer
    whole = total[total.index != last]
    first = f"in {whole.index[0]} to {whole.iloc[-1]:,.2f} USD in {whole.index[-1]}"
    assert first in played.answer.split("\n")[0]


async def test_monthly_stamps_are_whole_months():
    stamped = pd.DataFrame(
        {"day": pd.date_range("2023-01-01", periods=12, freq="MS").strftime("%Y-%m-%d"),
         "revenue": range(100, 112)}
    )  # fmt: skip
    played = await play("books", stamped, "total revenue by month")
    assert "incomplete" not in played.answer
    assert "to 111 in 2023-12" in played.answer


async def test_what_stands_for_missing_is_no_temperature():
    warning = DataWarning(
        code="sentinel", message="-999 occurs 8 times.", column="Temperatur °C", values=("-999",)
    )
    played = await play("measure", STATIONS, "average temperatur by station", warning)
    real_ones = STATIONS[STATIONS["Temperatur °C"] > -900]
    mean = real_ones.groupby("Station")["Temperatur °C"].mean()
    assert f"{mean.max():.2f} °C" in played.answer
    assert any("-999 in `Temperatur °C` is taken to mean" in c for c in played.finish["caveats"])


async def test_a_total_row_is_left_out():
    survey = pd.DataFrame({"id": [*map(str, range(1, 41)), "Total"], "score": [5] * 40 + [200]})
    warning = DataWarning(
        code="total-rows", message="1 row looks like a total.", column="id", values=("Total",)
    )
    played = await play("survey", survey, "average score", warning)
    assert played.answer.startswith("The average `score` is 5, over 40 rows")
    assert "1 row of totals left out." in played.finish["caveats"]


async def test_currency_and_shares_written_as_text_keep_their_sign():
    amounts = [f"${n * 1000:,.2f}" for n in range(1, 41)]
    comma = [f"€ {n}.000,50" for n in range(1, 41)]
    bills = pd.DataFrame({"client": ["Acme", "Hooli"] * 20, "amount": amounts, "betrag": comma})
    played = await play("invoices", bills, "total amount by client")
    assert "Hooli has the highest total `amount`: $420,000 over 20 rows" in played.answer
    numbers = bills.assign(betrag=[n * 1000 + 0.5 for n in range(1, 41)])
    played = await play("invoices", bills, "average betrag by client")
    best = numbers.groupby("client")["betrag"].mean().max()
    assert f"{best:,.0f} €" in played.answer


async def test_shares_change_in_percentage_points():
    played = await play("trips", TRIPS, "share of cash trips by zone")
    assert "share of rows where payment is cash" in played.answer
    share = (TRIPS["payment"] == "cash").groupby(TRIPS["zone"]).mean().max() * 100
    assert f"{share:.0f} % over 10 rows" in played.answer
    (chart,) = played.charts
    assert chart["x"] == "share of rows (%)"
    assert chart["title"].endswith("(10 highest of 30)")
    over = await play("trips", TRIPS, "share of cash trips by month")
    assert "percentage points" in over.answer


async def test_months_have_their_names_on_the_axis():
    frame = pd.DataFrame({"month": list(range(1, 13)) * 4, "wind_speed": range(48)})
    played = await play("weather", frame, "average wind speed by month")
    code = next(a["code"] for _, a in played.calls if "ax.plot" in a.get("code", ""))
    assert "calendar.month_abbr" in code
    played = await play("weather", frame, "which month has the highest wind speed")
    assert played.answer.startswith("December has the highest")


async def test_a_year_without_rows_counts_as_none():
    frame = pd.DataFrame({"year": [2000] * 30 + [2004] * 10, "fuel": ["gas", "oil"] * 20})
    played = await play("cars", frame, "number of cars per year")
    assert "lowest in 2001 at 0" in played.answer


async def test_tables_like_this_one_are_named_as_left_out():
    frame = pd.DataFrame({"store": ["A", "B"] * 20, "revenue": range(40)})
    books = [profile_frame(f"sales_{year}", frame) for year in (2021, 2022)]
    player = Player(*books, frames={"sales_2021": frame, "sales_2022": frame})
    played = await player.ask("total revenue per store")
    assert "of `sales_2021`, not `sales_2022`" in played.answer


# --- names and units --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected", "bare"),
    [
        ("Temperatur °C", "°C", "Temperatur"),
        ("sensor_007_temp_c", "°C", "sensor_007_temp"),
        ("vitamin_c", "", "vitamin_c"),
        ("Discount %", "%", "Discount"),
        ("fare_eur", "EUR", "fare"),
        ("wait_min", "minutes", "wait"),
        ("price_min", "", "price_min"),
        ("Niederschlag mm", "mm", "Niederschlag"),
        ("speed_kmh", "km/h", "speed"),
    ],
)
def test_units_at_the_end_of_names(name, expected, bare):
    assert unit_of(name) == expected
    assert without_unit(name) == bare
    column = ColumnProfile(name=name, dtype="DOUBLE", kind="number", nulls=0, distinct=2)
    assert spoken(column) == bare.replace("_", " ")


def test_numbers_as_text_tell_their_sign_and_decimals():
    assert mark_of(["$1,025.75", "$2"]) == "$"
    assert mark_of(["$1", "€2"]) == ""
    assert decimal_comma(["1.234,50 €", "12,5 €"])
    assert not decimal_comma(["$1,025.75", "$3"])
    assert not decimal_comma(["1,200", "3"])
    assert figure(-5.25, "$") == "-$5.25"
    assert figure(250.7, "USD") == "250.70 USD"
    assert figure(250.7, "mm") == "250.7 mm"


def test_a_name_with_a_number_is_said_as_code():
    wide = profile_frame("wide", pd.DataFrame({"sensor_007_temp_c": [1.5, 2.5]}))
    assert called(wide.columns[0]) == "`sensor_007_temp_c`"
    assert unit(wide.columns[0], wide) == "°C"


def test_no_question_is_suggested_of_a_yes_or_no_column():
    orders = profile_frame("shop_Orders", ORDERS[["Order Date", "Amount (USD)", "Returned"]])
    assert not any("returned" in question.lower() for question in suggest_questions([orders]))
