"""What a recipe is: ordered cells, and an answer made from what they showed.

A recipe is a pure value; running it is the turn machine's work.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Shown: TypeAlias = Mapping[str, Any]
"""What a cell showed last: a dict of plain values, as read back from its output."""

Results: TypeAlias = Mapping[str, Shown]
"""Cell key -> what it showed."""


UNREADABLE = (KeyError, IndexError, TypeError, ValueError, AttributeError, StopIteration)
"""What reading a result of an unexpected shape raises: a person may have edited the cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a recipe.

    Attributes:
        key: Its name within the recipe.
        purpose: At most twelve words.
        code: Python, or SQL where ``sql_name`` is set.
        step: The plan's step that it serves, from 1.
        sql_name: The frame that an SQL result goes to; ``None`` for Python.
        optional: Whether the answer stands without it (charts).
    """

    key: str
    purpose: str
    code: str
    step: int
    sql_name: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class KeyValue:
    """One number that the answer rests on; ``None`` where there was nothing to compute."""

    label: str
    value: float | int | str | None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class AnswerDraft:
    """An answer before its closing line. The first sentence answers the question."""

    sentences: tuple[str, ...]
    values: tuple[KeyValue, ...] = ()
    assumptions: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    next_questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one question is answered.

    Attributes:
        goals: The plan's steps, 3 to 7; the last one is the answer itself.
        cells: In order. A function makes its cell from earlier results; ``None`` skips it.
        compose: Makes the answer from what the cells showed.
    """

    goals: tuple[str, ...]
    cells: tuple[Cell | Callable[[Results], Cell | None], ...]
    compose: Callable[[Results], AnswerDraft]
    datasets: tuple[str, ...] = field(default=())


def quoted(text: str) -> str:
    """Return a Python string literal of any text."""
    return json.dumps(text, ensure_ascii=False)


def identifier(*parts: str) -> str:
    """Return a readable Python name made of the parts."""
    name = re.sub(r"\W+", "_", "_".join(parts).lower(), flags=re.ASCII).strip("_")[:40].rstrip("_")
    if not name or name[0].isdigit() or keyword.iskeyword(name):
        name = f"values_{name}".rstrip("_")
    return name


def quoted_list(texts: Iterable[str]) -> str:
    """Return a Python list of string literals."""
    return f"[{', '.join(map(quoted, texts))}]"


def sql_name(name: str) -> str:
    """Return an SQL identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'
