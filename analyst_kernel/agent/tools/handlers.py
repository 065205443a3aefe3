"""The tools: what each does when it is called in a run, how it is offered, and the answers.

A complete turn's calls are answered each exactly once, in order, whatever happens: providers refuse
a conversation with a call that has no result, so an interrupted turn gets a result for every call,
too. Calls behind one that failed or finished are refused, because the model wrote them before there
was a result.
"""

from __future__ import annotations

import asyncio
import keyword
import re

from analyst_kernel._code import block_literal, text_literal
from analyst_kernel.agent import prompts
from analyst_kernel.agent.approval import ask_plan
from analyst_kernel.agent.budget import (
    LONGEST_INPUT,
    MOST_CALLS_IN_TURN,
    MOST_FINDINGS,
    MOST_LISTED,
)
from analyst_kernel.agent.documents import read_document
from analyst_kernel.agent.evidence import answer as answers
from analyst_kernel.agent.iteration import iterate
from analyst_kernel.agent.observation.cell import clip, envelope
from analyst_kernel.agent.plan import PlanRefused, plan_text
from analyst_kernel.agent.remember import keep_definition
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.tools import inputs
from analyst_kernel.agent.tools.packages import use_package
from analyst_kernel.agent.tools.recall import name_state, record_definition, return_to_state
from analyst_kernel.agent.tools.registry import Registry, Reply, Tool
from analyst_kernel.agent.transcript import Text, ToolCall, ToolResult, UserMessage, parsed_input
from analyst_kernel.agent.turn import Turn
from analyst_kernel.protocol.errors import DataError, InputError
from analyst_kernel.protocol.events import FindingRecorded, UserAnswered, UserAsked
from analyst_kernel.protocol.ids import CellId, FindingId, new_ask_id
from analyst_kernel.protocol.records import LONGEST_DEFINITION, Finding

_IMPORTS_DUCKDB = re.compile(r"^\s*import duckdb\b", re.MULTILINE)
_COMMENTS = re.compile(r"\s*(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_NO_RESULT = re.compile(
    r"(?:create|insert|update|delete|drop|alter|copy|set|reset|attach|detach|use|install|load"
    r"|begin|commit|rollback|export|import)\b",
    re.IGNORECASE,
)
_CELL_TOOLS = ("run_python", "run_sql")
_PROFILE_TOKENS = {"concise": 1500, "full": 4000}


async def run_python(run: Run, call: inputs.RunPython) -> Reply:
    """Run Python as the next iteration."""
    return await iterate(run, call.code, "python", call.purpose, call.step)


async def run_sql(run: Run, call: inputs.RunSql) -> Reply:
    """Run SQL as the next iteration, saved as plain Python."""
    name = call.name.strip() or f"result_{len(run.iterations) + 1}"
    if not name.isidentifier() or keyword.iskeyword(name):
        return Reply.refuse(
            f"Not run: {name!r} is not a Python variable name. Send another `name`."
        )
    if name in run.memory.dataset_names():
        return Reply.refuse(f"Not run: {name!r} holds the user's data. Send another `name`.")
    if call.connection:
        return await _ask_database(run, call, name)
    setup = "\n".join(setup.code for setup in run.memory.setups if setup.ran)
    code = sql_cell(call.sql, name, import_duckdb=not _IMPORTS_DUCKDB.search(setup))
    return await iterate(run, code, "sql", call.purpose, call.step)


async def _ask_database(run: Run, call: inputs.RunSql, name: str) -> Reply:
    databases = run.deps.databases
    known = databases.names if databases is not None else ()
    if databases is None or call.connection not in known:
        there = f"there is: {', '.join(known)}" if known else "no database is attached"
        return Reply.refuse(f"Not run: no connection has this name; {there}.")
    if not name.isascii():
        return Reply.refuse("Not run: `name` must be of plain letters here. Send another one.")
    code = await databases.cell(call.connection, call.sql, name)
    return await iterate(run, code, "sql", call.purpose, call.step)


def sql_cell(sql: str, name: str, *, import_duckdb: bool) -> str:
    """Return the plain Python cell that runs a SQL query: it needs nothing of this package.

    Of several statements, the last one's result is kept in the variable ``name``, unless it has
    none, such as ``CREATE VIEW``.
    """
    query = sql.strip().rstrip(";").rstrip()
    call = f"duckdb.sql({block_literal(query) or text_literal(query)})"
    body = f"{name} = {call}.df()\n{name}" if _has_result(query) else call
    return f"import duckdb\n\n{body}" if import_duckdb else body


def _has_result(query: str) -> bool:
    last = _STRINGS.sub("''", query).rpartition(";")[2]
    while (match := _COMMENTS.match(last)) is not None:
        last = last[match.end() :]
    return not _NO_RESULT.match(last.lstrip())


async def profile_dataset(run: Run, call: inputs.ProfileDataset) -> Reply:
    """Describe a dataset, or some of its columns."""
    try:
        databases = run.deps.databases
        if databases is not None and databases.knows(call.name):
            profile = await databases.profile(call.name, columns=call.columns)
        else:
            profile = await run.deps.catalog.profile(
                call.name, columns=call.columns, detail=call.detail
            )
    except DataError as error:
        return Reply.refuse(f"Not described:\n{envelope(str(error), run.nonce)}")
    text = run.deps.catalog.describe(
        profile, question=run.question, budget=_PROFILE_TOKENS[call.detail]
    )
    return Reply.say(
        envelope(text, run.nonce)
        + "\nThe setup cell displays the rows, missing values, smallest and largest of each loaded "
        "table. Anything else of a profile proves no number: display in a cell what you will cite."
    )


async def update_plan(run: Run, call: inputs.UpdatePlan) -> Reply:
    """Make or revise the plan."""
    try:
        plan = run.plan.revised(call.goals())
    except PlanRefused as refusal:
        return Reply.refuse(str(refusal))
    known = {dataset.name for dataset in run.deps.catalog.datasets}
    unknown = [name for name in call.datasets if name not in known]
    run.move_plan(plan, call.reason)
    edited = await ask_plan(run)
    await run.write_plan()
    said = "The user changed the plan. It is now" if edited else "The plan is now"
    text = f"{said}:\n{plan_text(run.plan)}"
    if unknown:
        names = envelope(", ".join(sorted(known)), run.nonce)
        text += f"\nThere is no dataset {', '.join(unknown)}; there are:\n{names}"
    return Reply.say(text)


async def record_finding(run: Run, call: inputs.RecordFinding) -> Reply:
    """Record a statement with its proof; numbers that no output shows become a caveat."""
    if len(run.findings) >= MOST_FINDINGS:
        return Reply.refuse(
            f"Not recorded: a run has at most {MOST_FINDINGS} findings. Finish with those that the "
            "answer rests on."
        )
    cells, unknown = _cells(run, call.cells[:MOST_LISTED])
    if unknown:
        ran = ", ".join(map(str, sorted(run.numbered()))) or "none yet"
        return Reply.refuse(f"Not recorded: no cell {', '.join(unknown)}. Cells that ran: {ran}.")
    values = tuple(figure.record() for figure in call.values[:MOST_LISTED])
    unproven = answers.unproven_in(run, [call.statement], values)
    caveats = inputs.texts(call.caveats)
    if unproven:
        caveats = (*caveats, f"not verified: {', '.join(unproven)}")
    finding = Finding(
        id=_finding_id(run),
        statement=call.statement.strip(),
        values=values,
        cells=cells,
        caveats=caveats,
    )
    run.findings.append(finding)
    run.memory.findings.append(finding)
    run.memory.finding_runs[finding.id] = run.id
    run.emit(FindingRecorded(**run.stamp, finding=finding))
    if unproven:
        return Reply.say(
            f"Recorded as {finding.id}, but no executed output shows {', '.join(unproven)}. "
            "Display it in a cell before the answer uses it."
        )
    return Reply.say(f"Recorded as {finding.id}.")


def _finding_id(run: Run) -> FindingId:
    """Return the next id. An id below one that is in use is not used again after an undo."""
    numbers = (int(known.removeprefix("f")) for known in run.memory.finding_runs)
    return FindingId(f"f{max(numbers, default=0) + 1}")


def _cells(run: Run, named: list[int | str]) -> tuple[tuple[CellId, ...], list[str]]:
    """Find cells by number, "cell 3" or id; return the cells and the unknown names.

    If none is named, the newest cell that ran without an error proves the finding.
    """
    by_number = run.numbered()
    by_id = {str(shown.cell): shown.cell for shown in run.memory.numbers}
    found: list[CellId] = []
    unknown: list[str] = []
    for name in named:
        text = str(name).strip().strip("[]")
        match = re.fullmatch(r"(?:cell|iteration)?\s*#?(\d+)", text, re.IGNORECASE)
        bare = re.sub(r"^(?:cell|iteration)\s+", "", text, flags=re.IGNORECASE)
        if match and int(match[1]) in by_number:
            found.append(by_number[int(match[1])])
        elif bare in by_id:
            found.append(by_id[bare])
        else:
            unknown.append(text)
    if not named:
        ran = [record.cell for record in run.iterations if record.outcome == "ok"]
        found = ran[-1:]
    return tuple(dict.fromkeys(found)), unknown


async def ask_user(run: Run, call: inputs.AskUser) -> Reply:
    """Ask the user; without an answer the default is taken and becomes an assumption."""
    default = call.default or call.options[0]
    options = tuple(call.options)
    ask = new_ask_id()
    run.emit(
        UserAsked(**run.stamp, ask=ask, question=call.question, options=options, default=default)
    )
    answer, by_user = default, False
    if run.deps.user is not None:
        with run.meter.waiting_for_user():
            answer, by_user = await run.deps.user.answer(ask, call.question, options, default)
    run.emit(
        UserAnswered(**run.stamp, ask=ask, answer=answer, by="person" if by_user else "default")
    )
    if by_user:
        return await _chosen(run, call.question, answer)
    run.assumptions.append(f"{call.question} Assumed: {answer}.")
    return Reply.say(
        f"Nobody answered; the default holds: {answer}. It is listed as an assumption."
    )


async def _chosen(run: Run, question: str, answer: str) -> Reply:
    """Keep the user's choice: an assumption of this answer, and a definition for later ones."""
    run.user_answers.append(answer)
    run.assumptions.append(f"{question} You chose: {answer}.")
    said = f"The user answered: {answer}"
    try:
        made = run.memory.ledger.add(
            clip(f"{question} {answer}", LONGEST_DEFINITION), choice=True, run=run.id
        )
    except InputError as error:
        run.notice("definition-not-kept", str(error))
        return Reply.say(said)
    await keep_definition(run, made)
    return Reply.say(f"{said}. It is kept as {made.id}.")


async def finish(run: Run, call: inputs.Finish) -> Reply:
    """End the run with an answer, after its numbers were looked up."""
    run.rests_on = None if call.definitions is None else tuple(call.definitions)
    request = answers.propose(run, call.draft())
    return Reply.refuse(request) if request else Reply.say("The answer was taken.")


TOOLS = Registry(
    [
        Tool("run_python", inputs.RunPython, run_python),
        Tool("run_sql", inputs.RunSql, run_sql),
        Tool("profile_dataset", inputs.ProfileDataset, profile_dataset),
        Tool("read_document", inputs.ReadDocument, read_document),
        Tool("use_package", inputs.UsePackage, use_package),
        Tool("update_plan", inputs.UpdatePlan, update_plan),
        Tool("record_finding", inputs.RecordFinding, record_finding),
        Tool("record_definition", inputs.RecordDefinition, record_definition),
        Tool("name_state", inputs.NameState, name_state),
        Tool("return_to_state", inputs.ReturnToState, return_to_state),
        Tool("ask_user", inputs.AskUser, ask_user),
        Tool("finish", inputs.Finish, finish),
    ]
)
"""What a model is offered."""


async def answer_calls(run: Run, turn: Turn) -> UserMessage:
    """Run a turn's tools and return their results; the turn joins the transcript.

    If a call is interrupted, the transcript nevertheless ends with a result for each call.
    """
    results: list[ToolResult] = []
    skip = ""
    try:
        for number, call in enumerate(turn.message.calls, start=1):
            if number > MOST_CALLS_IN_TURN and not skip:
                skip = f"Not run: at most {MOST_CALLS_IN_TURN} calls of one turn are carried out."
            reply = Reply.refuse(skip) if skip else await _answer(run, turn, call)
            results.append(
                ToolResult(call.call_id, reply.content, reply.is_error, reply.observation)
            )
            if not skip:
                skip = _why_skip_rest(run, call, reply)
    except BaseException as error:
        stopped = isinstance(error, asyncio.CancelledError)
        rest = _refusals(
            turn, prompts.CANCELLED if stopped else "The run ended here.", len(results)
        )
        run.transcript += [turn.message, UserMessage(results=(*results, *rest))]
        raise
    run.transcript.append(turn.message)
    return UserMessage(results=tuple(results))


def cut_off_results(run: Run, turn: Turn, why: str) -> UserMessage:
    """Answer each call of a turn that may not run; the turn joins the transcript."""
    run.transcript.append(turn.message)
    return UserMessage(results=_refusals(turn, why))


async def _answer(run: Run, turn: Turn, call: ToolCall) -> Reply:
    if len(call.raw_input) > LONGEST_INPUT:
        return Reply.refuse(
            f"Not run: the input has {len(call.raw_input):,} characters, at most "
            f"{LONGEST_INPUT:,} are taken. Send a smaller one."
        )
    raw = turn.broken.get(call.call_id)
    if raw is not None:
        return Reply.refuse(prompts.broken_input(raw))
    return await TOOLS.call(call.tool, parsed_input(call.raw_input) or {}, run)


def _why_skip_rest(run: Run, call: ToolCall, reply: Reply) -> str:
    """Return why the calls behind this one are not run, or an empty text if they are."""
    if call.tool == "finish" and (run.ending is not None or reply.is_error):
        return prompts.NOT_RUN_AFTER_FINISH
    if call.tool in _CELL_TOOLS and reply.is_error:
        return "Not run: the cell before it in this turn did not succeed. Look at its result first."
    return ""


def _refusals(turn: Turn, why: str, after: int = 0) -> tuple[ToolResult, ...]:
    return tuple(
        ToolResult(call.call_id, (Text(why),), is_error=True) for call in turn.message.calls[after:]
    )
