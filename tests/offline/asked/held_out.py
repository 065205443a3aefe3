"""Questions of another hand: written after the rules, without a look at them, and kept apart."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from tests.offline.asked.cases import Case
from tests.offline.asked.tables import Table

RENTALS = pd.DataFrame(
    {
        "City": ["Oslo", "Bergen", "Oslo", "Tromsø", "Bergen", "Oslo", "Tromsø", "Oslo"],
        "Kind": ["Flat", "House", "Flat", "Room", "Flat", "House", "Room", "Flat"],
        "rent_eur": [900, 1400, 1100, 450, 800, 1900, 500, 1000],
        "rooms": [2, 5, 3, 1, 2, 6, 1, 2],
        "listed": ["2025-01-04", "2025-01-19", "2025-02-02", "2025-02-11", "2025-03-01",
                   "2025-03-15", "2025-04-20", "2025-04-28"],
        "furnished": [1, 0, 1, 1, 0, 0, 1, 0],
    }
)  # fmt: skip
MATCHES = pd.DataFrame(
    {
        "referee": ["Ito", "Sun", "May", "Ito", "Sun", "May", "Ito", "Sun"],
        "Result": ["Win", "Loss", "Draw", "Win", "Win", "Loss", "Draw", "Loss"],
        "Home": ["Yes", "No", "Yes", "Yes", "No", "No", "Yes", "No"],
        "attendance": [3100, 2800, 4000, 3500, 2600, 3900, 3300, 2700],
        "Fouls": [12, 18, 9, 15, 20, 11, 13, 17],
    }
)
STOCK = pd.DataFrame(
    {
        "item_id": [11, 12, 13, 14, 15, 16],
        "Status": ["On", "Off", "On", "Between", "Off", "On"],
        "warehouse": ["A", "B", "A", "C", "B", "C"],
        "Quantity": [5, 0, 12, 7, 3, 9],
        "Max": [10, 10, 20, 15, 8, 12],
        "year": [2022, 2022, 2023, 2023, 2024, 2024],
    }
)


def _by(frame: pd.DataFrame, key: str, column: str, method: str) -> dict[str, float]:
    found = getattr(frame.groupby(key)[column], method)()
    return {str(name): float(value) for name, value in found.items()}


def _first(values: dict[str, float], *, high: bool = True) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda pair: pair[1], reverse=high))


def held_out() -> Iterator[Case]:
    """Yield the cases."""
    rentals = Table("rentals", RENTALS, "rentals", ("rent_eur", "rooms"), ("City", "Kind"))
    matches = Table("matches", MATCHES, "matches", ("attendance", "Fouls"), ("referee", "Result"))
    stock = Table("stock", STOCK, "items", ("Quantity", "Max"), ("Status", "warehouse"))
    r, m, s = RENTALS, MATCHES, STOCK
    days = pd.to_datetime(r["listed"])
    month = days.dt.strftime("%Y-%m")
    oslo, flats = r[r["City"] == "Oslo"], r[r["Kind"] == "Flat"]
    for question, right in {
        "What's the mean rent in Oslo?": float(oslo["rent_eur"].mean()),
        "median rent of flats": float(flats["rent_eur"].median()),
        "How many rentals in Bergen have more than 3 rooms?": 1,
        "How many rentals have at least 5 rooms?": 2,
        "rentals per city": r["City"].value_counts().astype(float).to_dict(),
        "How many rentals are furnished?": 4,
        "How many rentals aren't furnished?": 4,
        "what percentage of Oslo rentals are furnished": 50.0,
        "average rent eur per kind, excluding Oslo": _by(r[r["City"] != "Oslo"], "Kind", "rent_eur", "mean"),
        "average rent of furnished rentals": float(r[r["furnished"] == 1]["rent_eur"].mean()),
        "rentals listed after 2025-03-01": 3,
        "how many rentals were listed in February": 2,
        "average rent by month": _by(r.assign(listed=month), "listed", "rent_eur", "mean"),
        "Which city has the most rentals?": _first(r["City"].value_counts().astype(float).to_dict()),
        "Which kind has the lowest average rent?": _first(_by(r, "Kind", "rent_eur", "mean"), high=False),
        "total rooms for Oslo and Bergen": {"Bergen": 7.0, "Oslo": 13.0},
        "How many flats are in Oslo?": 3,
        "how many rentals with rent between 800 and 1000": 3,
        "number of rentals not in Oslo": 4,
        "number of rentals by city without rooms": None,
        "average rent for a garage": None,
        "rent per room by city": None,
        "average rent where City is Oslo or Kind is Room": None,
        "which city is the cheapest on average for families": None,
        "average rent last year": None,
        "rent of the third rental": None,
        "what is the usual deposit": None,
        "average rent in Oslo compared to the national average": None,
        "bubble chart of rent by city": None,
        "how many rentals have fewer rooms than average": None,
        "rent increase from January to April in Oslo": {"2025-01": 900.0, "2025-04": 1000.0},
        "mode of rooms": None,
    }.items():  # fmt: skip
        yield Case(rentals, question, right)
    for question, right in {
        "How many matches ended in a Draw?": None,
        "How many matches are a Win?": 3,
        "how many matches have Result Loss": 3,
        "average attendance for May": float(m[m["referee"] == "May"]["attendance"].mean()),
        "average attendance where Home is Yes": float(m[m["Home"] == "Yes"]["attendance"].mean()),
        "average Fouls by Result": _by(m, "Result", "Fouls", "mean"),
        "total attendance per referee": _by(m, "referee", "attendance", "sum"),
        "Which referee has the highest total Fouls?": _first(_by(m, "referee", "Fouls", "sum")),
        "how many matches per referee": m["referee"].value_counts().astype(float).to_dict(),
        "matches with more than 15 Fouls": 3,
        "What percentage of matches are a Win?": 37.5,
        "highest attendance for Sun": 2800,
        "win rate by referee after half time": None,
        "attendance per foul": None,
        "how many matches did Ito not lose": None,
        "average attendance of matches that were not a Loss": float(
            m[m["Result"] != "Loss"]["attendance"].mean()
        ),
        "average attendance on Sunday": None,
        "attendance trend": None,
        "longest unbeaten run": None,
    }.items():
        yield Case(matches, question, right)
    for question, right in {
        "How many items are there?": 6,
        "how many items are Off": 2,
        "total Quantity per warehouse": _by(s, "warehouse", "Quantity", "sum"),
        "average Max": float(s["Max"].mean()),
        "average Max by Status": _by(s, "Status", "Max", "mean"),
        "max Max": 20,
        "total Quantity in 2023": 19,
        "total Quantity by year": _by(s, "year", "Quantity", "sum"),
        "total Quantity since 2023": 31,
        "how many items have Quantity below 5": 2,
        "average Quantity for On": float(s[s["Status"] == "On"]["Quantity"].mean()),
        "total Quantity by warehouse as a percentage of the total": {
            "A": 47.22, "B": 8.33, "C": 44.44,
        },
        "Which warehouse has the most items?": {"A": 2.0, "B": 2.0, "C": 2.0},
        "how full is warehouse A": None,
        "Quantity divided by Max": None,
        "items to reorder": None,
        "average Quantity per item per day": None,
        "total Quantity for On or warehouse C": None,
    }.items():  # fmt: skip
        yield Case(stock, question, right)
