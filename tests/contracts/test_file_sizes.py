"""Files stay small enough to be read in one go."""

from __future__ import annotations

from statistics import median

import pytest

from tests.contracts.repository import sources, text

CODE = sources(".py", ".ts", ".tsx")
MEDIAN = 130
LIMIT = 500


def lines(name: str) -> int:
    return len(text(name).splitlines())


def test_there_is_code() -> None:
    assert "analyst_kernel/protocol/events.py" in CODE
    assert "labextension/src/protocol/decode.ts" in CODE
    assert "labextension/src/protocol/generated.ts" not in CODE


@pytest.mark.parametrize("name", CODE)
def test_no_file_is_longer_than_the_limit(name: str) -> None:
    assert lines(name) <= LIMIT, f"{name} has {lines(name)} lines: split it by noun"


@pytest.mark.parametrize("folder", ["analyst_kernel/", "labextension/src/"])
def test_the_median_file_is_short(folder: str) -> None:
    sizes = {name: lines(name) for name in CODE if name.startswith(folder)}
    sizes = {name: size for name, size in sizes.items() if size > 1}
    assert median(sizes.values()) <= MEDIAN, sorted(sizes.items(), key=lambda item: -item[1])[:10]
