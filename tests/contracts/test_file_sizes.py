"""Files stay small enough to be read in one go."""

from __future__ import annotations

from tests.contracts.repository import sources, text

CODE = sources(".py", ".ts", ".tsx")
LINES = 500


def test_there_is_code() -> None:
    assert "analyst_kernel/protocol/events.py" in CODE
    assert "labextension/src/protocol/decode.ts" in CODE
    assert "labextension/src/protocol/generated.ts" not in CODE


def test_no_file_is_longer_than_the_limit() -> None:
    lengths = {name: len(text(name).splitlines()) for name in CODE}
    longer = [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > LINES]
    assert longer == [], f"more than {LINES} lines: split by responsibility"
