"""Document, journal and writers as a state machine: crashes anywhere, a user who edits anything.

Real are the document, the journal and the merging; the browser is a model that takes changes, and
the file is what a save left in it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from analyst_kernel.agent.ports import IterationEntry
from analyst_kernel.notebook.document.diff import changes_between
from analyst_kernel.notebook.document.operations import Document, cell_notes
from analyst_kernel.notebook.document.serialize import Renderer, parse
from analyst_kernel.notebook.storage.disk import DiskWriter
from analyst_kernel.notebook.storage.notebook import StoredNotebook
from analyst_kernel.notebook.storage.port import (
    NotebookVersion,
    WriteConflict,
    WriterUnavailable,
    Written,
)
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.server.events.journal import Journal, KeptOperations, StoredAnalysis
from tests.notebook.browser_model import with_changes
from tests.notebook.entry_makers import iteration, ran, result
from tests.support.examples import examples

ONE = AnalysisId("0123456789ab")
_T = TypeVar("_T")


class Crash(Exception):
    """The server crashes here."""


class World:
    """The file, and a browser tab that may have it open.

    Attributes:
        tab: The tab's notebook, or ``None`` while none has it open.
        asleep: Whether the tab does not answer.
        crash_in: Steps of a write until the server crashes; ``None`` if it does not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tab: Document | None = None
        self.dirty = False
        self.asleep = False
        self.crash_in: int | None = None
        self.opened = 0

    def step(self) -> None:
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                raise Crash

    def file(self) -> Document:
        return parse(self.path.read_text(), self.path.name)

    def save(self) -> None:
        assert self.tab is not None
        self.path.write_text(Renderer().render(self.tab))
        self.dirty = False


class WorldWriter:
    """Chooses as the server does: the tab that has the notebook open, none while it sleeps."""

    retry_delay: float | None = None

    def __init__(self, world: World) -> None:
        self.path = world.path
        self._world = world
        self._disk = DiskWriter(world.path)

    async def read(self, base: NotebookVersion | None) -> NotebookVersion | None:
        world = self._world
        world.step()
        if world.asleep:
            raise WriterUnavailable
        if world.tab is not None:
            return NotebookVersion(world.tab, ("tab", world.opened))
        return await self._disk.read(base)

    async def write(self, document: Document, base: NotebookVersion | None) -> Written:
        world = self._world
        world.step()
        if world.asleep:
            raise WriterUnavailable
        if world.tab is None:
            written = await self._disk.write(document, base)
            world.step()
            return written
        if base is None or base.stamp != ("tab", world.opened):
            raise WriteConflict
        after = with_changes(world.tab, changes_between(base.document, document))
        if after is None:
            raise WriteConflict(NotebookVersion(world.tab, base.stamp))
        was_clean, world.tab = not world.dirty, after
        world.dirty = True
        if was_clean:
            world.save()
        world.step()
        return Written(base.stamp, saved=False)

    async def saved(self) -> Document | None:
        self._world.step()
        return self._world.file()

    async def in_hand(self, base: NotebookVersion | None) -> bool:
        world = self._world
        tab = world.tab is not None and not world.asleep
        return tab and base is not None and base.stamp == ("tab", world.opened)

    async def discard(self, base: NotebookVersion | None) -> None:
        await self._disk.discard(base)


class Writers(RuleBasedStateMachine):
    """Whatever happens, each iteration ends in exactly one cell, and the user's texts stay."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        place = Path(self.folder.name)
        self.loop = asyncio.new_event_loop()
        self.journal = Journal(place / "journal.sqlite3")
        self.journal.save(StoredAnalysis(id=ONE))
        self.store = KeptOperations(self.journal, ONE)
        made = self.run(StoredNotebook.create(place / "a.ipynb", analysis=ONE))
        self.world = World(Path(made.path))
        self.notebook = self.open()
        self.entries: list[IterationEntry] = []
        self.texts: dict[str, int] = {}
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.journal.close()
            self.loop.close()
            self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self.loop.run_until_complete(work)

    def open(self) -> StoredNotebook:
        return self.run(
            StoredNotebook.open(
                self.world.path, writer=lambda _path: WorldWriter(self.world), store=self.store
            )
        )

    def surviving(self, work: Coroutine[Any, Any, None], crash_in: int | None) -> None:
        """Do something, with a crash and a restart of the server at a chosen step."""
        self.world.crash_in = crash_in
        try:
            self.run(work)
        except Crash:
            self.world.crash_in = None
            self.notebook = self.open()
        self.world.crash_in = None

    steps = st.none() | st.integers(min_value=0, max_value=6)

    # --- the agent -------------------------------------------------------------------------------

    @rule(crash_in=steps)
    def begin_iteration(self, crash_in: int | None) -> None:
        entry = iteration(len(self.entries) + 1, f"step_{len(self.entries) + 1}()")
        self.entries.append(entry)
        self.surviving(self.notebook.record(entry), crash_in)

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), crash_in=steps)
    def end_iteration(self, data: st.DataObject, crash_in: int | None) -> None:
        at = data.draw(st.integers(0, len(self.entries) - 1))
        self.surviving(self.notebook.record(self.ended(at)), crash_in)

    def ended(self, at: int) -> IterationEntry:
        """Return an iteration with a result that none had before."""
        self.count += 1
        entry = replace(self.entries[at], execution=ran(result(str(self.count))), outcome="ok")
        self.entries[at] = entry
        return entry

    @rule(crash_in=steps)
    def look(self, crash_in: int | None) -> None:
        self.surviving(self.notebook.flush(), crash_in)

    # --- the user ------------------------------------------------------------------------------

    @precondition(lambda self: self.world.tab is None)
    @rule()
    def open_tab(self) -> None:
        self.world.tab, self.world.dirty = self.world.file(), False
        self.world.opened += 1

    @precondition(lambda self: self.world.tab is not None)
    @rule()
    def save_and_close_tab(self) -> None:
        self.world.save()
        self.world.tab, self.world.asleep = None, False

    @precondition(lambda self: self.world.tab is not None and not self.world.dirty)
    @rule()
    def close_clean_tab(self) -> None:
        self.world.tab, self.world.asleep = None, False

    @precondition(lambda self: self.world.tab is not None)
    @rule()
    def sleep_or_wake(self) -> None:
        self.world.asleep = not self.world.asleep

    @precondition(lambda self: self.world.tab is not None)
    @rule()
    def save(self) -> None:
        self.world.save()

    @rule(data=st.data())
    def add_cell(self, data: st.DataObject) -> None:
        self.count += 1
        text = f"note {self.count}"
        cell = {"cell_type": "markdown", "id": f"n{self.count}", "metadata": {}, "source": text}
        document = self.seen()
        cells = list(document["cells"])
        cells.insert(data.draw(st.integers(0, len(cells))), cell)
        self.change(document, cells)
        self.texts[text] = 1

    @precondition(lambda self: len(self.seen()["cells"]) > 1)
    @rule(data=st.data())
    def move_cell(self, data: st.DataObject) -> None:
        document = self.seen()
        cells = list(document["cells"])
        cell = cells.pop(data.draw(st.integers(0, len(cells) - 1)))
        cells.insert(data.draw(st.integers(0, len(cells))), cell)
        self.change(document, cells)

    @precondition(lambda self: self.ours())
    @rule(data=st.data())
    def edit_our_cell(self, data: st.DataObject) -> None:
        self.edit(data.draw(st.sampled_from(self.ours())))

    def edit(self, name: str) -> None:
        """Have the user change the text of one of our cells."""
        document = self.seen()
        self.count += 1
        text = f"mine_{self.count}"
        cells = [{**c, "source": text} if c["id"] == name else c for c in document["cells"]]
        self.change(document, cells)
        self.texts[text] = 1

    @precondition(lambda self: self.ours() and not self.world.asleep)
    @rule(data=st.data(), crash_in=steps)
    def edit_our_cell_just_before_it_ends(self, data: st.DataObject, crash_in: int | None) -> None:
        """Edit in a tab, unseen by the server, what it is about to write."""
        if self.world.tab is None:
            self.open_tab()
        at = data.draw(st.integers(0, len(self.entries) - 1))
        # The server has the tab's state from this write.
        self.run(self.notebook.record(self.ended(at)))
        ours = {c["id"]: cell_notes(c).get("iteration") for c in self.seen()["cells"]}
        name = next((n for n in self.ours() if ours[n] == at + 1), None)
        if name is not None:
            self.edit(name)
        self.surviving(self.notebook.record(self.ended(at)), crash_in)

    @precondition(lambda self: self.texts)
    @rule(data=st.data())
    def delete_own_cell(self, data: st.DataObject) -> None:
        document = self.seen()
        text = data.draw(st.sampled_from(sorted(self.texts)))
        if not any(c["source"] == text and not _role(c) for c in document["cells"]):
            return  # one of ours that they edited, and that is not given to them yet
        self.change(document, [c for c in document["cells"] if c["source"] != text])
        del self.texts[text]

    # --- what holds ------------------------------------------------------------------------------

    @invariant()
    def what_was_typed_is_there(self) -> None:
        if hasattr(self, "world"):
            sources = Counter(cell["source"] for cell in self.seen()["cells"])
            assert all(sources[text] == 1 for text in self.texts), (sources, self.texts)

    def seen(self) -> Document:
        return self.world.tab if self.world.tab is not None else self.world.file()

    def ours(self) -> list[str]:
        return [
            c["id"]
            for c in self.seen()["cells"]
            if _role(c) == "iteration" and not c["source"].startswith("mine_")
        ]

    def change(self, document: Document, cells: list[dict[str, Any]]) -> None:
        changed = {**document, "cells": cells}
        if self.world.tab is None:
            self.world.path.write_text(Renderer().render(changed))
        else:
            self.world.tab, self.world.dirty = changed, True

    @rule()
    def all_comes_to_rest(self) -> None:
        """Wake, save and close whatever is open; then everything is in the file, once."""
        world = self.world
        world.asleep = False
        for _ in range(3):
            self.run(self.notebook.flush())
            if world.tab is not None:
                world.save()
        world.tab = None
        self.run(self.notebook.flush())
        assert self.journal.outstanding(ONE) == ()
        document = world.file()
        there = Counter(cell_notes(cell)["iteration"] for cell in document["cells"] if _role(cell))
        assert there == Counter(range(1, len(self.entries) + 1))
        for entry in self.entries:
            (cell,) = (
                c for c in document["cells"] if cell_notes(c).get("iteration") == entry.iteration
            )
            assert cell["source"].startswith("mine_") or _outputs(cell) == _wanted(entry)


def _role(cell: dict[str, Any]) -> str:
    return str(cell_notes(cell).get("role", ""))


def _outputs(cell: dict[str, Any]) -> list[str]:
    return [output["data"]["text/plain"] for output in cell["outputs"]]


def _wanted(entry: IterationEntry) -> list[str]:
    if entry.execution is None:
        return []
    found = [output.model_dump()["data"] for output in entry.execution.outputs]
    return [str(data["text/plain"]) for data in found]


TestWriters = Writers.TestCase
TestWriters.settings = examples(40, stateful_step_count=30)
