"""Asks the cases of a file, several at once, each in a notebook and a kernel of its own.

A question that fails (the model, the kernel, its data, its time) is scored as failed with its
reason, and the others go on.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.agent.evidence.answer import GAVE_UP
from analyst_kernel.analysis.analysis import Analysis
from analyst_kernel.analysis.assemble import Embedding, open_analysis
from analyst_kernel.analysis.settings import DEFAULT_SANDBOX, AnalysisSettings
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.reader.opened import dictionary_stamp, stamp_of
from analyst_kernel.data.reader.outside import FileReader, ReadFile
from analyst_kernel.data.reader.wire import ChosenOfTable
from analyst_kernel.evaluation.cases import Case, QuestionTurn
from analyst_kernel.evaluation.results import AttemptRecord, Tally, TurnRecord
from analyst_kernel.evaluation.scorers import GivenAnswer, score
from analyst_kernel.notebook.storage.names import default_path, free_paths
from analyst_kernel.protocol.errors import AnalystError, SandboxError
from analyst_kernel.protocol.events import (
    Event,
    ModelRetried,
    NumbersChecked,
    RunFinished,
)
from analyst_kernel.protocol.records import Limits
from analyst_kernel.protocol.sandbox import SandboxLevel

_GRACE_SECONDS = 120.0
"""Beyond a run's own limit of time: its kernel starts, and it is saved."""


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """How the cases are asked.

    Attributes:
        model: ``provider:name``, or None for the default.
        sandbox: The level of isolation below which nothing runs.
        limits: Of each question.
        repeat: How often each case is asked, each time in a new notebook.
        jobs: Cases that are asked at once.
    """

    model: str | None = None
    sandbox: SandboxLevel = DEFAULT_SANDBOX
    limits: Limits = field(default_factory=Limits)
    repeat: int = 1
    jobs: int = 2


async def evaluate(
    cases: Sequence[Case],
    settings: EvaluationSettings,
    notebooks: Path,
    *,
    done: Iterable[AttemptRecord] = (),
    on_attempt: Callable[[AttemptRecord], None],
) -> None:
    """Ask every case ``repeat`` times, but what is ``done``, and hand over each attempt.

    Cancelling stops the questions at work; those are not handed over.

    Args:
        cases: What is asked.
        settings: How.
        notebooks: The folder of the notebooks; no file in it is replaced.
        done: Attempts that need not be made again.
        on_attempt: Called with each attempt as it ends.

    Raises:
        SandboxError: The required isolation is not available.
    """
    finished = {(attempt.case, attempt.repetition) for attempt in done}
    left = [
        (case, repetition)
        for repetition in range(1, settings.repeat + 1)
        for case in cases
        if (case.id, repetition) not in finished
    ]
    queue = iter(left)
    reader = _SharedReader(require=settings.sandbox)
    taken: set[Path] = set()  # names that are given away, before there is a file

    async def work() -> None:
        for case, repetition in queue:
            names = free_paths(_notebook_name(case, repetition, notebooks))
            notebook = next(name for name in names if name not in taken)
            taken.add(notebook)
            on_attempt(await _attempt(case, repetition, settings, notebook, reader))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(settings.jobs, len(left))):
                group.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _attempt(
    case: Case,
    repetition: int,
    settings: EvaluationSettings,
    notebook: Path,
    reader: FileReader,
) -> AttemptRecord:
    counter = _Counter()
    turns: list[TurnRecord] = []
    started = time.monotonic()
    seconds = settings.limits.seconds
    deadline = None if seconds is None else len(case.turns) * (seconds + _GRACE_SECONDS)
    try:
        async with asyncio.timeout(deadline):
            failure = await _ask(case, settings, notebook, reader, counter, turns)
    except SandboxError:
        raise
    except TimeoutError:
        failure = f"It took longer than {deadline:.0f} s."
    except AnalystError as error:
        failure = str(error)
    except Exception as error:  # noqa: BLE001 - a defect in one question must not end the others
        failure = f"A defect of analyst-kernel: {type(error).__name__}: {error}"
    return AttemptRecord.of(
        case,
        repetition,
        turns,
        failure=failure,
        tally=counter.tally,
        seconds=time.monotonic() - started,
        notebook=str(notebook) if notebook.exists() else None,
    )


async def _ask(
    case: Case,
    settings: EvaluationSettings,
    notebook: Path,
    reader: FileReader,
    counter: _Counter,
    turns: list[TurnRecord],
) -> str:
    """Ask the turns of a case until one fails, and return why it did; empty if none did."""
    analysis = await open_analysis(
        notebook=notebook,
        data=case.data,
        settings=AnalysisSettings(
            own_instructions=False,
            model=settings.model,
            sandbox=settings.sandbox,
            limits=settings.limits,
        ),
        embedding=Embedding(catalog=LocalCatalog(notebook=str(notebook), reader=reader)),
    )
    try:
        analysis.log.listen(counter.count)
        for turn in case.turns:
            failure = await _take(turn, analysis, counter, turns)
            if failure:
                return failure
        return ""
    finally:
        await finish_despite_cancel(analysis.close())


async def _take(
    turn: QuestionTurn, analysis: Analysis, counter: _Counter, turns: list[TurnRecord]
) -> str:
    finished = await analysis.ask(turn.text)
    counter.add(finished)
    reply = GivenAnswer(finished.answer, gave_up=finished.reason == GAVE_UP)
    scored = score(turn.wanted, reply)
    turns.append(
        TurnRecord(
            question=turn.text,
            answer=finished.answer,
            gave_up=reply.gave_up,
            verdict=scored.verdict if turn.wanted else None,
            reasons=scored.reasons,
        )
    )
    return _failure(finished)


class _SharedReader(FileReader):
    """Reads each file once for all questions about it, until it changes.

    Reading means starting an enclosed process, and takes longer than many answers.
    """

    def __init__(self, *, require: SandboxLevel) -> None:
        super().__init__(require=require)
        self._known: dict[tuple[object, ...], ReadFile] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def read(
        self, path: str, max_frame_bytes: int, chosen: Sequence[ChosenOfTable] = ()
    ) -> ReadFile:
        """Return what the file holds, as read before if nothing changed."""
        async with self._locks[path]:
            key = (path, max_frame_bytes, stamp_of(path), dictionary_stamp(path), tuple(chosen))
            if key not in self._known:
                self._known[key] = await super().read(path, max_frame_bytes, chosen)
            return self._known[key]


def _failure(result: RunFinished) -> str:
    """Return why a run counts as failed; an honest refusal does not."""
    if result.status == "answered" or result.reason == GAVE_UP:
        return ""
    return result.reason or f"The run ended as {result.status}."


def _notebook_name(case: Case, repetition: int, folder: Path) -> Path:
    """Return a path for the notebook of an attempt, readable and short."""
    name = default_path(re.sub(r"\W+", " ", case.id)).stem
    return folder / f"{name}-{repetition}.ipynb"


class _Counter:
    """Sums what the events of one attempt say."""

    def __init__(self) -> None:
        self.tally = Tally()

    def count(self, event: Event) -> None:
        match event:
            case NumbersChecked() if event.corrected:
                self._more(corrections=1)
            case ModelRetried():
                self._more(retries=1)
            case _:
                pass

    def add(self, result: RunFinished) -> None:
        usage = result.usage
        before = self.tally.cost_usd
        known = before is not None and usage.cost_usd is not None
        self._more(
            iterations=len(result.iterations),
            failed_cells=sum(record.outcome != "ok" for record in result.iterations),
            calls=usage.calls,
            fresh_tokens=usage.input_tokens + usage.cache_write_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
        )
        cost = (before or 0.0) + (usage.cost_usd or 0.0) if known else None
        self.tally = self.tally.model_copy(update={"cost_usd": cost})

    def _more(self, **counts: int) -> None:
        added = {name: getattr(self.tally, name) + count for name, count in counts.items()}
        self.tally = self.tally.model_copy(update=added)
