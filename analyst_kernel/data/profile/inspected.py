"""What is known of a table after reading: its profile, and what may link it to others.

A sketch says which values a column holds, as few numbers. It is made where the file is parsed and
compared elsewhere, so that no file is read again for the sake of another one.
"""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from analyst_kernel.data.read.options import Source
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.datasets import DatasetProfile

MAX_HASHES = 16_384
_BYTES = 8
_NAME = Annotated[str, Field(max_length=10_000)]


class ColumnSketch(Record):
    """The smallest hashes of a column's distinct values, which say how far columns overlap.

    Attributes:
        column: Its name.
        distinct: Distinct values, exactly.
        unique: No value stands in two rows.
        hashes: The smallest 64-bit hashes in rising order, as base64; those of all values, or as
            many as are kept.
    """

    column: _NAME
    distinct: int = Field(ge=0)
    unique: bool
    hashes: str = Field(max_length=MAX_HASHES * _BYTES * 4 // 3 + 4)

    def numbers(self) -> array[int]:
        """Return the hashes; raise ``ValueError`` if they are not what a sketch holds."""
        try:
            raw = base64.b64decode(self.hashes, validate=True)
        except binascii.Error as error:
            raise ValueError("a sketch is no base64") from error
        if len(raw) % _BYTES:
            raise ValueError("a sketch has half a hash")
        found = array("Q", raw)
        if sys.byteorder == "big":
            found.byteswap()
        if len(found) > min(self.distinct, MAX_HASHES):
            raise ValueError("a sketch has more hashes than values")
        if any(found[n] >= found[n + 1] for n in range(len(found) - 1)):
            raise ValueError("the hashes of a sketch are in no order")
        return found


class DeclaredKey(Record):
    """A link that the file itself declares: a column, and the column of a table it refers to."""

    column: _NAME
    table: _NAME
    other_column: _NAME


@dataclass(frozen=True, slots=True)
class Inspected:
    """A source after reading, its profile, and what may link it to others.

    Attributes:
        not_kept: Keys of the user's choices that could not be kept, each with the reason.
    """

    source: Source
    profile: DatasetProfile
    sketches: tuple[ColumnSketch, ...] = ()
    keys: tuple[DeclaredKey, ...] = ()
    not_kept: tuple[tuple[str, str], ...] = ()
