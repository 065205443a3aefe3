"""How nbval compares these notebooks: all outputs but what two machines rightly differ in.

A chart's data carries numbers in full, whose last digit depends on the processor; `analyst verify`
compares them with a tolerance, and ``tests/command_line/test_demonstrations.py`` runs it.
"""

from __future__ import annotations

from typing import Any

CHART = "application/vnd.analyst-kernel.chart.v1+json"


def pytest_collectstart(collector: Any) -> None:
    """Leave the charts' data to the test that compares numbers as numbers."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, CHART)
