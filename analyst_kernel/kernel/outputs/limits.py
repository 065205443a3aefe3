"""How much of a cell's output is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutputLimits:
    """Caps on what one cell may put into a notebook; every cut is reported where it was made.

    Attributes:
        stream_chars: Characters kept of one stream output or one text; half head, half tail.
        bundle_bytes: Bytes kept of one MIME entry (an image as base64, HTML, JSON).
        outputs: Outputs kept per cell; errors come on top.
        total_bytes: Bytes kept of all bundles of one cell together.
        traceback_lines: Lines kept of one traceback.
        pixels: Largest picture, width times height.
    """

    stream_chars: int = 100_000
    bundle_bytes: int = 5_000_000
    outputs: int = 200
    total_bytes: int = 20_000_000
    traceback_lines: int = 400
    pixels: int = 64_000_000
