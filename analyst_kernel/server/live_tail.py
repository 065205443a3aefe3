"""The streamed pieces of what is under way: what a tab that comes late must still see. Pure."""

from __future__ import annotations

from analyst_kernel.protocol.events import (
    Event,
    IterationFinished,
    IterationStarted,
    ModelCalled,
    ModelReplied,
    ModelRetried,
    OutputProduced,
    OutputsCleared,
    RunFinished,
    TextStreamed,
    ThinkingStreamed,
    ToolInputStreamed,
)
from analyst_kernel.server.told import Told, join_all

_MOST = 4_000


class LiveTail:
    """Pieces of the model call and of the cell at work, oldest first."""

    def __init__(self) -> None:
        """Start empty."""
        self._call: list[Told] = []
        self._cell: list[Told] = []

    def add(self, told: Told) -> list[Told]:
        """Take the next event.

        Returns:
            What must be kept of streams that it ends, to be journalled before it: the prose of a
            model call. A cell's outputs are in the event itself.
        """
        kept: list[Told] = []
        event: Event = told.event
        match event:
            case TextStreamed() | ThinkingStreamed() | ToolInputStreamed():
                self._call = _bounded([*self._call, told])
            case OutputProduced():
                self._cell = _bounded([*self._cell, told])
            case ModelReplied() | RunFinished():
                kept = [t for t in _by_kind(self._call) if not _is_input(t)]
                self._call = []
                if isinstance(event, RunFinished):
                    self._cell = []
            case ModelCalled() | ModelRetried():
                self._call = []
            case IterationStarted() | IterationFinished() | OutputsCleared():
                self._cell = []
            case _:
                pass
        return kept

    def after(self, number: int) -> list[Told]:
        """Return the pieces after ``number``; one that was seen in part only is left out."""
        pieces = sorted([*self._call, *self._cell], key=lambda told: told.number)
        return [told for told in pieces if told.first > number]


def _bounded(pieces: list[Told]) -> list[Told]:
    """Join the older half when there are too many."""
    if len(pieces) <= _MOST:
        return pieces
    half = _MOST // 2
    return join_all(pieces[:half]) + pieces[half:]


def _by_kind(pieces: list[Told]) -> list[Told]:
    """Join all prose, and all thinking, each at the number of its last piece."""
    thinking = join_all([t for t in pieces if isinstance(t.event, ThinkingStreamed)])
    text = join_all([t for t in pieces if isinstance(t.event, TextStreamed)])
    return sorted([*thinking, *text], key=lambda told: told.number)


def _is_input(told: Told) -> bool:
    return isinstance(told.event, ToolInputStreamed)
