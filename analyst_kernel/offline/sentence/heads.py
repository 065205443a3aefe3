"""What is left of a sentence without its clauses: the thing that is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from analyst_kernel.offline.column_roles import adds_up, is_id, is_number, is_time
from analyst_kernel.offline.sentence.clauses import Clauses
from analyst_kernel.offline.sentence.items import Cutter, Item, Token, is_flag
from analyst_kernel.offline.sentence.periods import GONE
from analyst_kernel.offline.sentence.query import Asked, Group, NotRead, Refused, Wanted, grain_of
from analyst_kernel.offline.task import Filter, Statistic
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_DROPPED = frozenset('."yPpfe' + GONE)
"""Letters of what carries no meaning once the clauses are read."""


class UnknownWords(NotRead):
    """Words that neither the data nor the closed lists know; they are its arguments."""


Found = Sequence[tuple[str, str, str, bool]]


@dataclass(slots=True)
class Sentence:
    """One sentence against one dataset."""

    tokens: Sequence[Token]
    profile: DatasetProfile
    found: Found = ()
    choices: Sequence[str] = ()
    items: tuple[Item, ...] = ()
    clauses: Clauses = field(init=False)

    def __post_init__(self) -> None:
        cutter = Cutter(self.tokens, self.profile, self.found, self.choices)
        self.items = cutter.items()
        if cutter.doubt:
            raise Refused(cutter.doubt)
        lost = [item for item in self.items if item.kind == "unknown"]
        if lost:
            raise UnknownWords(*_runs(lost))
        self.clauses = Clauses(self.items, self.profile)
        self.clauses.read()

    @property
    def text(self) -> str:
        """The sentence, as its words."""
        return " ".join(token.text for token in self.tokens)

    @property
    def weight(self) -> int:
        """How many words the data explain."""
        data = [item for item in self.items if item.kind in ("column", "value", "row")]
        return sum(item.last - item.first + 1 for item in data)

    def left(self) -> list[int]:
        """Return the places of the items that the clauses did not use and that have a meaning."""
        letters = self.clauses.letters
        places: list[int] = []
        for place, letter in enumerate(letters):
            if letter in _DROPPED:
                if letter == "p" and self.items[place].said.startswith(("as", "to a")):
                    raise NotRead(self.items[place].said)
                continue
            if letter == "W":
                after = self._next(place)
                if after not in ("C", "T", "g", "r", "F"):
                    if places:
                        raise NotRead(self.items[place].said)
                    continue
            if letter == "r" and self._rows_of(place, places):
                continue
            places.append(place)
        return places

    def _rows_of(self, place: int, before: Sequence[int]) -> bool:
        """Return whether rows are only said after a measure: "average amount of all orders"."""
        letters = self.clauses.letters
        if not any(letters[one] in "MF" for one in before) or letters[before[-1]] not in "MF":
            return False
        between = letters[before[-1] + 1 : place]
        return all(one in _DROPPED for one in between) and bool(
            set(between) & {"P", "p", GONE, "f"}
        )

    def _next(self, place: int) -> str:
        letters = self.clauses.letters
        rest = (one for one in letters[place + 1 :] if one not in (".", GONE))
        return next(rest, "")

    def query(self) -> Asked:
        """Return the query; raises ``NotRead`` or ``Refused``."""
        places = self.left()
        parts = self._parts(places)
        base = self.base()
        if len(parts) > 1 and self._needs_split(parts):
            raise NotRead("and")
        heads = [self._head(part, base, fresh=True) for part in self._borrowed(parts)]
        if not heads:
            raise NotRead(self.text)
        query = heads[0]
        for other in heads[1:]:
            same = replace(other, wanted=query.wanted) == query
            if not same:
                raise NotRead("and")
            query = replace(query, wanted=(*query.wanted, *other.wanted))
        return self.finished(query)

    def base(self) -> Asked:
        """Return a query with what the clauses say, and nothing wanted yet."""
        clauses = self.clauses
        share = "s" in clauses.letters
        filters, part = self._shared() if share else (self._filters(), ())
        return Asked(
            self.profile,
            groups=tuple(group for group, _ in clauses.groups),
            filters=filters,
            part=part,
            share=share,
            of_total=clauses.of_total,
            direction=clauses.direction,
            top=clauses.top,
            chart=clauses.chart,
            wants_chart=clauses.wants_chart,
            compared=clauses.compared,
            notes=tuple(clauses.notes),
        )

    def _filters(self) -> tuple[Filter, ...]:
        return tuple(one.filter for one in self.clauses.conditions)

    def _shared(self) -> tuple[tuple[Filter, ...], tuple[Filter, ...]]:
        """Return the conditions on all rows of a share, and those on its part."""
        letters = [item.letter for item in self.items]
        start = letters.index("s")
        verb = next((i for i in range(start + 1, len(letters)) if letters[i] in "ef"), len(letters))
        before = [one for one in self.clauses.conditions if one.place < verb]
        after = [one for one in self.clauses.conditions if one.place > verb]
        noun = next((i for i in range(start + 1, len(letters)) if letters[i] == "r"), 0)
        if not after and all(one.place < noun for one in before):
            return (), tuple(one.filter for one in before)  # "share of new red balls"
        if not after:
            before, after = [], before
        if len({one.filter.column.name for one in after}) > 1:
            raise Refused(
                "Of the conditions, I could not tell which part is asked of which rows: ask what "
                "share of X rows are Y."
            )
        return tuple(one.filter for one in before), tuple(one.filter for one in after)

    # --- several requests in one sentence ---------------------------------------------------

    def _parts(self, places: Sequence[int]) -> list[list[int]]:
        letters = self.clauses.letters
        parts: list[list[int]] = [[]]
        for place in places:
            if letters[place] == "&":
                parts.append([])
            else:
                parts[-1].append(place)
        return [part for part in parts if part]

    def _needs_split(self, parts: Sequence[Sequence[int]]) -> bool:
        """Return whether conditions or groups may belong to one of several requests alone."""
        used = [one.place for one in self.clauses.conditions]
        used += [place for _, place in self.clauses.groups]
        if not used:
            return False
        opened = any(
            self.items[part[0]].said == "how many" or self.items[part[0]].kind == "which"
            for part in parts[1:]
        )
        begins = parts[-1][0]
        return opened or min(used) < begins

    def _borrowed(self, parts: list[list[int]]) -> list[list[int]]:
        """Give a request without a column, such as "mean and median", the column of another."""
        letters = self.clauses.letters
        if len(parts) < 2:
            return parts
        said = ["".join(letters[place] for place in part) for part in parts]
        if self.clauses.compared or self.clauses.chart == "scatter":
            return [[place for part in parts for place in part]]
        owner = next(
            (part for part, text in zip(parts, said, strict=True) if re.search("[MF]", text)), None
        )
        full: list[list[int]] = []
        for part, text in zip(parts, said, strict=True):
            if re.fullmatch("a|x|h?m", text) and owner is not None:
                column = next(place for place in owner if letters[place] in "MF")
                full.append([*part, column])
            elif text == "M" and full and letters[full[0][0]] == "a":
                full.append([full[0][0], *part])
            else:
                full.append(part)
        return full

    # --- one request ------------------------------------------------------------------------

    def _head(self, places: Sequence[int], base: Asked, *, fresh: bool) -> Asked:
        letters = self.clauses.letters
        text = "".join(letters[place] for place in places).replace("W", "w")
        for pattern, make in _HEADS:
            if re.fullmatch(pattern, text):
                return make(_Head(self, list(places), text, base, fresh))
        raise NotRead(" ".join(self.items[place].said for place in places) or self.text)

    def finished(self, query: Asked) -> Asked:
        """Give numbers without a column ("over 30") theirs."""
        for operator, number, _ in self.clauses.waiting:
            columns = list(
                {
                    w.column.name: w.column
                    for w in query.wanted
                    if w.column is not None and w.kind == "number"
                }.values()
            )
            note = ""
            if not columns:
                columns = only_measure(self.profile)
                note = (
                    f"`{columns[0].name}` is taken to be {operator} {number:g}, as it is the only "
                    "column of amounts."
                    if columns
                    else ""
                )
            if len(columns) != 1 or not is_number(columns[0]) or is_flag(columns[0]):
                raise Refused(f"Say of which column the {number:g} is.")
            notes = (*query.notes, note) if note else query.notes
            query = replace(
                query,
                filters=(*query.filters, Filter(columns[0], operator, (number,))),
                notes=notes,
            )
        wanted = {
            w.column.name for w in query.wanted if w.column is not None and w.kind == "distinct"
        }
        if any(f.column.name in wanted and not f.negated for f in query.filters):
            raise Refused(
                "A condition on the column whose values are counted leaves nothing to count."
            )
        return query


def _runs(items: Sequence[Item]) -> list[str]:
    """Join unknown words that stand side by side and are written as a name is."""
    runs: list[list[Item]] = []
    for item in items:
        beside = bool(runs) and runs[-1][-1].last == item.first - 1
        if beside and item.said[:1].isupper():
            runs[-1].append(item)
        else:
            runs.append([item])
    return [" ".join(item.said for item in run) for run in runs]


def only_measure(profile: DatasetProfile) -> list[ColumnProfile]:
    """Return the one column of amounts of a dataset, in a list; empty if there are several."""
    rows = profile.dataset.rows
    columns = [
        column
        for column in profile.columns
        if is_number(column) and not is_flag(column) and not is_time(column)
        if not is_id(column, rows) and "id" not in column.name.casefold().replace("_", " ").split()
    ]
    return columns if len(columns) == 1 else []


@dataclass(slots=True)
class _Head:
    """The items of one request, and the query that it adds to."""

    sentence: Sentence
    places: list[int]
    text: str
    base: Asked
    fresh: bool

    def column(self, letters: str, nth: int = 0) -> ColumnProfile:
        places = [
            place for place, letter in zip(self.places, self.text, strict=True) if letter in letters
        ]
        column = self.sentence.items[places[nth]].column
        assert column is not None
        return column

    def statistic(self) -> Statistic | None:
        """Return the statistic that is named; "highest" alone is the maximum."""
        named = self.what("a")
        if named:
            return cast("Statistic", named)
        sign = self.what("x")
        return None if not sign else "max" if sign == "1" else "min"

    def sign(self) -> int:
        return int(self.what("x") or 0)

    def what(self, letter: str) -> str:
        """Return the meaning of the first item of a kind; empty if there is none."""
        place = self.text.find(letter)
        return self.sentence.items[self.places[place]].what if place >= 0 else ""

    def entity(self) -> Group:
        place = next(i for i, letter in enumerate(self.text) if letter in "CTgF")
        item = self.sentence.items[self.places[place]]
        if item.column is None:
            return self.sentence.clauses.period(self.places[place])
        return Group(item.column, grain_of(item.column))

    def wanting(self, wanted: Wanted, **more: object) -> Asked:
        return replace(self.base, wanted=(wanted,), **more)  # type: ignore[arg-type] # fields of a query

    def ranked(self, wanted: Wanted) -> Asked:
        direction = self.sign() or 1
        if self.base.direction and self.base.direction != direction:
            raise Refused("The question names two orders.")
        if self.base.groups:
            raise Refused("I can rank one column, but not within the groups of another here.")
        return self.wanting(wanted, groups=(self.entity(),), ranks=True, direction=direction)


def _number(head: _Head) -> Asked:
    column = head.column("MF")
    statistic = head.statistic()
    base = head.base
    if base.share:
        raise NotRead("share")
    if statistic is None and not (
        base.groups or base.filters or base.of_total or base.chart or head.sentence.clauses.waiting
    ):
        raise NotRead(column.name)
    if statistic is None and is_flag(column):
        raise NotRead(column.name)
    if base.chart == "histogram":
        if statistic is not None:
            raise Refused("A histogram shows all values, and no single figure of them.")
        return head.wanting(Wanted(column=column, kind="distribution"))
    if base.chart == "box" and not base.groups and statistic is None:
        return head.wanting(Wanted(column=column, kind="distribution"))
    if base.chart == "any" and not base.groups and not base.filters and statistic is None:
        return head.wanting(Wanted(column=column, kind="distribution"))
    if "x" in head.text and "a" in head.text:  # "highest average amount by department"
        if not base.groups:
            raise Refused("I can rank the figures of groups: say of which column.")
        return head.wanting(Wanted(statistic, column), ranks=True, direction=head.sign())
    return head.wanting(Wanted(statistic, column))


def _rows(head: _Head) -> Asked:
    base = head.base
    counted = "h" in head.text or "s" in head.text
    shown = any(item.kind == "opener" for item in head.sentence.items)
    asks = base.groups or ((base.filters or head.sentence.clauses.waiting) and not shown)
    if not counted and not asks:
        raise NotRead("rows")
    if "a" in head.text and head.statistic() != "sum":
        raise Refused("A number of rows is one number, with no average of its own.")
    return head.wanting(Wanted(kind="rows"))


def _distinct(head: _Head) -> Asked:
    places = [place for place in head.places if head.sentence.items[place].column is not None]
    if "d" not in head.text and not head.sentence.items[places[0]].whole:
        raise NotRead(head.sentence.text)
    if "d" not in head.text and head.base.filters:
        raise Refused(
            f"“{head.sentence.text}” can ask for rows or for different values: say which of them."
        )
    if head.base.share:
        raise NotRead("share")
    return head.wanting(Wanted("distinct", head.column("CTM"), "distinct"))


def _listing(head: _Head) -> Asked:
    """Read "list the departments": the different values of a column."""
    asked = any(item.said in ("list", "what are") for item in head.sentence.items)
    place = head.places[0]
    if not asked or not head.sentence.items[place].whole or head.base.filters or head.base.chart:
        raise NotRead(head.sentence.text)
    return head.wanting(Wanted("distinct", head.column("C"), "distinct"))


def _flag_count(head: _Head) -> Asked:
    """Read "how many failed by department": of each group, those that are 1."""
    column = head.column("F")
    if head.base.groups:
        return head.wanting(Wanted("sum", column))
    value: str | float = "true" if column.kind == "bool" else 1.0
    filters = (*head.base.filters, Filter(column, "is", (value,)))
    return head.wanting(Wanted(kind="rows"), filters=filters)


def _flag_share(head: _Head) -> Asked:
    column = head.column("F")
    value: str | float = "true" if column.kind == "bool" else 1.0
    if head.base.part:
        raise Refused("I could not tell which part of which rows is asked.")
    return head.wanting(Wanted(kind="rows"), part=(Filter(column, "is", (value,)),))


def _which_number(head: _Head) -> Asked:
    column = head.column("M")
    statistic: Statistic | None = cast("Statistic | None", head.what("a") or None)
    note = ""
    if statistic is None:
        most = head.sentence.items[head.places[head.text.index("x")]].said.endswith("most")
        statistic = "sum" if most or adds_up(column) else "mean"
        word = "total" if statistic == "sum" else "average"
        note = (
            f"`{column.name}` adds up, so its total is meant; ask for the average to get that."
            if adds_up(column)
            else f"Groups are ranked by the {word} of `{column.name}`, as no other figure is named."
        )
    query = head.ranked(Wanted(statistic, column))
    return replace(query, notes=(*query.notes, note)) if note else query


def _which_total(head: _Head) -> Asked:
    """Read "which month has the highest total" of the only column of amounts."""
    columns = only_measure(head.base.profile)
    if not columns:
        raise Refused("Say which column is meant: there is more than one of amounts, or none.")
    query = head.ranked(Wanted(head.statistic(), columns[0]))
    note = f"`{columns[0].name}` is meant, as it is the only column of amounts."
    return replace(query, notes=(*query.notes, note))


def _which_rows(head: _Head) -> Asked:
    said = head.sentence.items[head.places[head.text.index("x")]].said
    if "h" not in head.text and said.removeprefix("the ") not in ("most", "fewest", "least", "top"):
        raise Refused(f"“{said}” needs a column of numbers: say which one is compared.")
    return head.ranked(Wanted(kind="rows"))


def _which_flag(head: _Head) -> Asked:
    column = head.column("F", -1)
    return head.ranked(Wanted("sum", column))


def _which_distinct(head: _Head) -> Asked:
    column = head.column("CT", -1)
    if head.entity().column == column:
        raise Refused(f"I could not tell whether “{column.name}” means rows or its values.")
    return head.ranked(Wanted("distinct", column, "distinct"))


def _first_rows(head: _Head) -> Asked:
    direction = head.sign()
    return head.wanting(Wanted(column=head.column("M"), kind="first rows"), direction=direction)


def _missing(head: _Head) -> Asked:
    return head.wanting(Wanted(column=head.column("CMTF"), kind="missing"))


def _relation(head: _Head) -> Asked:
    base = replace(head.base, compared=False)
    head.base = base
    if base.chart not in ("", "any", "scatter"):
        raise Refused("Two columns of numbers are drawn as a scatter plot.")
    return head.wanting(Wanted(column=head.column("M"), kind="relation", other=head.column("M", 1)))


def _compared(head: _Head) -> Asked:
    statistic = cast("Statistic | None", head.what("a") or None)
    base = head.base
    if "C" in head.text:
        head.base = base = replace(base, groups=(*base.groups, Group(head.column("C"))))
    return head.wanting(Wanted(statistic, head.column("M")), compared=True)


_HEADS: tuple[tuple[str, Callable[[_Head], Asked]], ...] = (
    ("[ax]?[MF]|xaM|[MF]a|axM", _number),
    ("a?h?r|h|a?hr|rh|sr?|shr?", _rows),
    ("h?d[CTM]|dh?[CTM]|h[CT]", _distinct),
    ("C", _listing),
    ("hF", _flag_count),
    ("sF", _flag_share),
    ("w[CTgF]xa?M|w[CTgF]a?Mx|[CTg]xa?M|xCb?a?M|xCbxaM", _which_number),
    ("w[CTg]xa|[CTg]xa", _which_total),
    ("w[CTg]xh?r|[CTg]xh?r|xCb?h?r|xC|w[CTg]h?rx", _which_rows),
    ("w[CTg]xh?F|[CTg]xh?F|xCb?hF", _which_flag),
    ("w[CTg]xh?d?C|[CTg]xhd?C", _which_distinct),
    ("w?rxM|xrb?M|w?rMx", _first_rows),
    ("hm[CMTF]|h[CMTF]m|m[CMTF]|hmr[CMT]", _missing),
    ("c?MM|McM|c?McM", _relation),
    ("ca?MC?|a?Mc", _compared),
)
"""What is left of a sentence -> how it is read; one pattern fits all of it, or none does."""
