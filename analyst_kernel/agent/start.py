"""How a run begins: a running kernel, described data, the notebook's title, setup and question.

Also restores the kernel of a branch, and the data after a kernel died. Every part is done once per
analysis, or again after it was interrupted. The model is not involved.
"""

from __future__ import annotations

import asyncio

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel._text import title_from_question
from analyst_kernel.agent.context import AgentDeps, Memory, Setup
from analyst_kernel.agent.evidence.shown import cell_numbers
from analyst_kernel.agent.evidence.typed import names_after, typed_in
from analyst_kernel.agent.manual.detect import manual_changes_note
from analyst_kernel.agent.observation.cell import Note, envelope, note_text
from analyst_kernel.agent.observation.loaded import differences
from analyst_kernel.agent.ports import Execution, QuestionEntry, SetupEntry, TitleEntry
from analyst_kernel.agent.remember import check_states, keep_stated
from analyst_kernel.agent.replay import OnCell, ReplayResult, replay, replay_cells, take_replayed
from analyst_kernel.agent.run import Run
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.protocol.events import DatasetProfiled, KernelChanged
from analyst_kernel.protocol.ids import new_cell_id

_CHECK_SECONDS = 10.0


async def open_run(run: Run) -> tuple[str, ...]:
    """Prepare everything that a run needs, and write its question.

    Returns:
        Notes for the model: a kernel that lost its state, a setup cell that failed, what the
        user did in the notebook.

    Raises:
        SandboxError, KernelError: The kernel did not start; no generated code ran.
        DataError, NotebookError: A dataset cannot be read, or the notebook not be written.
    """
    await run.deps.notebook.refresh()
    await _check_kernel(run)
    same_kernel = run.memory.facts is not None and not run.memory.kernel_lost
    variables = (run.memory.frames_at_run_end, run.memory.frames) if same_kernel else ((), ())
    notes = await bring_up(run)
    changes = manual_changes_note(run, *variables)
    await check_states(run)
    pending = [note_text(note, run.nonce) for note in run.memory.pending_notes]
    notes = [*pending, *notes, *([changes] if changes else [])]
    run.memory.pending_notes.clear()
    await write_question(run)
    await keep_stated(run)
    return tuple(notes)


async def bring_up(run: Run) -> list[str]:
    """Start a kernel that holds the state and the datasets, if needed; return what failed."""
    await _check_kernel(run)
    await start_kernel(run)
    replayed = await replay(run) if run.memory.kernel_lost else []
    for dataset in run.deps.catalog.datasets:
        if dataset.name not in run.memory.profiles:
            profile = await run.deps.catalog.profile(dataset.name)
            run.memory.profiles[dataset.name] = profile
            run.emit(DatasetProfiled(**run.stamp, profile=profile))
    if run.deps.databases is not None:
        for problem in await run.deps.databases.look():
            run.notice("database-unreachable", problem)
    await write_heading(run)
    _plan_setup(run)
    return [*replayed, *await _run_setups(run)]


async def start_kernel(run: Run) -> None:
    """Start the kernel and emit its state, unless it runs."""
    memory = run.memory
    if memory.facts is not None:
        return
    run.emit(KernelChanged(**run.stamp, state="starting"))
    facts = memory.facts = await run.deps.kernel.start()
    memory.empty_kernel()
    run.emit(
        KernelChanged(
            **run.stamp, state="ready", reason=facts.sandbox.sentence, ready_ms=facts.ready_ms,
            versions={"python": facts.python, **facts.versions}, sandbox=facts.sandbox,
        )
    )  # fmt: skip


async def restore_kernel_state(
    deps: AgentDeps, memory: Memory, *, timeout: float, on_cell: OnCell | None = None
) -> ReplayResult:
    """Start the kernel of a branch and give it the state that the branch's notebook ends with.

    Must not be called while a run is at work. When cancelled, or when it fails, the kernel is
    stopped: the next run starts one and runs the cells again.

    Raises:
        SandboxError, KernelError: The kernel did not start, or died and did not come back.
    """
    run = Run.manual(deps, memory, timeout=timeout)
    try:
        await start_kernel(run)
        cells = deps.notebook.cells_to_replay()
        result = await replay_cells(deps.kernel, cells, timeout=timeout, on_cell=on_cell)
    except (Exception, asyncio.CancelledError):
        await finish_despite_cancel(deps.kernel.stop())
        memory.forget_kernel()
        memory.kernel_lost = True
        raise
    take_replayed(memory, result)
    for failure in result.failures:
        text = "This branch was made by running the cells again, and one failed:"
        memory.pending_notes.append(Note(text, failure))
    return result


async def write_heading(run: Run) -> None:
    """Write the title, unless the notebook has content of its own."""
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
    """Load the data again after the kernel died, and return the note for the model."""
    run.emit(KernelChanged(**run.stamp, state="died", reason=why))
    run.memory.empty_kernel()
    run.emit(KernelChanged(**run.stamp, state="restarted", reason="All variables are gone."))
    notes = await _run_setups(run)
    note = Note(
        "The kernel died and was restarted empty. Every variable is gone that no setup cell makes. "
        "Use less memory: select columns, aggregate in SQL. Loaded again:",
        ", ".join(run.memory.dataset_names()) or "nothing",
    )
    return "\n".join([note_text(note, run.nonce), *notes])


async def renew_kernel(run: Run, why: str) -> None:
    """Start a new kernel, which reads what was granted since, with the state of the old one.

    Raises:
        SandboxError, KernelError: It did not start, or died and did not come back.
    """
    memory = run.memory
    run.emit(KernelChanged(**run.stamp, state="restarted", reason=why))
    memory.kernel_lost = True  # until its state is there again
    memory.empty_kernel()
    memory.facts = await run.deps.kernel.restart()
    await replay(run)
    await _run_setups(run)


async def _check_kernel(run: Run) -> None:
    """Check whether the kernel still holds its variables after a run was stopped."""
    memory = run.memory
    if not memory.kernel_unsure:
        return
    if memory.facts is not None:
        execution = await run.deps.kernel.execute("pass", timeout=_CHECK_SECONDS)
        known = {frame.name for frame in memory.frames}
        # A cell that ignored the interrupt was ended by a restart; an empty kernel has none of
        # the names. A kernel that shares some of them is the same one.
        if known and not known & {frame.name for frame in execution.frames}:
            memory.kernel_lost = True
            memory.empty_kernel()
        else:
            memory.frames = execution.frames
    memory.kernel_unsure = False


def _plan_setup(run: Run) -> None:
    """Add a setup cell for the datasets that no setup cell loads yet."""
    memory, catalog = run.memory, run.deps.catalog
    loaded = set(memory.dataset_names())
    new = tuple(dataset.name for dataset in catalog.datasets if dataset.name not in loaded)
    if new or not memory.setups:
        memory.setups.append(Setup(new_cell_id(), new, catalog.setup_code(new)))


async def _run_setups(run: Run) -> list[str]:
    """Run the setup cells that the current kernel has not run; return what failed."""
    notes: list[str] = []
    for setup in run.memory.setups:
        if setup.ran:
            continue
        if not setup.code.strip():
            setup.ran = True
            continue
        await run.record(SetupEntry(setup.cell, setup.code))
        execution = await run.deps.kernel.execute(setup.code, timeout=run.meter.cell_timeout)
        setup.renewed = False
        before, run.memory.frames = run.memory.frames, execution.frames
        shown = cell_numbers(setup.cell, execution.outputs, before=before, after=execution.frames)
        run.memory.replace_numbers(shown)
        typed = typed_in(setup.code, run.memory.typed)
        run.memory.typed = names_after(typed, run.memory.typed, ran=execution.outcome == "ok")
        failed_here = execution.error is not None and execution.outcome != "ok"
        # Rules can't mend it; the next question runs it again.
        setup.ran = not execution.kernel_died and (run.deps.model.is_ai or not failed_here)
        await run.record(SetupEntry(setup.cell, setup.code, execution))
        for code, message in execution.notices:
            run.notice(code, message)
        notes += _check_setup(run, setup, execution)
    return notes


def _check_setup(run: Run, setup: Setup, execution: Execution) -> list[str]:
    """Return what is wrong with what a setup cell loaded, for the model; the user is told too.

    Raises:
        DataError: It loaded nothing, and the model is no AI that could load the data otherwise.
    """
    error = execution.error
    if error is not None and execution.outcome != "ok":
        failed = f"The setup cell failed: {error.name}: {error.message[:500]}"
        run.notice("setup-failed", failed)
        if not run.deps.model.is_ai:
            raise DataError(
                f"The data could not be loaded. {failed.rstrip('.')}.",
                "Look at the setup cell in the notebook; attach the file again if it changed.",
            )
        return [envelope(failed, run.nonce) + "\nLoad what you need yourself, with other options."]
    known = run.memory.profiles
    profiles = [known[name] for name in setup.names if name in known]
    found = differences(profiles, execution.frames, execution.outputs)
    for one in found:
        run.notice("loaded-otherwise", one)
    return [
        envelope(one, run.nonce) + "\nTrust the loaded table, and state this in the answer."
        for one in found
    ]
