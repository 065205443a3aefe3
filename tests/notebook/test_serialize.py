"""Reading and writing the JSON of notebooks, against nbformat itself."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.notebook.document.operations import new_document
from analyst_kernel.notebook.document.serialize import Renderer, parse, validate
from analyst_kernel.protocol.errors import NotebookError
from analyst_kernel.protocol.ids import AnalysisId
from tests.notebook.entry_makers import iteration, ran, recorded, result, whole_run

FILES = Path(__file__).parent / "files"


def blank() -> dict[str, Any]:
    return new_document(AnalysisId("a1"), created="2026-01-02T03:04:05+00:00")


def test_the_renderer_writes_what_nbformat_writes() -> None:
    document = recorded(blank(), *whole_run(), iteration(6, "a\n\u2028b", ran(result("x\ny"))))
    text = Renderer().render(document)
    read: Any = nbformat.reads
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written: str = nbformat.writes(read(text, as_version=4))
    assert text.rstrip("\n") == written.rstrip("\n")
    assert parse(text, "n.ipynb") == document


def test_a_cached_cell_is_rendered_again_after_a_change() -> None:
    renderer = Renderer()
    document = recorded(blank(), iteration(1, "x"), iteration(2, "y"))
    renderer.render(document)
    later = recorded(document, iteration(1, "x", ran(result("5"))))
    assert renderer.render(later) == Renderer().render(later)
    assert renderer.render(blank()) == Renderer().render(blank())


@given(
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from(["put", "mark", "drop"])), max_size=12)
)
def test_cached_parts_equal_a_fresh_rendering(changes: list[tuple[int, str]]) -> None:
    """Documents of a few blocks of cells, each made from the one before."""
    renderer = Renderer()
    cells = [iteration(n, f"x = {n}") for n in range(1, 71)]
    document = recorded(blank(), *cells)
    for place, kind in changes:
        held = list(document["cells"])
        notes = document["metadata"]["analyst_kernel"]
        marks = dict(notes["cells"])
        name = sorted(marks)[place % len(marks)]
        match kind:
            case "put":
                new = {**held[place % len(held)], "id": f"n{place}{kind}", "source": kind}
                held.insert(place % len(held), new)
                marks[new["id"]] = "0" * 12
            case "mark":
                marks[name] = f"é{place}"
            case _:
                del held[place % len(held)], marks[name]
        ids = [cell["id"] for cell in held]
        held = [cell for at, cell in enumerate(held) if cell["id"] not in ids[:at]]
        notes = {**notes, "cells": marks}
        metadata = {**document["metadata"], "analyst_kernel": notes}
        document = {**document, "cells": held, "metadata": metadata}
        assert renderer.render(document) == Renderer().render(document)


def test_numbers_that_json_does_not_have_become_null() -> None:
    document = blank()
    document["metadata"]["theirs"] = {"x": math.nan}
    assert json.loads(Renderer().render(document))["metadata"]["theirs"] == {"x": None}


def test_a_foreign_notebook_survives_unchanged() -> None:
    text = (FILES / "foreign.ipynb.txt").read_text("utf-8")
    document = parse(text, "foreign.ipynb")
    before = json.loads(text)
    after = json.loads(Renderer().render(document))
    assert after["nbformat_minor"] == 5
    assert after["metadata"] == before["metadata"]
    for old, new in zip(before["cells"], after["cells"], strict=True):
        new.pop("id")
        assert "".join(old["source"]) == "".join(new["source"])
        assert old.get("outputs") == new.get("outputs")
        assert old.get("attachments") == new.get("attachments")
    assert document["cells"][1]["outputs"][1]["data"]["application/json"] == ["a", "b"]


def test_missing_and_double_ids_are_repaired_the_same_way_each_time() -> None:
    text = (FILES / "foreign.ipynb.txt").read_text("utf-8")
    assert parse(text, "a") == parse(text, "a")
    document = recorded(blank(), iteration(1, "x"), iteration(2, "y"))
    document = {**document, "cells": [document["cells"][0]] * 2}
    repaired = parse(Renderer().render({**document, "cells": document["cells"][:1]}), "a")
    assert repaired["cells"][0]["id"] == "it1"
    raw = json.loads(Renderer().render(repaired))
    raw["cells"] = raw["cells"] * 2
    ids = [c["id"] for c in parse(json.dumps(raw), "a")["cells"]]
    assert ids[0] == "it1"
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[]", "no format version"),
        ('{"a": 1}', "no format version"),
        ('{\n<<<<<<< HEAD\n"a": 1\n=======\n"a": 2\n>>>>>>> b\n}', "merge conflict"),
        ('{"nbformat": 3, "worksheets": []}', "format version 3"),
        ('{"nbformat": 5, "cells": []}', "format version 5"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not a valid notebook"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}', "not a valid"),
        (
            '{"nbformat": 4, "nbformat_minor": 5, "metadata": {},'
            ' "cells": [{"cell_type": "odd", "metadata": {}, "source": ""}]}',
            "not a valid",
        ),
    ],
)
def test_an_invalid_notebook_is_refused_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(NotebookError, match=says) as caught:
        parse(text, "x.ipynb")
    assert "x.ipynb" in caught.value.what
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_validate_refuses_what_nbformat_refuses() -> None:
    with pytest.raises(nbformat.ValidationError):
        validate(
            {"cells": [{"cell_type": "code"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        )
