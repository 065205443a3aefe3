"""Notebooks of strangers: read, changed, written again, exported; and the stores beside them."""

from __future__ import annotations

import ast
import atexit
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from analyst_kernel._damage import UNREADABLE
from analyst_kernel.agent.ports import AnswerEntry, Entry, IterationEntry, QuestionEntry, TitleEntry
from analyst_kernel.credentials.store import Keys
from analyst_kernel.grants import GrantStore, GrantStoreError
from analyst_kernel.notebook.branch import branched, moved
from analyst_kernel.notebook.document import cells
from analyst_kernel.notebook.document.diff import changes_between
from analyst_kernel.notebook.document.operations import (
    Document,
    NoteRun,
    RemoveRun,
    SetNotebook,
    adoption,
    apply,
    is_applied,
    operations_for,
    run_cells,
)
from analyst_kernel.notebook.document.read import (
    analysis_of,
    cells_to_replay,
    entries_of,
    next_run,
    outputs_of,
    runs_of,
    undone_runs,
)
from analyst_kernel.notebook.document.serialize import Renderer, parse, validate
from analyst_kernel.notebook.document.user_edits import UserEdits
from analyst_kernel.notebook.export.clean import cleaned, failed_with_effect, likely_needed
from analyst_kernel.notebook.export.export import page, script
from analyst_kernel.notebook.export.source import packages_of, read_names, relocated, touched_names
from analyst_kernel.notebook.storage import pending
from analyst_kernel.protocol.errors import JournalError, KeyStoreError, NotebookError
from analyst_kernel.protocol.ids import AnalysisId, CellId, RunId
from analyst_kernel.protocol.records import Answer
from analyst_kernel.server.events.journal import Journal, StoredAnalysis
from analyst_kernel.server.notebooks.contents import unflagged
from analyst_kernel.server.notebooks.coordinator import _belongs_to
from tests.fuzz.target import Seed, Target, hold, only
from tests.support.harmless import active_html

_HERE, _THERE = Path("/folder"), Path("/elsewhere")
_TESTS = Path(__file__).parents[2]


@cache
def _folder() -> Path:
    made = tempfile.mkdtemp(prefix="ak-fuzz-")
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _read(text: str) -> Document | None:
    try:
        return parse(text, "x.ipynb")
    except NotebookError as error:
        hold("\n" not in error.what, "an error is one line")
        return None


def _notebook(given: Any) -> None:
    document = _read(given if isinstance(given, str) else json.dumps(given))
    if document is None:
        return
    # Halves of characters are replaced when they are written, which may change the order of keys.
    written = Renderer().render(parse(Renderer().render(document), "x.ipynb"))
    again = parse(written, "x.ipynb")
    hold(Renderer().render(again) == written, "what is written reads back as the same")
    analysis_of(document), next_run(document), cells_to_replay(document)
    for entry in entries_of(document):
        repr(entry)
    for cell in document["cells"]:
        outputs_of(cell)
    for run in (*runs_of(document), *undone_runs(document)):
        run_cells(document, run)
    edits = UserEdits.of(document)
    edits.take(document)
    json.dumps(edits.to_notes(), allow_nan=False)
    hold(edits.take(document) == (), "what was seen is no change")
    changes_between({"cells": [], "metadata": {}}, document)
    for cell in document["cells"][-1:]:
        cut = branched(
            document, cell["id"], analysis=AnalysisId("b"), notebook="../x.ipynb", created="2024"
        )
        Renderer().render(moved(cut, _HERE, _THERE))


def _operations(given: Any) -> None:
    """Apply ours, and those of a journal, to a stranger's notebook."""
    if not isinstance(given, dict):
        return
    document = _read(json.dumps(given.get("document")))
    if document is None:
        return
    operations = [adoption(AnalysisId("a"), created="2024-01-01", model="m:n")]
    for entry in _entries():
        operations += operations_for(entry)
    operations += [
        NoteRun(RunId("r9"), {"status": "failed"}),
        SetNotebook({"seen": {}, "model": None}),
    ]
    operations += [RemoveRun(run) for run in runs_of(document)]
    kept = given.get("operations")
    for body in kept if isinstance(kept, list) else ():
        try:
            operations.append(pending.from_json(json.dumps(body)))
        except (ValueError, RecursionError):
            continue
    for operation in operations:
        pending.key_of(operation)
        hold(
            pending.from_json(pending.to_json(operation)) == operation or _odd(operation), "stored"
        )
        after = apply(document, operation)
        hold(is_applied(after, operation), f"{type(operation).__name__} twice is once")
        changes_between(document, after)
        document = after
    with only(NotebookError):
        Renderer().render(parse(Renderer().render(document), "x.ipynb"))


def _odd(operation: object) -> bool:
    return "nan" in repr(operation).lower()


@cache
def _entries() -> tuple[Entry, ...]:
    return (
        TitleEntry(CellId("t"), "Title", "text"),
        QuestionEntry(CellId("q1"), RunId("r1"), "How many?"),
        IterationEntry(
            cell=CellId("c1"), run=RunId("r1"), iteration=1, step=1, attempt=1, language="python",
            purpose="count", code="1", origin="agent", execution=None, outcome="rejected",
        ),
        AnswerEntry(CellId("a1"), RunId("r1"), Answer(text="5"), "answered"),
    )  # fmt: skip


def _export(given: Any) -> None:
    document = _read(json.dumps(given))
    if document is None:
        return
    failed_with_effect(document)
    keep = likely_needed(document)
    for chosen in ((), keep, None):
        clean = cleaned(document, folder=_HERE, destination=_THERE / "x.ipynb", keep=chosen)
        validate(json.loads(Renderer().render(clean)))
        made = script(clean)
        made.encode("utf-8", "surrogatepass")
        if not any(cell["cell_type"] == "code" for cell in clean["cells"]):
            hold(not ast.parse(made).body, "text never becomes code")
        again = [{**cell, "cell_type": "raw"} for cell in clean["cells"]]
        hold(
            not ast.parse(script({**clean, "cells": again})).body, "nor does any cell that is none"
        )


def _page(given: Any) -> None:
    document = _read(json.dumps(given))
    if document is not None:
        made = page(document, "x")
        body = made.partition("<body")[2].partition(">")[2]
        hold("<script" not in made.lower(), "no script")
        found = [one for one in active_html(body, pictures=True) if "data-" not in one]
        hold(
            not [one for one in found if not one.startswith(("<svg", "<style"))],
            f"harmless: {found[:3]}",
        )


def _code_text(text: str) -> None:
    read_names(text), touched_names(text), packages_of([text], {"pandas": "2"})
    moved = relocated(text, _HERE, _THERE)
    hold(moved == text, "what names no file stays")


def _labels(text: str) -> None:
    for outcome in ("timeout", "cancelled", "rejected"):
        hold(cells.awakened(cells.dormant(text, outcome)) == text, "dormant code wakes as it was")
    if not text.lstrip().startswith("%%"):
        purpose, code = cells.split_label(cells.labelled(text, "why", 3, 7))
        hold((purpose, code) == ("why", text), "a label comes off again")
    cells.question_source(text)
    cells.tidy_output(text).encode()


def _operation_text(text: str) -> None:
    with only(ValueError):
        operation = pending.from_json(text)
        pending.key_of(operation)
        pending.to_json(operation)


def _journal(data: bytes) -> None:
    path = _fresh("journal.sqlite", data)
    # The second: a page may be damaged that opening does not read.
    with only(JournalError, *UNREADABLE), closing(Journal(path)) as journal:
        for record, _ in journal.analyses():
            journal.events(record.id)
            journal.outstanding(record.id)
            journal.open_run(record.id)
        journal.newest_kernel()
        journal.unsettled()
        journal.save(StoredAnalysis(id=AnalysisId("new")))


def _grants(data: bytes) -> None:
    path = _fresh("grants.sqlite3", data)
    with only(GrantStoreError):
        store = GrantStore(path)
        with only(*UNREADABLE):
            store.for_notebook("/folder/a.ipynb", analysis="a1")
            store.rename("/folder/a.ipynb", "/folder/b.ipynb")
            store.forget("/folder/b.ipynb")


def _fresh(name: str, data: bytes) -> Path:
    for old in _folder().glob(f"{name}*"):
        old.unlink()
    path = _folder() / name
    path.write_bytes(data)
    return path


def _held_analysis(data: bytes) -> None:
    """Have the store look up a stranger's notebook."""
    store = _store()
    path = _folder() / "held.ipynb"
    path.write_bytes(data)
    store.for_notebook(str(path))


@cache
def _store() -> GrantStore:
    store = GrantStore(_folder() / "held.sqlite3")
    path = _folder() / "held.ipynb"
    path.write_text("{}")
    store.record(str(path), str(_folder()))
    return store


def _held_by_jupyter(given: Any) -> None:
    """Take a notebook as Jupyter has it in memory, which nobody has checked."""
    with only(NotebookError):
        unflagged(given, "x.ipynb")
    # Of the same kind: whose notebook is it?
    path = _fresh("held-by.ipynb", json.dumps(given).encode())
    _belongs_to(path, "a1")


def _keys(data: bytes) -> None:
    folder = _folder() / "keys"
    folder.mkdir(exist_ok=True)
    for name in ("keys.json",):
        (folder / name).write_bytes(data)
    with only(KeyStoreError):
        keys = Keys(folder)
        keys.kept(), keys.environment()


# --- seeds -------------------------------------------------------------------------------------


def _notebook_seeds() -> Iterator[Seed]:
    files = _TESTS / "notebook" / "files"
    for name in ("analysis.ipynb", "foreign_extended.ipynb"):
        yield json.loads((files / name).read_text(encoding="utf-8"))
    yield small()


def small() -> dict[str, Any]:
    """Return a notebook with one cell of each kind."""
    ours = {"role": "iteration", "run": "r1", "iteration": 1, "outcome": "error", "step": 1}
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["x"]}
    stream = {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]}
    shown = {
        "output_type": "display_data",
        "data": {"text/html": "<b>x</b>", "text/plain": "x"},
        "metadata": {},
    }
    return {
        "cells": [
            {"cell_type": "markdown", "id": "t", "metadata": {"analyst_kernel": {"role": "title"}}, "source": "# Title"},
            {"cell_type": "code", "id": "c1", "metadata": {"analyst_kernel": ours, "tags": ["raises-exception"]},
             "source": "# Step 1: x\nimport pandas as pd\n%time\nx = OUTPUT_DIR", "execution_count": 1, "outputs": [stream, error]},
            {"cell_type": "code", "id": "c2", "metadata": {}, "source": "y = pd.read_csv('a.csv')", "execution_count": 2, "outputs": [shown]},
            {"cell_type": "raw", "id": "w", "metadata": {}, "source": "raw"},
        ],
        "metadata": {
            "analyst_kernel": {
                "version": 1, "analysis": "a1", "runs": {"r1": {"question": "q", "status": "answered", "answer": {"text": "5"}}},
                "cells": {"c1": "0-1"}, "seen": {"c1": {"mark": "m", "text": "x", "count": 1}}, "packages": {"pandas": "2.2"},
            },
            "language_info": {"name": "python", "version": "3.11"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip


def _operation_seeds() -> Iterator[Seed]:
    cell = small()["cells"][1]
    yield {
        "document": small(),
        "operations": [
            {"kind": "upsert_cell", "cell": cell},
            {
                "kind": "set_notebook",
                "values": {"model": "x"},
                "defaults": {"kernelspec": {"name": "a"}},
            },
            {"kind": "note_run", "run": "r1", "values": {"status": "x"}},
            {"kind": "remove_run", "run": "r1"},
        ],
    }


def _stored_operation_seeds() -> Iterator[Seed]:
    seed = next(_operation_seeds())
    assert isinstance(seed, dict)
    yield from seed["operations"]


def _code_seeds() -> Iterator[Seed]:
    yield "import pandas as pd\nfrom a.b import c as d\nx = pd.read_csv('data/x.csv')\nfor y in x: z[y] += 1\n"
    yield "%matplotlib inline\n!ls\nduckdb.sql(\"SELECT * FROM 'a[*].csv'\")\nrows.append(Path('a') / f'{x}')\n"
    yield '"""a\n"""\ndef f(é): return lambda: \'é\' + r\'\\x\'\n'


def _label_seeds() -> Iterator[Seed]:
    yield "# Step 2: why\nx = 1\n\n  y"
    yield "%%sql\nselect 1\r\n# cancelled"


def _database(name: str, make: Any) -> Iterator[Seed]:
    path = _fresh(name, b"")
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM")
    make(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    yield path.read_bytes()


def _journal_seeds() -> Iterator[Seed]:
    def make(path: Path) -> None:
        with closing(Journal(path)) as journal:
            journal.save(StoredAnalysis(id=AnalysisId("a1"), title="T"))
            journal.keep(AnalysisId("a1"), [NoteRun(RunId("r1"), {"status": "x"})])

    return _database("journal.sqlite", make)


def _grants_seeds() -> Iterator[Seed]:
    def make(path: Path) -> None:
        GrantStore(path).record("/folder/a.ipynb", "/", analysis="a1")

    return _database("grants.sqlite3", make)


_KEYS = ("analyst_kernel", "cells", "metadata", "outputs", "source", "id", "tags", "run", "role", "outcome",
         "execution_count", "cell_type", "undone", "runs", "seen", "attachments", "markdown", "code", "r1")  # fmt: skip
_TOKENS = (
    "import ",
    "'",
    '"""',
    "f'{",
    "}",
    "\\",
    "\n",
    "# ",
    "%%",
    "!",
    "Path('",
    "read_csv(",
    "OUTPUT_DIR",
    "\u2028",
    "é",
)
TARGETS = (
    Target("notebook", "json", _notebook, _notebook_seeds, 16384, _KEYS),
    Target("notebook-text", "text", _notebook, lambda: iter([json.dumps(small())]), 4096, ('"', "{", "[", "<<<<<<< a\n")),
    Target("notebook-operations", "json", _operations, _operation_seeds, 8192, _KEYS),
    Target("notebook-export", "json", _export, _notebook_seeds, 16384, _KEYS),
    Target("notebook-page", "json", _page, _notebook_seeds, 16384, _KEYS),
    Target("notebook-code", "text", _code_text, _code_seeds, 1024, _TOKENS, grows=True),
    Target("notebook-labels", "text", _labels, _label_seeds, 1024, _TOKENS),
    Target("stored-operation", "text", _operation_text, _stored_operation_seeds, 4096, ('"kind"', '"cell"', "[", "{")),
    Target("jupyter-content", "json", _held_by_jupyter, _notebook_seeds, 8192, _KEYS),
    Target("journal-file", "bytes", _journal, _journal_seeds, 16384),
    Target("grants-file", "bytes", _grants, _grants_seeds, 16384),
    Target("grants-notebook", "text", lambda text: _held_analysis(text.encode("utf-8", "surrogateescape")),
           lambda: iter([{"metadata": {"analyst_kernel": {"analysis": "a1"}}, "cells": []}]), 2048, ("[", "{", '"metadata"')),
    Target("keys-file", "bytes", _keys, lambda: iter([{"anthropic": "k", "x": 3}]), 1024),
)  # fmt: skip
