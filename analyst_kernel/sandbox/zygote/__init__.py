"""Kernels in milliseconds: one prepared process forks kernels that are each enclosed on their own.

``host`` runs in the server, everything else inside bubblewrap. Nothing generated ever runs in the
prepared process itself.
"""
