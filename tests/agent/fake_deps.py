"""Fakes of the ports: a kernel that runs Python in this process, a notebook in memory, a catalog."""

from __future__ import annotations

import ast
import asyncio
import copy
import io
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Literal

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.ports import (
    Approval,
    CellChange,
    Entry,
    Execution,
    IterationEntry,
    KernelFacts,
    OutputChange,
    RemovedRun,
    ReplayCell,
    SetupEntry,
    User,
)
from analyst_kernel.protocol.datasets import ColumnProfile, Dataset, DatasetProfile, ValueCount
from analyst_kernel.protocol.errors import DataError, KernelError, NotebookError
from analyst_kernel.protocol.events import Event, RunFinished
from analyst_kernel.protocol.ids import AnalysisId, AskId, CellId, RunId
from analyst_kernel.protocol.outputs import (
    CellError,
    DisplayOutput,
    ErrorOutput,
    Frame,
    FrameColumn,
    Output,
    ResultOutput,
    StreamOutput,
)
from analyst_kernel.protocol.sandbox import SandboxReport
from tests.agent.fake_model import FakeModel


class Table(list[dict[str, Any]]):
    """A list of rows that the kernel lists as a table; its text shows rows and a count."""

    def __repr__(self) -> str:
        if not self:
            return "Empty DataFrame\nColumns: []"
        lines = ["  ".join(self[0])]
        lines += [f"{i}  " + "  ".join(str(v) for v in row.values()) for i, row in enumerate(self)]
        return "\n".join([*lines, f"[{len(self)} rows x {len(self[0])} columns]"])

    def where(self, **wanted: Any) -> Table:
        return Table(row for row in self if all(row[k] == v for k, v in wanted.items()))

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self]


class InProcessKernel:
    """Runs code with ``exec`` in its own namespace, where ``measured(5)`` stands for work on data.

    Code may ``display(bundle)``; a name ``FOREVER`` anywhere makes a cell wait until it is
    cancelled, ``DIE`` kills the kernel, ``GONE`` kills it for good.
    """

    def __init__(self) -> None:
        self.space: dict[str, Any] = {}
        self.count = 0
        self.starts = 0
        self.idle = True
        self.executed: list[str] = []
        self.fails_to_start: Exception | None = None
        self.before_cell: Callable[[], None] = lambda: None

    async def start(self) -> KernelFacts:
        await asyncio.sleep(0)
        if self.fails_to_start is not None:
            raise self.fails_to_start
        self.starts += 1
        self._empty()
        report = SandboxReport(level="isolated", form="fake", sentence="Nothing gets out.")
        return KernelFacts("3.11.7", {"pandas": "3.1.1", "duckdb": "2.0.0"}, report, 5.0, "out")

    def _empty(self) -> None:
        self.space = {"Table": Table, "measured": lambda value: value}

    async def execute(
        self, code: str, *, timeout: float, on_change: Callable[[OutputChange], None] | None = None
    ) -> Execution:
        assert self.idle, "two executions at a time"
        self.before_cell()
        self.idle = False
        self.executed.append(code)
        outputs: list[Output] = []

        def add(output: Output) -> None:
            outputs.append(output)
            if on_change is not None:
                on_change(OutputChange(len(outputs) - 1, output))

        try:
            await asyncio.sleep(0)
            self.count += 1
            error = self._run(code, add)
            await asyncio.sleep(0)
            if "FOREVER" in code:
                await asyncio.Event().wait()
            if "GONE" in code:
                raise KernelError("The kernel died and did not come back.", "Ask again.")
            died = "DIE" in code
            if died:
                self._empty()
                error = CellError(name="KernelDied", message="out of memory")
            return Execution(
                "error" if error else "ok", tuple(outputs), error, 0.25, self.count,
                self._frames(), kernel_died=died,
            )  # fmt: skip
        finally:
            self.idle = True

    def _run(self, code: str, add: Callable[[Output], None]) -> CellError | None:
        def display(bundle: dict[str, Any]) -> None:
            add(DisplayOutput(data=bundle))

        self.space["display"] = display
        printed = io.StringIO()
        try:
            tree = ast.parse(code)
            last = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            body = tree.body[:-1] if last is not None else tree.body
            with redirect_stdout(printed):
                exec(compile(ast.Module(body, []), "<cell>", "exec"), self.space)
                value = (
                    eval(compile(ast.Expression(last.value), "<cell>", "eval"), self.space)
                    if last is not None
                    else None
                )
        except Exception as error:  # noqa: BLE001 - generated code raises anything
            self._print(printed, add)
            frames = [
                f for f in traceback.extract_tb(error.__traceback__) if f.filename == "<cell>"
            ]
            lines = tuple(f"Cell In[{self.count}], line {f.lineno}, in {f.name}" for f in frames)
            add(ErrorOutput(ename=type(error).__name__, evalue=str(error), traceback=lines))
            line = frames[-1].lineno if frames else getattr(error, "lineno", None)
            return CellError(name=type(error).__name__, message=str(error), line=line)
        self._print(printed, add)
        if value is not None:
            add(ResultOutput(data={"text/plain": repr(value)}, execution_count=self.count))
        return None

    def _print(self, printed: io.StringIO, add: Callable[[Output], None]) -> None:
        if printed.getvalue():
            add(StreamOutput(name="stdout", text=printed.getvalue()))

    def _frames(self) -> tuple[Frame, ...]:
        frames = []
        for name, value in self.space.items():
            if isinstance(value, Table):
                columns = value[0] if value else {}
                frames.append(
                    Frame(
                        name=name,
                        type="tests.Table",
                        shape=(len(value), len(columns)),
                        columns=tuple(
                            FrameColumn(name=c, dtype=type(v).__name__) for c, v in columns.items()
                        )
                        or (FrameColumn(name="none", dtype="object"),),
                    )
                )
            elif isinstance(value, int | float) and not name.startswith("_"):
                frames.append(Frame(name=name, type="number", summary=str(value)))
        return tuple(reversed(frames))

    async def interrupt(self) -> None:
        """Do nothing: no code runs between awaits."""

    async def restart(self) -> KernelFacts:
        return await self.start()

    async def stop(self) -> None:
        self._empty()


class MemoryNotebook:
    """Entries by cell, in the order they came."""

    def __init__(self, cells: int = 0) -> None:
        self.entries: dict[CellId, Entry] = {}
        self.history: list[Entry] = []
        self.fails_on: Callable[[Entry], bool] = lambda entry: False
        self._foreign = cells
        self.changes: tuple[CellChange, ...] = ()
        self.ledger = Ledger()

    @property
    def path(self) -> str:
        return "/somewhere/a.ipynb"

    @property
    def cell_count(self) -> int:
        return len(self.entries) + self._foreign

    async def record(self, entry: Entry) -> None:
        await asyncio.sleep(0)
        if self.fails_on(entry):
            raise NotebookError("The notebook cannot be written: disk full.", "Free some space.")
        self.entries[entry.cell] = entry
        self.history.append(entry)
        await asyncio.sleep(0)

    def cells_to_replay(self) -> list[ReplayCell]:
        ran = [e for e in self.entries.values() if isinstance(e, SetupEntry | IterationEntry)]
        return [
            ReplayCell(e.cell, e.code, may_fail=e.execution.outcome == "error")
            for e in ran
            if e.execution is not None and e.execution.outcome in ("ok", "error")
        ]

    async def refresh(self) -> None:
        await asyncio.sleep(0)

    def manual_changes(self) -> tuple[CellChange, ...]:
        found, self.changes = self.changes, ()
        return found

    def cell_of(self, code: str) -> CellId | None:
        same = [e.cell for e in self.iterations if e.code == code]
        return same[0] if len(same) == 1 else None

    async def keep_ledger(self, ledger: Ledger) -> None:
        await asyncio.sleep(0)
        self.ledger = copy.deepcopy(ledger)

    async def remove_run(self, run: RunId) -> RemovedRun:
        await asyncio.sleep(0)
        gone = [e.cell for e in self.entries.values() if getattr(e, "run", None) == run]
        for cell in gone:
            del self.entries[cell]
        return RemovedRun(tuple(gone), ())

    def of(self, kind: type[Any]) -> list[Any]:
        return [entry for entry in self.entries.values() if isinstance(entry, kind)]

    @property
    def iterations(self) -> list[IterationEntry]:
        return self.of(IterationEntry)


CARS = [
    {"year": 1999, "cty": 16.5, "make": "audi"},
    {"year": 2008, "cty": 17.25, "make": "audi"},
    {"year": 2008, "cty": 20.8, "make": "ford"},
]


class TinyCatalog:
    """Datasets made of rows."""

    def __init__(self, **tables: list[dict[str, Any]]) -> None:
        self.tables = tables
        self.setup: str | None = None

    @property
    def datasets(self) -> Sequence[Dataset]:
        return [self._dataset(name) for name in self.tables]

    def _dataset(self, name: str) -> Dataset:
        rows = self.tables[name]
        return Dataset(
            name=name, path=f"/data/{name}.csv", format="csv", bytes=100, rows=len(rows),
            columns=tuple(rows[0]),
        )  # fmt: skip

    async def profile(
        self,
        name: str,
        *,
        columns: Sequence[str] = (),
        detail: Literal["concise", "full"] = "concise",
    ) -> DatasetProfile:
        await asyncio.sleep(0)
        if name not in self.tables:
            raise DataError(f"There is no dataset {name}.", f"There is: {', '.join(self.tables)}.")
        rows = self.tables[name]
        described = []
        for column in rows[0]:
            values = [row[column] for row in rows]
            number = isinstance(values[0], int | float)
            described.append(
                ColumnProfile(
                    name=column, dtype=type(values[0]).__name__,
                    kind="number" if number else "text", nulls=0, distinct=len(set(values)),
                    minimum=float(min(values)) if number else None,
                    maximum=float(max(values)) if number else None,
                    top=() if number else tuple(
                        ValueCount(value=v, count=values.count(v)) for v in sorted(set(values))
                    ),
                )
            )  # fmt: skip
        return DatasetProfile(dataset=self._dataset(name), columns=tuple(described))

    def describe(self, profile: DatasetProfile, *, question: str = "", budget: int = 2000) -> str:
        columns = ", ".join(repr(column.name) for column in profile.columns)
        return f"{profile.dataset.name}: {profile.dataset.rows} rows; {columns}"

    def setup_code(self, names: Sequence[str] | None = None) -> str:
        if self.setup is not None:
            return self.setup
        wanted = list(self.tables) if names is None else names
        lines = [f"{name} = Table({self.tables[name]!r})" for name in wanted]
        return "\n".join(["import math", *lines])


class ScriptedUser:
    """Answers and decides from lists."""

    def __init__(
        self, answers: Sequence[str | None] = (), approvals: Sequence[Approval] = ()
    ) -> None:
        self.answers = list(answers)
        self.approvals = list(approvals)
        self.seen: list[tuple[str, str]] = []

    async def answer(
        self, ask: AskId, question: str, options: Sequence[str], default: str
    ) -> tuple[str, bool]:
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        return (default, False) if answer is None else (answer, True)

    async def approve(self, ask: AskId, code: str, purpose: str) -> Approval:
        await asyncio.sleep(0)
        self.seen.append((code, purpose))
        return self.approvals.pop(0)


class Clock:
    """A clock that moves only when it is set, and by the waits of retries."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.waits.append(seconds)
        self.now += seconds


@dataclass
class Scene:
    """Everything a test of the loop needs."""

    model: FakeModel
    kernel: InProcessKernel = field(default_factory=InProcessKernel)
    notebook: MemoryNotebook = field(default_factory=MemoryNotebook)
    catalog: TinyCatalog = field(default_factory=lambda: TinyCatalog(cars=CARS))
    user: User | None = None
    clock: Clock = field(default_factory=Clock)
    memory: Memory = field(default_factory=Memory)
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[int], None] = lambda number: None

    @property
    def deps(self) -> AgentDeps:
        return AgentDeps(
            analysis=AnalysisId("abc123abc123"), model=self.model, kernel=self.kernel,
            notebook=self.notebook, catalog=self.catalog, user=self.user, emit=self.emit,
            clock=self.clock, sleep=self.clock.sleep, jitter=lambda: 1.0,
        )  # fmt: skip

    def emit(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(len(self.events))

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def finished(self) -> RunFinished:
        last = self.events[-1]
        assert isinstance(last, RunFinished)
        return last

    @property
    def notices(self) -> list[str]:
        return [event.code for event in self.events if event.type == "notice_raised"]
