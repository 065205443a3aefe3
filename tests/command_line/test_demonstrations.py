"""The shipped notebooks, verified as a user would: re-run in a fresh sandboxed kernel."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.command import analyst

SHIPPED = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in SHIPPED.glob("*.ipynb"))


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copytree(SHIPPED / "data", folder / "data")
    for name in NAMES:
        shutil.copy(SHIPPED / name, folder / name)
    return folder


def test_there_are_demonstrations() -> None:
    assert len(NAMES) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_a_demonstration_reproduces_charts_included(copies: Path, name: str) -> None:
    ended = analyst("verify", name, "--data", "data", cwd=copies)
    assert ended.code == 0, ended.out + ended.err
