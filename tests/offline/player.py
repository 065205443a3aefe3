"""Plays the tool loop with the offline rules in this process: real code on real data, no kernel."""

from __future__ import annotations

import ast
import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import pandas as pd
from IPython.lib.pretty import pretty

from analyst_kernel.agent.evidence.proof import prove
from analyst_kernel.agent.evidence.shown import cell_numbers
from analyst_kernel.agent.ports import (
    Stopped,
    TextDelta,
    ToolEnded,
    ToolInputDelta,
    ToolStarted,
    UsageReported,
)
from analyst_kernel.agent.tools.handlers import sql_cell
from analyst_kernel.agent.tools.inputs import (
    AskUser,
    Finish,
    RecordFinding,
    RunPython,
    RunSql,
    UpdatePlan,
)
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Message,
    ModelRequest,
    Observation,
    Situation,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
)
from analyst_kernel.offline.model import OfflineRules
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import (
    DisplayOutput,
    ErrorOutput,
    Output,
    ResultOutput,
    StreamOutput,
)

mpl.use("Agg")

INPUTS = {
    "run_python": RunPython,
    "run_sql": RunSql,
    "update_plan": UpdatePlan,
    "record_finding": RecordFinding,
    "ask_user": AskUser,
    "finish": Finish,
}


@dataclass
class Played:
    """What came of a question."""

    finish: dict[str, Any] = field(default_factory=dict)
    said: str = ""
    tools: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    outputs: list[tuple[Output, ...]] = field(default_factory=list)
    charts: list[dict[str, str]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)

    @property
    def answer(self) -> str:
        return str(self.finish.get("answer", self.said))

    @property
    def figures(self) -> dict[str, Any]:
        return {item["label"]: item["value"] for item in self.finish["key_values"]}

    @property
    def codes(self) -> list[str]:
        return [a.get("code") or a["sql"] for tool, a in self.calls if tool.startswith("run_")]

    def unproven(self, question: str) -> list[str]:
        shown = [cell_numbers(CellId(f"c{i}"), out) for i, out in enumerate(self.outputs)]
        texts = [self.answer, *self.finish["assumptions"], *self.finish["caveats"]]
        texts += [f"{value}" for value in self.figures.values()]
        return [p.text for t in texts for p in prove(t, shown, question=question) if p.cell is None]


class Player:
    """An analysis in one process; several questions share its variables."""

    def __init__(self, *profiles: DatasetProfile, frames: dict[str, pd.DataFrame] | None = None):
        self.profiles = profiles
        self.space: dict[str, Any] = {"display": self._display}
        self.earlier: list[str] = []
        self.displayed: list[Output] = []
        self.charts: list[dict[str, str]] = []
        for profile in profiles:
            dataset = profile.dataset
            frame = (frames or {}).get(dataset.name)
            frame = pd.read_csv(dataset.path) if frame is None else frame
            if dataset.load == "frame":
                self.space[dataset.name] = frame
            else:
                import duckdb

                duckdb.sql(
                    f"CREATE OR REPLACE TEMP VIEW {dataset.name} AS "
                    f"SELECT * FROM read_csv('{dataset.path}', nullstr='NA')"
                )

    def _display(self, value: Any) -> None:
        self.displayed.append(DisplayOutput(data={"text/plain": pretty(value)}))

    def execute(self, code: str) -> tuple[Output, ...]:
        import matplotlib.pyplot as plt

        self.displayed = []
        stdout = io.StringIO()
        tail: list[Output] = []
        try:
            with contextlib.redirect_stdout(stdout):
                tree = ast.parse(code)
                last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
                exec(compile(tree, "cell", "exec"), self.space)
                if last is not None:
                    value = eval(compile(ast.Expression(last.value), "cell", "eval"), self.space)
                    if value is not None:
                        tail.append(ResultOutput(data={"text/plain": pretty(value)}))
        except Exception as error:  # noqa: BLE001 - a cell may raise anything
            tail.append(ErrorOutput(ename=type(error).__name__, evalue=str(error)))
        figures = [plt.figure(number) for number in plt.get_fignums()]
        plt.close("all")
        for figure in figures:
            figure.canvas.draw()
            axes = figure.axes[0]
            self.charts.append(
                {
                    "title": axes.get_title(),
                    "x": axes.get_xlabel(),
                    "y": axes.get_ylabel(),
                    "x names": "|".join(text.get_text() for text in axes.get_xticklabels()),
                    "y names": "|".join(text.get_text() for text in axes.get_yticklabels()),
                    "lines": str(len(axes.lines)),
                    "marks": str(len(axes.patches) + len(axes.collections)),
                }
            )
        printed: list[Output] = (
            [StreamOutput(name="stdout", text=stdout.getvalue())] if stdout.getvalue() else []
        )
        return (*printed, *self.displayed, *tail)

    async def ask(
        self,
        question: str,
        *,
        answers: Sequence[str] = (),
        sabotage: dict[int, Output] | None = None,
        refuse_finish: Sequence[str] = (),
        stop_after: int | None = None,
    ) -> Played:
        """Play until the answer; ``sabotage`` replaces the outputs of the n-th cell (from 0)."""
        played = Played()
        model = OfflineRules()
        text = f"Question: {question}"
        if self.earlier:
            recalled = "\n".join(f"Asked: {q}\nAnswered (answered): ..." for q in self.earlier)
            text += f"\n\nEarlier in this analysis:\n{recalled}"
        messages: list[Message] = [
            UserMessage(text=(Text(text),), situation=Situation(question, self.profiles))
        ]
        pending_answers, refusals = list(answers), list(refuse_finish)
        for turn in range(30):
            none = stop_after is not None and turn >= stop_after
            request = ModelRequest("", (), tuple(messages), tool_choice="none" if none else "auto")
            message = await self._turn(model, request, played)
            messages.append(message)
            if not message.calls:
                played.said = message.text
                break
            call = message.calls[0]
            arguments = json.loads(call.raw_input)
            INPUTS[call.tool].model_validate(arguments)
            played.tools.append(call.tool)
            played.calls.append((call.tool, arguments))
            ended = call.tool == "finish" and not refusals
            result = self._run(call, arguments, played, pending_answers, sabotage or {}, refusals)
            messages.append(UserMessage(results=(result,)))
            if ended:
                played.finish = arguments
                break
        else:
            raise AssertionError("the rules never finished")
        self.earlier.append(question)
        played.charts, self.charts = self.charts, []
        played.messages = messages
        return played

    async def _turn(
        self, model: OfflineRules, request: ModelRequest, played: Played
    ) -> AssistantMessage:
        text, raw, call = "", "", None
        events = [event async for event in model.stream(request)]
        assert isinstance(events[-1], Stopped)
        for event in events:
            if isinstance(event, TextDelta):
                text += event.text
            elif isinstance(event, ToolStarted):
                call = event
            elif isinstance(event, ToolInputDelta):
                raw += event.text
            elif isinstance(event, ToolEnded):
                assert raw == event.raw_input
            elif isinstance(event, UsageReported):
                assert event.usage.output_tokens == 0
                assert event.usage.cost_usd == 0
        assert events[-1].reason == ("tool_use" if call else "end_turn")
        calls = (ToolCall(call.call_id, call.tool, raw),) if call else ()
        return AssistantMessage(text, calls, model=model.name)

    def _run(
        self,
        call: ToolCall,
        arguments: dict[str, Any],
        played: Played,
        answers: list[str],
        sabotage: dict[int, Output],
        refusals: list[str],
    ) -> ToolResult:
        if call.tool in ("run_python", "run_sql"):
            code = arguments.get("code") or sql_cell(
                arguments["sql"], arguments["name"], import_duckdb=True
            )
            index = len(played.outcomes)
            outputs = (sabotage[index],) if index in sabotage else self.execute(code)
            failed = any(isinstance(output, ErrorOutput) for output in outputs)
            outcome = "error" if failed else "ok"
            played.outcomes.append(outcome)
            played.outputs.append(outputs)
            cell = f"cell{index}"
            text = f"cell {index + 1}: {outcome}, 0.1 s"
            seen = Observation(outcome, outputs, (), cell)
            return ToolResult(call.call_id, (Text(text),), is_error=failed, observation=seen)
        if call.tool == "ask_user":
            answer = answers.pop(0) if answers else arguments["default"]
            return ToolResult(call.call_id, (Text(f"The person answered: {answer}"),))
        if call.tool == "finish" and refusals:
            return ToolResult(call.call_id, (Text(refusals.pop(0)),), is_error=True)
        return ToolResult(call.call_id, (Text("Done."),))
