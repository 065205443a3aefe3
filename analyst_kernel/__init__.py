"""Analyst Kernel: a data analyst for Jupyter whose every step is an executed notebook cell."""

from analyst_kernel._version import __version__

__all__ = ["__version__"]
