"""A table with a canary in every cell, and a search that finds one in whatever form JSON gives it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROWS = 2500
TIERS = ("Zirconia-plus", 'O\'Quill "gold" \\ one', "Brämble {tier}", "漢字ティア", "⟦v17⟧")
COLUMNS = ("customer", "tier", "amount", "account", "joined", "remark")
TOKEN = re.compile("⟦[vn][0-9]+⟧")
_DIGITS = re.compile("[0-9]{5,}")


def row(number: int) -> tuple[str, ...]:
    """Return a row whose every field is a value that stands nowhere else but in the tiers."""
    return (
        f"Quorvane{number:05d} Ñandú{number:05d}x",
        TIERS[number % len(TIERS)],
        f"{70_000_003.25 + number * 7919}",
        f"{8_100_000_001 + number * 104_729}",
        f"{1801 + number // 300}-{1 + number % 12:02d}-{1 + number // 12 % 25:02d}T{number % 24:02d}:"
        f"{number % 60:02d}:{number * 7 % 60:02d}.{100_000 + number}",
        f"Lorvex{number:05d} wrote on {number:05d}Q at length; qualmish{number:05d}, again and again"
        if number % 50
        else f"amountish{number:05d} Quorvane{number:05d}",
    )


TABLE = [row(number) for number in range(ROWS)]


def _whole(number: str) -> str:
    """Return the digits of a number, which no other form of it lacks."""
    return number.split(".", maxsplit=1)[0]


CANARIES = frozenset(
    {value for values in TABLE for value in values if value != "⟦v17⟧"}
    | {word for values in TABLE for word in re.findall(r"\w*\d{5}\w*", " ".join(values[::5]))}
    | {_whole(values[2]) for values in TABLE}
)


def write_table(path: Path) -> None:
    """Write the table as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *TABLE])


class Search:
    """Finds any of many texts in a text, each of which has five digits beside each other.

    The few that have none are looked for one by one.
    """

    def __init__(self, wanted: Iterable[str]) -> None:
        self._by_digits: dict[str, list[tuple[int, str]]] = {}
        self._others: list[str] = []
        for text in wanted:
            found = _DIGITS.search(text)
            if found is None:
                self._others.append(text)
            else:
                key = found[0][:5]
                self._by_digits.setdefault(key, []).append((found.start(), text))

    @property
    def others(self) -> tuple[str, ...]:
        return tuple(self._others)

    def found_in(self, text: str) -> set[str]:
        """Return those that stand in a text."""
        found = {other for other in self._others if other in text}
        for run in _DIGITS.finditer(text):
            for at in range(run.start(), run.end() - 4):
                for before, wanted in self._by_digits.get(text[at : at + 5], ()):
                    if at >= before and text.startswith(wanted, at - before):
                        found.add(wanted)
        return found


SEARCH = Search(CANARIES)


def strings_in(value: Any) -> Iterator[str]:
    """Yield every text of a JSON value, names too; of one that is JSON itself also what is in it."""
    match value:
        case str():
            yield value
            if value.lstrip()[:1] in ("{", "["):
                try:
                    yield from strings_in(json.loads(value))
                except ValueError:
                    return
        case list():
            for item in value:
                yield from strings_in(item)
        case dict():
            for name, item in value.items():
                yield name
                yield from strings_in(item)
        case _:
            yield str(value)


def leaks(bodies: Iterable[Any]) -> list[str]:
    """Return the canaries in the bodies of requests: as sent, escaped, decoded, without commas."""
    found: set[str] = set()
    for body in bodies:
        texts = [
            json.dumps(body),
            json.dumps(body, ensure_ascii=False),
            "\n".join(strings_in(body)),
        ]
        texts += [text.replace(",", "") for text in texts]
        for text in texts:
            found |= SEARCH.found_in(text)
    return sorted(found)
