"""The last gate of a reading: each word of the question has a use in the task, or there is none.

The rules of the loose reading each look at some words. Here every word is looked up once more: it
names data that the task uses, it says an operation that the task does, or it is grammar. A word of
none of these means that the task answers another question than the one that was asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from analyst_kernel.offline.column_roles import is_id, is_time
from analyst_kernel.offline.filters import DENY
from analyst_kernel.offline.match import complete_values
from analyst_kernel.offline.roles import Parts, is_comparative, is_stop
from analyst_kernel.offline.sentence.items import tokens_of
from analyst_kernel.offline.task import DataTask, Intent
from analyst_kernel.offline.words import COMPARISONS, LEDGER, NUMBER_WORDS, TAG_OF, Word

_SPREADS: tuple[Intent, ...] = ("distribution", "outliers", "compare", "correlation")
_RANKS: tuple[Intent, ...] = ("groups", "top_values", "top_rows", "best_per_group")
_OPERATORS = frozenset(
    word for phrases in COMPARISONS.values() for phrase in phrases for word in phrase.split()
) - frozenset({"to", "from", "is", "than", "or", "no"})
_GRAMMAR = frozenset(LEDGER["grammar"].split())
_LOADED = frozenset(LEDGER["loaded"].split())
"""Words that are often passed over, and change the question where they stand."""


def _statistics(*names: str) -> Callable[[DataTask], bool]:
    return lambda task: task.statistic in names


_DONE: dict[str, Callable[[DataTask], bool]] = {
    "profile": lambda task: task.intent in ("profile", "distribution", "missing", "scalar"),
    "missing": lambda task: task.intent in ("missing", "profile"),
    "distribution": lambda task: task.intent in (*_SPREADS, "top_values"),
    "outliers": lambda task: task.intent == "outliers",
    "correlation": lambda task: task.intent in ("correlation", "compare"),
    "trend": lambda task: task.time is not None or task.intent == "compare",
    "compare": lambda task: (
        bool(task.members)
        or task.intent in ("compare", "correlation", "best_per_group")
        or len(task.groups) == 1
    ),
    "count": lambda task: (
        task.intent in ("count", "distinct", "top_values", "missing", "profile")
        or task.statistic in ("rows", "distinct", "share")
    ),
    "distinct": lambda task: task.intent == "distinct" or task.statistic == "distinct",
    "share": lambda task: task.intent in ("count", "top_values") or task.statistic == "share",
    "common": lambda task: task.intent == "top_values" and task.direction > 0,
    "rare": lambda task: task.intent == "top_values" and task.direction < 0,
    "join": lambda task: task.intent == "join",
    "chart": lambda task: True,  # which kind is drawn is checked by itself
    "mean": lambda task: task.statistic == "mean" or task.intent == "distribution",
    "median": lambda task: task.statistic == "median" or task.intent == "distribution",
    "sum": _statistics("sum"),
    "std": lambda task: task.statistic == "std" or task.intent == "distribution",
    "max": lambda task: task.statistic == "max" or task.direction > 0,
    "min": lambda task: task.statistic == "min" or task.direction < 0,
    "each": lambda task: bool(task.groups) or task.time is not None,
}
"""What a word asks for -> whether a task does it."""


def not_used(parts: Parts, task: DataTask, used: set[int]) -> str:
    """Return one sentence that names a word without a use in the task; empty: all have one."""
    known = used | parts.denials
    for word in parts.words:
        if word.index in known:
            continue
        if not _has_use(word, parts, task):
            return (
                f"I found no place for “{word.text}” in what I would compute; without it, this "
                "would be another question."
            )
    return (
        _value_passed_over(parts, task, known)
        or _column_passed_over(parts, task)
        or _value_denied(parts, task)
        or _chart(parts, task)
    )


def _column_passed_over(parts: Parts, task: DataTask) -> str:
    """Report a column that is named and has no part in the task."""
    if task.intent in ("missing", "profile", "join"):
        return ""
    used = {column.name for column in (*task.measures, *task.groups)}
    used |= {one.column.name for one in (*task.filters, *task.part)}
    used |= {member.column.name for member in parts.members}
    used |= {task.time.column.name} if task.time is not None else set()
    for mention in parts.mentions:
        column = mention.column
        if re.search(r"\bday of (?:the )?month\b", parts.text, re.IGNORECASE) and is_time(column):
            continue
        if column.name not in used and not is_id(column, parts.profile.dataset.rows):
            said = " ".join(parts.words[i].text for i in sorted(mention.words))
            return f"“{said}” names `{column.name}`, and I found no place for it."
    return ""


def _value_denied(parts: Parts, task: DataTask) -> str:
    """Report a word that was read as a value which says the opposite: "rated", "Not Rated"."""
    said = {token.text.casefold() for token in tokens_of(parts.text)}
    values = [str(value) for one in (*task.filters, *task.part) for value in one.values]
    values += [value for member in task.members for value in member.values]
    for value in values:
        if not {"not", "no", "non", "none", "without"} & set(value.casefold().split()) <= said:
            return f"“{value}” says the opposite of what is asked, and nothing else fits."
    return ""


def _has_use(word: Word, parts: Parts, task: DataTask) -> bool:
    low = word.text.casefold()
    if task.intent == "missing" or any(one.values == (0.0,) for one in task.filters):
        if low in ("no", "without", "lack", "lacking"):
            return True
    if word.stem == "number" and task.measures and task.statistic not in ("sum", "rows"):
        return True
    if low in DENY or low in _LOADED or low.endswith(("n't", "n’t")):
        return False
    if low in _GRAMMAR:
        return True
    if low in _OPERATORS and low not in ("more", "less", "over", "most", "least", "between"):
        if not word.direction and low not in TAG_OF:
            return bool(re.search(rf"\b{low}\b", parts.text)) and low in (
                "since",
                "equal",
                "from",
                "until",
            )
    before = parts.words[word.index - 1] if word.index else None
    if low == "first":
        return before is not None and bool(before.direction)
    if low in ("time", "times"):
        return bool(re.search(r"\b(?:over|with|of|in) (?:the )?time\b", parts.text, re.IGNORECASE))
    if low == "over":
        if re.search(r"\b(\w+) over (?:\1)\b", parts.text, re.IGNORECASE):
            return False  # "year over year"
        return bool(
            re.search(
                r"\bover (?:the )?(?:time|years|months|days|weeks)\b", parts.text, re.IGNORECASE
            )
        )
    if word.direction and not word.nouns:
        return _directed(word, parts, task)
    tags = TAG_OF.get(word.stem, set())
    if tags:
        return any(_DONE[tag](task) for tag in tags)
    if word.stem in NUMBER_WORDS:
        number = NUMBER_WORDS[word.stem]  # "the three airports": as many as there are
        return task.top == number or any(column.distinct == number for column in task.groups)
    return is_stop(word) or bool(word.nouns) or low in LEDGER["orders"].split()


def _directed(word: Word, parts: Parts, task: DataTask) -> bool:
    """Return whether "highest" or "less" is said of something that the task ranks or compares."""
    if is_comparative(word):
        return task.intent in (
            "compare",
            "correlation",
            "best_per_group",
            "groups",
            "count",
        ) or bool(task.members)
    statistic = {"max": 1, "min": -1}.get(task.statistic, 0)
    ranks = task.intent in _RANKS and task.direction == word.direction
    at = parts.words[word.index - 1].text.casefold() if word.index else ""
    bound = at == "at" and bool(task.filters)
    return statistic == word.direction or ranks or bound or task.intent == "top_rows"


def _value_passed_over(parts: Parts, task: DataTask, known: set[int] | frozenset[int]) -> str:
    """Report a word that is spelled as a value of the data and was read as something else."""
    shouted = parts.text.upper() == parts.text
    texts = {
        one.value.casefold(): (one.value, column.name)
        for column in parts.profile.columns
        if column.kind == "text" and complete_values(column)
        for one in column.top
        if len(one.value) > 1
    }
    mentioned = {index for value in parts.members for index in value.words}
    for word in parts.words:
        value, name = texts.get(word.text.casefold(), ("", ""))
        if not value or word.index in mentioned or word.index in known:
            continue
        before = parts.words[word.index - 1].text.casefold() if word.index else ""
        small = word.text.casefold() in _GRAMMAR
        spelled = word.text == value and not value.islower() and word.index > 0 and not shouted
        if spelled or not small or before in ("for", "in", "of", "from", "with"):
            return f"“{word.text}” is a value of `{name}`, and I found no place for it."
    return ""


_KINDS = {
    "pie": "pie chart", "scatter": "scatter plot", "histogram": "histogram", "box": "box plot",
    "line": "line chart", "bar": "bar chart", "heat": "heat map", "stacked": "stacked bar chart",
    "area": "area chart",
}  # fmt: skip

_DRAWN: dict[Intent, str] = {
    "groups": "bar", "top_values": "bar", "best_per_group": "bar line", "trend": "line",
    "distribution": "histogram", "scalar": "histogram", "compare": "box", "outliers": "box",
    "correlation": "scatter", "missing": "bar", "profile": "bar",
}  # fmt: skip


def _chart(parts: Parts, task: DataTask) -> str:
    """Report a kind of chart that is named and would not be drawn."""
    text = " ".join(token.text.casefold() for token in tokens_of(parts.text))
    drawn = _DRAWN.get(task.intent, "").split()
    for kind, phrases in LEDGER_CHARTS.items():
        said = next((p for p in phrases if re.search(rf"\b{re.escape(p)}\b", text)), "")
        longer = kind == "bar" and "stacked" in text
        if said and (kind not in drawn or longer):
            usual = " or ".join(_KINDS[one] for one in drawn) or "no chart at all"
            return f"I cannot draw a {said} of this; I would draw a {usual}."
    return ""


def _charts() -> dict[str, list[str]]:
    from analyst_kernel.offline.words import SENTENCE

    return {kind: phrases for kind, phrases in SENTENCE["chart"].items() if kind != "any"}


LEDGER_CHARTS = _charts()
