"""Entries as the agent records them, for the tests of the notebook."""

from __future__ import annotations

import base64
import io
from typing import Any

from analyst_kernel.agent.ports import (
    AnswerEntry,
    Entry,
    Execution,
    IterationEntry,
    PlanEntry,
    QuestionEntry,
    SetupEntry,
    TitleEntry,
)
from analyst_kernel.notebook.document.operations import Document, apply, operations_for
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import (
    CHART_MIME,
    CellError,
    DisplayOutput,
    ErrorOutput,
    Outcome,
    Output,
    ResultOutput,
    StreamOutput,
)
from analyst_kernel.protocol.records import Answer, CellLabel, NumberProof, Step, Value


def ran(*outputs: Output, count: int = 1) -> Execution:
    return Execution("ok", outputs, None, 0.1, count)


def result(text: str, count: int = 1) -> ResultOutput:
    return ResultOutput(data={"text/plain": text}, execution_count=count)


def printed(text: str) -> StreamOutput:
    return StreamOutput(name="stdout", text=text)


def failed(outcome: Outcome, name: str, message: str, count: int = 1) -> Execution:
    output = ErrorOutput(
        ename=name, evalue=message, traceback=(f"\x1b[31m{name}\x1b[0m: {message}",)
    )
    error = CellError(name=name, message=message)
    return Execution(outcome, (output,), error, 0.1, count)


def iteration(
    number: int, code: str, execution: Execution | None = None, **more: Any
) -> IterationEntry:
    facts: dict[str, Any] = {"step": 1, "attempt": 1, "purpose": "", "language": "python"} | more
    return IterationEntry(
        cell=CellId(facts.pop("cell", f"it{number}")),
        run=RunId(facts.pop("run", "r1")),
        iteration=number,
        code=code,
        execution=execution,
        **facts,
    )


def question(text: str, run: str = "r1") -> QuestionEntry:
    return QuestionEntry(CellId(f"question-{run}"), RunId(run), text)


def plan(*goals: tuple[str, Any], run: str = "r1") -> PlanEntry:
    steps = tuple(Step(number=i, goal=g, status=s) for i, (g, s) in enumerate(goals, start=1))
    return PlanEntry(CellId(f"plan-{run}"), RunId(run), steps)


def labels(*numbers: int) -> tuple[CellLabel, ...]:
    return tuple(CellLabel(number=n, cell=CellId(f"it{n}")) for n in numbers)


def proofs(text: str, **cells: Any) -> tuple[NumberProof, ...]:
    """Proofs of each ``number=cell``; in names, ``n20_8`` stands for 20.8."""
    found = []
    for name, cell in cells.items():
        number = name.removeprefix("n").replace("_", ".")
        start = text.index(number)
        found.append(NumberProof(text=number, start=start, end=start + len(number), cell=cell))
    return tuple(found)


def picture(colour: tuple[int, int, int] = (30, 90, 200), size: tuple[int, int] = (8, 6)) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def whole_run() -> tuple[Entry, ...]:
    """A run with a failure and its repair, a chart and an answer."""
    text = (
        "City mileage rose from 18.4 to 20.8 mpg, by `2.4`, over 31 years [cell 3]; see `[cell 2]`."
    )
    chart = DisplayOutput(
        data={
            "image/png": "iVBORw0KGgo=",
            "text/plain": "<Figure size 640x480 with 1 Axes>",
            CHART_MIME: {"type": "line", "title": "Mileage"},
        }
    )
    setup = "import pandas as pd\n\nvehicles = pd.read_csv('vehicles.csv')"
    return (
        TitleEntry(
            CellId("title"), "City mileage by year", "Made by rules; no AI model is at work."
        ),
        SetupEntry(CellId("setup"), setup, ran(count=1)),
        question("How did average city mileage change by *model year*? <script>alert(1)</script>"),
        PlanEntry(
            CellId("plan-r1"),
            RunId("r1"),
            (
                Step(number=1, goal="Look at `cty` and `year`", status="done", cells=labels(1, 2)),
                Step(number=2, goal="Draw the trend", status="doing", cells=labels(3)),
                Step(number=3, goal="Check", status="todo"),
            ),
        ),
        iteration(
            1,
            "vehicles['Year'].min()",
            failed("error", "KeyError", "'Year'", 2),
            purpose="Find the range of years",
        ),
        iteration(
            2,
            "vehicles['year'].min()",
            ran(result("1984", 3), count=3),
            attempt=2,
            purpose="Repair it",
        ),
        iteration(
            3,
            "import matplotlib.pyplot as plt\n\n"
            "means = vehicles.groupby('year')['cty'].mean()\n"
            "means.plot()\nplt.savefig(OUTPUT_DIR / 'trend.png')\nplt.show()",
            ran(chart, count=4),
            step=2,
            purpose="Draw the mean by year",
        ),
        iteration(4, "while True:\n\n    pass", failed("timeout", "Timeout", "120 s", 5), step=3),
        iteration(5, "import os\nos.remove('x')", outcome="rejected", step=3),
        AnswerEntry(
            CellId("answer-r1"),
            RunId("r1"),
            Answer(
                text=text,
                key_values=(
                    Value(label="first year", value=18.4, unit="mpg"),
                    Value(label="last year", value=20.8, unit="mpg"),
                ),
                assumptions=("City mileage is the column `cty`.",),
                caveats=("The last year has few cars [cells 2 and 3].",),
                cells=labels(2, 3),
                next_questions=("And only for Toyota?",),
                numbers=proofs(text, n18_4="it3", n20_8="it3", n2_4="it3", n31=None),
            ),
            "answered",
        ),
    )


def recorded(document: Document, *entries: Entry) -> Document:
    for entry in entries:
        for operation in operations_for(entry):
            document = apply(document, operation)
    return document
