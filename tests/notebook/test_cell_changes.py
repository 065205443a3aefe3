"""What a write does to the cells that are there; the front end's tests read the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from analyst_kernel.notebook.document.diff import CellEdit, CellFacts, planned_edits
from analyst_kernel.protocol.live import Change

CASES = json.loads(Path(__file__).with_name("files").joinpath("cell_changes.json").read_text())
CHANGES: TypeAdapter[tuple[Change, ...]] = TypeAdapter(tuple[Change, ...])


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_write_is_planned(case: dict[str, Any]) -> None:
    cells = [CellFacts(**cell) for cell in case["cells"]]
    edits = planned_edits(cells, CHANGES.validate_python(case["changes"]))
    if case["edits"] is None:
        assert edits is None
        return
    assert edits is not None
    planned = [[e.do, e.at] if isinstance(e, CellEdit) else ["note", None] for e in edits]
    assert planned == case["edits"]
