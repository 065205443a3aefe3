"""Where the sign of a number without proof stands: never inside what it would spoil. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from analyst_kernel._text import Spans, enclosed
from analyst_kernel.agent.evidence.forms import closed_forms
from analyst_kernel.protocol.records import NumberProof

UNVERIFIED = "†"
"""The sign behind a number that no executed output shows."""
EXPLAINED = "no executed cell shows this number"
OLD_MARK = " (not verified)"
"""How earlier versions marked such a number, in the text itself."""
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[^\n]*$|\Z)", re.DOTALL | re.MULTILINE)
_WHOLE = [
    (re.compile(r"(?<!\\)`+"), re.compile(r"`+|\n")),
    (re.compile(r"!?\[(?=[^\[\]\n]{0,300}\]\()"), re.compile(r"\)|\n")),
    (re.compile(r"(?<![\\$\w])\$\$?(?=[^\s$][^$\n]{0,300}[\\^_{}])"), re.compile(r"\$+|\n")),
    (re.compile(r"\\\("), re.compile(r"\\\)|\n")),
    (re.compile(r"<(?=[A-Za-z/!])"), re.compile(r">|\n")),
    (re.compile(r"https?://(?=\S)"), re.compile(r"(?=\s)|\n")),
]
"""Where a stretch opens that a sign would break, and where it closes within its line."""


def with_marks(text: str, proofs: Sequence[NumberProof]) -> str:
    """Return a text with the sign behind each number that has no proof, if it has none yet.

    Behind code, links, formulas and tags the sign follows the whole of it. A closed form and a code
    block get none, because others read them: :func:`explanation` names their numbers.
    """
    pieces: list[str] = []
    at = 0
    for place in sorted({place for place, _ in sign_places(text, proofs)}):
        pieces += (text[at:place], UNVERIFIED)
        at = place
    return "".join(pieces) + text[at:]


def sign_places(text: str, proofs: Sequence[NumberProof]) -> Iterator[tuple[int, NumberProof]]:
    """Yield where a sign is to stand and for which number; none where one stands already."""
    silent = Spans(untouchable(text))
    whole = sorted((s, e) for o, c in _WHOLE for s, _, e in enclosed(text, o, c))
    starts = [start for start, _ in whole]
    for proof in proofs:
        if proof.cell is not None or silent.overlap(proof.start, proof.end):
            continue
        # What a notebook's file says of its numbers may fit no text.
        if proof.start < 0 or text[proof.start : proof.end] != proof.text:
            continue
        place = proof.end
        # Stretches of one kind don't overlap, so those that hold a number are the last few.
        last = bisect_right(starts, proof.start)
        for _, end in whole[max(0, last - len(_WHOLE)) : last]:
            if proof.start < end:
                place = max(place, end)
        if not text.startswith((UNVERIFIED, OLD_MARK), place):
            yield place, proof


def untouchable(text: str) -> list[tuple[int, int]]:
    """Return the stretches that no sign and no link may change or touch."""
    return [
        *((form.start, form.end) for form in closed_forms(text)),
        *(match.span() for match in _FENCED.finditer(text)),
    ]


def explanation(proofs: Sequence[NumberProof]) -> str:
    """Return the line that explains the sign and names the numbers; empty if all are proven."""
    names = dict.fromkeys(proof.text for proof in proofs if proof.cell is None)
    if not names:
        return ""
    return f"{UNVERIFIED} Not verified, no executed cell shows it: {', '.join(names)}."


def marked(text: str, proofs: Sequence[NumberProof]) -> str:
    """Return an answer as a reader without links gets it: signs, and below what they mean."""
    below = explanation(proofs)
    return with_marks(text, proofs) + (f"\n\n{below}" if below else "")
