"""Runs inside the kernel: follows tables through a cell, from the code's own tree and live values.

Standard library only; never imported outside of a kernel. Nothing of it is raised into a cell.
"""
