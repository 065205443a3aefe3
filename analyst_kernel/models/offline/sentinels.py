"""What the profile warns of in a column: numbers that mean "missing", rows that are totals.

Pure; finds nothing on its own.
"""

from __future__ import annotations

import re

from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

_VALUE = re.compile(r"^(-?\d+) occurs ")


def sentinels(column: ColumnProfile, profile: DatasetProfile) -> tuple[int, ...]:
    """Return the values of a column that the profile takes for missing ones, such as -999."""
    found = (
        _VALUE.match(warning.message)
        for warning in profile.warnings
        if warning.code == "sentinel" and warning.column == column.name
    )
    return tuple(int(match[1]) for match in found if match is not None)


_TEXT = re.compile(r"'([^']*)'|\"([^\"]*)\"")


def totals(profile: DatasetProfile) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each column whose values mark rows as totals of others, with those values."""
    found = []
    for warning in profile.warnings:
        if warning.code == "total-rows" and warning.column is not None:
            said = warning.message[warning.message.find("(") : warning.message.rfind(")")]
            texts = tuple(one or other for one, other in _TEXT.findall(said))
            if texts:
                found.append((warning.column, texts))
    return tuple(found)
