"""What the repository holds, and what no file of it may hold."""

from __future__ import annotations

import re

import pytest

from tests.contracts.repository import ROOT, files, sources, text

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "analyst_kernel",
    "labextension",
    "notebooks",
    "pyproject.toml",
    "tests",
}
"""What stands at the top, and nothing else."""

THIS = "tests/contracts/test_repository_content.py"
BINARY = (".png", ".gz", ".zip", ".parquet", ".xlsx", ".sqlite", ".duckdb", ".woff2")
READABLE = tuple(name for name in files() if name != THIS and not name.endswith(BINARY))

FORBIDDEN = {
    "a key": re.compile(
        r"sk-ant-(api|oat|admin)\d\d-[\w-]{40,}|sk-(proj|or)-[\w-]{32,}|sk-[A-Za-z0-9]{40,}"
        r"|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    ),
    "the host of a package registry": re.compile(
        r"registry\.npmjs|registry\.yarnpkg|npmmirror|pypi\.org/simple|files\.pythonhosted"
        r"|resolved[ ]\"https?://|registry[=]|index-url|npmRegistryServer"
    ),
    "a path of the machine it was made on": re.compile(r"/work/(main|shared|notes)\b|/Users/\w+/"),
    "a folder beside the repository": re.compile(r"\.\./shared\b"),
}


def test_the_top_level_is_the_designs() -> None:
    assert {name.partition("/")[0] for name in files()} - TOP_LEVEL == set()


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name in READABLE
        for number, line in enumerate(text(name).splitlines(), start=1)
        if FORBIDDEN[what].search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a key", "key = 'sk-ant-api03-" + "a1B2" * 12 + "'"),
        ("the host of a package registry", "resolved" + ' "https://example.org/x.tgz"'),
        ("a path of the machine it was made on", "/work/main/x"),
        ("a folder beside the repository", "../shared/data"),
    ],
)
def test_the_patterns_find_what_they_are_for(what: str, line: str) -> None:
    assert FORBIDDEN[what].search(line)


def test_the_lock_file_names_versions_only() -> None:
    lock = text("labextension/yarn.lock")
    resolutions = re.findall(r'^  resolution: "(.+)"$', lock, re.MULTILINE)
    assert len(resolutions) > 100
    assert [line for line in resolutions if "http" in line] == []


def test_no_file_is_large() -> None:
    large = [name for name in files() if (ROOT / name).stat().st_size > 6_000_000]
    assert large == [], "data and pictures stay small enough to be cloned"


def test_shell_scripts_stop_at_the_first_error() -> None:
    scripts = [
        name for name in files() if text(name).startswith(("#!/bin/sh", "#!/usr/bin/env bash"))
    ]
    assert ".ci/run" in scripts
    assert [name for name in scripts if not re.search(r"^set -eu", text(name), re.MULTILINE)] == []


def test_nothing_is_left_for_later() -> None:
    code = [name for name in sources(".py", ".ts", ".tsx") if name != THIS]
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")
    found = [
        f"{name}:{number}"
        for name in code
        for number, line in enumerate(text(name).splitlines(), start=1)
        if mark.search(line)
    ]
    assert found == []
