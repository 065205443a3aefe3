"""Run a module of this package by path: ``python script.py inside.launcher ARGV`` calls its main.

Works under ``-S -I``, where the package is not installed: its parts are made importable without its
``__init__`` and without listing folders that a sandbox may not show. Stdlib only.
"""

from __future__ import annotations

import os
import sys
import types
from importlib import import_module


def run(module: str, arguments: list[str]) -> None:
    """Import ``module`` of the sandbox, and nothing else of the package, and run it."""
    sandbox = os.path.dirname(os.path.abspath(__file__))
    package = os.path.dirname(sandbox)
    for name, path in (
        ("analyst_kernel", package),
        ("analyst_kernel.protocol", os.path.join(package, "protocol")),
        ("analyst_kernel.sandbox", sandbox),
    ):
        made = types.ModuleType(name)
        made.__path__ = [path]
        sys.modules[name] = made
    import_module(f"analyst_kernel.sandbox.{module}").main(arguments)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
