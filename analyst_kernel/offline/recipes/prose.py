"""Numbers, names and sentences as they stand in an answer.

Sentences and plans stand in templates (``templates/*.md.jinja``). Pure; computes nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import jinja2

from analyst_kernel.offline.column_roles import is_number, number_as_text
from analyst_kernel.offline.recipes.recipe import (
    TEMPLATE_SYNTAX,
    KeyValue,
    RecipeAnswer,
    Results,
    Shown,
    section,
)
from analyst_kernel.offline.task import DataTask, Filter, TimeAxis
from analyst_kernel.offline.words import MONTHS, UNITS, mark_of, name_tokens, spoken, unit_of
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_MONEY = frozenset("$ € £ ¥ USD EUR GBP CHF".split())


def figure(value: Any, unit: str = "") -> str:
    """Write a number with sensible digits, thousands separators and its unit."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not available"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if value == int(value):
        text = f"{int(value):,}"
    elif abs(value) >= 10_000:
        text = f"{value:,.0f}"
    elif abs(value) >= 100 and unit not in _MONEY:
        text = f"{value:,.1f}"
    elif abs(value) >= 1:
        text = f"{value:,.2f}"
    else:
        text = f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.8f}".rstrip("0")
    if unit in ("$", "£"):
        return f"-{unit}{text[1:]}" if text.startswith("-") else f"{unit}{text}"
    return f"{text} {unit}".rstrip()


def change_of(value: Any, unit: str = "") -> str:
    """Write a difference: of percentages in percentage points."""
    return f"{figure(value)} percentage points" if unit == "%" else figure(value, unit)


def rows_of(count: Any) -> str:
    """Write a number of rows: ``1 row``, ``1,204 rows``."""
    return f"{figure(count)} row{'' if count == 1 else 's'}"


def share(value: Any) -> str:
    """Write a share of a hundred with two decimals, as the cells round it."""
    return f"{value:.2f} %" if isinstance(value, int | float) else "not available"


def item(value: Any, column: ColumnProfile | None = None) -> str:
    """Write one group or period: numbers without separators, months of the year by name."""
    if isinstance(value, float) and value == int(value):
        value = int(value)

    if isinstance(value, bool) and column is not None:
        return f"{spoken(column)} {str(value).lower()}"
    is_month = column is not None and name_tokens(column.name)[-1:] == ("month",)
    if is_month and isinstance(value, int) and 1 <= value <= 12:
        return MONTHS[value - 1].capitalize()
    plain = column is None or name_tokens(column.name)[-1:] == ("year",) or not is_number(column)
    if isinstance(value, int | float) and not plain and column is not None:
        return f"{spoken(column)} {value}"
    return str(value) if str(value).strip() else "(empty)"


def period(value: Any, axis: TimeAxis | None) -> str:
    """Write one point of a time axis: months and hours that come again have their names."""
    whole = int(value) if isinstance(value, int | float) and value == int(value) else None
    if axis is None or axis.grain == "value":
        return item(value, axis.column if axis is not None else None)
    if axis.grain == "month of year" and whole is not None and 1 <= whole <= 12:
        return MONTHS[whole - 1].capitalize()
    if axis.grain == "hour of day" and whole is not None:
        return f"hour {whole}"
    return item(value)


def listed(parts: Iterable[str]) -> str:
    """Join with commas and a last "and"."""
    items = list(parts)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def called(column: ColumnProfile) -> str:
    """Return a column's name for prose: ``city mileage (`cty`)``, ``body mass``."""
    said = spoken(column)
    if any(letter.isdigit() for letter in said):
        return f"`{column.name}`"  # a number of a name is not to be read as one of the answer's
    if said == column.name and said.islower():
        return f"`{column.name}`"
    plain = re.fullmatch(r"[A-Z]?[a-z]+( [A-Z]?[a-z]+)*", said) is not None
    if plain and said.casefold() == re.sub(r"\s*[\(\[].*", "", column.name).casefold():
        return said.lower()
    return f"`{column.name}`" if said == column.name else f"{said} (`{column.name}`)"


def unit(column: ColumnProfile, profile: DatasetProfile) -> str:
    """Return the unit of a column: as its name states it, or as known of this kind of table."""
    if column.words is not None and column.words.unit:
        return column.words.unit
    if _known_unit(column, profile):
        return _known_unit(column, profile)["unit"]
    stated = unit_of(column.name)
    if stated or not number_as_text(column):
        return stated
    place = next((i for i, c in enumerate(profile.columns) if c.name == column.name), -1)
    shown = [one.value for one in column.top]
    shown += [str(row[place]) for row in profile.head if 0 <= place < len(row) and row[place]]
    return mark_of(shown)


def _known_unit(column: ColumnProfile, profile: DatasetProfile) -> dict[str, str]:
    """Return what is known of this column's unit in this kind of table; empty if nothing is."""
    names = profile.dataset.columns or tuple(c.name for c in profile.columns)
    known = UNITS.get(column.name, {})
    return known if known.get("only with") in names and column.words is None else {}


def measured_unit(task: DataTask) -> str:
    """Return the unit of what a task computes: none for counts, per cent for shares."""
    if task.part or task.of_total:
        return "%"
    if task.statistic in COUNTED or not task.measures:
        return ""
    return unit(task.measures[0], task.profile)


def measured_label(task: DataTask) -> str:
    """Return the chart label of what a task computes."""
    if task.part:
        return "share of rows (%)"
    if task.of_total:
        return "share of the total (%)"
    if task.statistic == "rows" or not task.measures:
        return "rows"
    if task.statistic == "distinct":
        return f"different values of {spoken(task.measures[0])}"
    return axis_label(task.measures[0], task.profile)


def axis_label(column: ColumnProfile, profile: DatasetProfile) -> str:
    """Return a chart's axis label with the unit."""
    said, of = spoken(column), unit(column, profile)
    return f"{said} ({of})" if of else said


def unit_notes(task: DataTask) -> tuple[str, ...]:
    """Return where units come from, or that the data state none."""
    notes = []
    for column in task.measures if task.intent != "missing" else ():
        known = _known_unit(column, task.profile)
        if known:
            notes.append(f"`{column.name}` is taken to be in {known['in full']}.")
        elif (
            not unit(column, task.profile)
            and column.kind == "number"
            and task.statistic not in COUNTED
        ):
            notes.append(f"The data state no unit for `{column.name}`.")
    return tuple(notes)


def condition(filters: Iterable[Filter]) -> str:
    """Return all conditions of a task."""
    return " and ".join(found.describe() for found in filters)


COUNTED = ("rows", "distinct", "share")
"""Statistics that have no unit of the measure."""

STATISTIC_WORD = {
    "mean": "average",
    "median": "median",
    "sum": "total",
    "min": "lowest",
    "max": "highest",
    "std": "standard deviation of",
    "rows": "number of rows",
    "distinct": "number of different values of",
    "share": "share of rows where",
}
"""How a statistic is called before the measure's name."""


def of_measure(task: DataTask) -> str:
    """Return "average city mileage (`cty`)" or "number of rows" for a task."""
    if task.part:
        return f"{STATISTIC_WORD['share']} {condition(task.part)}"
    if task.of_total and task.measures:
        return f"share of the total {called(task.measures[0])}"
    if task.of_total:
        return "share of all rows"
    if task.statistic == "rows" or not task.measures:
        return "number of rows"
    if task.measures[0].kind == "bool" and task.statistic == "sum":
        return f"number of rows with {called(task.measures[0])}"
    return f"{STATISTIC_WORD[task.statistic]} {called(task.measures[0])}"


def mean_note(task: DataTask) -> tuple[str, ...]:
    """Return what "average" means, for an answer that says it."""
    note = "“Average” is the arithmetic mean; every row counts once."
    return (note,) if task.statistic == "mean" else ()


def capital(sentence: str) -> str:
    """Return the sentence with a capital first letter, unless it starts with code."""
    return sentence[:1].upper() + sentence[1:]


def basis(task: DataTask, rows: Shown) -> str:
    """Return how many rows the answer stands on, and which tables like this one it leaves out."""
    used, whole = rows["rows used"], rows["rows"]
    name = f"`{task.profile.dataset.name}`"
    alike = f", not {listed(f'`{other}`' for other in task.alike)}" if task.alike else ""
    if used == whole:
        return f"This uses all {rows_of(whole)} of {name}{alike}."
    return f"This uses {figure(used)} of the {rows_of(whole)} of {name}{where(task)}{alike}."


def dropped(rows: Shown) -> tuple[str, ...]:
    """Return which rows were left out: missing values, what stands for them, totals."""
    said = []
    gaps = [
        f"{figure(count)} without `{name}`"
        for name, count in dict(rows.get("missing", {})).items()
        if count
    ]
    if gaps:
        said.append(f"Rows left out because of missing values: {listed(gaps)}.")
    for name, found in dict(rows.get("taken as missing", {})).items():
        for value, count in found.items():
            said.append(f"{value} in `{name}` is taken to mean a missing value ({rows_of(count)}).")
    if rows.get("rows with totals"):
        said.append(f"{rows_of(rows['rows with totals'])} of totals left out.")
    return tuple(said)


def where(task: DataTask) -> str:
    """Return the conditions as the end of a phrase, or nothing."""
    return f" where {condition(task.filters)}" if task.filters else ""


_PROSE = jinja2.Environment(  # noqa: S701 - Markdown, no HTML
    **TEMPLATE_SYNTAX, finalize=lambda value: str(value).replace("\n", " ")
)
_PROSE.globals.update(
    {
        function.__name__: function
        for function in (
            axis_label, basis, called, capital, change_of, condition, figure, item, listed,
            of_measure, period, rows_of, share, unit, where,
        )
    }
)  # fmt: skip


def answer(
    template: str,
    task: DataTask,
    results: Results,
    values: Iterable[KeyValue] = (),
    *,
    notes: Iterable[str] = (),
    caveats: Iterable[str] = (),
    **context: object,
) -> RecipeAnswer:
    """Return the answer of a template ("file/key"), in which a blank line ends a sentence.

    Besides the ``context``, the template has what the cells "key" and "rows" showed.
    """
    rows = results.get("rows", {})
    shown = results.get(template.partition("/")[2], {})
    text = _render(template, task, **{"shown": shown, "rows": rows, **context})
    parts = (" ".join(part.split("\n")).strip() for part in re.split(r"\n{2,}", text))
    return RecipeAnswer(
        tuple(filter(None, parts)),
        tuple(values),
        (*notes, *unit_notes(task), *task.assumptions),
        (*dropped(rows), *caveats),
    )


def goals(template: str, task: DataTask, /, **context: object) -> tuple[str, ...]:
    """Return the steps of the plan of an answer: in its template, one on each line."""
    return tuple(_render(f"{template} goals", task, **context).strip("\n").split("\n"))


def _render(template: str, task: DataTask, **context: object) -> str:
    column = next(iter((*task.measures, *task.groups)), None)
    always = {"task": task, "column": column, "of": measured_unit(task)}
    return section(_PROSE, template, "md").render({**always, **context})
