"""How nbval compares these notebooks: all outputs, except the data of charts.

A chart's data holds numbers in full, whose last digit depends on the processor; `analyst verify`
compares them with a tolerance, and ``tests/command_line/test_demonstrations.py`` runs it.
"""

from __future__ import annotations

from typing import Any

CHART = "application/vnd.analyst-kernel.chart.v1+json"


def pytest_collectstart(collector: Any) -> None:
    """Leave the charts' data to the test that compares numbers with a tolerance."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, CHART)
