"""Documents beside the data: their list in the first message, and the tool that reads them.

A document is data like any file: its text comes from a reader and stands in a nonce envelope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from analyst_kernel._relevance import text_scores
from analyst_kernel._text import shorten
from analyst_kernel.agent.observation.cell import envelope
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.tools import inputs
from analyst_kernel.agent.tools.registry import Reply
from analyst_kernel.protocol.errors import DataError

_MOST_LISTED = 30
_MOST_SKIPPED = 10
_PART = 8000  # characters of one reply, about 2,000 tokens
_BEFORE, _AFTER = 300, 900
_MOST_PASSAGES = 6


@dataclass(frozen=True, slots=True)
class Document:
    """A text beside the data; ``name`` tells it apart from all others of the analysis."""

    name: str
    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class DocumentText:
    """What a document says; ``cut`` if it goes on behind what is read of one."""

    text: str
    cut: bool = False


@runtime_checkable
class DocumentShelf(Protocol):
    """A :class:`Catalog` that has documents, too."""

    @property
    def documents(self) -> Sequence[Document]:
        """The documents in the folders that the user granted."""

    @property
    def skipped(self) -> Sequence[tuple[str, str]]:
        """Files of granted folders that are no dataset: name and reason."""

    async def read_document(self, name: str) -> DocumentText:
        """Return a document's text.

        Raises ``DataError`` with the nearest name if it is unknown, if it cannot be read, or if the
        privacy mode keeps texts from the model.
        """


def documents_text(run: Run) -> str:
    """List the documents, those that the question names first, and what was skipped."""
    shelf = run.deps.catalog
    if not isinstance(shelf, DocumentShelf):
        return ""
    parts = []
    known = shelf.documents
    if known:
        scores = text_scores([one.name for one in known], run.question)
        order = sorted(range(len(known)), key=lambda place: -scores[place])
        shown = [f"- {_line(known[n].name)} ({known[n].bytes:,} bytes)" for n in order]
        more = [f"and {len(shown) - _MOST_LISTED} more"] if len(shown) > _MOST_LISTED else []
        head = "Documents beside the data, which read_document reads:"
        parts.append("\n".join([head, *shown[:_MOST_LISTED], *more]))
    skipped = shelf.skipped
    if skipped:
        shown = [f"- {_line(name)}: {_line(why)}" for name, why in skipped[:_MOST_SKIPPED]]
        more = [f"and {len(skipped) - len(shown)} more"] if len(skipped) > len(shown) else []
        parts.append("\n".join(["Files that are no dataset:", *shown, *more]))
    return "\n\n".join(parts)


async def read_document(run: Run, call: inputs.ReadDocument) -> Reply:
    """Return a part of a document, or the passages that hold a text."""
    shelf = run.deps.catalog
    if not isinstance(shelf, DocumentShelf) or not shelf.documents:
        return Reply.refuse("There is no document beside the data.")
    try:
        found = await shelf.read_document(call.name)
    except DataError as error:
        return Reply.refuse(f"Not read:\n{envelope(str(error), run.nonce)}")
    end = "; only its beginning is read, the file goes on" if found.cut else ""
    total = f"{len(found.text):,} characters{end}"
    if call.search.strip():
        passages = _passages(found.text, call.search.strip())
        if not passages:
            return Reply.say(f"Nothing of the {total} holds that text; read it without `search`.")
        return Reply.say(f"Of {total}:\n{envelope(passages, run.nonce)}")
    part = found.text[call.start : call.start + _PART]
    if not part:
        return Reply.refuse(f"Not read: it has {total}. Send a smaller `start`.")
    last = call.start + len(part)
    said = f"Characters {call.start:,} to {last:,} of {total}:\n{envelope(part, run.nonce)}"
    proof = "\nWhat a document says proves no number of the data; cite it as the document's."
    return Reply.say(said + proof)


def _line(text: str) -> str:
    return shorten(" ".join(text.split()), 200)


def _passages(text: str, wanted: str) -> str:
    """Return what stands around each place of a text that holds ``wanted``, letter case aside."""
    lower, wanted = text.lower(), wanted.lower()
    if len(lower) != len(text):  # a letter whose small form is longer would shift the places
        lower = text
    parts: list[str] = []
    at, last = lower.find(wanted), 0
    while at >= 0 and len(parts) < _MOST_PASSAGES:
        start = max(last, at - _BEFORE)
        last = min(len(text), at + len(wanted) + _AFTER)
        parts.append(f"[from character {start:,}]\n{text[start:last]}")
        at = lower.find(wanted, last)
    left = lower.count(wanted, last) if at >= 0 else 0
    if left:
        parts.append(f"[{left} more places hold it]")
    return "\n\n".join(parts)
