"""The managed kernel: start, run cells, watch, and make its output safe.

Empty, because a kernel loads ``extension`` from here as well.
"""
