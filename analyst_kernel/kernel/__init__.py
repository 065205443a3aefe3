"""The managed kernel: start, run cells, watch, and make what comes out of it harmless.

Its parts are imported on first use, because a kernel may load ``extension`` from here as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analyst_kernel.kernel.manager import KernelHost, LocalHost
    from analyst_kernel.kernel.outputs.limits import OutputLimits
    from analyst_kernel.kernel.session import KernelSession

_HOMES = {
    "KernelHost": "analyst_kernel.kernel.manager",
    "KernelSession": "analyst_kernel.kernel.session",
    "LocalHost": "analyst_kernel.kernel.manager",
    "OutputLimits": "analyst_kernel.kernel.outputs.limits",
}

__all__ = ["KernelHost", "KernelSession", "LocalHost", "OutputLimits"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
