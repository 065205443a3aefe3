"""What a run depends on, and the memory of an analysis that outlives its runs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from analyst_kernel.agent import ports
from analyst_kernel.agent.budget import SpendingInMemory
from analyst_kernel.agent.evidence.checks.shown import ShownCell
from analyst_kernel.agent.evidence.shown import CellNumbers
from analyst_kernel.agent.evidence.typed import Names
from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.observation.cell import Note, with_ids
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.events import Event
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId, new_cell_id
from analyst_kernel.protocol.outputs import Frame, Output
from analyst_kernel.protocol.records import ChartRecord, Finding, PackageOffer, RunStatus


class Databases(Protocol):
    """The databases that the user attached; what they say is strangers' text."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the connections."""

    @property
    def words(self) -> frozenset[str]:
        """The names of schemas, tables and columns, which are no values."""

    async def look(self) -> tuple[str, ...]:
        """List the tables, once; return why a database cannot be asked, one text for each."""

    def describe(self, *, question: str = "", budget: int = 1_500) -> str:
        """Return the tables as text for a model; it holds no values."""

    def knows(self, name: str) -> bool:
        """Return whether a name is that of a table of one of them."""

    async def profile(self, name: str, *, columns: Sequence[str] = ()) -> DatasetProfile:
        """Describe a table; raises ``DataError`` if it cannot."""

    async def too_large(self, code: str) -> tuple[str, ...]:
        """Return what is estimated of queries in a cell that the user wants to approve first."""

    async def cell(self, connection: str, sql: str, name: str) -> str:
        """Return the plain code that asks a query and keeps its rows in a variable.

        When the ``Kernel`` runs it, it asks the database; a failure is the cell's.
        """


class Packages(Protocol):
    """Packages that the kernel lacks; each is shown to it after the user's yes alone."""

    @property
    def refusal(self) -> str:
        """Return why nothing may be fetched, as a sentence's end; empty if something may."""

    @property
    def agreed(self) -> bool:
        """Return whether the user said yes to every package beforehand."""

    def distribution(self, module: str) -> str:
        """Return the distribution that has a top-level module; empty if none can be named."""

    def is_listed(self, module: str) -> bool:
        """Return whether a module's name is a published one, which tells nothing of the data."""

    async def find(self, distribution: str, module: str) -> PackageOffer:
        """Return what a package is and brings; raises ``DataError`` with the reason if none fits.

        The index sees the name, and nothing else.
        """

    async def fetch(self, offer: PackageOffer) -> bool:
        """Fetch what was offered and show it to the kernel, with the user's yes.

        Returns:
            False if only a new kernel would see it.

        Raises:
            DataError: It cannot be had, or does not have the module; nothing was shown.
            NotebookError: It cannot be noted in the notebook; it is shown all the same.
        """


@dataclass(frozen=True, slots=True)
class AgentDeps:
    """What the agent needs from outside to work on one analysis.

    Attributes:
        user: The user who can be asked, or None if the analysis runs unattended.
        emit: Receives each event; never blocks, never raises.
        clock: Monotonic seconds.
        sleep: Waits for seconds; cancellable.
        spending: Counts what the analysis and the user's day used.
        jitter: Returns a uniform random number in 0 to 1, which spreads retries.
        saved_outputs: Makes outputs that were read from the notebook's file as harmless as those
            that the kernel publishes are already.
        databases: What was attached besides files, or None.
        packages: What may be fetched, or None for nothing.
    """

    analysis: AnalysisId
    model: ports.Model
    kernel: ports.Kernel
    notebook: ports.Notebook
    catalog: ports.Catalog
    user: ports.User | None
    emit: Callable[[Event], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    spending: ports.Spending = field(default_factory=SpendingInMemory)
    saved_outputs: Callable[[tuple[Output, ...]], tuple[Output, ...]] = tuple
    databases: Databases | None = None
    packages: Packages | None = None


@dataclass(slots=True)
class Setup:
    """A setup cell: which datasets it loads, and whether the current kernel has run it.

    Attributes:
        renewed: Whether its code is another one since it ran, so that it runs again after a replay.
    """

    cell: CellId
    names: tuple[str, ...]
    code: str
    ran: bool = False
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier question of the analysis and its answer.

    Attributes:
        claimed: Whether only the notebook says so, which anybody may have written.
        reads: The datasets that its cells computed on; None if that is not known.
        outdated: Whether one of them is read otherwise since, or changed.
    """

    run: RunId
    question: str
    answer: str
    status: RunStatus
    claimed: bool = False
    reads: frozenset[str] | None = None
    outdated: bool = False


@dataclass(slots=True)
class Memory:
    """The state of one analysis that outlives its runs.

    Attributes:
        runs: Number of runs so far; the next one is ``r<runs + 1>``.
        titled: Whether the notebook has a title, or content of its own that needs none.
        facts: What the kernel reported at its start, or None while no kernel runs.
        kernel_lost: Whether a kernel with state ended since the last run. The next run replays the
            notebook and informs the model once.
        kernel_unsure: Whether a run was stopped while a cell ran. Stopping the cell may have taken
            a restart of the kernel, so the next run checks whether its variables are still there.
        frames: Variables in the kernel now.
        profiles: Datasets described so far, by name.
        findings, charts: Of all runs; charts without their picture.
        numbers: What each cell showed when it ran here, in order of execution. What a notebook's
            file says that a cell showed is no proof.
        shown: The cells that ran here with their code and texts, oldest first, for the checks of an
            answer. A cell that is gone from ``numbers`` counts no more.
        pending_notes: Notes that the model gets with the next question.
        user_executions: What the user ran since the last question, oldest first.
        frames_at_run_end: Variables when the last run ended. A difference at the next run is the
            user's work.
        finding_runs: Which run recorded a finding, by the finding's id.
        ledger: The user's definitions, and the named states of the data.
        typed: The variables that only literals made: what shows them proves nothing.
        labels: The number of each of the agent's cells, oldest first. The number of a cell that was
            undone is not given again.
        warned: The limits in money of which the user was warned.
    """

    runs: int = 0
    title_cell: CellId = field(default_factory=new_cell_id)
    titled: bool = False
    setups: list[Setup] = field(default_factory=list)
    facts: ports.KernelFacts | None = None
    kernel_lost: bool = False
    kernel_unsure: bool = False
    frames: tuple[Frame, ...] = ()
    profiles: dict[str, DatasetProfile] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    charts: list[ChartRecord] = field(default_factory=list)
    numbers: list[CellNumbers] = field(default_factory=list)
    shown: list[ShownCell] = field(default_factory=list)
    earlier: list[Earlier] = field(default_factory=list)
    pending_notes: list[Note] = field(default_factory=list)
    user_executions: list[ports.UserExecution] = field(default_factory=list)
    frames_at_run_end: tuple[Frame, ...] = ()
    finding_runs: dict[str, RunId] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    typed: Names = field(default_factory=dict)
    labels: dict[CellId, int] = field(default_factory=dict)
    warned: set[str] = field(default_factory=set)

    @property
    def next_number(self) -> int:
        """The number of the next cell."""
        return max(self.labels.values(), default=0) + 1

    def reload(
        self,
        names: Sequence[str],
        code: Callable[[Sequence[str]], str],
        why: str = "Datasets changed on disk since the last question.",
    ) -> None:
        """Mark datasets that changed on disk: the next run describes and loads them again."""
        for name in names:
            self.profiles.pop(name, None)
        for setup in self.setups:
            if any(name in names for name in setup.names):
                setup.code = code(setup.names)
                setup.ran, setup.renewed = False, True
        self.pending_notes.append(
            Note(
                f"{why} They are loaded again; variables made from them before are out of date. "
                "Changed:",
                ", ".join(names),
            )
        )

    def read_otherwise(
        self,
        names: Sequence[str],
        code: Callable[[Sequence[str]], str],
        why: str = "The user changed how datasets are read. Findings and results that rest on the "
        "earlier reading do not hold: compute them again.",
    ) -> list[RunId]:
        """Mark datasets that are other ones now; return the runs whose answers rest on them.

        The user has them read otherwise, or they changed on disk. What cells showed that computed
        on them proves nothing any more.
        """
        self.reload(names, code, why)
        loaded = {setup.cell for setup in self.setups if set(setup.names) & set(names)}
        ours = {shown.cell for shown in self.shown}
        stale = {s.cell for s in self.shown if s.reads is None or s.reads & set(names)} | loaded
        setups = {setup.cell for setup in self.setups}
        self.numbers = [
            kept
            for kept in self.numbers
            if kept.cell not in stale and (kept.cell in ours or kept.cell in setups)
        ]
        self.shown = [shown for shown in self.shown if shown.cell not in stale]
        resting = [e for e in self.earlier if e.reads is None or e.reads & set(names)]
        self.earlier = [replace(e, outdated=True) if e in resting else e for e in self.earlier]
        return [earlier.run for earlier in resting]

    def forget_dataset(self, name: str, code: Callable[[Sequence[str]], str]) -> list[Setup]:
        """Take a dataset out of the setup cells, and return those that changed."""
        self.profiles.pop(name, None)
        changed = [setup for setup in self.setups if name in setup.names]
        for setup in changed:
            setup.names = tuple(other for other in setup.names if other != name)
            setup.code = code(setup.names) if setup.names else ""
        return changed

    def replace_numbers(self, shown: CellNumbers) -> None:
        """Keep the numbers that a cell shows now instead of those it showed before."""
        self.numbers = [numbers for numbers in self.numbers if numbers.cell != shown.cell]
        self.numbers.append(shown)

    def replace_charts(self, cell: CellId, found: Sequence[ChartRecord]) -> list[ChartRecord]:
        """Keep a cell's charts instead of those it had before; return them with their final ids."""
        charts = with_ids(found, self.charts)
        self.charts = [chart for chart in self.charts if chart.cell != cell]
        self.charts += [chart.model_copy(update={"png": None}) for chart in charts]
        return list(charts)

    def forget_kernel(self) -> None:
        """Record that the kernel is gone: stopped, culled or lost.

        The next run starts a kernel, restores the state and informs the model.
        """
        self.kernel_lost = self.kernel_lost or any(setup.ran for setup in self.setups)
        self.facts = None
        self.empty_kernel()

    def empty_kernel(self) -> None:
        """Record that the kernel runs but is empty, as after a restart."""
        self.frames = self.frames_at_run_end = ()
        self.typed = {}
        for setup in self.setups:
            setup.ran = False

    def dataset_names(self) -> tuple[str, ...]:
        """Return the names of the datasets that the setup cells load."""
        return tuple(name for setup in self.setups for name in setup.names)
