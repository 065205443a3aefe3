"""A change of how a dataset is read, and what it does to the notebook and earlier answers."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from analyst_kernel.agent.context import AgentDeps, Memory
from analyst_kernel.agent.ports import SetupEntry
from analyst_kernel.data.catalog import LocalCatalog
from analyst_kernel.data.readings import AskedReading, dataset_named
from analyst_kernel.grants import GrantStore
from analyst_kernel.notebook.document.cells import KEY, Cell
from analyst_kernel.notebook.document.operations import UpsertCell, cell_notes
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.events import DatasetDetached, DatasetProfiled, ReadingChanged
from analyst_kernel.protocol.ids import RunId

_MARK = "**Rests on an earlier reading of the data.**"


async def change_reading(
    deps: AgentDeps, memory: Memory, book: StoredNotebook, catalog: LocalCatalog,
    grants: GrantStore, asked: AskedReading,
) -> None:  # fmt: skip
    """Read a dataset as the user says, keep that with the grants, and emit what follows.

    The next run loads the data again. Answers that rest on the earlier reading say so from now on,
    in the notebook too, and what their cells showed proves nothing any more.

    Raises:
        DataError: There is no such dataset or choice, or the file cannot be read so; then nothing
            changed.
    """
    name = dataset_named(catalog.datasets, asked.name).name
    changed, dataset = await catalog.choose(name, asked.key, asked.value)
    await asyncio.to_thread(
        grants.keep_readings, book.path, catalog.readings.rows(), analysis=book.analysis
    )
    there = {one.name for one in catalog.datasets}
    for gone in (one for one in changed if one not in there):
        for setup in memory.forget_dataset(gone, catalog.setup_code):
            if setup.code:
                await book.record(SetupEntry(setup.cell, setup.code))
        deps.emit(DatasetDetached(analysis=deps.analysis, name=gone))
    runs = memory.read_otherwise(changed, catalog.setup_code)
    sentence = _sentence(dataset, asked)
    for one in (one for one in changed if one in there):
        profile = memory.profiles[one] = await catalog.profile(one)
        deps.emit(DatasetProfiled(analysis=deps.analysis, profile=profile))
    deps.emit(
        ReadingChanged(analysis=deps.analysis, dataset=name, sentence=sentence, runs=tuple(runs))
    )
    with suppress(NotebookError):  # the next run reports a notebook that it cannot use
        await book.refresh()
        # A new kernel runs the notebook's cells again: those that load the data as they are now.
        for setup in (one for one in memory.setups if one.renewed):
            await book.record(SetupEntry(setup.cell, setup.code))
        await book.apply(*(UpsertCell(cell) for cell in _noted(book, set(runs), sentence)))


def _sentence(dataset: Dataset, asked: AskedReading) -> str:
    """Return what a reader is told of the change."""
    now = next((one for one in dataset.choices if one.key == asked.key), None)
    if not asked.value:
        return f"{dataset.name} is read by itself again ({asked.key})."
    said = now.sentence if now is not None and now.sentence else f"{asked.key} is {asked.value}."
    about = f", {now.column}" if now is not None and now.column else ""
    return f"{dataset.name}{about} is read as you said: {said[:1].lower()}{said[1:]}"


def _noted(book: StoredNotebook, runs: set[RunId], sentence: str) -> list[Cell]:
    """Return the answers of runs with a note above them; those that a user edited stay."""
    found: list[Cell] = []
    for cell in book.document["cells"]:
        notes = cell_notes(cell)
        if notes.get("role") != "answer" or notes.get("run") not in runs:
            continue
        source = cell["source"]
        if _MARK in source or book.is_edited(cell["id"]):
            continue
        head, _, rest = source.partition("\n\n")
        note = f"{_MARK} Since then, {sentence} Ask again for today's numbers."
        found.append(
            {
                **cell,
                "source": f"{head}\n\n{note}\n\n{rest}",
                "metadata": {**cell["metadata"], KEY: notes},
            }
        )
    return found
