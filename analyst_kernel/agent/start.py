"""How a run begins: a living kernel, described data, the notebook's title, setup and question.

Also brings the data back after a kernel died. Every part is done once per analysis, or again after
it was interrupted; nothing here asks the model.
"""

from __future__ import annotations

from analyst_kernel._text import title_from_question
from analyst_kernel.agent.context import Setup
from analyst_kernel.agent.evidence.proof import cell_numbers
from analyst_kernel.agent.manual.detect import notice_changes
from analyst_kernel.agent.observation.cell import envelope
from analyst_kernel.agent.ports import Execution, QuestionEntry, SetupEntry, TitleEntry
from analyst_kernel.agent.replay import replay
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.events import DatasetProfiled, KernelChanged
from analyst_kernel.protocol.ids import new_cell_id

_CHECK_SECONDS = 10.0


async def open_run(run: Run) -> tuple[str, ...]:
    """Bring up what a run stands on.

    Returns:
        Notes for the model: a kernel that lost its state, a setup cell that failed, what the
        user did by hand.

    Raises:
        SandboxError, KernelError: The kernel did not come up; no generated code ran.
        DataError, NotebookError: A dataset cannot be read, the notebook not be written.
    """
    await run.deps.notebook.refresh()
    await _check_kernel(run)
    same_kernel = run.memory.facts is not None and not run.memory.kernel_lost
    variables = (run.memory.left, run.memory.frames) if same_kernel else ((), ())
    notes = await bring_up(run)
    by_hand = notice_changes(run, *variables)
    notes = [*run.memory.news, *notes, *([by_hand] if by_hand else [])]
    run.memory.news.clear()
    await write_question(run)
    return tuple(notes)


async def bring_up(run: Run) -> list[str]:
    """Make sure of a living kernel that holds the described datasets; return what failed."""
    await _check_kernel(run)
    await start_kernel(run)
    replayed = await replay(run) if run.memory.kernel_lost else []
    for dataset in run.deps.catalog.datasets:
        if dataset.name not in run.memory.profiles:
            profile = await run.deps.catalog.profile(dataset.name)
            run.memory.profiles[dataset.name] = profile
            run.tell(DatasetProfiled(**run.stamp, profile=profile))
    await write_heading(run)
    _plan_setup(run)
    return [*replayed, *await _run_setups(run)]


async def write_heading(run: Run) -> None:
    """Write the title, unless the notebook already has content of its own."""
    memory = run.memory
    if memory.titled:
        return
    if run.deps.notebook.cell_count == 0:
        note = "" if run.deps.model.is_ai else f"No AI model is at work: {run.deps.model.name}."
        await run.record(TitleEntry(memory.title_cell, title_from_question(run.question), note))
    memory.titled = True


async def write_question(run: Run) -> None:
    """Write the question's cell, once."""
    if not run.question_written:
        await run.record(QuestionEntry(run.question_cell, run.id, run.question))
        run.question_written = True


async def reload_after_death(run: Run, why: str) -> str:
    """After a kernel died and came back empty: load the data again, and say so to all."""
    run.tell(KernelChanged(**run.stamp, state="died", reason=why))
    run.memory.empty_kernel()
    run.tell(KernelChanged(**run.stamp, state="restarted", reason="All variables are gone."))
    notes = await _run_setups(run)
    loaded = ", ".join(run.memory.dataset_names()) or "nothing"
    note = (
        f"The kernel died and was restarted empty. Loaded again: {loaded}. Every other variable "
        "is gone. Use less memory: select columns, aggregate in SQL."
    )
    return "\n".join([note, *notes])


async def _check_kernel(run: Run) -> None:
    """Find out whether the kernel of a stopped run still holds its variables."""
    memory = run.memory
    if not memory.kernel_unsure:
        return
    if memory.facts is not None:
        execution = await run.deps.kernel.execute("pass", timeout=_CHECK_SECONDS)
        known = {frame.name for frame in memory.frames}
        if known and not known & {frame.name for frame in execution.frames}:
            memory.kernel_lost = True
            memory.empty_kernel()
        else:
            memory.frames = execution.frames
    memory.kernel_unsure = False


async def start_kernel(run: Run) -> None:
    """Start the kernel and tell how it is, unless it lives."""
    memory = run.memory
    if memory.facts is not None:
        return
    run.tell(KernelChanged(**run.stamp, state="starting"))
    facts = memory.facts = await run.deps.kernel.start()
    memory.empty_kernel()
    run.tell(
        KernelChanged(
            **run.stamp, state="ready", reason=facts.sandbox.sentence, ready_ms=facts.ready_ms,
            versions={"python": facts.python, **facts.versions}, sandbox=facts.sandbox,
        )
    )  # fmt: skip


def _plan_setup(run: Run) -> None:
    """Add a setup cell for what no setup cell loads yet."""
    memory, catalog = run.memory, run.deps.catalog
    loaded = set(memory.dataset_names())
    new = tuple(dataset.name for dataset in catalog.datasets if dataset.name not in loaded)
    if not memory.setups:
        memory.setups.append(Setup(new_cell_id(), new, catalog.setup_code()))
    elif new:
        memory.setups.append(Setup(new_cell_id(), new, catalog.setup_code(list(new))))


async def _run_setups(run: Run) -> list[str]:
    """Run the setup cells that the living kernel has not run; return what failed."""
    notes: list[str] = []
    for setup in run.memory.setups:
        if setup.ran:
            continue
        if not setup.code.strip():
            setup.ran = True
            continue
        await run.record(SetupEntry(setup.cell, setup.code))
        execution = await run.deps.kernel.execute(setup.code, timeout=run.meter.cell_timeout)
        before, run.memory.frames = run.memory.frames, execution.frames
        shown = cell_numbers(setup.cell, execution.outputs, before=before, after=execution.frames)
        run.memory.numbers = [n for n in run.memory.numbers if n.cell != setup.cell] + [shown]
        setup.ran = not execution.kernel_died
        await run.record(SetupEntry(setup.cell, setup.code, execution))
        for code, message in execution.notices:
            run.notice(code, message)
        failed = _failure(execution)
        if failed:
            run.notice("setup-failed", failed)
            notes.append(
                envelope(failed, run.nonce) + "\nLoad what you need yourself, with other options."
            )
    return notes


def _failure(execution: Execution) -> str:
    error = execution.error
    if execution.outcome == "ok" or error is None:
        return ""
    return f"The setup cell failed: {error.name}: {error.message[:500]}"
