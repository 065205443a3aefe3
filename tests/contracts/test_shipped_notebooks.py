"""The notebooks in the repository are valid, trusted by nobody, and betray no machine."""

from __future__ import annotations

import json
import re
from typing import Any

import nbformat
import pytest

from tests.contracts.repository import sources, text

NOTEBOOKS = sources(".ipynb")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|private|var/folders)/[\w.-]+")


def trusted(value: Any) -> bool:
    """Return whether any metadata below ``value`` claims trust."""
    match value:
        case dict():
            return "trusted" in value or any(trusted(part) for part in value.values())
        case list():
            return any(trusted(part) for part in value)
        case _:
            return False


def machine_paths(content: str) -> list[str]:
    """Return the absolute paths of a user's machine in a notebook's text."""
    return MACHINE_PATH.findall(content)


def test_every_notebook_is_valid_and_clean() -> None:
    for name in NOTEBOOKS:
        content = text(name)
        nbformat.validate(nbformat.reads(content, as_version=nbformat.NO_CONVERT))
        notebook = json.loads(content)
        assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5), name
        assert not trusted([notebook["metadata"], [c["metadata"] for c in notebook["cells"]]]), name
        assert machine_paths(content) == [], name


def test_notebooks_stand_in_their_folder() -> None:
    folders = ("notebooks/", "tests/")
    assert [name for name in NOTEBOOKS if not name.startswith(folders)] == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('"File \\"/home/ada/vehicles.csv\\""', 1),
        ('"/root/x.csv"', 1),
        ('"/tmp/ipykernel_12/1.py"', 1),
        ('"../data/vehicles.csv"', 0),
        ('"share/home/ada"', 0),
        ('"https://example.org/home/ada"', 0),
    ],
)
def test_what_counts_as_a_machine_path(content: str, found: int) -> None:
    assert len(machine_paths(content)) == found
