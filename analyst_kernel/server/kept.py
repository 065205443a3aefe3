"""The notebook operations of one analysis that were not yet seen in its saved notebook."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence

from analyst_kernel.notebook.document import Operation
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.journal import Journal

_log = logging.getLogger(__name__)


class KeptOperations:
    """Implements :class:`analyst_kernel.notebook.writer.OperationStore` in the journal.

    Where the journal cannot be written, the notebook still is: it only would not survive a crash in
    between.
    """

    def __init__(self, journal: Journal, analysis: AnalysisId) -> None:
        """Keep for one analysis, which the journal knows."""
        self._journal = journal
        self._analysis = analysis

    async def keep(self, operations: Sequence[Operation]) -> None:
        """Write them down before anything of them is written into the notebook."""
        try:
            await asyncio.to_thread(self._journal.keep, self._analysis, operations)
        except (sqlite3.Error, OSError) as error:
            _log.warning("Changes of a notebook are not in the journal: %s", error)

    async def forget(self, operations: Sequence[Operation]) -> None:
        """Forget what landed; what cannot be forgotten now is harmless when it comes again."""
        try:
            await asyncio.to_thread(self._journal.forget, self._analysis, operations)
        except (sqlite3.Error, OSError) as error:
            _log.warning("Changes that landed stay in the journal: %s", error)

    async def outstanding(self) -> tuple[Operation, ...]:
        """Return what an earlier life of the server left."""
        try:
            return await asyncio.to_thread(self._journal.outstanding, self._analysis)
        except (sqlite3.Error, OSError, ValueError) as error:
            _log.warning("Changes of a notebook cannot be read from the journal: %s", error)
            return ()
