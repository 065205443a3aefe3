"""Cheap checks of a cell that ran: what should make an analyst look twice. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from analyst_kernel.agent.observation.text import output_text
from analyst_kernel.protocol.outputs import Frame, Output, ResultOutput, StreamOutput

_EMPTY = re.compile(r"Empty DataFrame|^Series\(\[\]|\b0 rows\b|^\[\]$|shape: \(0,", re.MULTILINE)
_MISSING = {"NaN", "nan", "NaT", "<NA>", "None"}
_CELL = re.compile(r"[^\s|]+")


def is_empty_result(
    outputs: Sequence[Output], before: Sequence[Frame], after: Sequence[Frame]
) -> bool:
    """Say whether a cell displayed, or left as new, a table without rows."""
    if any(isinstance(o, ResultOutput) and _EMPTY.search(output_text(o)) for o in outputs):
        return True
    old = {frame.name: frame for frame in before}
    new = [frame for frame in after if frame.columns and old.get(frame.name) != frame]
    return bool(new) and all(frame.shape[:1] == (0,) for frame in new)


def doubts(outputs: Sequence[Output], code: str) -> tuple[str, ...]:
    """Return one sentence for each thing that is probably not what was meant."""
    found: list[str] = []
    stderr = "".join(o.text for o in outputs if isinstance(o, StreamOutput) and o.name == "stderr")
    if "ChainedAssignmentError" in stderr or "SettingWithCopyWarning" in stderr:
        found.append(
            "check: chained assignment changed nothing. Assign to the column itself: "
            "df[c] = df[c]... or df.loc[rows, c] = ..."
        )
    results = [output_text(output) for output in outputs if isinstance(output, ResultOutput)]
    if any(_all_missing(text) for text in results):
        found.append("check: every value of the result is missing (NaN). Did a join or parse fail?")
    if re.search(r"\.dtype\s*==\s*(?:object|['\"]object['\"])", code):
        found.append("check: text columns may have dtype 'str', not object, in this pandas.")
    return tuple(found)


def _all_missing(text: str) -> bool:
    """Say whether a displayed table or value has missing values only (its labels aside)."""
    lines = [line for line in text.splitlines()[:60] if line.strip()]
    lines = [line for line in lines if not line.startswith(("Name:", "dtype:", "["))]
    if len(lines) == 1:
        return lines[0].strip() in _MISSING
    if lines and not set(_CELL.findall(lines[0])) & _MISSING:
        lines = lines[1:]  # The header of a table.
    values = [value for line in lines for value in _CELL.findall(line)[1:]]
    return len(lines) >= 2 and bool(values) and set(values) <= _MISSING
