"""Checks a proposed answer against the executed outputs.

The model gets one round to correct it. After that, numbers without proof are marked. Nothing is
written to the notebook here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from analyst_kernel.agent.evidence.proof import is_shown, mark_unverified, prove
from analyst_kernel.agent.run import AnswerDraft, Ending, Run
from analyst_kernel.protocol.events import NumbersChecked
from analyst_kernel.protocol.records import Answer, NumberProof, Value

_CITATION = re.compile(r"\[(?:cells?|iterations?)\s+([^\]\n]*)\]", re.IGNORECASE)
NOTHING_RAN = "None of the code ran without an error, so nothing was established."
GAVE_UP = "The question was not answered."


@dataclass(frozen=True, slots=True)
class Doubts:
    """The unproven parts of a draft: numbers as written, and citations of unknown cells."""

    numbers: tuple[str, ...]
    citations: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.numbers or self.citations)


def doubts(run: Run, draft: AnswerDraft) -> Doubts:
    """Return what is unproven in a draft: in its text, key values, assumptions and caveats."""
    texts = (draft.text, *draft.assumptions, *draft.caveats)
    return Doubts(unproven_in(run, texts, draft.key_values), _unknown_cells(run, draft.text))


def propose(run: Run, draft: AnswerDraft) -> Doubts | None:
    """Set the run's ending from a model's final answer, or return what to correct first.

    A run has one correction round; after it, numbers without proof are marked.
    """
    found = doubts(run, draft)
    if found and not run.asked_back:
        run.asked_back = True
        count = len(found.numbers) + len(found.citations)
        run.notice(
            "numbers-unproven",
            f"The model was asked to prove or correct {count} number(s) or citation(s).",
            "info",
        )
        return found
    if not draft.answered:
        run.ending = Ending("incomplete", draft, GAVE_UP)
        return None
    run.move_plan(run.plan.finished())
    if run.iterations and all(record.outcome != "ok" for record in run.iterations):
        run.ending = Ending("incomplete", draft, NOTHING_RAN)
    else:
        run.ending = Ending("answered", draft)
    return None


def settle_answer(run: Run, ending: Ending) -> Answer:
    """Return the final answer: numbers looked up and marked, unreached goals listed.

    The run's own assumptions (questions answered by their default) come first.
    """
    draft = ending.draft
    text, proofs = mark_unverified(draft.text, _prove(run, draft.text, ending.reason))
    caveats = [_marked(run, caveat) for caveat in draft.caveats]
    for value in _unproven_values(run, draft.key_values):
        caveats.append(f"{value.label}: {value.value} is not verified; no executed cell shows it.")
    answer = Answer(
        text=text,
        key_values=draft.key_values,
        assumptions=_unique(
            [*run.assumptions, *(_marked(run, assumption) for assumption in draft.assumptions)]
        ),
        caveats=_unique(caveats),
        next_questions=draft.next_questions[:3],
        numbers=proofs,
        unfinished=() if ending.status == "answered" else run.plan.unfinished,
    )
    run.settled = answer
    run.emit(NumbersChecked(**run.stamp, numbers=proofs, corrected=run.asked_back))
    unverified = sum(proof.cell is None for proof in proofs)
    if unverified:
        run.notice(
            "numbers-unverified",
            f"{unverified} number(s) of the answer stand in no executed output; each is marked.",
        )
    return answer


def unproven_in(run: Run, texts: Iterable[str], values: Iterable[Value]) -> tuple[str, ...]:
    """Return the numbers of the texts, and the values, that no output shows."""
    numbers = [proof.text for text in texts for proof in _prove(run, text) if proof.cell is None]
    numbers += [f"{value.label} = {value.value}" for value in _unproven_values(run, values)]
    return _unique(numbers)


def _prove(run: Run, text: str, given: str = "") -> tuple[NumberProof, ...]:
    names = {column.name for frame in run.memory.frames for column in frame.columns}
    for profile in run.memory.profiles.values():
        names.update(profile.dataset.columns)
        names.add(profile.dataset.name)
    # ``prove`` takes the last cell that shows a number: cells that the text cites go to the end.
    cited = _cited_cells(run, text)
    cells = sorted(run.memory.numbers, key=lambda shown: shown.cell in cited)
    return prove(text, cells, question=f"{run.question}\n{given}", names=names)


def _cited_cells(run: Run, text: str) -> set[str]:
    words = {
        word
        for citation in _CITATION.finditer(text)
        for word in re.findall(r"[0-9A-Za-z]+", citation[1])
    }
    return {r.cell for r in run.iterations if str(r.iteration) in words} | words


def _marked(run: Run, text: str) -> str:
    return mark_unverified(text, _prove(run, text))[0]


def _unproven_values(run: Run, values: Iterable[Value]) -> list[Value]:
    return [
        value
        for value in values
        if isinstance(value.value, int | float)
        and not isinstance(value.value, bool)
        and not is_shown(value.value, run.memory.numbers)
    ]


def _unknown_cells(run: Run, text: str) -> tuple[str, ...]:
    known = {str(record.iteration) for record in run.iterations}
    known |= {str(shown.cell) for shown in run.memory.numbers}
    unknown: list[str] = []
    for citation in _CITATION.finditer(text):
        for word in re.findall(r"[0-9A-Za-z_-]{1,64}", citation[1]):
            first, _, last = word.partition("-")
            if first.isdigit() and last.isdigit() and {first, last} <= known:
                continue
            if word not in known and word.lower() not in ("and", "to", "cell", "cells"):
                unknown.append(citation[0])
                break
    return _unique(unknown)


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
