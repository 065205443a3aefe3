"""What the user says of a table's reading, in place of what was found.

A choice is a key and a value, both texts. A key names a kind (:data:`KINDS`) and, behind a dot,
what the choice is about: ``header``, ``dates.order_date``, ``rows.total``, ``word.NA``.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, replace

from analyst_kernel.protocol.errors import DataError

KINDS: Mapping[str, str] = {
    "header": "the number of the row with the names of the columns (from 1), or none",
    "encoding": "the name of the text's encoding, such as cp1252",
    "decimal": "the decimal mark, . or ,",
    "dates": "for a column: day or month, whichever comes first, or text",
    "rows": "for total, footer, units or header: keep or leave-out",
    "word": "for a word such as NA: value or gap",
    "gap": "for a column: a value that stands for a missing one, or none",
    "hidden-sheets": "load or leave-out",
    "labels": "for a column of Stata, SPSS or SAS: labels or codes",
}
"""What may be chosen, and what its values are."""
_ABOUT = frozenset({"dates", "rows", "word", "gap", "labels"})
_VALUES: Mapping[str, tuple[str, ...]] = {
    "decimal": (".", ","),
    "dates": ("day", "month", "text"),
    "rows": ("keep", "leave-out"),
    "word": ("value", "gap"),
    "hidden-sheets": ("load", "leave-out"),
    "labels": ("labels", "codes"),
}
NONE = "none"
ROWS = ("total", "footer", "units", "header")
"""Kinds of rows that the user may keep in the table or leave out."""
LONGEST = 200
_MOST = 200


class ReadingNotKept(DataError):
    """A table cannot be read as the user said.

    Attributes:
        key: Of the choice.
    """

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why, "Choose something else.")
        self.key = key


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the user said of one table, in the order of the saying."""

    values: tuple[tuple[str, str], ...] = ()

    def get(self, kind: str, about: str = "") -> str:
        """Return the value that the user chose; empty if they said nothing of it."""
        return dict(self.values).get(f"{kind}.{about}" if about else kind, "")

    def of(self, kind: str) -> dict[str, str]:
        """Return the values of all choices of a kind, by what they are about."""
        start = f"{kind}."
        return {key[len(start) :]: value for key, value in self.values if key.startswith(start)}

    def saying(self, key: str, value: str) -> Chosen:
        """Return the choices with one more, or without it if ``value`` is empty.

        Raises:
            DataError: There is no such choice, or none of that value.
        """
        rest = tuple(one for one in self.values if one[0] != key)
        if not value:
            return replace(self, values=rest)
        if len(rest) >= _MOST:
            raise DataError(f"A table has at most {_MOST} choices.", "Take one back first.")
        return replace(self, values=(*rest, (key, checked(key, value))))

    def without(self, key: str) -> Chosen:
        """Return the choices without one."""
        return replace(self, values=tuple(one for one in self.values if one[0] != key))

    @property
    def gaps(self) -> dict[str, str]:
        """The values that stand for a missing one, by column."""
        return {name: value for name, value in self.of("gap").items() if value != NONE}


def checked(key: str, value: str) -> str:
    """Return a choice's value as it is kept.

    Raises:
        DataError: There is no such key, or it has no such value.
    """
    kind, _, about = key.partition(".")
    known_rows = kind != "rows" or about in ROWS
    if kind not in KINDS or (kind in _ABOUT) != bool(about) or len(key) > LONGEST or not known_rows:
        known = ", ".join(f"{one}.NAME" if one in _ABOUT else one for one in KINDS)
        raise DataError(f"{key[:60]!r} is nothing that can be chosen.", f"There are {known}.")
    plain = value.strip() if kind != "gap" else value
    wrong = DataError(f"{key} cannot be {value[:60]!r}.", f"It is {KINDS[kind]}.")
    if len(plain) > LONGEST or any(mark in plain for mark in "\n\r\0"):
        raise wrong
    if kind in _VALUES and plain not in _VALUES[kind]:
        raise wrong
    if kind == "header" and plain != NONE and not (plain.isdecimal() and 0 < int(plain) < 10**9):
        raise wrong
    if kind == "encoding":
        try:
            found = codecs.lookup(plain)
        except (LookupError, ValueError):
            raise wrong from None
        # Codecs such as base64 and rot13 give no text.
        if not getattr(found, "_is_text_encoding", True) or found.name in ("idna", "punycode"):
            raise wrong
        # Python's "undefined" and the escapes are no encodings of files.
        if found.name in ("undefined", "unicode_escape", "raw-unicode-escape", "mbcs", "oem"):
            raise wrong
        return found.name
    return plain


def values_of(kind: str) -> tuple[str, ...]:
    """Return the values that choices of a kind have; empty if any text may be one."""
    return _VALUES.get(kind, ())
