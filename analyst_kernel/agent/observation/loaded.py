"""Compares what a setup cell loaded with what is known of the datasets.

Profiles are computed from what the setup cell's code loads, so a difference means that the file, a
library or the notebook's folder is another one than it was. Every later number would rest on it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from analyst_kernel.protocol.datasets import ColumnKind, DatasetProfile
from analyst_kernel.protocol.outputs import DisplayOutput, Frame, Output

_MOST_SHOWN = 4
_ROW = re.compile(
    r"<tr[^>]*>\s*<th[^>]*>(.*?)</th>\s*<td[^>]*>\s*(\d[\d,]*(?:\.0+)?)\s*</td>", re.DOTALL
)
_KINDS: tuple[tuple[ColumnKind, re.Pattern[str]], ...] = (
    ("number", re.compile(r"(?i)u?int\d+|float\d+|decimal.*")),
    ("date", re.compile(r"datetime64.*|timestamp.*")),
    ("bool", re.compile(r"bool(ean)?")),
    ("text", re.compile(r"str|string.*|category")),
)
"""Kinds of columns by what pandas calls their types; ``object`` may hold anything."""


def differences(
    profiles: Sequence[DatasetProfile], frames: Sequence[Frame], outputs: Sequence[Output]
) -> list[str]:
    """Return a sentence for each dataset that was loaded as another table than was described.

    Args:
        profiles: Of the datasets that the cell loads.
        frames: The variables after the cell.
        outputs: Of the cell, which shows the gaps of each column.
    """
    loaded = {frame.name: frame for frame in frames if frame.type.endswith("DataFrame")}
    gaps = _gaps(outputs)
    found = []
    for profile in profiles:
        name = profile.dataset.name
        frame = loaded.get(name)
        if frame is None or profile.dataset.load != "frame":
            continue
        parts = [*_shape(profile, frame), *_types(profile, frame)]
        parts += _missing(profile, gaps.get(name, {}))
        if parts:
            shown = "; ".join(parts[:_MOST_SHOWN])
            found.append(f"{name} was loaded as another table than was described: {shown}.")
    return found


def _shape(profile: DatasetProfile, frame: Frame) -> list[str]:
    rows, columns = profile.dataset.rows, len(profile.dataset.columns)
    parts = []
    if rows is not None and frame.shape[:1] != (rows,):
        parts.append(f"{frame.shape[0]:,} rows in place of {rows:,}")
    if frame.shape[1:2] != (columns,):
        parts.append(f"{frame.shape[1]:,} columns in place of {columns:,}")
    return parts


def _types(profile: DatasetProfile, frame: Frame) -> list[str]:
    types = {column.name: column.dtype for column in frame.columns}
    parts = []
    for column in profile.columns:
        dtype = types.get(column.name)
        kinds = [kind for kind, names in _KINDS if dtype and names.fullmatch(dtype)]
        empty = column.nulls == profile.dataset.rows
        if kinds and not empty and column.kind not in kinds and column.kind != "other":
            parts.append(f"{column.name!r} is {dtype} in place of {column.kind}")
    return parts


def _missing(profile: DatasetProfile, gaps: dict[str, int]) -> list[str]:
    return [
        f"{column.name!r} has {gaps[column.name]:,} gaps in place of {column.nulls:,}"
        for column in profile.columns
        if gaps.get(column.name, column.nulls) != column.nulls
    ]


def _gaps(outputs: Sequence[Output]) -> dict[str, dict[str, int]]:
    """Return the missing values by dataset and column, as the cell's overviews show them."""
    found: dict[str, dict[str, int]] = {}
    for output in outputs:
        if not isinstance(output, DisplayOutput):
            continue
        shown = output.data.get("text/html")
        text = "".join(shown) if isinstance(shown, list) else shown  # type: ignore[arg-type]  # lines of text
        if not isinstance(text, str):
            continue
        named = re.search(r"<th[^>]*>([A-Za-z_]\w*): [\d,]+ rows</th>", text)
        if named:
            found[named[1]] = {
                html.unescape(column): int(float(count.replace(",", "")))
                for column, count in _ROW.findall(text)
            }
    return found
