"""The cases that every model must pass; a test module imports them, the plugin gives them wires.

``from analyst_kernel.testing.cases import *`` in a test module collects them all.
"""

from __future__ import annotations

from analyst_kernel.testing.cases.faults import *  # noqa: F403 - the cases, by their names
from analyst_kernel.testing.cases.replies import *  # noqa: F403 - the cases, by their names
