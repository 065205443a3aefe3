"""Which numbers of an answer the user's question already gives. Pure."""

from __future__ import annotations

import re

from analyst_kernel.agent.evidence.numbers import Number, find_numbers
from analyst_kernel.agent.evidence.words import Words

_INSTRUCTION = re.compile(
    r"[-\s]*(?:decimals?|digits?|places|significant|sig\b|words?|sentences?|bullets?|lines?|"
    r"paragraphs?|characters?)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+|[0-9]+")
_EMPTY = frozenset(
    "a an and are at be by for from has have in is it of on or so than that the their there these "
    "this those to was were what which who with how many much does do did".split()
)
_STEM = 4
_SMALL = 100
_NEIGHBOURS = 3


class Given:
    """The numbers of a question, to look up whether a number of an answer repeats one.

    A digit that happens to stand in the question proves nothing: a small number is the question's
    only if it stands beside the same words there, or is the same word, such as "twice". ``freely``
    is a text whose numbers need none.
    """

    def __init__(self, question: str, freely: str = "") -> None:
        self._question = question
        self._numbers = [
            number
            for number in find_numbers(question)
            if not _INSTRUCTION.match(question, number.end) and not number.form
        ]
        self._free = {r.value for number in find_numbers(freely) for r in number.readings}

    def covers(self, words: Words) -> bool:
        """Return whether the user gave this number, so that it needs no proof."""
        number = words.number
        if number.form or not number.readings:
            return False
        if words.names_operation:
            return True
        value = number.readings[0].value
        if value in self._free:
            return True
        return any(
            round(value, 9) == round(reading.value, 9)
            and number.percent == given.percent
            and (
                self._is_distinctive(number)
                or self._is_alike(words, given)
                or (words.is_word and number.text.casefold() == given.text.casefold())
            )
            for given in self._numbers
            for reading in given.readings[:1]
        )

    @staticmethod
    def _is_distinctive(number: Number) -> bool:
        """Return whether the number is unlikely to stand in the question by chance."""
        value = number.readings[0].value
        return bool(number.date or number.time) or abs(value) >= _SMALL or value != int(value)

    def _is_alike(self, words: Words, given: Number) -> bool:
        ours = _beside(words.text, words.number)
        theirs = _beside(self._question, given)
        return bool(ours & theirs)


def _beside(text: str, number: Number) -> set[str]:
    """Return the beginnings of the words beside a number."""
    before = _WORD.findall(text[max(0, number.start - 60) : number.start])[-_NEIGHBOURS:]
    after = _WORD.findall(text[number.end : number.end + 60])[:_NEIGHBOURS]
    lower = {word.casefold() for word in (*before, *after)}
    return {word[:_STEM] for word in lower if word not in _EMPTY}
