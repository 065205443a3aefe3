"""Each figure, drawn in a real kernel, carries its picture and the data that it was made from."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.kernel.session import KernelSession
from analyst_kernel.protocol.outputs import CHART_MIME, DisplayOutput, ErrorOutput
from tests.kernel.charts import (  # noqa: F401 - importing them registers their figures
    figures_groups,
    figures_seaborn,
    figures_series,
)
from tests.kernel.charts.cases import CASES, SETUP, Case

SECONDS = 120.0
pytestmark = pytest.mark.real  # a hundred figures, drawn in one kernel


async def drawn(folder: Path) -> dict[str, Any]:
    """Draw every figure in one kernel; returns the outputs of each."""
    notebook = str(folder / "figures.ipynb")
    session = KernelSession(notebook=notebook, kernel_name="python3", require="none")
    await session.start()
    try:
        found: dict[str, Any] = {}
        ready = await session.execute(SETUP, timeout=SECONDS)
        assert ready.outcome == "ok", ready.error
        for case in CASES:
            execution = await session.execute(case.code, timeout=SECONDS)
            found[case.name] = (*execution.outputs, *execution.notices)
        printed = await session.execute(
            "import sys\n"
            "print(sys.modules['_analyst_setup']._problems,"
            " sys.modules['_analyst_chart_capture'].problems)",
            timeout=SECONDS,
        )
        found["problems"] = printed.outputs
        return found
    finally:
        await session.stop()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return asyncio.run(drawn(tmp_path_factory.mktemp("figures")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_figure_carries_its_data(case: Case, outputs: dict[str, Any]) -> None:
    found = outputs[case.name]
    errors = [output for output in found if isinstance(output, ErrorOutput)]
    assert not errors, errors[0].evalue
    assert not [output for output in found if isinstance(output, tuple)], "notices"
    shown = [o for o in found if isinstance(o, DisplayOutput) and "image/png" in o.data]
    assert len(shown) == 1
    picture = base64.b64decode(str(shown[0].data["image/png"]))
    assert picture.startswith(b"\x89PNG")
    chart = shown[0].data[CHART_MIME]
    assert isinstance(chart, dict)
    json.dumps(chart, allow_nan=False)
    assert isinstance(chart["alt"], str)
    assert chart["alt"].endswith(".")
    case.check(chart)


def test_nothing_went_wrong_in_silence(outputs: dict[str, Any]) -> None:
    assert [output.text for output in outputs["problems"]] == ["[] []\n"]
