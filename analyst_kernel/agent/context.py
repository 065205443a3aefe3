"""What a run works with (the bench) and what outlives it (the memory of one analysis).

The bench is the seams and nothing else; the memory is plain data, so that it can be written down
and read back (:func:`memory_to_json`). Neither decides anything.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter

from analyst_kernel.agent.manual.changes import HeardRun
from analyst_kernel.agent.ports import Catalog, Kernel, KernelFacts, Model, Notebook, User
from analyst_kernel.agent.preflight import DEFAULT_POLICY, Policy
from analyst_kernel.protocol.datasets import DatasetProfile
from analyst_kernel.protocol.events import Event
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId, new_cell_id
from analyst_kernel.protocol.outputs import Frame
from analyst_kernel.protocol.records import ChartRecord, Finding, RunStatus


@dataclass(frozen=True, slots=True)
class AgentDeps:
    """The seams of one analysis.

    Attributes:
        analysis: Its id, stamped on every event.
        model, kernel, notebook, catalog: The ports, one of each.
        user: Whoever asked, or ``None`` where nobody can be asked.
        emit: Takes each event; never blocks, never raises.
        policy: What the preflight lets through.
        clock: Monotonic seconds.
        sleep: Waits for seconds; cancellable.
        jitter: Uniform in 0 to 1, spreads retries.
    """

    analysis: AnalysisId
    model: Model
    kernel: Kernel
    notebook: Notebook
    catalog: Catalog
    user: User | None
    emit: Callable[[Event], None]
    policy: Policy = DEFAULT_POLICY
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random


@dataclass(slots=True)
class Setup:
    """A setup cell: which datasets it loads, and whether the living kernel has run it."""

    cell: CellId
    names: tuple[str, ...]
    code: str
    ran: bool = False


@dataclass(frozen=True, slots=True)
class CellNumbers:
    """The numbers and dates that one cell's outputs show; what answers are checked against.

    Attributes:
        cell: Which cell.
        values: Ascending, without repeats.
        dates: ISO texts (``2015-03`` or ``2015-03-01``).
    """

    cell: CellId
    values: tuple[float, ...]
    dates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier question of the analysis and what was answered."""

    run: RunId
    question: str
    answer: str
    status: RunStatus


@dataclass(slots=True)
class Memory:
    """What lives over all runs of one analysis.

    Attributes:
        runs: Runs taken up so far; the next one is ``r<runs + 1>``.
        title_cell: Id of the title cell.
        titled: Whether the title (or somebody else's notebook) already heads the notebook.
        setups: Setup cells in order.
        facts: What the living kernel said of itself; ``None`` while there is no living kernel.
        kernel_lost: Whether a kernel with state ended since the last run; the model is told once.
        kernel_unsure: Whether a run was stopped while a cell ran; the kernel may have been replaced
            by an empty one to obey, which the next run finds out.
        frames: Variables in the kernel now.
        profiles: Datasets described so far, by name.
        findings, charts: Of all runs; charts without their picture.
        numbers: What each executed cell shows, in order of execution.
        earlier: Questions answered so far.
        news: Sentences for the model with the next question.
        heard: What the user ran by hand since the last question, oldest first.
        left: Variables as the last run left them; what differs at the next one was done by hand.
        finding_runs: Which run recorded a finding, by the finding's id.
    """

    runs: int = 0
    title_cell: CellId = field(default_factory=new_cell_id)
    titled: bool = False
    setups: list[Setup] = field(default_factory=list)
    facts: KernelFacts | None = None
    kernel_lost: bool = False
    kernel_unsure: bool = False
    frames: tuple[Frame, ...] = ()
    profiles: dict[str, DatasetProfile] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    charts: list[ChartRecord] = field(default_factory=list)
    numbers: list[CellNumbers] = field(default_factory=list)
    earlier: list[Earlier] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    heard: list[HeardRun] = field(default_factory=list)
    left: tuple[Frame, ...] = ()
    finding_runs: dict[str, RunId] = field(default_factory=dict)

    def reload(self, names: Sequence[str], code: Callable[[Sequence[str]], str]) -> None:
        """Note that datasets changed on disk: the next run describes and loads them again.

        ``code`` writes the setup code for the named datasets.
        """
        for name in names:
            self.profiles.pop(name, None)
        for setup in self.setups:
            if any(name in names for name in setup.names):
                setup.code = code(setup.names)
                setup.ran = False
        self.news.append(
            f"Changed on disk since the last question: {', '.join(names)}. They are loaded again; "
            "variables made from them before are out of date."
        )

    def forget_kernel(self) -> None:
        """Note that the kernel's state is gone; called by whoever stopped, reaped or lost it.

        The next run starts the kernel, runs the setup cells again and tells the model.
        """
        self.kernel_lost = self.kernel_lost or any(setup.ran for setup in self.setups)
        self.facts = None
        self.empty_kernel()

    def empty_kernel(self) -> None:
        """Note that the kernel lives but is empty, as after a restart."""
        self.frames = self.left = ()
        for setup in self.setups:
            setup.ran = False

    def dataset_names(self) -> tuple[str, ...]:
        """Return the names that the setup cells load."""
        return tuple(name for setup in self.setups for name in setup.names)


_MEMORY: TypeAdapter[Memory] = TypeAdapter(Memory)


def memory_to_json(memory: Memory) -> bytes:
    """Write a memory down as JSON."""
    return _MEMORY.dump_json(memory)


def memory_from_json(text: bytes | str) -> Memory:
    """Read back what :func:`memory_to_json` wrote. Raises ``pydantic.ValidationError``."""
    return _MEMORY.validate_json(text)
