"""Reads a file of questions: one JSON object per line, each error with the number of its line.

A case has a question (or several turns of one notebook), the data it is about, and what a right
answer must satisfy. Nothing is asked here, and no data is opened.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from analyst_kernel._text import fault_of_path, shorten
from analyst_kernel.evaluation.checks import (
    NAMED_VALUE,
    Check,
    ChoiceCheck,
    Filled,
    NamedCheck,
    NumberCheck,
    Scalar,
    TextCheck,
)
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.errors import InputError

_LARGEST_FILE = 50_000_000
_SHOWN_FAULTS = 5


class QuestionTurn(Record):
    """One question of a case; without checks it only prepares the next one.

    Attributes:
        answer: Short for one check: a number, ``@name[value]``, or words that the answer holds.
        tolerance: How far a number in ``answer`` may be off.
        format: The form that the answer must have; it is put behind the question.
        solution: How the answer was computed, for whoever reads the file; not used here.
    """

    question: Filled
    answer: Scalar | None = None
    tolerance: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    checks: tuple[Check, ...] = ()
    format: str = ""
    solution: JsonValue = None

    @model_validator(mode="after")
    def _one_key(self) -> QuestionTurn:
        if self.answer is not None and self.checks:
            raise ValueError("has both `answer` and `checks`; keep one of them")
        if self.tolerance is not None and (self.answer is None or isinstance(self.answer, bool)):
            raise ValueError("`tolerance` belongs to an `answer` with a number")
        return self

    @property
    def text(self) -> str:
        """What is asked."""
        if not self.format.strip():
            return self.question
        return f"{self.question}\n\nAnswer in this form: {self.format.strip()}"

    @property
    def wanted(self) -> tuple[Check, ...]:
        """What a right answer satisfies."""
        answer = self.answer
        if answer is None:
            return self.checks
        if isinstance(answer, bool):
            said = "yes" if answer else "no"
            return (ChoiceCheck(kind="choice", value=said, among=("yes", "no"), where="lead"),)
        if isinstance(answer, int | float):
            return (NumberCheck(kind="number", value=answer, tolerance=self.tolerance),)
        named = tuple(
            NamedCheck(
                kind="named", name=found[1], value=_plain(found[2]), tolerance=self.tolerance
            )
            for found in NAMED_VALUE.finditer(answer)
        )
        return named or (TextCheck(kind="text", any=(answer,)),)


class Case(Record):
    """One line of the file: a question, or the turns of one notebook, and their data.

    Attributes:
        id: Unique in the file; it names the notebook.
        group: Questions of a group are counted together.
        data: Paths, relative to the folder of the file; here they are absolute.
        note: For whoever reads the file.
    """

    id: Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
    group: str = ""
    data: tuple[Filled, ...] = ()
    turns: Annotated[tuple[QuestionTurn, ...], Field(min_length=1)]
    note: str = ""

    @field_validator("id", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _is_scored(self) -> Case:
        if not any(turn.wanted for turn in self.turns):
            raise ValueError("has neither `answer` nor `checks`, so nothing could be scored")
        return self

    @property
    def asked(self) -> str:
        """A digest of what is asked, so that an earlier reply is known to belong to it.

        Of the data it holds the names only, because folders differ from machine to machine.
        """
        asked = [[turn.text for turn in self.turns], [os.path.basename(path) for path in self.data]]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def read_cases(path: str | os.PathLike[str], *, allowed: Sequence[str] = ()) -> tuple[Case, ...]:
    """Return the cases of a file.

    A file of questions may come from somebody else, so its data must lie in its own folder or in
    one that the user names.

    Args:
        path: The file.
        allowed: Files and folders that its data may lie in, besides the file's own folder.

    Raises:
        InputError: The file cannot be read, or lines of it are not valid; nothing was asked.
    """
    path = Path(os.path.abspath(Path(path).expanduser()))
    roots = [os.path.realpath(root) for root in (str(path.parent), *allowed)]
    cases: list[Case] = []
    faults: list[str] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            case = _case(line, path.parent, roots)
        except (ValueError, RecursionError) as error:
            faults.append(f"line {number}: {_fault(error)}")
            continue
        if case.id in lines:
            faults.append(f"line {number}: the id {case.id!r} stands in line {lines[case.id]} too")
        lines.setdefault(case.id, number)
        cases.append(case)
    if faults:
        more = len(faults) - _SHOWN_FAULTS
        shown = "; ".join(faults[:_SHOWN_FAULTS]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(
            f"{path.name} cannot be used: {shown}.", "Mend these lines. Nothing was asked."
        )
    if not cases:
        raise InputError(f"{path} holds no questions.", "Write one JSON object per line into it.")
    return tuple(cases)


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no such file"
            raise InputError(f"{path} cannot be read: {what}.", "Name a file of questions.")
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path} has more than 50 MB.", "Name a file of questions.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InputError(
            f"{path} cannot be read: {str(reason).lower()}.", "Name a file of questions."
        ) from error


def _case(line: str, folder: Path, roots: Sequence[str]) -> Case:
    row = json.loads(line, parse_constant=_not_a_number)
    if not isinstance(row, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - it is the text that is wrong
    if "turns" not in row:
        single = {name for name in QuestionTurn.model_fields if name in row}
        row["turns"] = [{name: row.pop(name) for name in single}]
    data = row.get("data", [])
    row["data"] = [data] if isinstance(data, str) else data
    case = Case.model_validate(_frozen(row))
    paths = tuple(_data_path(item, folder, roots) for item in case.data)
    return case.model_copy(update={"data": paths})


def _frozen(value: Any) -> Any:
    """Return JSON with tuples for lists and no list for a single text where several may stand."""
    match value:
        case dict():
            listed = ("any", "all", "none", "among", "because")
            return {
                name: (item,) if name in listed and isinstance(item, str) else _frozen(item)
                for name, item in value.items()
            }
        case list():
            return tuple(map(_frozen, value))
        case _:
            return value


def _data_path(item: str, folder: Path, roots: Sequence[str]) -> str:
    fault = fault_of_path(item)
    if fault:
        raise ValueError(f"the data path {item!r} {fault}")
    path = os.path.abspath(folder / Path(item).expanduser())
    real = os.path.realpath(path)
    if not any(real == root or real.startswith(os.path.join(root, "")) for root in roots):
        raise ValueError(
            f"the data {item} lies outside the folder of the questions; if you trust the file, "
            "allow that place with --data"
        )
    return path


def _not_a_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _fault(error: Exception) -> str:
    """Return what is wrong with a line, in one clause."""
    match error:
        case json.JSONDecodeError():
            return f"is not JSON ({error.msg.lower()}, character {error.colno})"
        case ValidationError():
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            place = place.removeprefix("turns.0.") if place != "turns.0" else ""
            said = first["msg"].removeprefix("Value error, ")
            said = said[:1].lower() + said[1:]
            return shorten(f"`{place}` {said}" if place else said, 300)
        case RecursionError():
            return "is nested too deeply"
        case _:
            return shorten(str(error), 300)


def _plain(text: str) -> Any:
    """Return a value of ``@name[value]`` as a number, a list of values or a text."""
    text = text.strip()
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and all(parts):
        return tuple(_plain(part) for part in parts)
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(text) if text.lstrip("+-").isdecimal() else number
