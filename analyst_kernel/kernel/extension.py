"""The old name of the kernel's IPython extension, which kernelspecs on users' disks carry."""

from analyst_kernel.kernel.payload.extension import load_ipython_extension

__all__ = ["load_ipython_extension"]
