"""The managed kernel: start, run cells, watch, and make what comes out of it harmless."""

from analyst_kernel.kernel.host import KernelHost, LocalHost
from analyst_kernel.kernel.limits import OutputLimits
from analyst_kernel.kernel.session import KernelSession

__all__ = ["KernelHost", "KernelSession", "LocalHost", "OutputLimits"]
