"""Reads data files in the test's own process, for tests of what is read and not of who reads it.

Requests and answers are those of a reader, over the same wire and with the same checks; only the
process is missing, which takes longer to start than most tests do. ``tests/data/test_reader*.py``
test the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.reader.inside import answer_to
from analyst_kernel.data.reader.outside import FileReader
from analyst_kernel.data.reader.wire import ReaderAnswer, ReaderRequest, read_answer

_T = TypeVar("_T")


class ReaderHere(FileReader):
    """A reader without a process of its own."""

    async def _ask(
        self, request: ReaderRequest, use: Callable[[ReaderAnswer], _T], size: int = 0
    ) -> _T:
        raw = await asyncio.to_thread(answer_to, request.model_dump_json().encode())
        return use(read_answer(raw))

    async def _prepare_forks(self) -> None:
        """Nothing is forked here."""


def catalog_here(notebook: str, **options: Any) -> LocalCatalog:
    """Return a catalog that reads files in this process."""
    return LocalCatalog(notebook=notebook, reader=ReaderHere(), **options)
