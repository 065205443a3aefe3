"""Packages that the kernel lacks: found at an index, fetched as wheels, kept by their hashes.

Nothing of a package is executed before a cell imports it in the sandbox. Imported by ``analysis``.
"""
