"""The deterministic analyst behind ``offline:rules``: a model port without a language model.

It reads the structured side of the transcript and answers with the same tool calls that a language
model sends. It calls no network, keeps no state and needs no key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, assert_never

from analyst_kernel.agent.ports import (
    ModelEvent,
    Stopped,
    TextDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.offline.answers import (
    CLOSING,
    draft_of,
    established,
    finding,
    finish,
    gave_up,
    text_of,
    unclear,
    without_numbers,
)
from analyst_kernel.offline.progress import ODD, RecipeProgress, follow
from analyst_kernel.offline.reader import FoundValue, Known, interpret
from analyst_kernel.offline.recipes import columns, groups, tables, trend
from analyst_kernel.offline.recipes.recipe import (
    Cell,
    Code,
    Recipe,
    apart_from,
    code,
    quoted,
    unmarked,
)
from analyst_kernel.offline.recipes.rows import stays, table_of
from analyst_kernel.offline.recipes.several import several
from analyst_kernel.offline.task import AskWhich, DataTask, Intent, LookUp, Ready, Unclear
from analyst_kernel.offline.transcript import CELL_TOOLS, Conversation, Done, read_conversation
from analyst_kernel.offline.words import stem
from analyst_kernel.protocol.records import Usage

_CHUNK = 160
"""Characters of one piece of streamed text."""

_ALL_TOOLS = frozenset(
    {"run_python", "run_sql", "update_plan", "record_finding", "ask_user", "finish"}
)


class OfflineRules:
    """Implements :class:`analyst_kernel.agent.ports.Model` with rules."""

    @property
    def name(self) -> str:
        """``offline:rules``."""
        return "offline:rules"

    @property
    def is_ai(self) -> bool:
        """False: no AI model is at work."""
        return False

    @property
    def sees_images(self) -> bool:
        """False: the rules use no pictures."""
        return False

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Yield one turn: one tool call, or text where no tool may be called.

        A pure function of the request; it cannot fail and may be cancelled between any two events.
        """
        talk = read_conversation(request.messages)
        tools = frozenset(tool.name for tool in request.tools) or _ALL_TOOLS
        action = decide(talk, tools=tools, wrap_up=request.tool_choice == "none")
        for event in _events(action, call_id=f"offline-{talk.calls + 1}"):
            yield event
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Release nothing; there is nothing to release."""


def _events(action: Call | Say, *, call_id: str) -> Iterator[ModelEvent]:
    usage = UsageReported(Usage(calls=1, cost_usd=0.0))
    if isinstance(action, Say):
        for piece in _pieces(action.text):
            yield TextDelta(piece)
        yield usage
        yield Stopped("end_turn")
        return
    if action.remark:
        yield TextDelta(action.remark)
    raw = json.dumps(action.arguments, ensure_ascii=False, allow_nan=False)
    yield ToolStarted(0, call_id, action.tool)
    for piece in _pieces(raw):
        yield ToolInputDelta(0, piece)
    yield ToolEnded(0, raw)
    yield usage
    yield Stopped("tool_use")


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _CHUNK):
        yield text[start : start + _CHUNK]


RECIPES: dict[Intent, Callable[[DataTask], Recipe]] = {
    "profile": tables.profile,
    "missing": tables.missing,
    "join": tables.join,
    "distribution": columns.distribution,
    "outliers": columns.outliers,
    "scalar": columns.scalar,
    "count": columns.count,
    "distinct": columns.distinct,
    "top_values": columns.top_values,
    "top_rows": columns.top_rows,
    "groups": groups.groups,
    "best_per_group": groups.best_per_group,
    "trend": trend.trend,
    "compare": groups.compare,
    "correlation": columns.correlation,
}
"""Every intent has its recipe; a test holds the two together."""
RECIPES["several"] = partial(several, RECIPES)


def recipe_of(task: DataTask) -> Recipe:
    """Return the recipe of a task, in which no variable hides a dataset."""
    profiles = (task.profile, *task.others, *task.also)
    return apart_from(RECIPES[task.intent](task), [one.dataset.name for one in profiles])


_MOST_ASKED = 2
_MOST_SEARCHES = 2


@dataclass(frozen=True, slots=True)
class Call:
    """Call a tool; ``remark`` is said before it."""

    tool: str
    arguments: dict[str, Any]
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """End the turn with text."""

    text: str


@dataclass(frozen=True, slots=True)
class _Understood:
    """A task, its recipe, and the searches that came before it."""

    task: DataTask
    recipe: Recipe
    searches: tuple[LookUp, ...]


def decide(talk: Conversation, *, tools: frozenset[str], wrap_up: bool) -> Call | Say:
    """Return the next action; where ``wrap_up``, no tool may be called any more."""
    step = _understand(talk, tools, wrap_up=wrap_up)
    if isinstance(step, Call):
        return step
    if isinstance(step, Unclear):
        arguments = unclear(step, talk.datasets)
        return Say(arguments["answer"]) if wrap_up else _finish(talk, arguments)
    searches = {_lookup_cell(search).code for search in step.searches}
    cells = [done for done in talk.of(*CELL_TOOLS) if done.code not in searches]
    progress = follow(step.recipe, step.task, cells, before=len(searches))
    if wrap_up:
        return Say(_sum_up(step.task, step.recipe, progress))
    return _advance(talk, step, progress, tools)


def _understand(
    talk: Conversation, tools: frozenset[str], *, wrap_up: bool
) -> Call | Unclear | _Understood:
    """Read the question with all that was learned since; ask or search where that is needed."""
    known = Known()
    searches: list[LookUp] = []
    for _ in range(_MOST_ASKED + _MOST_SEARCHES + 1):
        reading = interpret(talk.question, talk.datasets, known, earlier=talk.earlier)
        match reading:
            case Ready():
                recipe = recipe_of(reading.task)
                return _Understood(reading.task, recipe, tuple(searches))
            case Unclear():
                return reading
            case AskWhich():
                answered = _answer_to(talk, reading)
                if answered is None and not wrap_up and "ask_user" in tools:
                    asked = {"question": reading.question, "options": list(reading.options)}
                    return Call("ask_user", {**asked, "default": reading.default})
                choice = answered or reading.default
                if choice in known.choices:
                    break
                known = replace(known, choices=(*known.choices, choice))
            case LookUp():
                search = _lookup_cell(reading)
                done = next((one for one in talk.of(*CELL_TOOLS) if one.code == search.code), None)
                if done is None:
                    if wrap_up:
                        break
                    return _search(talk, reading)
                known = replace(
                    known,
                    found=(*known.found, *_found(reading, done)),
                    searched=(*known.searched, *reading.phrases),
                )
                searches.append(reading)
            case _:
                assert_never(reading)
    return Unclear("I could not tell which columns or values you mean.")


def _answer_to(talk: Conversation, reading: AskWhich) -> str | None:
    """Return what the user chose, the default where the answer fits no option, or ``None``."""
    for done in talk.of("ask_user"):
        if tuple(done.arguments.get("options", ())) != reading.options:
            continue
        said = done.text.rpartition(": ")[2] or done.text
        for text in (said, done.text):
            fitting = [option for option in reading.options if option.casefold() in text.casefold()]
            if fitting:
                return max(fitting, key=len)
        return reading.default
    return None


def _search(talk: Conversation, reading: LookUp) -> Call:
    goals = [_lookup_goal(reading), "Compute with the rows found"]
    plan = _plan(talk, goals, (reading.profile.dataset.name,), "first search")
    return plan or _run(_lookup_cell(reading))


def _advance(
    talk: Conversation, step: _Understood, progress: RecipeProgress, tools: frozenset[str]
) -> Call | Say:
    """Plan, run the next cell, record, finish: the first of these that is not done yet."""
    task, recipe = step.task, step.recipe
    goals = [*(_lookup_goal(search) for search in step.searches), *recipe.goals][:7]
    names = recipe.datasets or (task.profile.dataset.name,)
    plan = _plan(talk, goals, names, "how the rules answer this")
    if plan is not None and "update_plan" in tools:
        remark = "" if talk.done else "Built-in rules answer this; no AI model is at work."
        return replace(plan, remark=remark)
    if progress.next is not None and not progress.failure:
        return _run(progress.next, progress.code, len(step.searches))
    draft = draft_of(task, recipe, progress)
    if draft is None:
        progress.failure = progress.failure or ODD
        return _finish(talk, gave_up(task, progress, talk.question))
    if not talk.of("record_finding") and progress.cells and "record_finding" in tools:
        return Call("record_finding", finding(draft, progress))
    return _finish(talk, finish(draft, progress, task, talk.question))


def _plan(
    talk: Conversation, goals: list[str], datasets: tuple[str, ...], reason: str
) -> Call | None:
    """Return the call that states the plan, or ``None`` where it was stated before."""
    if any(done.arguments.get("steps") == goals for done in talk.of("update_plan")):
        return None
    return Call("update_plan", {"steps": goals, "datasets": list(datasets), "reason": reason})


def _run(cell: Cell, repaired: str = "", shift: int = 0) -> Call:
    text = repaired or cell.code
    of_plan = {"purpose": " ".join(cell.purpose.split()[:12]), "step": cell.step + shift}
    if cell.sql_name is not None and text == cell.code:
        return Call("run_sql", {"sql": text, "name": cell.sql_name, **of_plan})
    return Call("run_python", {"code": text, **of_plan})


def _finish(talk: Conversation, arguments: dict[str, Any]) -> Call | Say:
    """Finish; an answer that was sent back is corrected once, then said as plain text."""
    refused = [done for done in talk.of("finish") if done.result.is_error]
    if not refused:
        return Call("finish", arguments)
    corrected = without_numbers(arguments, refused[0].text)
    if len(refused) == 1:
        return Call("finish", corrected)
    return Say(str(corrected["answer"]))


def _sum_up(task: DataTask, recipe: Recipe, progress: RecipeProgress) -> str:
    draft = draft_of(task, recipe, progress)
    if draft is not None:
        return text_of(draft, progress)
    waits = f"“{progress.next.purpose}” has not run" if progress.next is not None else ODD
    text = f"The answer is not complete: {progress.failure or waits}."
    return "\n\n".join([text, established(task, progress), CLOSING])


# --- words that may be values ------------------------------------------------------------


def _lookup_goal(reading: LookUp) -> str:
    """Return the plan's step for a search."""
    said = " and ".join(f"“{phrase}”" for phrase in reading.phrases)
    return f"Look for {said} in the text columns of {reading.profile.dataset.name}"


def _lookup_cell(reading: LookUp) -> Cell:
    """Write the cell that looks for words of a question among the values of text columns.

    A dataset on disk is searched by a query per column, which brings the hits alone.
    """
    table, phrases = table_of(reading.profile), reading.phrases
    words = " OR ".join(f"contains(lower(value), {_sql_text(_bare(said))})" for said in phrases)
    text = code(
        "rows/lookup on disk" if stays(reading.profile) else "rows/lookup",
        table=table,
        columns=reading.columns,
        phrases=Code(", ".join(f"{quoted(said)}: {quoted(_bare(said))}" for said in phrases)),
        query=(
            "SELECT value, count(*) AS n "
            f"FROM (SELECT CAST({{name}} AS VARCHAR) AS value FROM {table}) "
            f"WHERE {words} "
            "GROUP BY value ORDER BY n DESC, value"
        ),
    )
    cell = Cell("lookup", _lookup_goal(reading)[:90], text, 1)
    return unmarked(cell, [reading.profile.dataset.name])


def _sql_text(text: str) -> str:
    """Return an SQL string in lower case, inside an f-string of Python."""
    return "'" + text.lower().replace("'", "''").replace("{", "{{").replace("}", "}}") + "'"


def _bare(phrase: str) -> str:
    """Return the phrase without a plural's s."""
    last = phrase.rpartition(" ")[2].casefold()
    return phrase[:-1] if last.endswith("s") and stem(last) == last[:-1] else phrase


def _found(reading: LookUp, done: Done) -> tuple[FoundValue, ...]:
    """Choose, for each phrase, the value it names: spelled the same first, then most rows."""
    found = (done.shown or {}).get("found")
    rows = found if isinstance(found, list) else []  # a user may have edited the cell
    chosen: list[FoundValue] = []
    for phrase in reading.phrases:
        hits = [row for row in rows if isinstance(row, tuple) and len(row) == 4]
        hits = [hit for hit in hits if hit[0] == phrase]
        names = {phrase.casefold(), _bare(phrase).casefold()}
        exact = [hit for hit in hits if str(hit[2]).casefold() in names]
        if exact or len(hits) == 1:
            best = max(exact or hits, key=lambda hit: hit[3])
            chosen.append(FoundValue(phrase, best[1], str(best[2])))
        elif hits and len({hit[1] for hit in hits}) == 1:
            chosen.append(FoundValue(phrase, hits[0][1], _bare(phrase), whole=False))
    return tuple(chosen)
