"""Whoever switches a check off for a line says why on that line."""

from __future__ import annotations

import re

import pytest

from tests.contracts.python_code import comments
from tests.contracts.repository import sources, text

PYTHON = re.compile(
    r"#\s*(?:type:\s*ignore(?P<types>\[[\w, -]+\])?"
    r"|noqa(?P<rules>:\s*[A-Z]+\d+(?:[, ]+[A-Z]+\d+)*)?"
    r"|pragma:\s*no (?:cover|branch))"
)
TYPESCRIPT = re.compile(
    r"(?:eslint-disable(?:-next-line|-line)?|@ts-(?:ignore|expect-error|nocheck)).*"
)
REASON = re.compile(r"[A-Za-z]{2,}\W+[A-Za-z]{2,}")
"""At least two words."""


def unexplained(comment: str) -> list[str]:
    """Return the waivers of a comment that have no reason, or are not limited to named rules."""
    rest = PYTHON.sub("", comment)
    reasonless = PYTHON.search(comment) is not None and not REASON.search(rest)
    return [
        found.group()
        for found in PYTHON.finditer(comment)
        if reasonless
        or ("ignore" in found.group() and not found["types"])
        or ("noqa" in found.group() and not found["rules"])
    ]


def test_a_python_waiver_has_its_reason() -> None:
    found = [
        f"{name}:{line} {bare}"
        for name in sources(".py")
        for line, comment in comments(name)
        for bare in unexplained(comment)
    ]
    assert found == [], "write the rule and the reason: `# noqa: S606 - our own interpreter`"


def test_a_typescript_waiver_has_its_reason() -> None:
    found = [
        f"{name}: {waiver}"
        for name in sources(".ts", ".tsx", ".js")
        for waiver in TYPESCRIPT.findall(text(name))
        if not REASON.search(waiver.partition(" -- ")[2])
    ]
    assert found == [], "write the reason after ` -- `"


@pytest.mark.parametrize(
    ("comment", "count"),
    [
        ("# noqa: S606 - our own interpreter", 0),
        ("# type: ignore[arg-type]  # click checked the choice", 0),
        ("# the caller knows why", 0),
        ("# noqa: S606", 1),
        ("# noqa", 1),
        ("# type: ignore", 1),
        ("# type: ignore # because of reasons", 1),
        ("# pragma: no cover", 1),
    ],
)
def test_what_counts_as_a_reason(comment: str, count: int) -> None:
    assert len(unexplained(comment)) == count
