"""A file is named after the noun it serves, and a test file is where pytest finds it."""

from __future__ import annotations

import re
import tomllib
from pathlib import PurePath

from tests.contracts.repository import sources, text

DRAWER = re.compile(r"(^|[_-])(utils?|helpers?|common|misc|stuff|tools_?misc)($|[_-])")
"""Names that say nothing, so that anything may be put there."""

WITHOUT_TESTS = {"benchmarks", "fakes", "live", "saved", "support", "typing"}
"""Folders of tests/ that `make test` does not collect: measured, used by others, or run alone."""


def test_no_file_is_a_drawer() -> None:
    code = sources(".py", ".ts", ".tsx", ".js")
    assert [name for name in code if DRAWER.search(PurePath(name).stem)] == []
    folders = {part for name in code for part in PurePath(name).parts[:-1]}
    assert sorted(folder for folder in folders if DRAWER.search(folder)) == []


def test_everything_in_tests_is_collected() -> None:
    configured = tomllib.loads(text("pyproject.toml"))["tool"]["pytest"]["ini_options"]["testpaths"]
    beside = tuple(f"tests/{folder}/" for folder in WITHOUT_TESTS)
    missing = [
        name
        for name in sources(".py", under="tests/")
        if PurePath(name).name.startswith("test_")
        and not name.startswith((*(f"{path}/" for path in configured), *configured, *beside))
    ]
    assert missing == [], "add these to testpaths in pyproject.toml"


def test_every_python_test_file_is_where_pytest_finds_it() -> None:
    stray = [
        name
        for name in sources(".py", under="tests/")
        if PurePath(name).name.endswith("_test.py")
        or (PurePath(name).name.startswith("test") and not PurePath(name).name.startswith("test_"))
    ]
    assert stray == []
