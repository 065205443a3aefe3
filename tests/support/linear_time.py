"""Checks that the time of an operation on text grows in proportion to the text."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

UNITS = (
    "[", "]", "(", "](", "](a", "![", "[a](", "[a][", " ", "\t", "\n", "\r", "\b", "\x1b", "\x1b[",
    "\x1b[1", "\x1b]", "<", "<a", "<a ", "</", "<!--", "<div>", "<b>", "<p x=", '<p style="', "<td",
    "&", "&a", "&#9", "0", "1,", "1,000,", "1.", "1.000.", "1'000", ",", ".", "`", "``a`", "` ",
    "``` ", "_", "1_", "a_", "$", "$a", "$_", "@", "a@", "/", "/a", "~/", "/tmp/", "\\", "|", "1%|",
    "1%| ", "> ", "#", "-", "=", "a", "a ", "\u00e9", "https://", "www.", "2020-01-", "2020-01-01 ",
    "[cell ", "[cell 1", "cell 1, ", "\n1.", "\n ", "'", '"', "['", "['a", "name '", "a'", "$1 ",
    "~~~", "\n```", "Cell In [", "Cell In[1], line 1", "{", "*", "%", "\u00a0", "Series([],",
)  # fmt: skip
"""What hostile texts repeat: openings that are never closed, runs, halves of patterns."""

_FACTOR = 10
_MOST_GROWTH = 20.0
_NEGLIGIBLE = 0.15
"""Seconds of CPU of the long text that tell nothing yet; a quadratic operation takes many times."""


def grows_too_fast(operation: Callable[[str], object], length: int = 2_500) -> list[str]:
    """Return the units for which ten times the text takes much more than ten times the CPU."""
    found: list[str] = []
    for unit in UNITS:
        short, long = ((unit * size)[:size] for size in (length, length * _FACTOR))
        # A machine that does other things slows single runs, a quadratic operation slows each.
        if all(_grows(operation, short, long) for _ in range(3)):
            found.append(unit)
    return found


def _grows(operation: Callable[[str], object], short: str, long: str) -> bool:
    slow = _cpu(operation, long)
    return slow > _NEGLIGIBLE and slow > _MOST_GROWTH * _cpu(operation, short)


def _cpu(operation: Callable[[str], object], text: str) -> float:
    gc.disable()  # it would walk the objects of the test runner
    try:
        began = time.thread_time()
        operation(text)
        return time.thread_time() - began
    finally:
        gc.enable()
