"""A folder with real data, as a user has it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.cli import VEHICLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working folder with ``vehicles.csv``."""
    shutil.copyfile(VEHICLES, tmp_path / "vehicles.csv")
    return tmp_path
