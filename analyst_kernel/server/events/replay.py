"""The past of an analysis as a tab that subscribes must see it: journal and live pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.events.coalesce import EncodedEvent
from analyst_kernel.server.events.journal import Journal

_PAGE = 200


async def past(
    journal: Journal, analysis: AnalysisId, *, after: int, edge: int, live: Sequence[EncodedEvent]
) -> AsyncIterator[tuple[int, str]]:
    """Yield number and JSON of each event with ``after < number <= edge``.

    Args:
        journal: Where it was written down.
        analysis: Of which analysis.
        after: What the tab has seen. Prose of which it saw a part is left out.
        edge: The newest event that was delivered when the tab subscribed.
        live: Pieces of what is under way, in order, which the journal does not have.
    """
    pieces = [told for told in live if told.number <= edge]
    at = after
    while True:
        rows = await asyncio.to_thread(journal.events, analysis, after=at, until=edge, most=_PAGE)
        for row in rows:
            while pieces and pieces[0].number < row.number:
                told = pieces.pop(0)
                yield told.number, told.json
            if row.first > after:
                yield row.number, row.body
        if len(rows) < _PAGE:
            break
        at = rows[-1].number
    for told in pieces:
        yield told.number, told.json
