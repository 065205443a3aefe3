"""The conformance suite on every wire of the package: the replies."""

from __future__ import annotations

from analyst_kernel.testing.cases.replies import *  # noqa: F403 - the cases, by their names
