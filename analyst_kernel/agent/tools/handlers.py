"""The seven tools: what each does when it is called in a run, and how it is offered."""

from __future__ import annotations

import keyword
import re

from analyst_kernel.agent.approval import ask_plan
from analyst_kernel.agent.evidence import answer as answers
from analyst_kernel.agent.iteration import iterate
from analyst_kernel.agent.observation.cell import envelope
from analyst_kernel.agent.plan import PlanRefused, plan_text
from analyst_kernel.agent.prompts import correction
from analyst_kernel.agent.run import Run
from analyst_kernel.agent.tools import inputs
from analyst_kernel.agent.tools.registry import Registry, Reply, Tool
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.protocol.events import FindingRecorded, UserAnswered, UserAsked
from analyst_kernel.protocol.ids import CellId, FindingId, new_ask_id
from analyst_kernel.protocol.records import Finding

_IMPORTS_DUCKDB = re.compile(r"^\s*import duckdb\b", re.MULTILINE)
_COMMENTS = re.compile(r"\s*(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_NO_RESULT = re.compile(
    r"(?:create|insert|update|delete|drop|alter|copy|set|reset|attach|detach|use|install|load"
    r"|begin|commit|rollback|export|import)\b",
    re.IGNORECASE,
)
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
    setup = "\n".join(setup.code for setup in run.memory.setups if setup.ran)
    code = sql_cell(call.sql, name, import_duckdb=not _IMPORTS_DUCKDB.search(setup))
    return await iterate(run, code, "sql", call.purpose, call.step)


def sql_cell(sql: str, name: str, *, import_duckdb: bool) -> str:
    """Return the plain Python cell that runs a SQL query: it needs nothing of this package.

    Of several statements, the last one's result is kept in the variable ``name``, unless it has
    none, such as ``CREATE VIEW``.
    """
    query = sql.strip().rstrip(";").rstrip()
    call = f"duckdb.sql({_literal(query)})"
    body = f"{name} = {call}.df()\n{name}" if _has_result(query) else call
    return f"import duckdb\n\n{body}" if import_duckdb else body


def _has_result(query: str) -> bool:
    last = _STRINGS.sub("''", query).rpartition(";")[2]
    while (match := _COMMENTS.match(last)) is not None:
        last = last[match.end() :]
    return not _NO_RESULT.match(last.lstrip())


def _literal(query: str) -> str:
    """Quote a query so that it stays readable, if Python's quoting allows it."""
    if '"""' in query or "\r" in query or "\0" in query:
        return repr(query)
    prefix = "r" if "\\" in query else ""
    # Line breaks at both ends keep a quote or backslash away from the closing quotes.
    return f'{prefix}"""\n{query}\n"""'


async def profile_dataset(run: Run, call: inputs.ProfileDataset) -> Reply:
    """Describe a dataset, or some of its columns."""
    try:
        profile = await run.deps.catalog.profile(
            call.name, columns=call.columns, detail=call.detail
        )
    except DataError as error:
        return Reply.refuse(str(error))
    text = run.deps.catalog.describe(
        profile, question=run.question, budget=_PROFILE_TOKENS[call.detail]
    )
    return Reply.say(
        envelope(text, run.nonce)
        + "\nA profile proves no number: display what you will cite in a cell."
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
        text += (
            f"\nThere is no dataset {', '.join(unknown)}; there are: {', '.join(sorted(known))}."
        )
    return Reply.say(text)


async def record_finding(run: Run, call: inputs.RecordFinding) -> Reply:
    """Record a statement with its proof; numbers that no output shows become a caveat."""
    cells, unknown = _cells(run, call.cells)
    if unknown:
        ran = ", ".join(str(record.iteration) for record in run.iterations) or "none yet"
        return Reply.refuse(
            f"Not recorded: no cell {', '.join(unknown)}. Iterations that ran: {ran}."
        )
    values = tuple(figure.record() for figure in call.values)
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
    """Find cells by iteration number, "cell 3" or id; return the cells and the unknown names.

    If none is named, the newest cell that ran without an error proves the finding.
    """
    by_number = {record.iteration: record.cell for record in run.iterations}
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
        return Reply.say(f"The user answered: {answer}")
    run.assumptions.append(f"{call.question} Assumed: {answer}.")
    return Reply.say(
        f"Nobody answered; the default holds: {answer}. It is listed as an assumption."
    )


async def finish(run: Run, call: inputs.Finish) -> Reply:
    """End the run with an answer, after its numbers were looked up."""
    doubts = answers.propose(run, call.draft())
    if doubts is not None:
        return Reply.refuse(correction(doubts.numbers, doubts.citations))
    return Reply.say("The answer was taken.")


TOOLS: Registry[Run] = Registry(
    [
        Tool(
            "run_python",
            "Run Python in the live kernel as one new cell. Returns output, the last expression's "
            "value, variables made or changed, charts; on failure the error with live columns.",
            inputs.RunPython,
            run_python,
        ),
        Tool(
            "run_sql",
            "Run DuckDB SQL over datasets and DataFrames by variable name, as one new cell. The "
            "result becomes the DataFrame `name` and is displayed.",
            inputs.RunSql,
            run_sql,
        ),
        Tool(
            "profile_dataset",
            "Describe a dataset's columns, values and problems again; costs no cell.",
            inputs.ProfileDataset,
            profile_dataset,
        ),
        Tool(
            "update_plan",
            "Set the plan: 3 to 7 goals in order (at most 7). Send the whole list; goals that stay "
            "keep their status. Replace a wrong or blocked step, do not append to it.",
            inputs.UpdatePlan,
            update_plan,
        ),
        Tool(
            "record_finding",
            "Record one result that the answer rests on, with its values and its cells.",
            inputs.RecordFinding,
            record_finding,
        ),
        Tool(
            "ask_user",
            "Ask the user one question with 2 to 4 options; the first, or `default`, is taken if "
            "nobody answers. Only before computing, only if the data cannot decide.",
            inputs.AskUser,
            ask_user,
        ),
        Tool(
            "finish",
            "End with the answer. Its numbers are looked up in the executed outputs.",
            inputs.Finish,
            finish,
        ),
    ]
)
"""What a model is offered."""
