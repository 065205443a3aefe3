"""The line of items that clauses are taken out of, and its clauses of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from analyst_kernel.offline.column_roles import is_date, is_number, is_time, is_year
from analyst_kernel.offline.sentence.items import Item
from analyst_kernel.offline.sentence.query import Group, Refused, grain_of
from analyst_kernel.offline.task import Filter, Grain, Operator
from analyst_kernel.offline.words import name_tokens
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

SMALL = ".pPefytq"
"""Letters of small words that introduce a condition and say nothing else."""

_TURNED: dict[Operator, Operator] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
_TEMPORAL = ("since", "after", "before", "until", "up to")
GONE = "|"
"""Stands for an item that a clause has used."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, and the index of the item that it was read from."""

    filter: Filter
    place: int


@dataclass(slots=True)
class Line:
    """The items of a sentence, which of them are used, and what they were read as."""

    items: Sequence[Item]
    profile: DatasetProfile
    letters: list[str] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    waiting: list[tuple[Operator, float, int]] = field(default_factory=list)  # "over 30", of what?
    groups: list[tuple[Group, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chart: str = ""
    wants_chart: bool = False
    compared: bool = False
    of_total: bool = False
    direction: int = 0
    top: int | None = None

    @property
    def text(self) -> str:
        """The letters of all items, those used replaced."""
        return "".join(self.letters)

    def _use(self, *places: int) -> None:
        for place in places:
            self.letters[place] = GONE

    def _before(self, place: int, passed: str = ".") -> int:
        """Return the place of the nearest item before that is none of ``passed``; -1: none."""
        place -= 1
        while place >= 0 and self.letters[place] in passed:
            place -= 1
        return place

    def _after(self, place: int, passed: str = ".") -> int:
        place += 1
        while place < len(self.letters) and self.letters[place] in passed:
            place += 1
        return place if place < len(self.letters) else -1

    def _letter(self, place: int) -> str:
        return self.letters[place] if 0 <= place < len(self.letters) else ""

    def _column(self, place: int) -> ColumnProfile:
        column = self.items[place].column
        assert column is not None
        return column


@dataclass(slots=True)
class Periods(Line):
    """Reads years, months, quarters and dates, as conditions and as groups."""

    def _times(self) -> list[ColumnProfile]:
        columns = [c for c in self.profile.columns if is_date(c) or is_year(c)]
        return [c for c in columns if is_date(c)] or columns

    def _time_column(self, place: int, width: int) -> ColumnProfile:
        """Return the one column of time, or the one that is named beside."""
        before, after = self._before(place, SMALL + "oO"), place + width
        for beside in (before, after):
            if self._letter(beside) == "T":
                column = self._column(beside)
                if is_date(column) or is_year(column):
                    if beside == before and self._letter(self._before(beside, ".")) not in (
                        "b",
                        "w",
                        "g",
                    ):
                        self._use(beside)
                    return column
        return self._first(self._times(), self.items[place].said)

    def _first(self, times: Sequence[ColumnProfile], said: str) -> ColumnProfile:
        """Return the column of dates; of several the first one, which the answer then says."""
        if not times:
            raise Refused(f"There is no column of dates that “{said}” could be about.")
        if len(times) > 1:
            self.notes.append(
                f"“{said}” is read as of `{times[0].name}`, the first column of dates."
            )
        return times[0]

    def _periods(self) -> None:
        for place, letter in enumerate(self.text):
            if self.letters[place] != letter:
                continue
            if letter == "D":
                self._date(place)
            elif letter in "OQ":
                self._month(place)
            elif letter == "N" and self._is_year(place):
                self._year(place)

    def _is_year(self, place: int) -> bool:
        number = self.items[place].number
        if not (number == int(number) and 1000 <= number <= 2999 and self._times()):
            return False
        before = self._before(place)
        letter = self._letter(before)
        item = self.items[before] if before >= 0 else None
        if letter == "o" and item is not None:
            beside = self._letter(self._before(before, SMALL))
            return item.said in _TEMPORAL and (beside != "M" or item.said == "since")
        if letter == "t" or letter == "q" or letter == "&":
            start = self.text.rfind("t", 0, place)
            return start >= 0 and self._letter(self._before(start, SMALL)) != "M"
        return letter in ("p", "P") or (letter == "T" and is_year(self._column(before)))

    def _operator(self, place: int) -> tuple[Operator, list[int]]:
        before = self._before(place)
        if self._letter(before) != "o":
            return "is", [*range(before + 1, place)]
        operator = cast("Operator", self.items[before].what)
        if self._letter(self._before(before)) == "!":
            raise Refused(f"I could not tell what “not {self.items[before].said}” leaves out.")
        return operator, [*range(before, place)]

    def _not_before(self, place: int) -> bool:
        """Use a denying word before a condition, and return whether there is one."""
        denied = self._before(place, SMALL)
        if self._letter(denied) != "!":
            return False
        self._use(*range(denied, place))
        return True

    def _pair(self, place: int, letters: str) -> int:
        """Return the index of B in "between A and B", or -1 if there is none."""
        start = self._before(place)
        joint = self._after(place)
        if self._letter(start) != "t" or self._letter(joint) not in ("&", "q"):
            return -1
        second = self._after(joint)
        return second if self._letter(second) and self._letter(second) in letters else -1

    def _range(self, place: int, second: int, column: ColumnProfile, part: str) -> None:
        a, b = self.items[place], self.items[second]
        ends = (a.what, b.what) if a.kind == "date" else (a.number, b.number)
        start = self._before(place)
        if self._not_before(start):
            raise Refused("I can leave out values, but no ranges.")
        self._use(*range(start, second + 1))
        self._add(Filter(column, "between", ends, part), place)  # type: ignore[arg-type] # a part is one of a date

    def _add(self, condition: Filter, place: int) -> None:
        self.conditions.append(Condition(condition, place))

    def _year(self, place: int) -> None:
        column = self._time_column(place, 1)
        part = "year" if is_date(column) else ""
        second = self._pair(place, "N")
        if second >= 0:
            self._range(place, second, column, part)
            return
        operator, used = self._operator(place)
        negated = self._not_before(used[0] if used else place)
        self._use(*used, place)
        value = self.items[place].number
        self._add(negatable(column, operator, value, part, negated), place)

    def _month(self, place: int) -> None:
        item = self.items[place]
        part = "month" if item.kind == "name of month" else "quarter"
        years = [at for at in (place + 1, place - 1) if self._letter(at) == "N"]
        if self._letter(place + 1) in ("P", "p") and self._letter(place + 2) == "N":
            self._use(place + 1)
            years = [place + 2]
        years = [at for at in years if 1000 <= self.items[at].number <= 2999]
        own = self._part_of_dates(part)
        if own is not None and is_number(own) and not years and not self._not_before(place):
            self._use(place)
            self._add(Filter(own, "is", (item.number,)), place)
            return
        column = self._time_column(place, 1)
        if not is_date(column):
            raise Refused(f"“{item.said}” needs a column of dates.")
        before = self._before(min([place, *years]))
        if self._letter(before) in ("o", "t") and not (
            self._letter(before) == "t" and self.items[before].said == "from"
        ):
            raise Refused(f"Say the date itself, such as 2024-03-01, in place of “{item.said}”.")
        if self._letter(self._after(max([place, *years]))) in ("&", "/", "q") and self._letter(
            self._after(self._after(max([place, *years])))
        ) in ("O", "Q"):
            raise Refused("I can read one month or quarter as a condition, not several.")
        negated = self._not_before(min([place, *years]))
        if negated and years:
            raise Refused("I can leave out a month or a year, but not a month of one year.")
        self._use(place, *years)
        self._add(Filter(column, "is", (item.number,), part, negated), place)  # type: ignore[arg-type] # a part is one of a date
        if years:
            self._add(Filter(column, "is", (self.items[years[0]].number,), "year"), place)

    def _date(self, place: int) -> None:
        column = self._time_column(place, 1)
        if not is_date(column):
            raise Refused(f"“{self.items[place].said}” needs a column of dates.")
        part = "date" if len(self.items[place].what) == 10 else "year-month"
        second = self._pair(place, "D")
        if second >= 0:
            self._range(place, second, column, part)
            return
        operator, used = self._operator(place)
        negated = self._not_before(used[0] if used else place)
        self._use(*used, place)
        self._add(negatable(column, operator, self.items[place].what, part, negated), place)

    def _part_of_dates(self, name: str) -> ColumnProfile | None:
        """Return the column of numbers that is called "month" or "year", if there is one."""
        if name == "day" and any(map(is_date, self.profile.columns)):
            return None  # "daily" is each day of the dates, not the twelfth of every month
        return next(
            (c for c in self.profile.columns if name_tokens(c.name) == (name,) and is_time(c)), None
        )

    def _grain(self, place: int) -> None:
        grain = cast("Grain", self.items[place].what)
        own = self._part_of_dates(grain)
        if own is not None and self._letter(place + 1) != "P":
            self.groups.append((Group(own, grain_of(own)), place))
            return
        named = place + 2
        if self._letter(place + 1) == "P" and self._letter(named) == "T":
            column = self._column(named)
        else:
            times = [c for c in self.profile.columns if is_date(c)]
            column = self._first(times, self.items[place].said)
        if not is_date(column):
            raise Refused(f"`{column.name}` holds no dates that “{grain}” could cut.")
        self.groups.append((Group(column, grain), place))

    def period(self, place: int) -> Group:
        """Return the group that "which month" asks for."""
        self._grain(place)
        return self.groups.pop()[0]


def negatable(
    column: ColumnProfile, operator: Operator, value: str | float, part: str, negated: bool
) -> Filter:
    """Return a condition, turned round where it is denied; a missing value meets neither."""
    if negated and operator in _TURNED:
        operator, negated = _TURNED[operator], False
    return Filter(column, operator, (value,), part, negated)  # type: ignore[arg-type] # a part is one of a date
