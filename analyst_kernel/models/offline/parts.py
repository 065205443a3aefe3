"""The parts of a question that were found, before anybody decided what it asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from analyst_kernel.models.offline.column_roles import adds_up
from analyst_kernel.models.offline.match import Mention, ValueMention
from analyst_kernel.models.offline.roles import Roles
from analyst_kernel.models.offline.task import Filter, Intent, Task
from analyst_kernel.models.offline.vocabulary import statistic_of
from analyst_kernel.models.offline.words import Word
from analyst_kernel.protocol.datasets import DatasetProfile

_SUMMARISE = ("groups", "trend", "scalar", "best_per_group")
"""Intents that tell one statistic of a column."""


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


def new_task(parts: Parts, intent: Intent, **more: object) -> Task:
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
    task = Task(intent, parts.profile, **fields)  # type: ignore[arg-type] # each was checked where it was read
    totals = intent in _SUMMARISE and task.statistic == "mean" and "mean" not in tags
    if not (totals and task.measures and adds_up(task.measures[0])):
        return task
    name = task.measures[0].name
    note = f"`{name}` adds up, so its total is meant; ask for the average to get that."
    return replace(task, statistic="sum", assumptions=(*task.assumptions, note))
