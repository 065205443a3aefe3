"""The deterministic analyst behind ``offline:rules``: a model port without a language model.

It reads the structured side of the transcript and answers with the same tool calls that a language
model sends. It calls no network, keeps no state and needs no key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, assert_never

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
from analyst_kernel.offline.lookup import lookup_cell, lookup_goal, read_lookup
from analyst_kernel.offline.progress import RecipeProgress, follow
from analyst_kernel.offline.reader import Known, interpret
from analyst_kernel.offline.recipes import columns, groups, relation, tables, time
from analyst_kernel.offline.recipes.recipe import Cell, Recipe
from analyst_kernel.offline.task import AskWhich, DataTask, Intent, LookUp, Ready, Unclear
from analyst_kernel.offline.transcript import (
    CELL_TOOLS,
    Conversation,
    Done,
    read_conversation,
    shown_value,
)
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
    "trend": time.trend,
    "compare": relation.compare,
    "correlation": relation.correlation,
}
"""Every intent has its recipe; a test holds the two together."""

_MOST_ASKED = 2
_MOST_SEARCHES = 2
_ODD = "an output did not have the expected form"


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


Action: TypeAlias = Call | Say


@dataclass(frozen=True, slots=True)
class _Understood:
    """A task, its recipe, and the searches that came before it."""

    task: DataTask
    recipe: Recipe
    searches: tuple[LookUp, ...]


def decide(talk: Conversation, *, tools: frozenset[str], wrap_up: bool) -> Action:
    """Return the next action; where ``wrap_up``, no tool may be called any more."""
    step = _understand(talk, tools, wrap_up=wrap_up)
    if isinstance(step, Call):
        return step
    if isinstance(step, Unclear):
        arguments = unclear(step, talk.datasets)
        return Say(arguments["answer"]) if wrap_up else _finish(talk, arguments)
    progress = _progress(talk, step)
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
                return _Understood(
                    reading.task, RECIPES[reading.task.intent](reading.task), tuple(searches)
                )
            case Unclear():
                return reading
            case AskWhich():
                answered = _answer_to(talk, reading)
                if answered is None and not wrap_up and "ask_user" in tools:
                    return _ask(reading)
                choice = answered or reading.default
                if choice in known.choices:
                    break
                known = replace(known, choices=(*known.choices, choice))
            case LookUp():
                done = _search_of(talk, reading)
                if done is None:
                    if wrap_up:
                        break
                    return _search(talk, reading)
                seen = done.result.observation
                shown = shown_value(seen.outputs) if seen is not None else None
                known = replace(
                    known,
                    found=(*known.found, *read_lookup(reading, shown)),
                    searched=(*known.searched, *reading.phrases),
                )
                searches.append(reading)
            case _:
                assert_never(reading)
    return Unclear("I could not tell which columns or values you mean.")


def _ask(reading: AskWhich) -> Call:
    options = list(reading.options)
    question = {"question": reading.question, "options": options, "default": reading.default}
    return Call("ask_user", question)


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
    goals = [lookup_goal(reading), "Answer the question with the rows found", "State the answer"]
    if not any(done.arguments.get("steps") == goals for done in talk.of("update_plan")):
        return Call("update_plan", _plan(goals, (reading.profile.dataset.name,), "first search"))
    return _run(lookup_cell(reading), lookup_cell(reading).code, 0)


def _search_of(talk: Conversation, reading: LookUp) -> Done | None:
    code = lookup_cell(reading).code
    return next((done for done in talk.of(*CELL_TOOLS) if done.code == code), None)


def _progress(talk: Conversation, step: _Understood) -> RecipeProgress:
    searches = {lookup_cell(search).code for search in step.searches}
    cells = [done for done in talk.of(*CELL_TOOLS) if done.code not in searches]
    return follow(step.recipe, step.task, cells, before=len(searches))


def _advance(
    talk: Conversation, step: _Understood, progress: RecipeProgress, tools: frozenset[str]
) -> Action:
    """Plan, run the next cell, record, finish: the first of these that is not done yet."""
    task, recipe = step.task, step.recipe
    goals = [*(lookup_goal(search) for search in step.searches), *recipe.goals][:7]
    planned = any(done.arguments.get("steps") == goals for done in talk.of("update_plan"))
    if not planned and "update_plan" in tools:
        names = recipe.datasets or (task.profile.dataset.name,)
        remark = "" if talk.done else "Built-in rules answer this; no AI model is at work."
        return Call("update_plan", _plan(goals, names, "how the rules answer this"), remark)
    if progress.failure:
        return _finish(talk, gave_up(task, progress, talk.question))
    if progress.next is not None:
        return _run(progress.next, progress.code, len(step.searches))
    draft = draft_of(task, recipe, progress)
    if draft is None:
        progress.failure = _ODD
        return _finish(talk, gave_up(task, progress, talk.question))
    if not talk.of("record_finding") and progress.cells and "record_finding" in tools:
        return Call("record_finding", finding(draft, progress))
    return _finish(talk, finish(draft, progress, task, talk.question))


def _plan(goals: list[str], datasets: tuple[str, ...], reason: str) -> dict[str, Any]:
    return {"steps": goals, "datasets": list(datasets), "reason": reason}


def _run(cell: Cell, code: str, shift: int) -> Call:
    step = cell.step + shift
    purpose = " ".join(cell.purpose.split()[:12])
    if cell.sql_name is not None and code == cell.code:
        arguments = {"sql": code, "name": cell.sql_name, "purpose": purpose, "step": step}
        return Call("run_sql", arguments)
    return Call("run_python", {"code": code, "purpose": purpose, "step": step})


def _finish(talk: Conversation, arguments: dict[str, Any]) -> Action:
    """Finish; an answer that was sent back is corrected once, then said as plain text."""
    refused = [done for done in talk.of("finish") if done.result.is_error]
    if not refused:
        return Call("finish", arguments)
    corrected = without_numbers(arguments, refused[0].text)
    if len(refused) == 1:
        return Call("finish", corrected)
    return Say(str(corrected["answer"]))


def _sum_up(task: DataTask, recipe: Recipe, progress: RecipeProgress) -> str:
    complete = progress.next is None and not progress.failure
    draft = draft_of(task, recipe, progress) if complete else None
    if draft is not None:
        return text_of(draft, progress)
    left = progress.failure or (
        f"“{progress.next.purpose}” has not run" if progress.next is not None else _ODD
    )
    text = f"The answer is not complete: {left}."
    return "\n\n".join([text, *established(task, progress), CLOSING])
