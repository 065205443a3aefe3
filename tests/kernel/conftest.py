"""Sessions over real kernels, stopped after each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.kernel.session import KernelSession
from tests.kernel.pandas2 import pandas2_kernel

__all__ = ["pandas2_kernel"]

MakeSession = Callable[..., KernelSession]


def output_folder(session: KernelSession) -> Path:
    """Return the folder for the files of a session's code, beside its notebook."""
    notebook = Path(session.notebook)
    return notebook.with_name(f"{notebook.stem}_files")


@pytest.fixture
async def make_session(tmp_path: Path) -> AsyncIterator[MakeSession]:
    """Return a maker of sessions on the plain kernel; every session is stopped at the end."""
    made: list[KernelSession] = []

    def make(**options: Any) -> KernelSession:
        options = {
            "notebook": str(tmp_path / "work" / "mileage.ipynb"),
            "kernel_name": "python3",
            "require": "none",
            **options,
        }
        made.append(KernelSession(**options))
        return made[-1]

    yield make
    await asyncio.gather(*(session.stop() for session in made))


@pytest.fixture
async def session(make_session: MakeSession) -> KernelSession:
    """Return a started session on the kernel that users get; ready in a tenth of a plain one's time."""
    session = make_session(kernel_name="analyst")
    await session.start()
    return session


@pytest.fixture
async def plain_session(make_session: MakeSession) -> KernelSession:
    """Return a started session on the plain kernel: nothing is imported, no folder is hidden."""
    session = make_session()
    await session.start()
    return session
