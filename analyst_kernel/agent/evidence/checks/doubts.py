"""The checks of a proposed answer, as questions to the model: each asked once, each answerable.

The model is asked about words of its answer that the answer's own numbers or the executed cells
contradict. It corrects them, or gives a reason, which stands under the answer. What it leaves open
stands there too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from analyst_kernel.agent.evidence.checks.comparisons import mismatched_comparisons
from analyst_kernel.agent.evidence.checks.directions import mismatched_directions
from analyst_kernel.agent.evidence.checks.inference import causal_caveats, misjudged_significance
from analyst_kernel.agent.evidence.checks.mismatch import Doubt, Mismatch
from analyst_kernel.agent.evidence.checks.prose import Clause, clauses
from analyst_kernel.agent.evidence.checks.scope import unnamed_exclusions, unused_columns
from analyst_kernel.agent.evidence.checks.shares import misstated_shares
from analyst_kernel.agent.evidence.checks.shown import ShownCell, tables_of, values_of
from analyst_kernel.agent.evidence.checks.universals import mismatched_universals
from analyst_kernel.agent.ledger import assumption_of
from analyst_kernel.agent.observation.cell import envelope
from analyst_kernel.agent.remember import definitions_behind
from analyst_kernel.agent.run import AnswerDraft, Run
from analyst_kernel.protocol.datasets import DatasetProfile

_MOST_DOUBTS = 4
_MOST_CLAUSES = 200
_REFUSAL = re.compile(
    r"\b(?:not answerable|cannot be answered|can ?not (?:answer|tell|say|be (?:determined"
    r"|computed))"
    r"|can['’]t (?:answer|tell|say)|no (?:such )?column|does not (?:contain|include|have|record)"
    r"|is not (?:in|part of) (?:the|this) data|there is no (?:column|data|information))\b",
    re.IGNORECASE,
)
_ADVICE = {
    "coverage": "Use all rows, or say which are left out and why.",
    "column": "Use it, or say why it is not needed.",
}


def doubts_about(run: Run, draft: AnswerDraft) -> tuple[Doubt, ...]:
    """Return the questions about a proposed answer, at most a few."""
    # What the harness itself writes under the answer names an exclusion as well as the model does.
    behind = definitions_behind(run, (draft.text, *draft.assumptions))
    assumed = (*run.assumptions, *map(assumption_of, behind), *draft.assumptions)
    found = mismatches(
        replace(draft, assumptions=assumed),
        run.question,
        _cells(run),
        run.memory.profiles,
        knows_all_code=_knows_all_code(run),
    )
    return tuple(Doubt(f"q{number}", one) for number, one in enumerate(found, start=1))


def mismatches(
    draft: AnswerDraft,
    question: str,
    cells: Sequence[ShownCell],
    profiles: Mapping[str, DatasetProfile],
    *,
    knows_all_code: bool = True,
) -> list[Mismatch]:
    """Return where an answer disagrees with itself or with the cells, at most a few. Pure.

    With ``knows_all_code`` no other cell of the analysis can have used a column.
    """
    tables = [table for cell in cells for table in tables_of(cell)]
    claims = _claims(draft, profiles)
    found: list[Mismatch] = []
    for check in (mismatched_directions, mismatched_comparisons, mismatched_universals):
        known = {mismatch.words for mismatch in found}
        found += [mismatch for mismatch in check(claims, tables) if mismatch.words not in known]
    totals = [value for cell in cells for value in values_of(cell)]
    found += misstated_shares(claims, tables, totals)
    found += misjudged_significance(claims, cells)
    if draft.answered and not _REFUSAL.search(draft.text):
        said = "\n".join([draft.text, *draft.assumptions, *draft.caveats])
        cited = frozenset(number for claim in claims for number in claim.cited)
        found += unnamed_exclusions(cells, cited, profiles, said, question)
        if knows_all_code:
            found += unused_columns(cells, profiles, question, cited=cited)
    return list(dict.fromkeys(found))[:_MOST_DOUBTS]


def request(doubts: Sequence[Doubt], nonce: str) -> list[str]:
    """Return the paragraph that asks the model; none without doubts.

    A question quotes labels and names from the data, so all of them stand in an envelope.
    """
    if not doubts:
        return []
    lines = [
        f"{doubt.id}: {doubt.statement} {_ADVICE.get(doubt.mismatch.kind, '')}".rstrip()
        for doubt in doubts
    ]
    return [
        "These words of the answer and what the cells show do not agree. Correct the answer and "
        "finish again. If it is right as it stands, finish with `reasons`, such as "
        '["q1: why"]; a reason stands under the answer.\n' + envelope("\n".join(lines), nonce)
    ]


def standing_caveats(run: Run, draft: AnswerDraft) -> tuple[str, ...]:
    """Return the caveats that checks add: reasons given, questions left open, causal words."""
    reasons = _by_id(draft.reasons)
    caveats: list[str] = []
    answered: set[str] = set()
    for doubt in run.doubts:
        reason = reasons.get(doubt.id)
        if reason:
            caveats.append(f"Asked: {doubt.statement} Reason: {reason}")
            answered |= {doubt.mismatch.words, doubt.mismatch.against}
    if run.asked_back:
        caveats += [
            f"Not settled: {doubt.statement}"
            for doubt in doubts_about(run, draft)
            if not answered & {doubt.mismatch.words, doubt.mismatch.against}
        ]
    said = " ".join([draft.text, *run.assumptions, *draft.assumptions, *draft.caveats])
    claims = _claims(draft, run.memory.profiles)
    return (*caveats, *causal_caveats(claims, _cells(run), said, run.question))


def _claims(draft: AnswerDraft, profiles: Mapping[str, DatasetProfile]) -> list[Clause]:
    names = [name for profile in profiles.values() for name in profile.dataset.columns]
    return list(islice(clauses(draft.text, names), _MOST_CLAUSES))


def _by_id(reasons: Sequence[str]) -> dict[str, str]:
    """Return reasons by the question that each answers, as written: ``q1: because ...``."""
    found: dict[str, str] = {}
    for text in reasons:
        match = re.match(r"\W*(q[0-9]{1,2})\W+(?=\S)", text, re.IGNORECASE)
        if match is not None and (reason := text[match.end() :].strip()):
            found[match[1].lower()] = reason
    return found


def _cells(run: Run) -> list[ShownCell]:
    """Return the cells that ran without an error and still count."""
    kept = {shown.cell for shown in run.memory.numbers}
    return [cell for cell in run.memory.shown if cell.cell in kept]


def _knows_all_code(run: Run) -> bool:
    """Return whether the code of every cell of the analysis is known, and some ran."""
    memory = run.memory
    known = {cell.cell for cell in memory.shown} | {setup.cell for setup in memory.setups}
    known |= {record.cell for record in run.iterations}
    return bool(memory.shown) and all(shown.cell in known for shown in memory.numbers)
