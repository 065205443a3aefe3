"""The conformance suite on every wire of the package: the faults."""

from __future__ import annotations

from analyst_kernel.testing.cases.faults import *  # noqa: F403 - the cases, by their names
