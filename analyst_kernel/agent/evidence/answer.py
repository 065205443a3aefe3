"""Checks a proposed answer against the executed outputs.

The model gets one round to correct it. An answer whose numbers stay without proof, which cites a
cell that did not run, or for which no code ran at all, ends its run as ``incomplete``. Nothing is
written to the notebook here, and the text of an answer is never changed: what is not proven is
marked where it is shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from analyst_kernel._text import enclosed
from analyst_kernel.agent.budget import LONGEST_ANSWER
from analyst_kernel.agent.evidence.checks import doubts
from analyst_kernel.agent.evidence.forms import closed_forms, forms_first
from analyst_kernel.agent.evidence.marks import EXPLAINED, with_marks
from analyst_kernel.agent.evidence.proof import is_shown, prove
from analyst_kernel.agent.evidence.shown import CellNumbers, profile_numbers
from analyst_kernel.agent.lineage.judge import lineage_caveats
from analyst_kernel.agent.lineage.reading import assumption_of, choices_behind
from analyst_kernel.agent.privacy.wall import privacy_caveat
from analyst_kernel.agent.prompts import correction
from analyst_kernel.agent.run import AnswerDraft, Ending, Run
from analyst_kernel.protocol.datasets import ReadingChoice
from analyst_kernel.protocol.events import NumbersChecked
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.records import (
    Answer,
    CellLabel,
    InstructionsPlace,
    NumberProof,
    Value,
)

_CITATION = re.compile(
    r"\[(?:cells?|iterations?)\s+|\((?:(?:see|from|in) )?(?:cells?|iterations?)\s+(?=[0-9])",
    re.IGNORECASE,
)
_CITATION_END = re.compile(r"[\])\n]")
_REFUSAL = re.compile(
    r"\b(?:not answerable|unanswerable|not possible to (?:answer|say|tell|determine|compute)|"
    r"impossible to (?:answer|say|tell|determine)|"
    r"(?:can(?:not|['’]t| not)|could(?: not|n['’]t)) (?:be )?"
    r"(?:answer|determin|tell|say|comput|calculat|deriv|establish|know)\w*|"
    r"(?:no|without a|without any|lacks?(?: an?)?|missing) (?:such |\W*\w+\W* ){0,3}"
    r"(?:columns?|variables?|fields?|data|dataset|information|table)|"
    r"(?:do(?:es)?|is|are|has|have)(?: not|n['’]t) (?:contain|have|include|record|hold|say|tell|"
    r"show|any|in the data|available|recorded|part of)\w*)\b",
    re.IGNORECASE,
)
NOTHING_RAN = "None of the code ran without an error, so nothing was established."
NO_CELL = (
    "No code ran for this answer and no cell that ran earlier shows it, so nothing in it is "
    "computed. Ask again, or ask for the numbers behind it."
)
GAVE_UP = "The question was not answered."
_MOST_NAMED = 8
_PLACES: dict[InstructionsPlace, str] = {
    "user": "the user's own", "project": "the project's", "given": "given with the question",
}  # fmt: skip


def propose(run: Run, draft: AnswerDraft) -> str:
    """Set the run's ending from a model's final answer, or return the request to correct it first.

    A run has one correction round; with what is left after it, the run is incomplete. The text is
    empty if the answer was taken.
    """
    if len(draft.text) > LONGEST_ANSWER:
        return (
            f"Not taken: the answer has {len(draft.text):,} characters, at most "
            f"{LONGEST_ANSWER:,} are read. Say what matters, and leave tables to the cells."
        )
    draft = replace(draft, text=forms_first(draft.text, run.question))
    numbers = unproven_in(
        run, [draft.text], draft.key_values, notes=(*draft.assumptions, *draft.caveats)
    )
    citations = _unknown_cells(run, (draft.text, *draft.assumptions, *draft.caveats))
    forms = _missing_forms(run, draft)
    count = len(numbers) + len(citations) + len(forms)
    asked = () if run.asked_back else doubts.doubts_about(run, draft)
    if (count or asked) and not run.asked_back:
        run.asked_back, run.doubts = True, asked
        if count:
            run.notice(
                "numbers-unproven",
                f"The model was asked to prove or correct {count} number(s) or citation(s).",
                "info",
            )
        for doubt in asked:
            run.notice("answer-questioned", f"The model was asked: {doubt.statement}", "info")
        parts = [correction(numbers, citations, forms)] if count else []
        return "\n".join([*parts, *doubts.request(asked, run.nonce)])
    run.ending = _ending(run, draft, numbers, citations)
    return ""


def _ending(
    run: Run, draft: AnswerDraft, numbers: tuple[str, ...], citations: tuple[str, ...]
) -> Ending:
    """Return how a run ends with this answer: answered only if it rests on code that ran.

    An honest refusal and an answer that says nothing of the data need no code.
    """
    if not draft.answered:
        return Ending("incomplete", draft, GAVE_UP)
    if run.iterations and all(record.outcome != "ok" for record in run.iterations):
        return Ending("incomplete", draft, NOTHING_RAN)
    faults = []
    if numbers:
        named = ", ".join(text.partition(" (")[0] for text in numbers[:_MOST_NAMED])
        more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
        faults.append(f"No executed cell shows {named}{more}.")
    if citations:
        faults.append(f"No cell that ran is meant by {', '.join(citations[:_MOST_NAMED])}.")
    if faults:
        text = " ".join(faults)
        return Ending("incomplete", draft, f"{text} Take these as claims, or ask for them alone.")
    if not run.iterations and not _rests_on_cells(run, draft) and not is_refusal(draft.text):
        return Ending("incomplete", draft, NO_CELL)
    return Ending("answered", draft)


def is_refusal(text: str) -> bool:
    """Return whether an answer says that the data does not hold what was asked for."""
    return _REFUSAL.search(text) is not None


def _rests_on_cells(run: Run, draft: AnswerDraft) -> bool:
    """Return whether cells of earlier questions, or the setup cell, prove or support the answer."""
    proofs = _prove(run, draft.text)
    return any(proof.cell is not None for proof in proofs) or any(_citations(draft.text))


def settle_answer(run: Run, ending: Ending) -> Answer:
    """Return the final answer: its text as it is, its numbers looked up, unreached goals listed.

    The run's own assumptions (questions answered by their default) come first.
    """
    draft = ending.draft
    # An answer that is composed here opens with the reason, whose numbers nobody computed.
    own = ending.reason if ending.reason in draft.text else ""
    proofs = _prove(run, draft.text, own)
    caveats = [_marked(run, caveat) for caveat in draft.caveats]
    for value in _unproven_values(run, draft.key_values, draft.text):
        caveats.append(f"{value.label}: {value.value} is not verified; {EXPLAINED}.")
    caveats += doubts.standing_caveats(run, draft)
    relied = _cited_cells(run, draft.text) or {proof.cell for proof in proofs if proof.cell}
    readings = _readings_behind(run, relied, proofs)
    said = (
        run.question, draft.text, *run.assumptions, *draft.assumptions, *draft.caveats,
        *(choice.key for _, choice in readings),
    )  # fmt: skip
    caveats += lineage_caveats(run.iterations, relied, said)
    caveats += privacy_caveat(run.deps.model)
    answer = Answer(
        text=draft.text,
        key_values=draft.key_values,
        assumptions=_unique(
            [
                *run.assumptions,
                *_instructed(run),
                *(assumption_of(name, choice) for name, choice in readings),
                *(_marked(run, assumption) for assumption in draft.assumptions),
            ]
        ),
        caveats=_unique(caveats),
        next_questions=draft.next_questions[:3],
        numbers=proofs,
        unfinished=() if ending.status == "answered" else run.plan.unfinished,
        cells=_labels(run, [draft.text, *draft.assumptions, *caveats]),
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


def _readings_behind(
    run: Run, relied: set[CellId], proofs: Iterable[NumberProof]
) -> list[tuple[str, ReadingChoice]]:
    """Return the choices of the data's reading that the answer rests on.

    Without a number or a citation, it rests on whatever ran for it.
    """
    relied = relied or {record.cell for record in run.iterations if record.outcome == "ok"}
    setups = {setup.cell for setup in run.memory.setups}
    numbers = [number for proof in proofs if proof.cell in setups
               for number in [_number(proof.text)] if number is not None]  # fmt: skip
    stated: dict[str, list[float]] = {}
    for name, profile in run.memory.profiles.items():
        cell = next((s.cell for s in run.memory.setups if name in s.names), None)
        if cell is not None:
            known = [profile_numbers(cell, profile)]
            stated[name] = [number for number in numbers if is_shown(number, known)]
    return choices_behind(run.memory.profiles, run.memory.shown, relied, stated)


def _number(text: str) -> float | None:
    try:
        return float(re.sub(r"[^0-9.eE+-]", "", text))
    except ValueError:
        return None


def _instructed(run: Run) -> list[str]:
    """Return what an answer says of the instructions that it was made under: which text exactly."""
    return [
        f"Made under the instructions in {os.path.basename(file.path)} "
        f"({_PLACES[file.place]}; SHA-256 {file.digest[:12]})"
        for file in run.instructions
    ]


def unproven_in(
    run: Run, texts: Iterable[str], values: Iterable[Value], *, notes: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the numbers of the texts, and the values, that no output shows, with the nearest one.

    ``notes`` are assumptions and caveats, in which constants of executed code need no output.
    """
    texts = list(texts)
    proofs = [proof for text in texts for proof in _prove(run, text)]
    proofs += [proof for note in notes for proof in _prove(run, note, is_note=True)]
    numbers = [_named(run, proof) for proof in proofs if proof.cell is None]
    unproven = _unproven_values(run, values, "\n".join(texts))
    numbers += [f"{value.label} = {value.value}" for value in unproven]
    return _unique(numbers)


def _named(run: Run, proof: NumberProof) -> str:
    """Return a number without proof, with the nearest shown value and its cell."""
    if not proof.nearest or proof.nearest_cell is None:
        return proof.text
    return f"{proof.text} (nearest: {proof.nearest}, in {run.name_of(proof.nearest_cell)})"


def _prove(
    run: Run, text: str, given: str = "", *, is_note: bool = False
) -> tuple[NumberProof, ...]:
    names = {column.name for frame in run.memory.frames for column in frame.columns}
    for profile in run.memory.profiles.values():
        names.update(profile.dataset.columns)
        names.add(profile.dataset.name)
    # ``prove`` takes the last cell that shows a number: cells that the text cites go to the end.
    cited = _cited_cells(run, text)
    cells = sorted(_cells(run), key=lambda shown: shown.cell in cited)
    return prove(
        text, cells, question=run.question, given=given, names=names, cited=cited,
        profiles=_profiles(run), is_method=is_note,
    )  # fmt: skip


def _cells(run: Run) -> list[CellNumbers]:
    """Return what the cells show; what a setup cell says of whole datasets is named so."""
    setups = {setup.cell for setup in run.memory.setups}
    return [replace(n, is_overview=n.cell in setups) for n in run.memory.numbers]


def _profiles(run: Run) -> list[CellNumbers]:
    """Return what is known of each dataset, as shown by the setup cell that loads it."""
    cells = {name: setup.cell for setup in run.memory.setups for name in setup.names}
    return [
        profile_numbers(cells[name], profile)
        for name, profile in run.memory.profiles.items()
        if name in cells
    ]


def _cited_cells(run: Run, text: str) -> set[CellId]:
    return {cell for _, content in _citations(text) for cell in _named_cells(run, content)[0]}


def _labels(run: Run, texts: Iterable[str]) -> tuple[CellLabel, ...]:
    """Return the cells that texts cite, by number."""
    cited = set().union(*(_cited_cells(run, text) for text in texts))
    numbered = sorted(run.numbered().items())
    return tuple(CellLabel(number=n, cell=cell) for n, cell in numbered if cell in cited)


def _named_cells(run: Run, content: str) -> tuple[set[CellId], bool]:
    """Return the cells that a citation names, and whether all of it names cells that ran."""
    numbered = run.numbered()
    ids = {str(shown.cell): shown.cell for shown in run.memory.numbers}
    found: set[CellId] = set()
    is_known = True
    for word in re.findall(r"[0-9A-Za-z_-]{1,64}", re.sub(r"\s*[\u2013\u2014]\s*", "-", content)):
        first, _, last = word.partition("-")
        if word in ids:
            found.add(ids[word])
        elif first.isdecimal() and (last.isdecimal() or not last):
            ends = int(first), int(last or first)
            found |= {cell for number, cell in numbered.items() if ends[0] <= number <= ends[1]}
            is_known &= set(ends) <= numbered.keys()
        elif word.lower() not in ("and", "to", "cell", "cells"):
            is_known = False
    return found, is_known


def _marked(run: Run, text: str) -> str:
    return with_marks(text, _prove(run, text, is_note=True))


def _unproven_values(run: Run, values: Iterable[Value], text: str) -> list[Value]:
    values = [
        value
        for value in values
        if isinstance(value.value, int | float) and not isinstance(value.value, bool)
    ]
    if not values:
        return []
    stated = {p.text.replace(",", "").rstrip("% ") for p in _prove(run, text) if p.cell is not None}
    cells = [*_profiles(run), *_cells(run)]
    return [
        value
        for value in values
        if f"{value.value}" not in stated
        and not is_shown(float(value.value), cells, label=value.label, unit=value.unit)
    ]


def _missing_forms(run: Run, draft: AnswerDraft) -> tuple[str, ...]:
    """Return the closed forms that the question names and the answer lacks."""
    wanted = {form.name: None for form in closed_forms(run.question)}
    given = {form.name for form in closed_forms(draft.text)}
    if not draft.answered or is_refusal(draft.text):
        return ()
    return tuple(f"@{name}[...]" for name in wanted if name not in given)


def _unknown_cells(run: Run, texts: Iterable[str]) -> tuple[str, ...]:
    found = (citation for text in texts for citation in _citations(text))
    return _unique(citation for citation, cells in found if not _named_cells(run, cells)[1])


def _citations(text: str) -> Iterator[tuple[str, str]]:
    """Yield each citation of cells as written, and what it cites."""
    for start, content, end in enclosed(text, _CITATION, _CITATION_END):
        yield text[start:end], text[content : end - 1]


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
