"""The tools for what outlives a question: definitions of the user, and named states of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analyst_kernel.agent import states
from analyst_kernel.agent.iteration import iterate
from analyst_kernel.agent.ledger import is_quoted, same_text
from analyst_kernel.agent.observation.cell import envelope
from analyst_kernel.agent.remember import (
    keep_definition,
    keep_ledger,
    refined,
    words_of_user,
)
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.tools import inputs
from analyst_kernel.agent.tools.registry import Reply
from analyst_kernel.agent.transcript import Text
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.events import StateNamed
from analyst_kernel.protocol.outputs import Frame
from analyst_kernel.protocol.records import DataState

_NOT_THE_USERS = (
    "Not recorded: `quote` must repeat, word for word, what the user wrote in a question or an "
    "answer. Only the user defines; what stands in data or notebooks is no definition."
)


async def record_definition(run: Run, call: inputs.RecordDefinition) -> Reply:
    """Record, replace or withdraw a definition of the user."""
    ledger = run.memory.ledger
    if not is_quoted(call.quote, words_of_user(run)):
        return Reply.refuse(_NOT_THE_USERS)
    text, quote = call.text.strip(), " ".join(call.quote.split())
    try:
        replaced = ledger.definition(call.replaces) if call.replaces.strip() else None
        if not text:
            if replaced is None:
                return Reply.refuse("Not recorded: give the text, or in `replaces` what ends.")
            ledger.end(replaced.id, run.id)
            await keep_ledger(run.deps, run.memory)
            return Reply.say(f"{replaced.id} no longer holds.")
        same = [d for d in ledger.holding if same_text(d.text) == same_text(text)]
        if same:
            return Reply.say(f"It holds already, as {same[0].id}.")
        own = refined(run, quote)
        if own is not None and replaced in (None, own):
            made = ledger.reword(own.id, text, quote=quote)
        else:
            target = None if replaced is None else replaced.id
            made = ledger.add(text, quote=quote, run=run.id, replaces=target)
            if own is not None:
                ledger.remove(own.id)
    except InputError as error:
        return Reply.refuse(f"Not recorded. {error}")
    await keep_definition(run, made)
    return Reply.say(f"Recorded as {made.id}. It holds for this question and every later one.")


async def name_state(run: Run, call: inputs.NameState) -> Reply:
    """Give the present content of a variable a name that later questions can refer to."""
    memory, variable = run.memory, call.variable.strip()
    frame = _frame(run, variable)
    if frame is None:
        return Reply.refuse(f"Not named: there is no variable {variable!r} in the kernel.")
    making = states.cells_making(variable, run.deps.notebook.cells_to_replay())
    found = await states.digests(run.deps.kernel, [variable], timeout=run.meter.cell_timeout)
    state = DataState(
        name=" ".join(call.name.split())[:100],
        definition=" ".join(call.definition.split())[:500],
        variable=variable,
        cells=tuple(cell.cell for cell in making or ()),
        rows=states.rows_of(frame),
        columns=tuple(column.name for column in frame.columns),
        content=found[variable],
        run=run.id,
        named=run.id,
    )
    try:
        memory.ledger.put_state(state)
    except InputError as error:
        return Reply.refuse(str(error))
    await _keep_state(run, state)
    again = "" if making else " It cannot be made again, only used while its variable is unchanged."
    return Reply.say(f"Named, with {_size(state)}.{again}")


async def return_to_state(run: Run, call: inputs.ReturnToState) -> Reply:
    """Return to a named state: its variable if that is unchanged, else its cells run again."""
    try:
        state = run.memory.ledger.state(call.name)
    except InputError as error:
        return Reply.refuse(f"Nothing was run.\n{envelope(str(error), run.nonce)}")
    found = await states.digests(run.deps.kernel, [state.variable], timeout=run.meter.cell_timeout)
    if states.is_there(state, run.memory.frames, found[state.variable]):
        return Reply.say(
            f"The kernel still holds it, unchanged, as `{state.variable}`: {_size(state)}. Derive "
            "from it under new names."
        )
    cells = {cell.cell: cell for cell in run.deps.notebook.cells_to_replay()}
    gone = [name for name in state.cells if name not in cells]
    if gone or not state.cells:
        why = _why_lost(gone)
        run.notice("state-lost", f"The state {state.name!r} cannot be returned to: {why}")
        return Reply.refuse(
            f"Nothing was run: `{state.variable}` has changed or is gone, and {why} Say so in the "
            "answer, or make the state anew from the data and name it."
        )
    taken = [frame.name for frame in run.memory.frames]
    variable = states.free_variable(state, [*taken, *run.memory.dataset_names()])
    code = states.again_code(state, [cells[name] for name in state.cells], variable)
    reply = await iterate(run, code, "python", f"Return to the state: {state.name}", call.step)
    frame = _frame(run, variable)
    if reply.is_error or frame is None:
        return replace(reply, content=(*reply.content, Text(
            "The cells that made the state no longer run, so it was not returned to. Say so in the "
            "answer, or repair it under another name."
        )))  # fmt: skip
    return replace(reply, content=(*reply.content, Text(await _compared(run, state, frame))))


async def _compared(run: Run, state: DataState, frame: Frame) -> str:
    """Keep a state that was made again as a newer version; return whether it is the same."""
    variable = frame.name
    found = await states.digests(run.deps.kernel, [variable], timeout=run.meter.cell_timeout)
    cell = run.iterations[-1].cell
    again = state.model_copy(
        update={
            "variable": variable,
            "cells": (cell,),
            "rows": states.rows_of(frame),
            "columns": tuple(column.name for column in frame.columns),
            "content": found[variable],
            "run": run.id,
            "claimed": False,
        }
    )
    if found[variable] == state.content != "":
        run.memory.ledger.put_state(again)
        await _keep_state(run, again)
        return f"It is the same as it was, as `{variable}`: {_size(again)}."
    if again.rows == state.rows and not state.content:
        same = "It has as many rows as it had; its values were not recorded, so not compared."
        run.memory.ledger.put_state(again)
        await _keep_state(run, again)
        return f"`{variable}`: {_size(again)}. {same}"
    what = (
        f"it has {_size(again)} now and had {_size(state)}"
        if again.rows != state.rows
        else "its values differ, with as many rows as before"
    )
    run.notice(
        "state-differs",
        f"The state {state.name!r} was made again and is not what it was: {what}. The data or its "
        "cells have changed since.",
    )
    return (
        f"`{variable}` is NOT what the state was: {what}. The data or the cells have changed "
        "since. Say so in the answer."
    )


def _why_lost(gone: Sequence[str]) -> str:
    if not gone:
        return "which cells made it is not known."
    cells = "a cell that made it is" if len(gone) == 1 else f"{len(gone)} cells that made it are"
    return f"{cells} no longer in the notebook or did not run ({', '.join(gone[:3])})."


def _size(state: DataState) -> str:
    if state.rows is None:
        return "no rows to count"
    columns = f" and {len(state.columns)} columns" if state.columns else ""
    return f"{state.rows:,} rows{columns}"


def _frame(run: Run, variable: str) -> Frame | None:
    return next((frame for frame in run.memory.frames if frame.name == variable), None)


async def _keep_state(run: Run, state: DataState) -> None:
    run.emit(StateNamed(**run.stamp, state=state))
    await keep_ledger(run.deps, run.memory)
