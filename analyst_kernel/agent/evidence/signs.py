"""The signs of numbers: minus in its many characters, brackets, plus. Pure."""

from __future__ import annotations

import re

MINUS = r"\-−–‒‐‑"
"""Characters that are written as a minus, for use inside the brackets of a pattern."""
_NEGATIVE = re.compile(rf"(?:^|[\s(\[{{|:=*_~≈<>/,\"'`])(?:[$€£¥]\s?)?[{MINUS}][$€£¥]?$")
_POSITIVE = re.compile(r"(?:^|[\s(\[{|:=*_~≈<>/,])(?:[$€£¥]\s?)?\+[$€£¥]?$")


def is_negative(text: str, start: int) -> bool:
    """Return whether a minus stands before the number that begins at ``start``."""
    return bool(_NEGATIVE.search(text[max(0, start - 4) : start]))


def is_positive(text: str, start: int) -> bool:
    """Return whether a plus stands before the number that begins at ``start``."""
    return bool(_POSITIVE.search(text[max(0, start - 4) : start]))
