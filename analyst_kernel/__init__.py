"""Analyst Kernel: a data analyst for Jupyter whose every step is an executed notebook cell.

``Analyst`` and ``ask`` are the Python API; they are imported on first use, so that importing this
package (which Jupyter Server does at its start) costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyst_kernel._version import __version__

if TYPE_CHECKING:
    from analyst_kernel.analysis.results import CellResult, Chart, Result
    from analyst_kernel.api import Analyst, ask
    from analyst_kernel.protocol.errors import AnalystError
    from analyst_kernel.protocol.records import Limits

_HOMES = {
    "Analyst": "analyst_kernel.api",
    "AnalystError": "analyst_kernel.protocol.errors",
    "CellResult": "analyst_kernel.analysis.results",
    "Chart": "analyst_kernel.analysis.results",
    "Limits": "analyst_kernel.protocol.records",
    "Result": "analyst_kernel.analysis.results",
    "ask": "analyst_kernel.api",
}

__all__ = [
    "Analyst",
    "AnalystError",
    "CellResult",
    "Chart",
    "Limits",
    "Result",
    "__version__",
    "ask",
]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Name the server extension; called by Jupyter Server."""
    from analyst_kernel.server.extension import AnalystKernelApp

    return [{"module": "analyst_kernel", "app": AnalystKernelApp}]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
