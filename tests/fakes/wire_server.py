"""The fake of the Messages API, of :mod:`analyst_kernel.testing.fakes.wire_server`, for tests.

From a shell, for browser tests: ``python -m tests.fakes.wire_server SCRIPT.json --port N``.
"""

from __future__ import annotations

from analyst_kernel.testing.fakes.wire_server import WireServer, main

__all__ = ["WireServer", "main"]

if __name__ == "__main__":
    main()
