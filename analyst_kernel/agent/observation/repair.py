"""Describes a failed or fruitless cell to the model, and detects lack of progress. Pure.

The text names the error, the place, the columns as they are now and the nearest names; it leaves
out the frames inside libraries.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analyst_kernel._code import tree_of
from analyst_kernel._text import nearest
from analyst_kernel.agent.observation.text import chart_of, output_text, without_ansi
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.outputs import CellError, ErrorOutput, Frame, Output

_MESSAGE_LIMIT = 1000
_USER_FRAME = re.compile(r"Cell In\[\d+\], line (\d+)(?:, in ([\w<>.]+))?")
_QUOTED = re.compile(r"[\"'`]([^\"'`\n]{1,80})[\"'`]")
_QUOTED_ANY = re.compile(r"[\"']([^\"'\n]{1,80})[\"']")
_MISSING_NAMES = frozenset(
    """AttributeError BinderException CatalogException ColumnNotFoundError KeyError NameError
    UnboundLocalError UndefinedVariableError ValueError""".split()
)
"""Errors that say that a name does not exist; a ``ValueError`` does in some plotting libraries."""

_NOT_FOUND = re.compile(r"\bnot found: (.+)$")
_DUCKDB_NAME = re.compile(r"\bwith name (\w+)")
_OF_A_TABLE = re.compile(r"'(?:DataFrame|Series|\w+GroupBy)'")
_METHODS = tuple(
    """agg apply assign astype corr count cumsum describe diff drop_duplicates dropna explode fillna
    groupby head idxmax idxmin isin isna join map max mean median melt merge min mode nlargest
    notna nsmallest nunique pivot pivot_table quantile query rank rename replace resample
    reset_index rolling round sample select_dtypes set_index shift size sort_index sort_values std
    sum tail transform unique value_counts var where""".split()
)
_MOVED = {
    "append": "pd.concat([...])",
    "applymap": ".map",
    "iteritems": ".items",
    "ix": ".loc or .iloc",
    "value_counts": "Series.value_counts",
    "mad": "(s - s.mean()).abs().mean()",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """An iteration as no-progress detection compares it.

    ``code`` is the :func:`fingerprint`, ``outputs`` the :func:`outputs_mark`; ``empty`` means that
    it ran and gave no rows.
    """

    iteration: int
    code: str
    error: str = ""
    empty: bool = False
    outputs: str = ""


def fingerprint(code: str) -> str:
    """Hash code so that comments and layout make no difference."""
    tree = tree_of(code)
    if tree is not None:
        text = ast.dump(tree)
    else:
        text = "\n".join(" ".join(line.partition("#")[0].split()) for line in code.splitlines())
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def outputs_mark(outputs: Sequence[Output]) -> str:
    """Hash what a cell shows; an error counts by its name and message, a chart by its picture."""
    shown = [output_text(output) for output in outputs]
    shown += [picture for output in outputs if (picture := chart_of(output)[0]) is not None]
    return hashlib.sha256("\0".join(shown).encode(errors="replace")).hexdigest()


def no_progress(earlier: Sequence[Attempt], now: Attempt) -> str:
    """Return why the run ends if the same code gave the same output a third time, else nothing."""
    same = [
        str(one.iteration)
        for one in earlier
        if now.outputs and (one.code, one.outputs) == (now.code, now.outputs)
    ]
    if len(same) < 2:
        return ""
    return (
        f"No progress: cell {now.iteration} is the same code with the same output as "
        f"cells {' and '.join(same[-2:])}, so no further cell runs."
    )


def progress_warning(earlier: Sequence[Attempt], now: Attempt) -> str:
    """Return a sentence if an iteration repeats an earlier one, else an empty text."""
    for before in reversed(earlier):
        fruitless = bool(before.error) or before.empty
        if before.code == now.code and (fruitless or now.error or now.empty):
            return (
                f"No progress: this is the same code as cell {before.iteration}. Running it "
                "again changes nothing; try something else."
            )
        if before.code == now.code and before.outputs and before.outputs == now.outputs:
            return (
                f"No progress: the same code with the same output as cell {before.iteration}. "
                "Once more, and the run ends."
            )
    last = earlier[-1] if earlier else None
    if last is not None and now.error and last.error == now.error:
        return (
            f"No progress: the same error as in cell {last.iteration}. The cause lies "
            "elsewhere; question what you take for granted."
        )
    if last is not None and now.empty and last.empty:
        return (
            f"No progress: no rows again, as in cell {last.iteration}. Look at the values "
            "that are really there before filtering."
        )
    return ""


def names_in(code: str) -> frozenset[str]:
    """Return every word of the code, including those inside string literals (SQL)."""
    return frozenset(re.findall(r"[^\W\d]\w*", code))


def frames_named(code: str, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Return the tables that the code names."""
    words = names_in(code)
    return tuple(frame for frame in frames if frame.name in words and frame.columns)


def hint(error: CellError, code: str, frames: Sequence[Frame]) -> str:
    """Return a guess at what was meant: the nearest names, or what replaces a method.

    Libraries name what they did not find in many sentences, so every word that one quotes is
    looked up, and those that do not exist are answered with names that do.
    """
    if error.name not in _MISSING_NAMES:
        return ""
    tables = frames_named(code, frames) or tuple(frame for frame in frames if frame.columns)
    columns = [column.name for frame in tables for column in frame.columns]
    variables = [frame.name for frame in frames]
    wanted = _named_in(error)
    kind, names = "column", columns
    match error.name:
        case "NameError" | "UnboundLocalError" | "CatalogException":
            kind, names = "table" if error.name == "CatalogException" else "variable", variables
        case "AttributeError":
            kind, wanted = "column or attribute", wanted[-1:]
            if wanted and wanted[0] in _MOVED:
                return f"This version has no {wanted[0]!r}; use {_MOVED[wanted[0]]}."
            names = [*columns, *(_METHODS if _OF_A_TABLE.search(error.message) else ())]
        case "UndefinedVariableError":
            names = [*columns, *variables]
    missing = [word for word in dict.fromkeys(wanted) if word not in names]
    return " ".join(filter(None, (_nearest(kind, word, names) for word in missing[:3])))


def _named_in(error: CellError) -> list[str]:
    """Return the names that an error's first line says are not there, as far as can be told."""
    first = without_ansi(error.message)[:_MESSAGE_LIMIT].partition("\n")[0].strip()
    if error.name == "KeyError" and first[:1] in "'\"" and first[:1] == first[-1:]:
        # The text of a KeyError is the representation of its key, which may be a whole sentence.
        first = first[1:-1].replace("\\'", "'")
    if (found := _NOT_FOUND.search(first)) is not None and not _QUOTED.search(found[1]):
        return [found[1].strip()]
    if error.name == "KeyError" and not _QUOTED.search(first):
        return [first]
    return [*_QUOTED.findall(first), *_DUCKDB_NAME.findall(first)]


def error_text(
    error: CellError, code: str, outputs: Sequence[Output], frames: Sequence[Frame]
) -> str:
    """Describe a failure: what, where (two lines around), through which of the user's frames."""
    message = without_ansi(error.message)
    if len(message) > _MESSAGE_LIMIT:
        message = message[:_MESSAGE_LIMIT] + f" … ({len(error.message):,} characters in all)"
    parts = [f"{error.name}: {message}"]
    calls = _user_frames(outputs)
    line = error.line or (calls[-1][0] if calls else None)
    if line is not None:
        parts.append(_excerpt(code, line))
    if len(calls) > 1:
        way = " -> ".join(f"line {number} in {name or 'the cell'}" for number, name in calls[-3:])
        parts.append(f"called: {way}")
    for frame in frames_named(code, frames)[:4]:
        parts.append(f"live now: {schema_line(frame)}")
    return "\n".join(part for part in parts if part)


def empty_hint(code: str, profiles: Iterable[DatasetProfile]) -> str:
    """Return the real values of the columns that the code names, after a result without rows."""
    lines = ["0 rows. A filter may be too strict or spelled differently from the data."]
    literals = set(_QUOTED_ANY.findall(code)) | names_in(code)
    for profile in profiles:
        for column in profile.columns:
            if column.name in literals and column.top:
                values = ", ".join(f"{v.value!r} ({v.count:,})" for v in column.top[:8])
                lines.append(f"{column.name!r} really holds: {values}")
            elif column.name in literals and column.minimum is not None:
                lines.append(f"{column.name!r} runs from {column.minimum} to {column.maximum}")
    return "\n".join(lines[:8])


def schema_line(frame: Frame, limit: int = 40) -> str:
    """Describe a table by its shape, columns and dtypes, on one line."""
    shape = " x ".join(f"{size:,}" for size in frame.shape)
    columns = ", ".join(f"{c.name!r} {c.dtype}" for c in frame.columns[:limit])
    more = len(frame.columns) - limit
    rest = f", … {more} more columns" if more > 0 else ""
    if frame.columns:
        return f"{frame.name}: {shape} ({columns}{rest})"
    what = f"{frame.type} of {shape}" if shape else frame.summary or frame.type
    return f"{frame.name}: {what}"


def _nearest(kind: str, wanted: str, names: Sequence[str]) -> str:
    near = nearest(wanted, names)
    if not wanted or not near:
        return ""
    return f"There is no {kind} {wanted!r}. Nearest: {', '.join(repr(name) for name in near)}."


def _user_frames(outputs: Sequence[Output]) -> list[tuple[int, str]]:
    frames: list[tuple[int, str]] = []
    for output in outputs:
        if isinstance(output, ErrorOutput):
            text = without_ansi("\n".join(output.traceback))
            frames += [(int(m[1]), m[2] or "") for m in _USER_FRAME.finditer(text)]
    return frames


def _excerpt(code: str, line: int) -> str:
    lines = code.split("\n")
    if not 1 <= line <= len(lines):
        return ""
    first, last = max(1, line - 2), min(len(lines), line + 2)
    return "\n".join(
        f"{'->' if number == line else '  '} {number:>3} | {lines[number - 1][:200]}"
        for number in range(first, last + 1)
    )
