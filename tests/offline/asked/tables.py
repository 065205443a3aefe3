"""Small tables of many fields of work, with names and values that are easily taken for words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from analyst_kernel.protocol.datasets import DatasetProfile
from tests.offline.profiles import profile_frame


@dataclass(frozen=True)
class Table:
    """A table and what its parts are used for in questions."""

    name: str
    frame: pd.DataFrame
    rows: str  # the plural noun for its rows
    measures: tuple[str, ...]
    groups: tuple[str, ...]
    date: str = ""
    flag: str = ""  # a column of 0 and 1, or of yes and no

    @property
    def profile(self) -> DatasetProfile:
        return profile_frame(self.name, self.frame)


def _days(count: int, start: str = "2023-11-05", step: int = 9) -> list[str]:
    days = pd.date_range(start, periods=count, freq=f"{step}D")
    return list(days.strftime("%Y-%m-%d"))


def _make(
    seed: int, rows: int, groups: dict[str, list[str]], measures: dict[str, tuple[float, float]]
) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    columns: dict[str, object] = {}
    for name, values in groups.items():
        first = [*values] * 2  # each value occurs
        columns[name] = [*first, *random.choice(values, max(rows - len(first), 0))][:rows]
    for name, (low, high) in measures.items():
        if float(low).is_integer() and float(high).is_integer():
            columns[name] = random.integers(int(low), int(high) + 1, rows)
        else:
            columns[name] = random.uniform(low, high, rows).round(2)
    return pd.DataFrame(columns)


def _flag(seed: int, rows: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, rows)


@cache
def tables() -> tuple[Table, ...]:
    """Return the tables; the same at every call."""
    found = []

    def add(
        name: str,
        noun: str,
        groups: dict[str, list[str]],
        measures: dict[str, tuple[float, float]],
        *,
        rows: int = 36,
        date: str = "",
        flag: str = "",
        yes: bool = False,
    ) -> None:
        seed = len(found) + 11
        frame = _make(seed, rows, groups, measures)
        if date:
            frame.insert(0, date, _days(rows))
        if flag:
            values = _flag(seed, rows)
            frame[flag] = values.astype(bool) if yes else values
        found.append(Table(name, frame, noun, tuple(measures), tuple(groups), date, flag))

    add("expenses", "expenses", {"department": ["IT", "HR", "Sales"], "state": ["Declined", "Processed"]}, {"amount": (1, 90)}, date="booked", flag="failed")  # fmt: skip
    add("tickets", "tickets", {"priority": ["High", "Medium", "Low", "None"], "team": ["Web", "Data", "Ops"]}, {"hours": (1, 40), "reopened": (0, 9)}, date="opened")  # fmt: skip
    add("customers", "customers", {"state": ["ME", "US", "IN", "OR"], "plan": ["Free", "Plus", "Max"]}, {"income": (900.5, 9000.5), "visits": (1, 60)}, flag="active", yes=True)  # fmt: skip
    add("sales_2024", "sales", {"region": ["NA", "EMEA", "APAC"], "channel": ["Online", "Store"]}, {"revenue": (10.5, 990.5), "units": (1, 45)}, date="day sold")  # fmt: skip
    add("patients", "patients", {"ward": ["A1", "B2", "C3"], "Outcome": ["Better", "Worse", "Same"]}, {"Age": (18, 95), "Heart Rate": (50, 120)}, flag="smoker")  # fmt: skip
    add("goals", "goals", {"Team": ["Reds", "Blues", "Greens"], "Half": ["First", "Second"]}, {"minute": (1, 90)}, flag="penalty", yes=True)  # fmt: skip
    add("counts", "rows", {"Type": ["Oak", "Elm", "Ash"], "Site": ["North", "South"]}, {"Count": (1, 70)}, date="Date")  # fmt: skip
    add("sensor_readings", "readings", {"Sensor": ["s-1", "s-2", "s-3"], "Status": ["OK", "Error", "Missing"]}, {"Value": (0.5, 99.5)}, date="time")  # fmt: skip
    add("accounts", "accounts", {"Category": ["Total", "Open", "Average"], "branch": ["East", "West"]}, {"Total": (100, 999), "fee": (1.5, 9.5)})  # fmt: skip
    add("crimes", "crimes", {"Offense": ["Theft", "Fraud", "Arson"], "Offense_Type": ["Violent", "Property"]}, {"damage_USD": (100, 9000)}, date="reported")  # fmt: skip
    add("movies", "movies", {"genre": ["Drama", "Comedy", "Science Fiction"], "rating": ["PG", "R", "Not Rated"]}, {"budget_musd": (1.5, 200.5), "runtime": (80, 190)})  # fmt: skip
    add("exams", "exams", {"subject": ["Maths", "History", "Art"], "grade": ["A", "B", "C"]}, {"score": (20, 100)}, date="taken_on", flag="passed")  # fmt: skip
    add("employees", "employees", {"job": ["Lead", "Engineer", "Analyst"], "Contract": ["Full", "Part"]}, {"salary": (20000, 90000), "age": (19, 66)}, flag="remote", yes=True)  # fmt: skip
    add("energy_use", "rows", {"Building": ["Main", "Lab", "Gym"], "Source": ["Grid", "Solar"]}, {"kWh": (10.5, 400.5)}, date="month_start")  # fmt: skip
    add("incidents", "incidents", {"Severity": ["Low", "Rising", "Critical"], "Cause": ["Human", "Other", "Unknown"]}, {"Cost": (10, 800), "Duration (min)": (1, 300)}, date="Reported At", flag="resolved")  # fmt: skip
    add("survey", "rows", {"Answer": ["Yes", "No", "Maybe"], "country": ["Peru", "Chad", "Fiji"]}, {"score": (1, 10)})  # fmt: skip
    add("flights", "flights", {"carrier": ["AA", "AS", "DL"], "dest": ["ORD", "LAX", "SEA"]}, {"delay": (-20, 120), "distance": (200, 2700)}, date="dep_date", flag="cancelled")  # fmt: skip
    add("parts", "parts", {"Shape": ["Round", "Square", "Line"], "Grade": ["Top", "Mean", "Bottom"]}, {"weight_g": (1.5, 60.5), "width_mm": (2, 40)})  # fmt: skip
    add("bookings", "bookings", {"hotel": ["Astor", "Ritz", "Plaza"], "room type": ["Single", "Double", "Family"]}, {"nights": (1, 14), "price": (50.5, 400.5)}, date="arrival", flag="is_refunded", yes=True)  # fmt: skip
    add("lab_results", "results", {"method": ["Old", "New", "Mixed"], "lab": ["Kiel", "Graz", "Lund"]}, {"yield": (1.5, 99.5), "purity": (50.5, 99.5)}, flag="repeat")  # fmt: skip
    add("wines", "wines", {"colour": ["red", "white", "rosé"], "region": ["Rioja", "Mosel", "Douro"]}, {"quality": (60, 99), "alcohol": (8.5, 15.5)})  # fmt: skip
    add("shipments", "shipments", {"Mode": ["Air", "Sea", "Rail"], "Priority": ["Standard", "Express"]}, {"Weight": (1, 900), "Cost": (10.5, 900.5)}, date="Sent", flag="late")  # fmt: skip
    return tuple(found)
