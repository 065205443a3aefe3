"""``analyst ledger``: what a notebook carries from question to question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from analyst_kernel.command_line.shell import json_option, runs
from analyst_kernel.command_line.writer import note, out, out_json

if TYPE_CHECKING:
    from analyst_kernel.agent.ledger import Ledger
    from analyst_kernel.protocol.records import DataState, Definition


@click.command(short_help="List or change the definitions and named states of NOTEBOOK.")
@click.argument("notebook", metavar="NOTEBOOK")
@click.option("--add", "added", metavar="TEXT", help="Add a definition, in one sentence.")
@click.option("--edit", nargs=2, metavar="ID TEXT", help="Change what a definition says.")
@click.option("--off", metavar="ID", help="Let a definition no longer hold, and keep it listed.")
@click.option("--on", metavar="ID", help="Let it hold again.")
@click.option("--remove", metavar="ID", help="Remove a definition.")
@json_option
@runs
async def ledger(
    *,
    notebook: str,
    added: str | None,
    edit: tuple[str, str] | None,
    off: str | None,
    on: str | None,
    remove: str | None,
    as_json: bool,
) -> int:
    """List the definitions and named states of NOTEBOOK, or change its definitions.

    Definitions hold for every later question, and answers that rest on them name them. A change
    holds from the next question on.
    """
    from analyst_kernel.analysis.user_words import UserWords
    from analyst_kernel.grants import default_path
    from analyst_kernel.notebook.storage.notebook import StoredNotebook
    from analyst_kernel.protocol.errors import InputError
    from analyst_kernel.protocol.ids import DefinitionId

    book = await StoredNotebook.open(notebook, words=UserWords(default_path().parent))
    if not book.runs:
        raise InputError(
            f"{notebook} holds no question of an analysis, so it has no definitions.",
            "Nothing was changed.",
        )
    held = book.ledger()
    if added is not None:
        held.add(added)
    if edit is not None:
        name = DefinitionId(edit[0])
        held.edit(name, edit[1], active=held.definition(name).active)
    for switched, active in ((off, False), (on, True)):
        if switched is not None:
            name = DefinitionId(switched)
            held.edit(name, held.definition(name).text, active=active)
    if remove is not None:
        held.remove(DefinitionId(remove))
    if (added, edit, off, on, remove) != (None, None, None, None, None):
        await book.keep_ledger(held)
    if as_json:
        out_json(json.dumps(_record(held)))
    else:
        _print(held)
    return 0


def _record(held: Ledger) -> dict[str, object]:
    return {
        "definitions": [d.model_dump(mode="json") for d in held.definitions],
        "states": [state.model_dump(mode="json") for state in held.states],
    }


def _print(held: Ledger) -> None:
    if not held.definitions and not held.states:
        note("No definitions and no named states.")
    for definition in held.definitions:
        out(f"{definition.id}  {definition.text}{_remark(definition)}")
    for state in held.states:
        out(f"{state.name}  {_described(state)}")


def _remark(definition: Definition) -> str:
    remarks = [f"question {definition.run[1:]}" if definition.run else "written by hand"]
    if definition.by == "choice":
        remarks.append("your choice")
    if definition.ended:
        remarks.append(f"ended in question {definition.ended[1:]}")
    elif not definition.active:
        remarks.append("off")
    if definition.claimed:
        remarks.append("claimed by the notebook")
    return f"  ({', '.join(remarks)})"


def _described(state: DataState) -> str:
    rows = "no table" if state.rows is None else f"{state.rows:,} rows"
    asked = f", question {state.named[1:]}" if state.named else ""
    return f"{state.definition}  ({rows}{asked}, {state.variable})"
