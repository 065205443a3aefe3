"""Who does what in a question: which column is measured, which one groups, which one is time.

Pure; works on words and mentions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from analyst_kernel.offline.column_roles import (
    adds_up,
    is_date,
    is_id,
    is_number,
    is_time,
    time_axes,
)
from analyst_kernel.offline.match import Matches, Mention, ValueMention
from analyst_kernel.offline.task import DataTask, Filter, Grain, Intent
from analyst_kernel.offline.words import (
    GRAINS,
    NUMBER_WORDS,
    STOP,
    YEAR_ROUND,
    Word,
    name_tokens,
    statistic_of,
)
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_MARKS = frozenset({"by", "per", "each", "every", "across", "among"})


@dataclass(slots=True)
class Roles:
    """The parts that columns have in a question."""

    measures: list[ColumnProfile] = field(default_factory=list)
    groups: list[ColumnProfile] = field(default_factory=list)  # what "which X" asks for first
    entity: ColumnProfile | None = None  # the column that "which" asks for
    time: ColumnProfile | None = None
    time_is_entity: bool = False  # "which" asks for a period
    grain: Grain | None = None
    direction: int = 0  # 1 for highest, -1 for lowest
    marked: set[str] = field(default_factory=set)  # columns after "by", "per", "each"

    @property
    def times(self) -> tuple[ColumnProfile, ...]:
        """The column of time, where one is named."""
        return () if self.time is None else (self.time,)


def assign_roles(
    words: Sequence[Word],
    matches: Matches,
    profile: DatasetProfile,
    spent: set[str],
    filters: Sequence[ValueMention],
) -> Roles:
    """Give every named column its part; ``spent`` ones only serve conditions."""
    roles = Roles()
    _leave_days_to_dates(words, matches, profile)
    mentions = sorted(matches.columns, key=lambda mention: mention.first)
    for mention in mentions:
        column = mention.column
        marked = _marked(mention, words, mentions)
        entity = _is_entity(mention, words)
        serves = column.name in spent or _belongs_to_value(mention, filters)
        if (serves or _names_rows_only(mention, profile)) and not (marked or entity):
            continue
        if marked:
            roles.marked.add(column.name)
        if is_time(column):
            before = roles.time
            if before is None or (column.distinct > 1 and (entity or before.distinct <= 1)):
                roles.time, roles.time_is_entity = column, entity
        elif is_number(column) and not ((marked or entity) and column.distinct <= 60):
            roles.measures.append(column)
        else:
            roles.groups.insert(0, column) if entity else roles.groups.append(column)
            if entity and roles.entity is None:
                roles.entity = column
    _read_grain(roles, words, matches, profile)
    roles.direction = _direction(words)
    return roles


def _leave_days_to_dates(words: Sequence[Word], matches: Matches, profile: DatasetProfile) -> None:
    """Take "day" as the day of a date where there is one, not as a column of numbers up to 31.

    "The windiest day" is one day, not the twelfth of every month.
    """
    if not any(is_date(column) for column in profile.columns):
        return
    for mention in [m for m in matches.columns if name_tokens(m.column.name) == ("day",)]:
        said = words[mention.first]
        after = words[mention.first + 1 : mention.first + 4]
        of_month = any(word.stem == "month" for word in after) and after[0].stem == "of"
        numbered = bool(after) and after[0].number is not None
        if is_date(mention.column) or said.stem != "day" or said.quoted or of_month or numbered:
            continue
        matches.columns.remove(mention)
        matches.used -= mention.words


def _names_rows_only(mention: Mention, profile: DatasetProfile) -> bool:
    """Return whether an identifier is named in part ("orders" for `Order ID`): it is no measure."""
    column = mention.column
    return is_id(column, profile.dataset.rows) and len(mention.words) < len(
        name_tokens(column.name)
    )


def _marked(mention: Mention, words: Sequence[Word], mentions: Sequence[Mention]) -> bool:
    """Return whether "by", "per" or "each" stands before the column (or before a list it is in)."""
    i = mention.first - 1
    for _ in range(6):
        if i < 0:
            return False
        word = words[i]
        if word.stem in _MARKS:
            return True
        other = next((m for m in mentions if i in m.words), None)
        if other is not None and other is not mention:
            i = other.first - 1
        elif word.stem in ("and", "the", "model", "type", "different", "of", "kind", "all"):
            i -= 1
        else:
            return False
    return False


def _is_entity(mention: Mention, words: Sequence[Word]) -> bool:
    """Return whether "which", "what" or "top five" asks for values of the column."""
    for i in range(mention.first - 1, max(mention.first - 5, -1), -1):
        word = words[i]
        if word.stem in ("which", "what", "commonest", "rarest", "who"):
            return True
        if word.text.casefold() in ("top", "bottom"):
            return True
        passable = word.number is not None or word.stem in NUMBER_WORDS or word.direction
        if not passable and word.stem not in ("of", "the", "kind", "type"):
            return False
    return False


def _belongs_to_value(mention: Mention, values: Sequence[ValueMention]) -> bool:
    """Return whether the column is only said beside one of its values ("the make Toyota")."""
    return any(
        value.column.name == mention.column.name
        and min(abs(i - j) for i in value.words for j in mention.words) <= 2
        for value in values
    )


def _read_grain(
    roles: Roles, words: Sequence[Word], matches: Matches, profile: DatasetProfile
) -> None:
    """Read "by month" where no column is called month; only dates can be cut that way."""
    dates = [column for column in profile.columns if is_date(column)]
    for word in words:
        wanted = GRAINS.get(word.stem)
        if word.index in matches.used or wanted is None:
            continue
        before = words[word.index - 1].stem if word.index else ""
        entity = before in ("which", "what")
        recurs = any(other.stem == YEAR_ROUND for other in words)
        single = not recurs and all(map(adds_up, roles.measures))
        if wanted == "month" and (recurs or (entity and not single)):
            wanted = "month of year"
        axis = roles.time if roles.time is not None and is_date(roles.time) else None
        axis = axis or (dates[0] if dates else None)
        if axis is not None:
            roles.time, roles.grain = axis, wanted
            roles.time_is_entity = roles.time_is_entity or entity
            if before in _MARKS or word.text.casefold().endswith("ly"):
                roles.marked.add(axis.name)
            matches.used.add(word.index)
        elif word.stem == "year" and before in ("the", "over") and time_axes(profile):
            matches.used.add(word.index)


def _direction(words: Sequence[Word]) -> int:
    for word in words:
        low = word.text.casefold()
        superlative = low.endswith(("est", "most", "least")) or low in (
            "top", "bottom", "best", "worst", "maximum", "minimum", "max", "min",
        )  # fmt: skip
        at_most = word.index > 0 and words[word.index - 1].stem == "at"
        if word.direction and superlative and not at_most:
            return word.direction
    return 0


_BEFORE_COUNT = frozenset("top bottom first best worst highest lowest largest smallest".split())


def asked_number(words: Sequence[Word], matches: Matches) -> int | None:
    """Return N of "top N", "N most", "first N"; the words are marked as used."""
    for word in words:
        value = NUMBER_WORDS.get(word.stem) if word.number is None else word.number
        if value is None or word.index in matches.used or value != int(value):
            continue
        i = word.index
        before = words[i - 1] if i else None
        after = words[i + 1] if i + 1 < len(words) else None
        near = (before is not None and before.text.casefold() in _BEFORE_COUNT) or (
            after is not None
            and (
                after.text.casefold() in ("most", "least", "best", "worst", "commonest", "rarest")
                or after.text.casefold().endswith("est")
            )
            and (before is None or before.stem != "at")
        )
        which = before is None or before.stem in ("which", "what", "the")
        later = any(other.direction for other in words[i + 1 : i + 8])
        if (near or (which and later)) and 1 <= value <= 50:
            matches.used.add(i)
            return int(value)
    return None


def comparatives(words: Sequence[Word]) -> list[int]:
    """Return the directions of the comparative forms ("heavier", "longer", "higher", "more")."""
    return [word.direction for word in words if is_comparative(word)]


def is_comparative(word: Word) -> bool:
    """Return whether the word is a comparative form with a direction."""
    return bool(word.direction) and bool(_COMPARATIVE.search(word.text.casefold()))


_COMPARATIVE = re.compile(r"(?:er|more|less|worse)$")


def is_stop(word: Word) -> bool:
    """Return whether the word carries no meaning of its own here."""
    return word.stem in STOP or len(word.text) == 1


_SUMMARISE = ("groups", "trend", "scalar", "best_per_group")
"""Intents that answer with one statistic of a column."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a question, as found by the reader.

    ``assumed`` asks what the intent would be if the unknown words were values.
    """

    text: str
    words: tuple[Word, ...]
    tags: frozenset[str]
    roles: Roles
    filters: tuple[Filter, ...]
    members: tuple[ValueMention, ...]
    top: int | None
    profile: DatasetProfile
    others: tuple[DatasetProfile, ...] = ()
    notes: tuple[str, ...] = ()
    ties: bool = False
    alike: tuple[str, ...] = ()
    mentions: tuple[Mention, ...] = ()
    assumed: bool = False
    denials: frozenset[int] = frozenset()


def new_task(parts: Parts, intent: Intent, **more: object) -> DataTask:
    """Return a task with what the parts say in any case, and ``more``."""
    tags = parts.tags
    fields: dict[str, object] = {
        "filters": parts.filters,
        "top": parts.top,
        "direction": parts.roles.direction,
        "statistic": statistic_of(tags) or "mean",
        "wants_chart": "chart" in tags,
        "alike": parts.alike,
        **more,
    }
    task = DataTask(intent, parts.profile, **fields)  # type: ignore[arg-type] # each was checked where it was read
    totals = intent in _SUMMARISE and task.statistic == "mean" and "mean" not in tags
    if not (totals and task.measures and adds_up(task.measures[0])):
        return task
    name = task.measures[0].name
    note = f"`{name}` adds up, so its total is meant; ask for the average to get that."
    return replace(task, statistic="sum", assumptions=(*task.assumptions, note))
