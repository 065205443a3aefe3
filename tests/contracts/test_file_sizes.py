"""Files stay small enough to be read in one go, and folders to be taken in at a glance."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath

from tests.contracts.repository import sources, text

CODE = sources(".py", ".ts", ".tsx")
LINES = 500
FILES = 20

FULLER_FOLDERS: dict[str, str] = {}
"""Folders with more source files than that, each with its reason."""


def test_there_is_code() -> None:
    assert "analyst_kernel/protocol/events.py" in CODE
    assert "labextension/src/protocol/decode.ts" in CODE
    assert "labextension/src/protocol/generated.ts" not in CODE


def test_no_file_is_longer_than_the_limit() -> None:
    lengths = {name: len(text(name).splitlines()) for name in CODE}
    longer = [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > LINES]
    assert longer == [], f"more than {LINES} lines: split by responsibility"


def test_no_folder_holds_more_files_than_the_limit() -> None:
    folders = Counter(str(PurePath(name).parent) for name in CODE)
    fuller = {folder: count for folder, count in folders.items() if count > FILES}
    assert {f: n for f, n in fuller.items() if f not in FULLER_FOLDERS} == {}, (
        f"more than {FILES} source files: make folders of them"
    )
    assert set(FULLER_FOLDERS) <= set(fuller), "these exceptions are no longer needed"
