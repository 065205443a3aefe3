"""Plays an answer's cells with the real libraries and checks the answer, without a kernel."""

from __future__ import annotations

import ast
import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import pandas as pd

from analyst_kernel.agent.evidence.checks.doubts import mismatches
from analyst_kernel.agent.evidence.checks.inference import causal_caveats
from analyst_kernel.agent.evidence.checks.mismatch import Mismatch
from analyst_kernel.agent.evidence.checks.prose import clauses
from analyst_kernel.agent.evidence.checks.shown import ShownCell, shown_cell
from analyst_kernel.agent.run import AnswerDraft
from analyst_kernel.agent.tools.handlers import sql_cell
from analyst_kernel.protocol.datasets import (
    ColumnProfile,
    Dataset,
    DatasetProfile,
    ValueCount,
)
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import Frame, Output, ResultOutput, StreamOutput


def table(text: str) -> pd.DataFrame:
    """Return a small table from lines of CSV."""
    return pd.read_csv(io.StringIO("\n".join(line.strip() for line in text.strip().splitlines())))


def profiled(name: str, frame: pd.DataFrame) -> DatasetProfile:
    """Return what the checks read of a profile: columns, missing values, frequent texts."""
    columns = []
    for column in frame.columns:
        values = frame[column]
        number = pd.api.types.is_numeric_dtype(values)
        top = () if number else values.value_counts().items()
        columns.append(
            ColumnProfile(
                name=str(column), dtype=str(values.dtype), kind="number" if number else "text",
                nulls=int(values.isna().sum()), distinct=values.nunique(),
                minimum=float(values.min()) if number else None,
                maximum=float(values.max()) if number else None,
                top=tuple(ValueCount(value=str(v), count=int(n)) for v, n in top),
            )
        )  # fmt: skip
    dataset = Dataset(
        name=name, path=f"/{name}.csv", format="csv", bytes=1, rows=len(frame),
        columns=tuple(map(str, frame.columns)),
    )  # fmt: skip
    return DatasetProfile(dataset=dataset, columns=tuple(columns))


class Play:
    """Runs cells in order, as a kernel would, and keeps what they show."""

    def __init__(self, **tables: pd.DataFrame) -> None:
        self.space: dict[str, Any] = {"pd": pd, **tables}
        self.profiles = {name: profiled(name, frame) for name, frame in tables.items()}
        self.cells: list[ShownCell] = []

    def run(self, code: str) -> None:
        if code.startswith("sql:"):
            code = sql_cell(code.removeprefix("sql:"), f"r{len(self.cells)}", import_duckdb=True)
        before = self._frames()
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        printed = io.StringIO()
        value = None
        with redirect_stdout(printed):
            exec(compile(tree, "<cell>", "exec"), self.space)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), self.space)
        outputs: list[Output] = []
        if printed.getvalue():
            outputs.append(StreamOutput(name="stdout", text=printed.getvalue()))
        if value is not None:
            data: dict[str, Any] = {"text/plain": repr(value)}
            if isinstance(value, pd.DataFrame):
                data["text/html"] = value.to_html()
            outputs.append(ResultOutput(data=data))
        number = len(self.cells) + 1
        self.cells.append(
            shown_cell(
                CellId(f"c{number}"), number, code, outputs, before=before, after=self._frames()
            )
        )

    def _frames(self) -> tuple[Frame, ...]:
        return tuple(
            Frame(name=name, type="pandas.DataFrame", shape=value.shape)
            for name, value in self.space.items()
            if isinstance(value, pd.DataFrame)
        )


def doubts(
    answer: str,
    *code: str,
    question: str = "What does the data say?",
    caveats: Sequence[str] = (),
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> list[Mismatch]:
    """Return what the checks find in an answer that rests on cells with the code."""
    play = Play(**(tables or {}))
    for cell in code:
        play.run(cell)
    draft = AnswerDraft(answer, caveats=tuple(caveats))
    return mismatches(draft, question, play.cells, play.profiles)


def causes(answer: str, *code: str, question: str = "", said: str = "", **tables: Any) -> list[str]:
    """Return the caveats about causal words."""
    play = Play(**tables)
    for cell in code:
        play.run(cell)
    return list(causal_caveats(list(clauses(answer)), play.cells, said or answer, question))
