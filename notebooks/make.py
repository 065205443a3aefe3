"""Makes the demonstration notebooks of this folder by asking questions (``make demonstrations``).

Each is an analysis as a user gets it: the built-in rules answer, or a recorded script takes the
model's place. In both cases the cells run, and the outputs are theirs.

``--grant`` makes no notebook. It only grants the kernels of these notebooks their data, which
``make lab`` needs in a fresh clone.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from analyst_kernel import Analyst, AnalystError
from analyst_kernel.grants import GrantStore

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Demonstration:
    """One notebook: its questions, the data granted to it, and the model that answers."""

    notebook: str
    questions: tuple[str, ...]
    data: tuple[str, ...]
    model: str = "offline:rules"


DEMONSTRATIONS = (
    Demonstration(
        "mileage-by-model-year.ipynb",
        (
            "How did average city mileage change by model year? Show a line chart.",
            "Only for Toyota",
        ),
        ("data/vehicles.csv",),
    ),
    Demonstration(
        "penguins-mass-and-flippers.ipynb",
        (
            "Do heavier penguins have longer flippers?",
            "Compare the body mass of the species",
        ),
        ("data/penguins_raw.csv",),
    ),
    Demonstration(
        "windiest-months.ipynb",
        ("Which months are windiest at each airport?",),
        ("data/nyc_weather.csv",),
    ),
    Demonstration(
        "engine-size-with-a-repair.ipynb",
        ("How does engine size relate to city mileage for petrol cars?",),
        ("data/vehicles.csv",),
        "scripted:scripts/engine-size.json",
    ),
)


async def make(demonstration: Demonstration) -> None:
    """Make the new notebook of one demonstration by asking its questions."""
    path = HERE / demonstration.notebook
    path.unlink(missing_ok=True)
    async with Analyst(demonstration.model) as analyst:
        for question in demonstration.questions:
            result = await analyst.ask(question, data=demonstration.data, notebook=path)
            if result.status != "answered":
                raise SystemExit(f"{path.name}: {result.status}: {result.reason}")
            print(f"{path.name}: {result.answer.splitlines()[0]}")


def grant() -> None:
    """Record the grants of the shipped notebooks."""
    store = GrantStore()
    for demonstration in DEMONSTRATIONS:
        for path in demonstration.data:
            store.record(str(HERE / demonstration.notebook), str(HERE / path))


async def main() -> None:
    """Make all demonstrations."""
    os.chdir(HERE)
    for demonstration in DEMONSTRATIONS:
        await make(demonstration)


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["--grant"]:
            grant()
        else:
            asyncio.run(main())
    except AnalystError as error:
        sys.exit(f"{error.what}\n{error.remedy}")
