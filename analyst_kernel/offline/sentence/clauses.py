"""Take the clauses out of a sentence: charts, conditions, groups, limits, and what is left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast

from analyst_kernel.offline.column_roles import is_number
from analyst_kernel.offline.sentence.periods import GONE, SMALL, Periods, negatable
from analyst_kernel.offline.sentence.query import Group, NotRead, Refused, grain_of
from analyst_kernel.offline.task import Filter, Operator
from analyst_kernel.protocol.datasets import ColumnProfile

_SHOWS = ("draw", "plot", "graph", "chart", "visualise", "visualize")
_MOST_GROUPS = 60


@dataclass(slots=True)
class Clauses(Periods):
    """The items of a sentence, and what its clauses were read as."""

    def read(self) -> None:
        """Read all clauses; raises ``Refused`` for one that has two meanings."""
        self.letters = [item.letter for item in self.items]
        self._charts()
        self._limits()
        self._periods()
        self._numbers()
        self.compared = "c" in self.letters
        self._values()
        self._flags()
        self._totals_and_order()
        self._groups()
        self.conditions.sort(key=lambda one: one.place)

    # --- charts, limits, order --------------------------------------------------------------

    def _charts(self) -> None:
        kinds = []
        for found in re.finditer(r'[".pf]*k[Pp]?', self.text):
            item = self.items[self.text.index("k", found.start(), found.end())]
            kinds.append(item.what)
            self._use(*range(*found.span()))
        named = [kind for kind in kinds if kind != "any"]
        if len(named) > 1:
            raise Refused("I draw one chart for a question, and several kinds are asked.")
        if "other" in named:
            said = next(item.said for item in self.items if item.what == "other")
            raise Refused(f"I cannot draw a {said}.")
        self.chart = (named or kinds or [""])[0]
        self.wants_chart = bool(kinds) or any(
            item.kind == "opener" and item.said in _SHOWS for item in self.items
        )

    def _limits(self) -> None:
        """Read the number of "top 3", "3 highest" and "which 3 departments"."""
        for pattern, offset in (
            (r"xN(?!x)", 1),
            (r"(?<![o&q])Nx", 0),
            (r"[wW]\.*N\.*[CgTr].*x", None),
        ):
            found = re.search(pattern, self.text)
            if found is None or self.top is not None:
                continue
            place = (
                self.text.index("N", found.start()) if offset is None else found.start() + offset
            )
            number = self.items[place].number
            if number == int(number) and 1 <= number <= 50:
                self.top = int(number)
                self._use(place)

    def _totals_and_order(self) -> None:
        for place, letter in enumerate(self.letters):
            if letter == "%":
                self.of_total = True
                self._use(place)
            if letter == "z":
                if self.direction:
                    raise Refused("The question names two orders.")
                self.direction = int(self.items[place].what)
                self._use(place)

    # --- numbers ----------------------------------------------------------------------------

    def _numbers(self) -> None:
        for place, letter in enumerate(self.text):
            if letter == "N" and self.letters[place] == "N":
                self._number(place)

    def _number(self, place: int) -> None:
        second = self._pair(place, "N")
        last = max(second, place)
        start = self._before(place)
        operator: Operator = "is"
        if second < 0:
            if self._letter(start) == "o":
                operator = cast("Operator", self.items[start].what)
            elif self._letter(start) in ("e", "f"):
                start += 1
            else:
                return  # a number that nothing introduces stays, and the sentence fails
        before = self._before(start, ".ePf!p")
        after = last + 1
        own = [at for at in (before,) if self._letter(at) == "M"]
        if own and self._letter(self._before(before)) in ("b", "w"):
            own = []
        right = [after] if self._letter(after) == "M" else []
        if own and right:
            raise Refused(
                f"“{self.items[place].said}” can be about `{self._column(before).name}` or "
                f"`{self._column(after).name}`."
            )
        negated = "!" in self.letters[(own or [self._before(start, SMALL)])[0] : start]
        denied = self._before(start, SMALL)
        if negated or (self._letter(denied) == "!"):
            negated = True
            self._use(denied)
        if not own and not right:
            if operator == "is" and second < 0:
                return
            if negated or second >= 0:
                raise Refused(f"Say of which column the {self.items[place].said} is.")
            self._use(*range(start, last + 1))
            self.waiting.append((operator, self.items[place].number, place))
            return
        column = self._column((own or right)[0])
        self._use(*range(start, last + 1))
        alone = not own or self._serves_only(before)
        if own and alone:
            self._use(*range(before, start))
        if right:
            self._use(after)
        if second >= 0:
            if negated:
                raise Refused("I can leave out values, but no ranges.")
            ends = (self.items[place].number, self.items[second].number)
            self._add(Filter(column, "between", ends), place)
            return
        self._add(negatable(column, operator, self.items[place].number, "", negated), place)

    def _serves_only(self, place: int) -> bool:
        """Return whether a column is named for a condition alone, and is not what is measured."""
        before = self._before(place, SMALL)
        if self._letter(before) in ("a", "x", "h", "s", "d"):
            return self._letter(before) in ("h", "s") and self._letter(self._before(place)) in (
                "f",
                "p",
                "e",
            )
        others = [at for at, letter in enumerate(self.letters) if letter == "M" and at != place]
        rows = any(letter in "rhs" for letter in self.letters)
        return bool(others) or rows

    # --- values -----------------------------------------------------------------------------

    def _values(self) -> None:
        for place, letter in enumerate(self.text):
            if letter == "V" and self.letters[place] == "V":
                self._value(place)

    def _value(self, place: int) -> None:
        column = self._column(place)
        joints = "&/" + ("cf" if self.compared else "")
        listed, last, either, joined_not = [place], place, False, False
        while True:
            joint = self._after(last)
            direct = self._letter(joint) == "V"
            if not direct and (not self._letter(joint) or self._letter(joint) not in joints):
                break
            second = joint if direct else self._after(joint, ".pP!")
            if self._letter(second) != "V":
                break
            if self._column(second) != column:
                if self._letter(joint) == "/":
                    raise Refused("I can join conditions on two columns by “and”, but not by “or”.")
                break
            joined_not |= "!" in self.letters[joint:second]
            either |= self._letter(joint) == "/"
            listed.append(second)
            last = second
        first, negated = self._walk_back(place, column)
        if joined_not and not negated:
            raise Refused("I could not tell which rows “not” leaves out.")
        own_after = self._after(last, "")
        post = self._letter(own_after) in ("C", "F") and self._column(own_after) == column
        follows = self._letter(self._before(first)) in ("b", "w")
        if post and not follows:
            last = own_after
        joint = self._after(last)
        if self._letter(joint) == "&" and self._letter(self._after(joint, ".pP")) == "V":
            if negated:
                raise Refused("I could not tell whether “not” is about both conditions.")
            self._use(joint)
        if self._letter(joint) == "&" and self._letter(self._after(joint, ".pP")) == "!":
            self._use(joint)  # "IT and not Declined"
        self._use(*range(first, last + 1))
        values = tuple(dict.fromkeys(v for at in listed for v in self.items[at].values))
        whole = all(self.items[at].whole for at in listed)
        if not whole and len(values) > 1:
            raise Refused("I can look for one text within values, not for several.")
        operator: Operator = "is" if whole else "contains"
        if (
            any(c.filter.column == column and not c.filter.negated for c in self.conditions)
            and not negated
        ):
            if "o" in self.letters:
                raise NotRead(self.items[place].said)
            raise Refused(f"Two conditions on `{column.name}` cannot both hold: join them by “or”.")
        for at in listed:
            item = self.items[at]
            if item.values and (
                len(item.values) > 1 or item.said.casefold() != item.values[0].casefold()
            ):
                known = " or ".join(item.values)
                self.notes.append(f"“{item.said}” was read as: {column.name} is {known}.")
        self._add(Filter(column, operator, values, negated=negated), place)

    def _walk_back(self, place: int, column: ColumnProfile) -> tuple[int, bool]:
        """Walk over what introduces a value; return where that begins, and whether it denies."""
        first, negated, named = place, False, False
        while True:
            before = self._before(first, SMALL)
            letter = self._letter(before)
            if letter == "!" and not negated:
                negated, first = True, before
            elif letter in ("C", "M") and not named and self._column(before) == column:
                marked = self._letter(self._before(before)) in ("b", "w")
                if marked:
                    break
                named, first = True, before
            elif letter == "w" and self._letter(self._after(before, ".")) in ("e", "f", "!"):
                first = before
            else:
                break
        small = first
        while small > 0 and self.letters[small - 1] in SMALL:
            small -= 1
        return small, negated

    # --- columns of yes and no --------------------------------------------------------------

    def _flags(self) -> None:
        for place, letter in enumerate(self.text):
            if letter != "F" or self.letters[place] != "F":
                continue
            before = self._letter(self._before(place))
            after = self._letter(self._after(place))
            denied = self._before(place, SMALL)
            share = "s" in self.letters
            says_so = before in ("e", "f", "!") or (
                before == "p" and self.items[self._before(place)].said == "that"
            )
            if before in ("a", "x", "b", "w", "h", "d") and after != "r":
                continue
            if before in ("b", "w", "a", "x"):
                continue
            if not (says_so or after == "r" or (share and before in ("P", "r", "s"))):
                continue
            column = self._column(place)
            negated = self._letter(denied) == "!"
            first = denied if negated else self._before(place, SMALL) + 1
            self._use(*range(first, place + 1))
            value: str | float = "true" if column.kind == "bool" else 1.0
            if negated:
                value = "false" if column.kind == "bool" else 0.0
            self._add(Filter(column, "is", (value,)), place)

    # --- groups -----------------------------------------------------------------------------

    def _groups(self) -> None:
        for found in re.finditer(
            r"b[.]*(?:[CTFMg](?:PT)?)(?:[.]*[&b][.&b]*[CTFMg](?:PT)?)*", self.text
        ):
            start, end = found.span()
            if self._ranked_rows(start):
                continue
            taken = start
            for place in range(start, end):
                letter = self.letters[place]
                if letter == "g":
                    self._grain(place)
                    taken = place
                elif letter in "CTFM" and self._letter(place - 1) != "P":
                    column = self._column(place)
                    per = self.items[start].said == "per"
                    if letter == "M" and per:
                        raise Refused(
                            f"“per {self.items[place].said}” can mean a ratio, which I do not "
                            f"compute, or groups: ask by `{column.name}` for these."
                        )
                    if letter == "M" and not _may_group(column):
                        if place == self._after(start):
                            break
                        break
                    self.groups.append(
                        (Group(column, grain_of(column) if letter == "T" else "value"), place)
                    )
                    taken = place
                elif letter in "CTFM":
                    taken = place
            if taken > start:
                self._use(*range(start, taken + 1))
        for place, letter in enumerate(self.letters):
            if letter == "G":
                self._grain(place)
                self._use(place)

    def _ranked_rows(self, place: int) -> bool:
        """Return whether "by" names what rows are ranked by ("top 3 orders by amount")."""
        before = self._before(place, SMALL + GONE)
        return (
            self._letter(before) in ("r", "C")
            and self._letter(self._before(before, SMALL + GONE)) == "x"
        )


def _may_group(column: ColumnProfile) -> bool:
    return is_number(column) and column.distinct <= _MOST_GROUPS
