"""Closed forms ``@name[value]``, in which some users want their answer. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"@([A-Za-z_][\w.-]{0,79})\s?\[")
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """One ``@name[value]``: its name, where it starts, its value and its end (exclusive)."""

    name: str
    start: int
    content: int
    end: int


def closed_forms(text: str) -> list[ClosedForm]:
    """Return the closed forms of a text, in order; brackets inside the value are balanced."""
    found: list[ClosedForm] = []
    at = 0
    while match := _FORM.search(text, at):
        depth, end = 1, match.end()
        last = min(len(text), match.end() + _LONGEST)
        while end < last and depth and text[end] != "\n":
            depth += (text[end] == "[") - (text[end] == "]")
            end += 1
        if depth == 0:
            found.append(ClosedForm(match[1], match.start(), match.end(), end))
        at = end if depth == 0 else match.end()
    return found


def is_line_of_forms(line: str) -> bool:
    """Return whether a line consists of closed forms alone, so that its break matters."""
    at = 0
    forms = closed_forms(line)
    for form in forms:
        if line[at : form.start].strip(" \t,;"):
            return False
        at = form.end
    return bool(forms) and not line[at:].strip(" \t\r\n,;.")


def forms_first(text: str, question: str) -> str:
    """Return an answer with the closed forms that the question demands at its beginning.

    Lines of closed forms alone move up, unchanged; an empty line parts them from the rest. An
    answer that begins with one, and one to a question without such a form, stays as it is.
    """
    wanted = {form.name for form in closed_forms(question)}
    lines = text.split("\n")
    own = [line for line in lines if is_line_of_forms(line)]
    names = {form.name for line in own for form in closed_forms(line)}
    if not wanted & names or is_line_of_forms(lines[0]) or "```" in text:
        return text
    rest = "\n".join(line for line in lines if not is_line_of_forms(line)).strip("\n")
    return "\n".join(own) + (f"\n\n{rest}" if rest else "")
