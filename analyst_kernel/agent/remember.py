"""Keeps the ledger in the notebook, emits it, and names in an answer what that rests on."""

from __future__ import annotations

from collections.abc import Sequence

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.ledger import (
    assumption_of,
    is_quoted,
    resting_on,
    same_text,
    stated_definitions,
)
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.states import digests, is_there
from analyst_kernel.protocol.errors import InputError, NotebookError
from analyst_kernel.protocol.events import DefinitionRecorded, LedgerChanged
from analyst_kernel.protocol.ids import DefinitionId
from analyst_kernel.protocol.records import Definition


def show_ledger(deps: AgentDeps, memory: Memory) -> None:
    """Emit the definitions and the states as they are now."""
    deps.emit(
        LedgerChanged(
            analysis=deps.analysis,
            definitions=tuple(memory.ledger.definitions),
            states=memory.ledger.states,
        )
    )


async def keep_ledger(deps: AgentDeps, memory: Memory) -> None:
    """Write the ledger to the notebook and emit it. Raises ``NotebookError``."""
    show_ledger(deps, memory)
    await deps.notebook.keep_ledger(memory.ledger)


async def keep_definition(run: Run, definition: Definition) -> None:
    """Keep a definition that was recorded in a run. Raises ``NotebookError``."""
    run.emit(DefinitionRecorded(**run.stamp, definition=definition))
    await keep_ledger(run.deps, run.memory)


def words_of_user(run: Run) -> tuple[str, ...]:
    """Return what the user wrote here: the questions, and answers to questions of the run.

    What only a notebook says that was asked is left out, because anybody may have written it.
    """
    asked = (earlier.question for earlier in run.memory.earlier if not earlier.claimed)
    return (run.question, *run.user_answers, *asked)


async def keep_stated(run: Run) -> None:
    """Record what the question itself plainly defines, unless that holds already.

    A notebook that cannot be written is reported when the question is written.
    """
    ledger = run.memory.ledger
    for sentence in stated_definitions(run.question):
        if any(same_text(d.text) == same_text(sentence) for d in ledger.holding):
            continue
        try:
            await keep_definition(run, ledger.add(sentence, run=run.id))
        except InputError as error:
            run.notice("definition-not-kept", str(error))
        except NotebookError as error:
            run.notice("not-saved", f"The definition is not in the notebook. {error}")


def refined(run: Run, quote: str) -> Definition | None:
    """Return the definition that this run made of the same words, if there is one."""
    return next(
        (d for d in run.memory.ledger.definitions
         if d.run == run.id and d.by == "user" and is_quoted(quote, [d.quote or d.text])),
        None,
    )  # fmt: skip


async def check_states(run: Run) -> None:
    """Look which named states the kernel still holds, for the first message of the run."""
    states = run.memory.ledger.states
    present = {frame.name for frame in run.memory.frames}
    names = [state.variable for state in states if state.variable in present and state.content]
    found = await digests(run.deps.kernel, names, timeout=run.meter.cell_timeout)
    run.states_there = frozenset(
        state.name
        for state in states
        if is_there(state, run.memory.frames, found.get(state.variable, ""))
    )


def name_definitions(run: Run, texts: Sequence[str]) -> None:
    """Put the definitions that the answer rests on among its assumptions.

    A model names them when it finishes. If it names none of its own accord, those count that share
    a word with the question, the answer or the code, and those that the run itself recorded. Rules
    apply none, and the answer says so.
    """
    if not run.deps.model.is_ai and not run.rests_on:
        _say_not_applied(run, _unnamed(run))
        return
    unknown = _named_by_model(run) - {d.id for d in run.memory.ledger.holding}
    if unknown:
        names = ", ".join(sorted(unknown))
        message = f"The model named definitions that do not hold: {names}."
        run.notice("definition-unknown", message)
    run.assumptions += [assumption_of(d) for d in definitions_behind(run, texts)]


def definitions_behind(run: Run, texts: Sequence[str]) -> tuple[Definition, ...]:
    """Return the definitions that an answer with these texts rests on and does not name yet."""
    holding = _unnamed(run)
    if run.rests_on is None:
        code = [record.code for record in run.iterations if record.outcome == "ok"]
        found = {d.id for d in resting_on(holding, [run.question, *texts, *code])}
        found |= {d.id for d in holding if d.run == run.id}
    else:
        found = _named_by_model(run)
    return tuple(d for d in holding if d.id in found)


def _named_by_model(run: Run) -> set[DefinitionId]:
    return {DefinitionId(name.strip().lower()) for name in run.rests_on or ()}


def _unnamed(run: Run) -> list[Definition]:
    return [d for d in run.memory.ledger.holding if not _is_named_already(run, d)]


def _is_named_already(run: Run, definition: Definition) -> bool:
    """Return whether the answer's assumptions hold a definition: as such, or as a fresh choice."""
    chosen_here = definition.by == "choice" and definition.run == run.id
    return chosen_here or assumption_of(definition) in run.assumptions


def _say_not_applied(run: Run, definitions: Sequence[Definition]) -> None:
    lines = [f"Not applied, as no AI model is at work ({d.id}): {d.text}" for d in definitions]
    new = [line for line in lines if line not in run.assumptions]
    if new:
        names = ", ".join(d.id for d in definitions)
        message = (
            f"The built-in rules do not apply definitions ({names}): the answer is of the data as "
            "it is. Choose an AI model, or put what matters into the question."
        )
        run.notice("definitions-not-applied", message)
        run.assumptions += new
