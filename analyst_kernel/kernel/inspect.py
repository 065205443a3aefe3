"""The variables that a cell left, asked of the kernel and read back.

The question rides on the cell's own request as a user expression; the answer is hostile JSON and is
validated and capped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from analyst_kernel.kernel.startup import FRAMES_MODULE, expression_text
from analyst_kernel.protocol.outputs import Frame, FrameColumn

EXPRESSIONS = {"frames": f"__import__('sys').modules['{FRAMES_MODULE}'].Frames(get_ipython())"}
"""Asks for the listing as a user expression."""

_MIME = "application/vnd.analyst-kernel.frames+json"
_NAMES = 50
_COLUMNS = 200
_BYTES = 2_000_000


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    name: str
    type: str
    shape: list[int] = Field(default=[], max_length=32)
    columns: list[list[str]] = []
    summary: str = ""


_ENTRIES = TypeAdapter(list[_Entry])


def read_frames(expressions: Mapping[str, Any]) -> tuple[Frame, ...] | None:
    """Return the listing, or ``None`` where the kernel gave none that is valid."""
    text = expression_text(expressions, "frames", _MIME)
    if text is None or len(text) > _BYTES:
        return None
    try:
        entries = _ENTRIES.validate_json(text)
    except ValidationError:
        return None
    return tuple(_frame(entry) for entry in entries[:_NAMES] if entry.name.isidentifier())


def _frame(entry: _Entry) -> Frame:
    return Frame(
        name=entry.name[:200],
        type=entry.type[:200],
        shape=tuple(max(0, size) for size in entry.shape),
        columns=tuple(
            FrameColumn(name=pair[0][:200], dtype=pair[1][:100])
            for pair in entry.columns[:_COLUMNS]
            if len(pair) == 2
        ),
        summary=entry.summary[:200],
    )
