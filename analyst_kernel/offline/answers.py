"""The last words of a run: the answer, why it is missing, or what is established so far.

Pure; every number in them was read from an output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from analyst_kernel.offline.column_roles import (
    adds_up,
    categories,
    is_date,
    is_year,
    measures,
    time_axes,
)
from analyst_kernel.offline.progress import RecipeProgress, shows
from analyst_kernel.offline.recipes.prose import basis, condition, dropped, figure, rows_of
from analyst_kernel.offline.recipes.recipe import UNREADABLE, Recipe, RecipeAnswer
from analyst_kernel.offline.task import DataTask, Unclear
from analyst_kernel.offline.words import UNITS, spoken
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

CLOSING = "Answered by built-in rules; no AI model was used."


def draft_of(task: DataTask, recipe: Recipe, progress: RecipeProgress) -> RecipeAnswer | None:
    """Compose the answer of a recipe; ``None`` before its end, or where outputs do not fit it."""
    if progress.next is not None or progress.failure:
        return None
    rows = progress.results.get("rows", {})
    try:
        if task.intent not in ("count", "several") and rows.get("rows used") == 0:
            return _no_rows(task, progress)
        return recipe.compose(progress.results)
    except UNREADABLE:
        return None


def _no_rows(task: DataTask, progress: RecipeProgress) -> RecipeAnswer:
    rows = progress.results["rows"]
    name = task.profile.dataset.name
    of = figure(rows["rows"])
    head = f"No row of `{name}` has all the values that are needed (of {of} rows)."
    if task.filters and rows.get("rows selected") == 0:
        none = f"In none of the {rows_of(rows['rows'])} of `{name}`, {condition(task.filters)}"
        head = f"{none}: there is nothing to compute."
    return RecipeAnswer((head,), (), task.assumptions, dropped(rows))


def finding(draft: RecipeAnswer, progress: RecipeProgress) -> dict[str, Any]:
    """Return the input of ``record_finding``."""
    return {
        "statement": draft.sentences[0],
        "values": _values(draft),
        "cells": [
            progress.cells[key] for key in filter(shows, progress.results) if key in progress.cells
        ],
        "caveats": list(draft.caveats),
    }


def finish(
    draft: RecipeAnswer, progress: RecipeProgress, task: DataTask, question: str
) -> dict[str, Any]:
    """Return the input of ``finish``."""
    return {
        "answer": text_of(draft, progress),
        "key_values": _values(draft),
        "assumptions": list(draft.assumptions),
        "caveats": [*draft.caveats, *progress.notes],
        "next_questions": next_questions(task.profile, question),
    }


def _values(draft: RecipeAnswer) -> list[dict[str, Any]]:
    return [
        {"label": value.label, "value": value.value, "unit": value.unit}
        for value in draft.values
        if value.value is not None
    ]


def text_of(draft: RecipeAnswer, progress: RecipeProgress) -> str:
    """Write the answer as Markdown: the first sentence, the support, the closing line."""
    first, *rest = draft.sentences
    main = [n for key, n in progress.iterations.items() if key != "rows" and shows(key)]
    rows = progress.iterations.get("rows")
    paragraphs = [_cited(first, main[-1] if main else rows)]
    support = (_cited(s, rows) if s.startswith("This uses") else s for s in rest)
    if rest:
        paragraphs.append(" ".join(support))
    return "\n\n".join([*paragraphs, CLOSING])


def _cited(sentence: str, iteration: int | None) -> str:
    if iteration is None or not sentence.endswith("."):
        return sentence
    return f"{sentence[:-1]} [cell {iteration}]."


def next_questions(profile: DatasetProfile, question: str) -> list[str]:
    """Return up to three other questions about the same data."""

    def plain(text: str) -> str:
        return re.sub(r"\W+", " ", text).casefold().strip()

    asked = plain(question)
    return [other for other in questions_about(profile) if plain(other) not in asked][:3]


def unclear(reading: Unclear, datasets: Sequence[DatasetProfile]) -> dict[str, Any]:
    """Return the input of ``finish`` for a question that was not understood."""
    if not datasets:
        text = f"I could not answer this: {reading.reason[:1].lower()}{reading.reason[1:]}"
        more = "Attach a data file first; then I can describe it and compute with it."
        return _unanswered([text, more])
    profile = richest(datasets)
    columns = ", ".join(f"`{column.name}`" for column in profile.columns[:12])
    more = " and more" if len(profile.columns) > 12 else ""
    questions = suggest_questions(datasets)
    why = (
        "I could not answer this: I am a set of built-in rules, not an AI model, and I did not "
        "fully understand the question."
    )
    parts = [
        f"{why} {reading.reason}",
        f"The columns of `{profile.dataset.name}` are {columns}{more}.",
        "I can answer questions like:",
        "\n".join(f"- {question}" for question in questions),
    ]
    return _unanswered(parts, next_questions=list(questions))


def _unanswered(parts: Sequence[str], **more: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {"answer": "\n\n".join([*parts, CLOSING])}
    said |= {"key_values": [], "assumptions": [], "caveats": [], "next_questions": []}
    return {**said, **more, "answered": False}


def gave_up(task: DataTask, progress: RecipeProgress, question: str) -> dict[str, Any]:
    """Return the input of ``finish`` for a recipe that could not go on."""
    return _unanswered(
        [f"I could not finish this: {progress.failure}.", established(task, progress)],
        assumptions=list(task.assumptions),
        caveats=["The question is not answered in full."],
        next_questions=next_questions(task.profile, question),
    )


def established(task: DataTask, progress: RecipeProgress) -> str:
    """Return what is known although the recipe did not end."""
    try:
        rows = progress.results["rows"]
        return " ".join(["Established so far:", basis(task, rows), *dropped(rows)])
    except UNREADABLE:
        return "Nothing is established yet."


def without_numbers(arguments: dict[str, Any], complaint: str) -> dict[str, Any]:
    """Correct an answer that was sent back: leave out what the complaint names.

    Sentences, values, assumptions and caveats that hold a doubted number go; so do citations, which
    may be what was doubted.
    """
    number = re.compile(r"\d[\d,.]*\d|\d")
    doubted = number.findall(complaint.partition("Run a cell")[0])

    def clean(text: str) -> bool:
        return not set(doubted) & set(number.findall(text))

    answer = re.sub(r" \[cell [^\]]*\]", "", str(arguments.get("answer", "")))
    kept = [
        " ".join(s for s in re.split(r"(?<=[.:])[ ]+", paragraph) if clean(s))
        for paragraph in answer.split("\n\n")
    ]
    text = "\n\n".join(paragraph for paragraph in kept if paragraph.strip())
    if text.strip() == CLOSING or not text.strip():
        text = f"The numbers of the answer could not be confirmed, so it is left out.\n\n{CLOSING}"
    return {
        **arguments,
        "answer": text,
        "key_values": [v for v in arguments.get("key_values", []) if clean(str(v.get("value")))],
        "assumptions": [a for a in arguments.get("assumptions", []) if clean(a)],
        "caveats": [c for c in arguments.get("caveats", []) if clean(c)],
    }


# --- questions worth asking -------------------------------------------------------------

_FILLERS = (
    "What is in this data?",
    "Which columns have missing values?",
    "How many rows are there?",
)


def suggest_questions(datasets: Sequence[DatasetProfile]) -> tuple[str, ...]:
    """Return three good first questions for the datasets at hand."""
    return tuple(dict.fromkeys(questions_about(richest(datasets))))[:3]


def richest(datasets: Sequence[DatasetProfile]) -> DatasetProfile:
    """Return the dataset with most to ask about: measures, groups, time, rows."""

    def worth(profile: DatasetProfile) -> tuple[int, int]:
        parts = (measures(profile)[:2], categories(profile)[:1], time_axes(profile)[:1])
        return (sum(map(len, parts)), profile.dataset.rows or 0)

    return max(datasets, key=worth)


def questions_about(profile: DatasetProfile) -> Iterator[str]:
    """Yield questions about one dataset, the most telling first."""
    numbers = sorted(measures(profile), key=_known_first)
    groups = [column for column in categories(profile) if column.kind != "bool"]
    times = time_axes(profile)
    first = numbers[0] if numbers else None
    usual = "total" if first is not None and adds_up(first) else "average"
    if first is not None and times:
        yield f"How did {usual} {said(first)} change by {_time_word(times[0])}?"
    if first is not None and groups:
        yield f"Which {said(groups[0])} has the highest {usual} {said(first)}?"
    if len(numbers) >= 2:
        yield f"Is {said(numbers[0])} related to {said(numbers[1])}?"
    if groups:
        yield f"What are the most common values of {said(groups[0])}?"
    if first is not None:
        yield f"What is the distribution of {said(first)}?"
        yield f"Are there outliers in {said(first)}?"
    yield from _FILLERS


def _known_first(column: ColumnProfile) -> int:
    return list(UNITS).index(column.name) if column.name in UNITS else len(UNITS)


def said(column: ColumnProfile) -> str:
    """Return how a question names a column: plainly where that is safe, else in backticks."""
    plain = spoken(column)
    simple = re.fullmatch(r"[A-Z]?[a-z]+(?: [A-Z]?[a-z]+)*|[A-Z]+", plain) is not None
    if not simple:
        return f"`{column.name}`" if "`" not in column.name else column.name
    return plain if plain.isupper() else plain.lower()


def _time_word(column: ColumnProfile) -> str:
    if is_year(column) or not is_date(column):
        return said(column)
    return "month" if str(column.minimum)[:4] == str(column.maximum)[:4] else "year"
