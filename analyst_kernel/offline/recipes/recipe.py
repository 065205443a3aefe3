"""What a recipe is: ordered cells of code, and an answer made from what they showed.

The code stands in ``templates``, one file per kind of recipe, in the percent format that Jupyter
tools use: ``# %% key`` begins a cell, ``«x»`` inserts a value, ``#: if x`` is a line of the
template. A value that is inserted becomes a Python literal, as data must never become code; only
:class:`Code` is inserted as it stands.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite
from typing import Any, TypeAlias

import jinja2

from analyst_kernel.offline.column_roles import is_within
from analyst_kernel.offline.task import DataTask, TimeAxis
from analyst_kernel.offline.words import name_tokens

Shown: TypeAlias = Mapping[str, Any]
"""What a cell showed last: a dict of plain values, as read back from its output."""

Results: TypeAlias = Mapping[str, Shown]
"""Cell key -> what it showed."""


UNREADABLE = (
    KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration,
    jinja2.UndefinedError,
)  # fmt: skip
"""What reading a result of an unexpected shape raises: a user may have edited the cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a recipe."""

    key: str
    purpose: str  # at most twelve words
    code: str  # SQL where ``sql_name``, the frame that its result goes to, is set
    step: int  # of the plan, from 1
    sql_name: str | None = None
    optional: bool = False  # the answer stands without it (charts)


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One number that the answer rests on; ``None`` where there was nothing to compute."""

    label: str
    value: float | int | str | None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class RecipeAnswer:
    """An answer before its closing line. The first sentence answers the question."""

    sentences: tuple[str, ...]
    values: tuple[KeyValue, ...] = ()
    assumptions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one question is answered.

    A cell that is a function is made from earlier results, or skipped where it returns ``None``.
    """

    goals: tuple[str, ...]  # the steps of the plan, each with a cell at least
    cells: tuple[Cell | Callable[[Results], Cell | None], ...]
    compose: Callable[[Results], RecipeAnswer]
    datasets: tuple[str, ...] = ()


def apart_from(recipe: Recipe, datasets: Sequence[str]) -> Recipe:
    """Return a recipe in which no cell gives a name of its own to what is a dataset's variable."""

    def entry(
        made: Cell | Callable[[Results], Cell | None],
    ) -> Cell | Callable[[Results], Cell | None]:
        if isinstance(made, Cell):
            return unmarked(made, datasets)
        return lambda results: (
            unmarked(cell, datasets) if (cell := made(results)) is not None else None
        )

    return replace(recipe, cells=tuple(entry(made) for made in recipe.cells))


_MARK = "⟦§⟧"


@cache
def _own_names() -> frozenset[str]:
    """Return every word of the templates of code, each of which may be a variable in one."""
    assert _CODE.loader is not None
    files = [name for name in _CODE.loader.list_templates() if name.endswith(".py.jinja")]
    texts = (_CODE.loader.get_source(_CODE, name)[0] for name in files)
    return frozenset(re.findall(r"[^\W\d]\w*", " ".join(texts)))


def marked(name: str) -> Code:
    """Return a dataset's variable; one that a template may use itself has marks around it."""
    return Code(f"{_MARK}{name}{_MARK}" if name in _own_names() else name)


def unmarked(cell: Cell, datasets: Sequence[str]) -> Cell:
    """Return a cell without marks, in which variables of its own are called otherwise."""
    text: str = cell.code
    for name in _own_names() & set(datasets) if cell.sql_name is None else ():
        own = rf"(?<![\w.\"'`{_MARK}]){re.escape(name)}(?![\w\"'`({_MARK}])"
        text = re.sub(own, f"{name}_found", text)
    target = cell.sql_name.replace(_MARK, "") if cell.sql_name is not None else None
    return replace(cell, code=text.replace(_MARK, ""), sql_name=target)


class Code(str):
    """Text that stands in a template as it is; everything else becomes a literal."""

    __slots__ = ()


def quoted(text: str) -> Code:
    """Return a Python string literal of any text; what leaves no mark in it is escaped."""
    plain = json.dumps(text, ensure_ascii=False)
    return Code("".join(one if one.isprintable() else repr(one)[1:-1] for one in plain))


def identifier(*parts: str) -> Code:
    """Return a readable Python name made of the parts."""
    name = re.sub(r"\W+", "_", "_".join(parts).lower(), flags=re.ASCII).strip("_")[:40].rstrip("_")
    if not name or name[0].isdigit() or keyword.iskeyword(name):
        name = f"values_{name}".rstrip("_")
    return Code(name)


def sql_name(name: str) -> Code:
    """Return an SQL identifier in quotes."""
    return Code('"' + name.replace('"', '""') + '"')


def literal(value: object) -> Code:
    """Return the Python expression of a value that a template inserts."""
    if isinstance(value, Code):
        return value
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        return Code(f"[{', '.join(map(literal, value))}]")
    if value is not None and not isinstance(value, bool | int | float):
        raise TypeError(f"A template cannot insert {value}.")
    if isinstance(value, float) and not isfinite(value):
        return Code(f'float("{value}")')  # "nan" and "inf" are names, and may be anybody's
    return Code(repr(value))


TEMPLATE_SYNTAX: dict[str, Any] = {
    "loader": jinja2.PackageLoader("analyst_kernel.offline.recipes"),
    "autoescape": False,  # Python and Markdown, no HTML
    "undefined": jinja2.StrictUndefined,
    "variable_start_string": "«",
    "variable_end_string": "»",
    "trim_blocks": True,
}
_CODE = jinja2.Environment(**TEMPLATE_SYNTAX, finalize=literal)  # noqa: S701 - no HTML


@cache
def section(environment: jinja2.Environment, name: str, suffix: str) -> jinja2.Template:
    """Return the template of one section (``# %% key``) of a file; ``name`` is "file/key"."""
    assert environment.loader is not None
    file, _, key = name.partition("/")
    source, _, _ = environment.loader.get_source(environment, f"{file}.{suffix}.jinja")
    sections = dict(part.split("\n", 1) for part in source.split("# %% ")[1:])
    # Jinja's own line statements would take the blank lines after them along.
    tagged = re.sub(r"^#: (.+)$", r"{% \1 %}", sections[key], flags=re.MULTILINE)
    return environment.from_string(tagged)


def code(template: str, /, **values: object) -> Code:
    """Return the code of a template ("file/key") with the values inserted."""
    return Code(section(_CODE, template, "py").render(values).removesuffix("\n"))


def chart_cell(
    body: str,
    *,
    title: str,
    x: str,
    y: str,
    purpose: str,
    step: int = 3,
    after: Sequence[str] = (),
    grid: str = "both",
    size: str = "(8, 5)",
) -> Cell:
    """Return a cell that draws ``body`` on ``ax`` and labels it; ``after`` are lines about axes."""
    text = code(
        "chart/chart",
        body=Code(body),
        after=[Code(line) for line in after],
        size=Code(size),
        title=plain(title[:1].upper() + title[1:]),
        x=plain(x),
        y=plain(y),
        grid=grid,
    )
    return Cell("chart", purpose, text, step, optional=True)


def time_ticks(task: DataTask, index: str) -> list[str]:
    """Return lines that name the points of a time axis: months by name, years as whole numbers."""
    axis = task.time
    if axis is None:
        return []
    if axis.grain in ("month", "quarter", "week", "day"):
        return [
            f"every = -(-len({index}) // 12)",
            f"ax.set_xticks({index}[::every])",
            'ax.tick_params(axis="x", rotation=45)',
        ]
    if is_month(axis):
        return [
            "import calendar",
            f"months = [int(month) for month in {index}]",
            "ax.set_xticks(months, [calendar.month_abbr[month] for month in months])",
        ]
    if axis.grain == "hour of day" or (axis.grain == "value" and axis.column.distinct <= 12):
        return [f"ax.set_xticks(list({index}))"]
    return ["ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True))"]


def is_month(axis: TimeAxis) -> bool:
    """Return whether the points of the axis are months by their numbers."""
    if axis.grain == "month of year":
        return True
    named = name_tokens(axis.column.name)[-1:] == ("month",)
    return axis.grain == "value" and named and is_within(axis.column, 1, 12)


def grouped_digits(side: str, task: DataTask) -> list[str]:
    """Return the line that writes big numbers of an axis as 1,000,000, where there may be some."""
    high = task.measures[0].maximum if task.measures else None
    counted = task.statistic in ("sum", "rows", "distinct")
    big = counted or (isinstance(high, int | float) and high >= 1000) or high is None
    return [f'ax.{side}axis.set_major_formatter("{{x:,.10g}}")'] if big and not task.part else []


def bar_values(task: DataTask) -> list[str]:
    """Return lines that write its value beside each bar of ``bars``, with room for it."""
    return [
        *code("chart/bar values", digits=Code(_digits(task))).splitlines(),
        *grouped_digits("x", task),
    ]


def _digits(task: DataTask) -> str:
    if task.part or task.of_total:
        return ",.2f"
    if task.statistic in ("rows", "distinct") or not task.measures:
        return ","
    measure = task.measures[0]
    high = measure.maximum
    if task.statistic in ("mean", "median") and measure.p75 is not None:
        high = measure.p75  # one far value must not take the decimals of all the others
    known = float(high) if isinstance(high, int | float) else None
    if known is not None and known < 10:
        return ",.3g"
    big = task.statistic == "sum" or (known is not None and known >= 1000)
    return ",.0f" if big else ",.2f"


def plain(text: str) -> str:
    """Keep matplotlib from reading dollar signs as mathematics, and drop code marks."""
    text = " ".join(text.split())
    short = text if len(text) <= 90 else text[:89] + "…"
    return short.replace("`", "").replace("$", r"\$")
