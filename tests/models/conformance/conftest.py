"""The wires that the conformance suite runs on here."""

from __future__ import annotations

import pytest

from analyst_kernel.testing.wires import Wire
from tests.models.conformance.wires import ALL_FORMS


def pytest_analyst_wires(config: pytest.Config) -> list[Wire]:
    """Return every wire of the package, and the dialects."""
    return list(ALL_FORMS)
