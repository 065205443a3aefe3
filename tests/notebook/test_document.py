"""The document: operations, and a state machine in which a user edits between them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from analyst_kernel.agent.ports import IterationEntry
from analyst_kernel.notebook.document.cells import cell_for
from analyst_kernel.notebook.document.operations import (
    Document,
    NoteRun,
    Operation,
    SetNotebook,
    UpsertCell,
    apply,
    cell_notes,
    is_applied,
    is_edited,
    new_document,
    notes,
    operations_for,
)
from analyst_kernel.notebook.document.serialize import Renderer, parse, validate
from analyst_kernel.protocol.ids import AnalysisId, RunId
from tests.notebook.entry_makers import failed, iteration, plan, ran, recorded, result, whole_run
from tests.support.examples import examples


def blank() -> Document:
    return new_document(AnalysisId("a1b2c3"), created="2026-01-02T03:04:05+00:00", model="m:n")


def edited(document: Document, cell: str, source: str) -> Document:
    changed = copy.deepcopy(document)
    next(c for c in changed["cells"] if c["id"] == cell)["source"] = source
    return changed


def sources(document: Document) -> list[str]:
    return [c["source"] for c in document["cells"]]


def test_a_new_document_is_ours_and_valid() -> None:
    document = blank()
    validate(document)
    assert document["metadata"]["kernelspec"]["name"] == "analyst"
    assert notes(document) == {
        "version": 1,
        "analysis": "a1b2c3",
        "created": "2026-01-02T03:04:05+00:00",
        "model": "m:n",
    }


def test_cells_keep_their_place_and_order() -> None:
    document = recorded(blank(), *whole_run())
    validate(document)
    assert [c["id"] for c in document["cells"]] == [e.cell for e in whole_run()]
    later = recorded(document, plan(("Look", "done"), run="r1"))
    assert [c["id"] for c in later["cells"]] == [e.cell for e in whole_run()]
    assert "- [x] 1. Look" in later["cells"][3]["source"]
    assert later["cells"][0] is document["cells"][0]


def test_recording_again_changes_nothing() -> None:
    document = recorded(blank(), *whole_run())
    assert recorded(document, *whole_run()) is document
    assert all(is_applied(document, op) for e in whole_run() for op in operations_for(e))


def test_an_edited_cell_is_the_users_and_ours_goes_below() -> None:
    document = recorded(blank(), iteration(1, "x = 1"), iteration(2, "y = 2"))
    document = edited(document, "it1", "x = 42")
    assert is_edited(document, document["cells"][0])
    after = recorded(document, iteration(1, "x = 1", ran(result("1"))))
    assert sources(after) == ["x = 42", "x = 1", "y = 2"]
    assert after["cells"][1]["id"] == "it1-v2"
    assert cell_notes(after["cells"][0]) == {"origin": "user"}
    assert recorded(after, iteration(1, "x = 1", ran(result("1")))) is after
    again = recorded(after, iteration(1, "x = 1", ran(result("one"))))
    assert sources(again) == sources(after)
    assert again["cells"][1]["outputs"][0]["data"]["text/plain"] == "one"


def test_an_edit_after_our_last_write_stays() -> None:
    document = recorded(blank(), iteration(1, "x = 1", ran()))
    document = edited(document, "it1", "x = 42")
    assert recorded(document, iteration(1, "x = 1", ran())) is document


def test_a_deleted_cell_stays_deleted_until_there_is_news() -> None:
    document = recorded(blank(), iteration(1, "x"), iteration(2, "y"))
    without = {**document, "cells": document["cells"][1:]}
    assert recorded(without, iteration(1, "x")) is without
    back = recorded(without, iteration(1, "x", ran()))
    assert [c["id"] for c in back["cells"]] == ["it2", "it1"]


def test_what_a_user_set_on_a_cell_stays() -> None:
    document = recorded(blank(), iteration(1, "1/0"))
    document["cells"][0]["metadata"] |= {"tags": ["keep"], "slideshow": {"slide_type": "slide"}}
    error = failed("error", "ZeroDivisionError", "x")
    document = recorded(document, iteration(1, "1/0", error))
    assert document["cells"][0]["metadata"]["tags"] == ["keep", "raises-exception"]
    document["cells"][0]["metadata"]["jupyter"] = {"source_hidden": False}
    document = recorded(document, iteration(1, "1/0", error, attempt=2))
    assert document["cells"][0]["metadata"]["jupyter"] == {"source_hidden": False}
    document = recorded(document, iteration(1, "1/0", ran()))
    metadata = document["cells"][0]["metadata"]
    assert metadata["tags"] == ["keep"]
    assert "jupyter" not in metadata
    assert metadata["slideshow"] == {"slide_type": "slide"}


def test_facts_of_a_run_and_of_the_notebook_are_merged() -> None:
    document = recorded(blank(), iteration(1, "x"))
    after = apply(document, NoteRun(RunId("r1"), {"status": "answered"}))
    assert is_applied(after, NoteRun(RunId("r1"), {"status": "answered"}))
    after = apply(after, SetNotebook({"verified": {"of": 1}}, {"kernelspec": {"name": "other"}}))
    assert after["metadata"]["kernelspec"]["name"] == "analyst"
    assert "verified" not in notes(apply(after, SetNotebook({"verified": None})))


def test_a_foreign_cell_with_our_id_is_left_alone() -> None:
    foreign = {"cell_type": "markdown", "id": "it1", "metadata": {}, "source": "theirs"}
    document = {**blank(), "cells": [foreign]}
    after = recorded(document, iteration(1, "x"))
    assert sources(after) == ["theirs", "x"]
    validate(after)


NUMBERS = st.integers(1, 4)
TEXTS = st.sampled_from(["x = 1", "y = 2\nz", "", "# note"])
EXECUTIONS = st.sampled_from(
    [None, ran(), ran(result("7")), failed("error", "E", "m"), failed("timeout", "Timeout", "s")]
)


class EditedDocument(RuleBasedStateMachine):
    """Records, replays, reloads and edits in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.document = blank()
        self.history: list[Operation] = []
        self.recorded: set[int] = set()
        self.deleted = False
        self.theirs: dict[str, str] = {}
        self.count = 0

    def run(self, operation: Operation) -> None:
        self.document = apply(self.document, operation)
        assert is_applied(self.document, operation)

    @rule(number=NUMBERS, code=TEXTS, execution=EXECUTIONS)
    def record(self, number: int, code: str, execution: Any) -> None:
        entry: IterationEntry = iteration(number, code, execution)
        self.recorded.add(number)
        self.history.append(UpsertCell(cell_for(entry)))
        self.run(self.history[-1])

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        for operation in data.draw(st.permutations(self.history)) if self.history else ():
            self.run(operation)

    @rule(data=st.data(), number=st.integers(0, 10**6))
    def edit(self, data: st.DataObject, number: int) -> None:
        if not self.document["cells"]:
            return
        cell = data.draw(st.sampled_from([c["id"] for c in self.document["cells"]]))
        text = f"edited {number}"
        self.theirs[cell] = text
        self.document = edited(self.document, cell, text)

    @rule()
    def write_a_cell_of_their_own(self) -> None:
        self.count += 1
        cell: dict[str, Any] = {
            "cell_type": "code",
            "id": f"own{self.count}",
            "metadata": {},
            "source": "own",
            "execution_count": None,
            "outputs": [],
        }
        self.theirs[f"own{self.count}"] = "own"
        self.document = {**self.document, "cells": [cell, *self.document["cells"]]}

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if not self.document["cells"]:
            return
        gone = data.draw(st.sampled_from([c["id"] for c in self.document["cells"]]))
        self.deleted = True
        self.theirs.pop(gone, None)
        cells = [c for c in self.document["cells"] if c["id"] != gone]
        self.document = {**self.document, "cells": cells}

    @rule()
    def reload(self) -> None:
        self.document = parse(Renderer().render(self.document), "n.ipynb")

    @invariant()
    def it_is_valid_with_unique_ids(self) -> None:
        validate(self.document)
        ids = [c["id"] for c in self.document["cells"]]
        assert len(ids) == len(set(ids))

    @invariant()
    def each_iteration_is_in_exactly_one_cell(self) -> None:
        found = [cell_notes(c).get("iteration") for c in self.document["cells"]]
        numbers = [n for n in found if n is not None]
        assert len(numbers) == len(set(numbers))
        if not self.deleted:
            assert set(numbers) == self.recorded

    @invariant()
    def no_edit_is_lost(self) -> None:
        now = {c["id"]: c["source"] for c in self.document["cells"]}
        assert {k: now.get(k) for k in self.theirs} == self.theirs


TestEditedDocument = EditedDocument.TestCase
TestEditedDocument.settings = examples(60, stateful_step_count=25)
