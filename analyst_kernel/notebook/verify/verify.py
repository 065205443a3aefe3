"""Whether a notebook reproduces: each code cell runs again, in order, and its outputs are compared.

The caller provides a function that runs code in a fresh kernel. That a cell reproduces says that
its code gives the same outputs again, not that they are right.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from analyst_kernel._text import shorten
from analyst_kernel.agent.ports import Execution
from analyst_kernel.notebook.document.cells import DORMANT_TAGS, RAISES, Cell
from analyst_kernel.notebook.document.operations import (
    Document,
    SetNotebook,
    apply,
    cell_notes,
    notes,
    source_mark,
)
from analyst_kernel.notebook.document.read import outputs_of
from analyst_kernel.notebook.document.serialize import Renderer
from analyst_kernel.notebook.storage import files
from analyst_kernel.notebook.storage.disk import read_during_save
from analyst_kernel.notebook.storage.output_dir import one_folder
from analyst_kernel.notebook.verify.compare import Pictures, difference, undecoded
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import ErrorOutput

Verdict: TypeAlias = Literal["reproduced", "differs", "error", "skipped"]
Execute: TypeAlias = Callable[[str], Awaitable[Execution]]
ComparePictures: TypeAlias = Callable[[str, str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class CellCheck:
    """The verdict on one cell; ``detail`` is the reason if it is not ``reproduced``."""

    cell: CellId
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The verdicts on all code cells.

    Attributes:
        at: ISO time, UTC.
        code: Digest of the code that ran; see :func:`code_mark`.
        python, packages: Versions in the fresh kernel; may be empty.
    """

    checks: tuple[CellCheck, ...]
    at: str
    code: str = ""
    python: str = ""
    packages: dict[str, str] = field(default_factory=dict)

    @property
    def reproduced(self) -> int:
        """Number of cells with the same outputs."""
        return sum(c.verdict == "reproduced" for c in self.checks)

    @property
    def total(self) -> int:
        """Number of cells that could be compared."""
        return sum(c.verdict != "skipped" for c in self.checks)

    @property
    def ok(self) -> bool:
        """Return whether every cell that could be compared reproduced; True without code cells."""
        return self.reproduced == self.total and (self.total > 0 or not self.checks)

    @property
    def summary(self) -> str:
        """A text such as ``reproduced 7 of 7``."""
        return f"reproduced {self.reproduced} of {self.total}"


async def verify_document(
    document: Document,
    *,
    execute: Execute,
    on_check: Callable[[CellCheck], None] | None = None,
    folders: Sequence[Path] = (),
    pictures: ComparePictures | None = None,
) -> VerifyReport:
    """Run a notebook's code cells again and compare their outputs.

    Args:
        document: The notebook; not changed.
        execute: Runs one cell in a fresh kernel whose working folder is the notebook's.
        on_check: Called with each verdict.
        folders: What ``OUTPUT_DIR`` may have been; which of them an output names is no difference.
        pictures: Says what differs between two base64 pictures; without it, others are different.
    """
    compared = undecoded if pictures is None else _in_loop(pictures)
    since = _created(document)
    checks: list[CellCheck] = []
    kernel_gone = False
    for cell in document["cells"]:
        if cell["cell_type"] != "code":
            continue
        name = CellId(cell["id"])
        if kernel_gone:
            check = CellCheck(name, "error", "The kernel died in an earlier cell.")
        elif reason := _skip_reason(cell):
            check = CellCheck(name, "skipped", reason)
        else:
            execution = await execute(cell["source"])
            kernel_gone = execution.kernel_died
            # Beside the loop, in which pictures are compared.
            check = await asyncio.to_thread(_judged, cell, execution, since, folders, compared)
        checks.append(check)
        if on_check is not None:
            on_check(check)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return VerifyReport(tuple(checks), now, code_mark(document))


def code_mark(document: Document) -> str:
    """Return a digest of all code in the notebook."""
    marks = [f"{c['id']} {source_mark(c)}" for c in document["cells"] if c["cell_type"] == "code"]
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:12]


def store(path: Path, report: VerifyReport) -> None:
    """Write the report into the notebook's ``metadata.analyst_kernel.verified``; blocks.

    Raises:
        NotebookError: The notebook cannot be written; it is untouched.
    """
    values: dict[str, Any] = {"verified": record_of(report)}
    target = Path(os.path.realpath(path))
    while True:
        document, stamp = read_during_save(path)
        if "version" not in notes(document):
            values["version"] = 1
        text = Renderer().render(apply(document, SetNotebook(values)))
        with contextlib.suppress(files.FileChanged):
            files.replace(target, text, stamp)
            return


def record_of(report: VerifyReport) -> dict[str, Any]:
    """Return the report for the notebook's metadata."""
    return {
        "when": report.at,
        "reproduced": report.reproduced,
        "total": report.total,
        "python": report.python,
        "packages": report.packages,
        "code": report.code,
        "cells": {c.cell: c.verdict for c in report.checks},
    }


_LONGEST_DATE = 40


@dataclass(frozen=True, slots=True)
class Verified:
    """A notebook's note of its last verification.

    Attributes:
        when: ISO time, UTC.
        reproduced, total: Cells.
        stale: Whether a code cell was changed, added or removed after it.
    """

    when: str
    reproduced: int
    total: int
    stale: bool

    @property
    def summary(self) -> str:
        """A text such as ``reproduced 7 of 7``, and whether the code changed since."""
        since = "; the code changed since" if self.stale else ""
        return f"reproduced {self.reproduced} of {self.total}{since}"


def claimed_text(document: Document) -> str:
    """Return for the user what a notebook that was begun elsewhere says of itself, if anything.

    Whoever wrote the file wrote that too: only a run here shows what holds.
    """
    noted = verified(document)
    if noted is None and not any(cell_notes(cell).get("run") for cell in document["cells"]):
        return ""
    verdict = f", also that a run on {noted.when} {noted.summary}" if noted is not None else ""
    return (
        f"Claimed by the notebook, not checked here: its outputs, answers and numbers{verdict}. "
        "Verify runs it again and compares."
    )


def verified(document: Document) -> Verified | None:
    """Return the notebook's note of its last verification, if it has one: a claim of its writer."""
    match notes(document).get("verified"):
        case {"when": str(when), "reproduced": int(same), "total": int(total), "code": str(code)}:
            when = shorten(" ".join(when.split()), _LONGEST_DATE)
            return Verified(when, same, total, code != code_mark(document))
        case _:
            return None


def _skip_reason(cell: Cell) -> str:
    if not cell["source"].strip():
        return "empty"
    tags = cell["metadata"].get("tags", [])
    return "tagged not to run again" if any(tag in tags for tag in DORMANT_TAGS) else ""


def _in_loop(pictures: ComparePictures) -> Pictures:
    """Return a function for another thread, which has the running loop compare pictures."""
    loop = asyncio.get_running_loop()

    async def compare(old: str, new: str) -> str:
        return await pictures(old, new)

    return lambda old, new: asyncio.run_coroutine_threadsafe(compare(old, new), loop).result()


def _judged(
    cell: Cell,
    execution: Execution,
    since: date | None,
    folders: Sequence[Path],
    pictures: Pictures,
) -> CellCheck:
    name = CellId(cell["id"])
    saved = outputs_of(cell)
    before = next((o.ename for o in saved if isinstance(o, ErrorOutput)), None)
    if execution.kernel_died:
        return CellCheck(name, "error", "The kernel died.")
    now = execution.error.name if execution.error else None
    if execution.outcome == "error" and before is not None:
        if now != before:
            return CellCheck(name, "differs", f"{before} before, {now} now")
        return CellCheck(name, "reproduced")
    if execution.outcome != "ok":
        message = execution.error.message if execution.error else ""
        may_raise = RAISES in cell["metadata"].get("tags", [])
        if execution.outcome == "error" and may_raise and not saved:
            return CellCheck(name, "reproduced")
        return CellCheck(name, "error", f"{now or execution.outcome}: {message}".rstrip(": "))
    if before is not None:
        return CellCheck(name, "differs", f"{before} before, no error now")
    if cell["execution_count"] is None and not saved:
        return CellCheck(name, "skipped", "ran now, but never before: nothing to compare")
    found = difference(saved, execution.outputs, since=since, pictures=pictures)
    if found and len(folders) > 1:
        left, right = one_folder(saved, folders), one_folder(execution.outputs, folders)
        found = difference(left, right, since=since, pictures=pictures)
    return CellCheck(name, "differs", found) if found else CellCheck(name, "reproduced")


def _created(document: Document) -> date | None:
    try:
        return datetime.fromisoformat(str(notes(document).get("created", ""))).date()
    except ValueError:
        return None
