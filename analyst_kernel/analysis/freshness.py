"""Notices data that changed since it was answered from, and computes the answers again.

A refresh runs the analysis in a kernel of its own. The notebook keeps the outputs that its answers
were made from, since they are what proves these; what came of the refresh stands beside each
answer. It is written in one piece at the end, so a refresh that is stopped leaves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.evidence.checks.shown import shown_cell
from analyst_kernel.agent.freshness.moved import Follower, RanAgain
from analyst_kernel.agent.freshness.turned import outcome_of
from analyst_kernel.agent.ports import AnswerEntry, Execution, IterationEntry, QuestionEntry
from analyst_kernel.analysis.behind import (
    changes_behind,
    columns_before,
    data_note,
    newest_behind,
)
from analyst_kernel.analysis.verify import fresh_kernel
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.read.discover import data_files
from analyst_kernel.data.remote.cache import RemoteCache
from analyst_kernel.data.remote.fetch import Fetcher, revoke_earlier
from analyst_kernel.grants import GrantStore
from analyst_kernel.kernel.manager import KernelHost
from analyst_kernel.notebook.document.cells import DORMANT_TAGS, Cell
from analyst_kernel.notebook.document.operations import (
    NoteRun,
    Operation,
    SetNotebook,
    UpsertCell,
    cell_notes,
)
from analyst_kernel.notebook.document.outcomes import with_change, with_outcome
from analyst_kernel.notebook.document.read import outputs_of
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import DataError, InputError, NotebookError
from analyst_kernel.protocol.events import RunFinished
from analyst_kernel.protocol.freshness import (
    AnswerOutcome,
    DataChange,
    DataChangesNoticed,
    RefreshReport,
)
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.outputs import CellError
from analyst_kernel.protocol.sandbox import SandboxLevel

OnCell = Callable[[CellId, int, int, str], None]
"""Called with each cell that ran: its id, its place from 1, of how many, and why it failed."""

_CHANGED = (
    "Datasets changed on disk since the last question. Findings and results that rest on what they "
    "were do not hold: compute them again."
)


@dataclass(slots=True)
class Freshness:
    """What an analysis knows of changes of its data.

    Attributes:
        emitted: The changes that were emitted last.
    """

    deps: AgentDeps
    memory: Memory
    book: StoredNotebook
    catalog: LocalCatalog
    grants: GrantStore
    emitted: tuple[DataChange, ...] = ()

    # --- noticing ------------------------------------------------------------------------------

    async def keep(self, finished: RunFinished) -> None:
        """Note the data that the answer of a run rests on, as it was read."""
        run = finished.run
        earlier = next((one for one in self.memory.earlier if one.run == run), None)
        if earlier is None or run is None:
            return
        note = await self._note(earlier.reads)
        with suppress(NotebookError):  # the run itself reported what it could not write
            await self.book.apply(NoteRun(run, note))

    async def take_in(self) -> tuple[str, ...]:
        """Read again what changed, before a question, and return the names of the datasets.

        Files that came to a granted folder are read too. What earlier cells showed of a dataset
        that changed proves nothing any more.
        """
        known = {dataset.name for dataset in self.catalog.datasets}
        for folder in await asyncio.to_thread(self._grown):
            with suppress(DataError):  # one that cannot be read is reported by the catalog
                await self.catalog.grant([folder])
        came = [one.name for one in self.catalog.datasets if one.name not in known]
        changed = await self.catalog.refresh()
        changes = await self._changes()
        newest = newest_behind(self.book.document)
        # Other ones than in the last session: what the notebook's cells load may have another form.
        since = [
            one.dataset
            for one in changes
            if newest.get(one.dataset) in one.runs
            and one.dataset in known
            and one.dataset not in changed
            and self._loads_otherwise(one.dataset)
        ]
        stale = tuple(dict.fromkeys((*changed, *since)))
        if stale:
            self.memory.read_otherwise(stale, self.catalog.setup_code, _CHANGED)
        await self.show(changes)
        return (*changed, *came)

    async def show(self, changes: tuple[DataChange, ...]) -> None:
        """Mark the answers that rest on data that changed, here and in the notebook."""
        marked = {run for change in changes for run in change.runs}
        self.memory.earlier = [
            replace(one, outdated=True) if one.run in marked else one for one in self.memory.earlier
        ]
        said: dict[RunId, list[str]] = {}
        for change in changes:
            for run in change.runs:
                said.setdefault(run, []).append(change.sentence)
        cells = [
            UpsertCell(fresh)
            for cell in self._answers()
            if (fresh := with_change(cell, " ".join(said.get(cell_notes(cell)["run"], ()))))[
                "source"
            ]
            != cell["source"]
        ]
        if cells:
            with suppress(NotebookError):  # the next run reports a notebook that it cannot use
                await self.book.apply(*cells)
        if changes != self.emitted:
            self.emitted = changes
            self.deps.emit(DataChangesNoticed(analysis=self.deps.analysis, changes=changes))

    async def _changes(self) -> tuple[DataChange, ...]:
        granted = await asyncio.to_thread(
            self.grants.for_notebook, self.book.path, analysis=self.book.analysis
        )
        document, contents = self.book.document, self.catalog.contents
        return await changes_behind(document, self.book.path, granted, contents)

    async def _note(self, names: frozenset[str] | None) -> dict[str, Any]:
        """Return what is noted of datasets, or of all if it is not known which."""
        datasets = [one for one in self.catalog.datasets if names is None or one.name in names]
        folders, path = tuple(self.catalog.folders), self.book.path
        return await data_note(datasets, folders, path, self.catalog.contents)

    def _loads_otherwise(self, name: str) -> bool:
        return any(
            setup.code.strip() != self.catalog.setup_code(setup.names).strip()
            for setup in self.memory.setups
            if name in setup.names
        )

    def _grown(self) -> list[str]:
        """Return the granted folders that hold files which were not there; blocking."""
        found = []
        for folder, files in self.catalog.folders.items():
            with suppress(DataError, OSError):
                if set(data_files(folder)) - files:
                    found.append(folder)
        return found

    def _answers(self) -> list[Cell]:
        """Return the cells of answers that no user edited."""
        return [
            cell
            for cell in self.book.document["cells"]
            if cell_notes(cell).get("role") == "answer"
            and isinstance(cell_notes(cell).get("run"), str)
            and not self.book.is_edited(cell["id"])
        ]

    # --- refreshing ----------------------------------------------------------------------------

    async def refresh(
        self,
        *,
        sandbox: SandboxLevel,
        host: KernelHost | None = None,
        on_cell: OnCell | None = None,
        stop_kernel: Callable[[], Awaitable[None]],
    ) -> RefreshReport:
        """Run the analysis again on the data as they are now, and compare each answer.

        Args:
            sandbox: The isolation below which nothing runs.
            host: Starts the kernel.
            on_cell: Called with each cell that ran.
            stop_kernel: Stops the analysis' own kernel, which does not see newly fetched data.

        Raises:
            InputError: There is no answer to compute again.
            DataError: Remote data cannot be fetched; nothing changed.
            NotebookError: The outcome cannot be written; the notebook is as it was.
            SandboxError, KernelError: No kernel started.
        """
        await self.book.refresh()
        if not any(isinstance(entry, AnswerEntry) for entry in self.book.restore()):
            raise InputError("There is no answer to compute again yet.", "Ask a question first.")
        columns = columns_before(self.book.document)
        if await self._fetched_again():
            await stop_kernel()
        await self.take_in()
        problems = self._problems(columns)
        cells = await self._run_again(sandbox, host, on_cell, columns, problems.append)
        outcomes = await self._outcomes(cells)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        failed = {one.cell: one.failure for one in cells if one.failure}
        report = RefreshReport(at=at, answers=outcomes, problems=tuple(problems), failed=failed)
        await self.book.apply(*await self._operations(report))
        await self.show(await self._changes())
        return report

    async def _fetched_again(self) -> bool:
        """Fetch remote data in the versions of now, and return whether there are others."""
        cache, fetcher = RemoteCache(), Fetcher()
        path, analysis = self.book.path, self.book.analysis
        granted = await asyncio.to_thread(self.grants.for_notebook, path, analysis=analysis)
        old = [(one.path, pin) for one in granted if (pin := cache.pin_at(one.path)) is not None]
        fresh = await fetcher.local([pin.address for _, pin in old])
        new = [one for one, (before, _) in zip(fresh, old, strict=True) if one != before]
        if not new:
            return False
        await self.catalog.grant(new)
        await asyncio.to_thread(self.grants.record_all, path, new, analysis=analysis)
        await asyncio.to_thread(revoke_earlier, self.grants, path, new)
        return True

    def _problems(self, before: dict[str, list[str]]) -> list[str]:
        """Return what no longer fits: choices of a reading, columns, files, databases."""
        found = [text for _, text in self.catalog.notices()]
        now = {one.name: one for one in self.catalog.datasets}
        for name, columns in before.items():
            if name not in now:
                continue
            gone = [column for column in columns if column not in now[name].columns]
            if gone:
                found.append(_gone_text(now[name], gone))
        if self.deps.databases is not None and self.deps.databases.names:
            names = ", ".join(self.deps.databases.names)
            found.append(
                f"Whether the database {names} changed cannot be noticed; its queries are asked "
                "again with each refresh."
            )
        return found

    async def _run_again(
        self,
        sandbox: SandboxLevel,
        host: KernelHost | None,
        on_cell: OnCell | None,
        columns: dict[str, list[str]],
        on_problem: Callable[[str], None],
    ) -> list[RanAgain]:
        """Run the notebook's cells from top to bottom in a kernel of its own."""
        document, path = self.book.document, self.book.path
        setups = {setup.cell: setup for setup in self.memory.setups}
        numbers = {
            e.cell: e.iteration for e in self.book.restore() if isinstance(e, IterationEntry)
        }
        every = [cell for cell in document["cells"] if runs_again(cell)]
        ran: list[RanAgain] = []
        died = ""
        async with fresh_kernel(
            path, path, sandbox, host, document=document, on_problem=on_problem
        ) as (execute, _):
            for place, cell in enumerate(every, start=1):
                name = CellId(cell["id"])
                setup = setups.get(name)
                code = str(cell["source"])
                again = setup.code if setup is not None and setup.code.strip() else code
                execution = None if died else await execute(again)
                failure = died or _failure(cell, execution, columns, self.catalog.datasets, ran)
                if execution is not None and execution.kernel_died:
                    died = failure = "The kernel died" + (
                        f": {execution.error.message}" if execution.error else "."
                    )
                number = numbers.get(name, 0)
                called = "the cell that loads the data" if setup else f"cell {number or place}"
                if failure:
                    failure = f"{called[:1].upper()}{called[1:]} failed: {failure}"
                ran.append(
                    RanAgain(
                        name, called, outputs_of(cell),
                        () if execution is None else execution.outputs,
                        code if setup else "", again if setup else "",
                        None if execution is None else execution.error, failure,
                    )
                )  # fmt: skip
                if on_cell is not None:
                    on_cell(name, place, len(every), failure)
        return ran

    async def _outcomes(self, ran: Sequence[RanAgain]) -> tuple[AnswerOutcome, ...]:
        follower = Follower(ran)
        profiles = {one.name: await self._profile(one.name) for one in self.catalog.datasets}
        known = {name: profile for name, profile in profiles.items() if profile is not None}
        again = {one.cell: one for one in ran}
        questions: dict[RunId, str] = {}
        cells: list[IterationEntry] = []
        found: list[AnswerOutcome] = []
        for entry in self.book.restore():
            match entry:
                case QuestionEntry():
                    questions[entry.run] = entry.question
                case IterationEntry() if entry.cell in again:
                    cells.append(entry)
                case AnswerEntry():
                    one = outcome_of(
                        entry.run, questions.get(entry.run, ""), entry.answer, follower,
                        before=[
                            shown_cell(c.cell, c.iteration, c.code, again[c.cell].before)
                            for c in cells
                        ],
                        after=[
                            shown_cell(c.cell, c.iteration, c.code, again[c.cell].after)
                            for c in cells if not again[c.cell].failure
                        ],
                        profiles=known,
                    )  # fmt: skip
                    found.append(one)
                case _:
                    continue
        return tuple(found)

    async def _profile(self, name: str) -> Any:
        try:
            return await self.catalog.profile(name)
        except DataError:
            return None

    async def _operations(self, report: RefreshReport) -> list[Operation]:
        """Return what writes the outcome beside the answers."""
        runs = self.book.document["metadata"].get("analyst_kernel", {}).get("runs", {})
        operations: list[Operation] = []
        outcomes = {one.run: one for one in report.answers}
        for run, outcome in outcomes.items():
            noted = runs.get(run, {}).get("data")
            names = frozenset(noted) if isinstance(noted, dict) else None
            known = await self._note(names)
            emitted = outcome.model_dump(mode="json", exclude_defaults=True)
            value = {"at": report.at, "outcome": emitted, **known}
            operations.append(NoteRun(run, {"refreshed": value}))
        for cell in self._answers():
            found = outcomes.get(cell_notes(cell)["run"])
            if found is not None:
                operations.append(UpsertCell(with_outcome(cell, found, report.at)))
        summary = {"when": report.at, "problems": list(report.problems), "failed": report.failed}
        operations.append(SetNotebook({"refreshed": summary}))
        return operations


def runs_again(cell: Cell) -> bool:
    """Return whether a refresh runs a cell: it is code that may run again, and ran before."""
    if cell["cell_type"] != "code" or not cell["source"].strip():
        return False
    tags = cell["metadata"].get("tags", [])
    ran = (
        cell["execution_count"] is not None
        or bool(cell["outputs"])
        or "outcome" in cell_notes(cell)
    )
    return ran and not any(tag in tags for tag in DORMANT_TAGS)


def _failure(
    cell: Cell,
    execution: Execution | None,
    before: dict[str, list[str]],
    datasets: Sequence[Dataset],
    ran: Sequence[RanAgain],
) -> str:
    """Return why a cell failed that did not fail before, in a sentence; empty if it did not."""
    if execution is None or execution.outcome == "ok":
        return ""
    if any(output["output_type"] == "error" for output in cell["outputs"]):
        return ""
    error = execution.error
    if error is None:
        return f"it ended as {execution.outcome}."
    if missing := _missing_column(error, before, datasets):
        return f"{missing} ({error.name})."
    if (maker := _failed_maker(error, ran)) is not None:
        return f"it needs what {maker.name} makes. {maker.failure}"
    return f"{error.name}: {' '.join(error.message.split())[:200].rstrip('.')}."


def _failed_maker(error: CellError, ran: Sequence[RanAgain]) -> RanAgain | None:
    """Return the first cell that failed, if a later one lacks a variable for that."""
    if error.name != "NameError":
        return None
    return next((one for one in ran if one.failure), None)


def _missing_column(
    error: CellError, before: dict[str, list[str]], datasets: Sequence[Dataset]
) -> str:
    """Return which column is not there any more, if that is what an error is about."""
    now = {one.name: one.columns for one in datasets}
    for name, columns in before.items():
        for column in columns:
            if name in now and column not in now[name] and column in error.message:
                return f"{name} has no column {column!r} any more"
    return ""


def _gone_text(dataset: Dataset, gone: Sequence[str]) -> str:
    some = ", ".join(repr(one) for one in gone[:5]) + (
        f" and {len(gone) - 5} more" if len(gone) > 5 else ""
    )
    noun = "column" if len(gone) == 1 else "columns"
    return f"{dataset.name} has no {noun} {some} any more, so what used it cannot be computed."
