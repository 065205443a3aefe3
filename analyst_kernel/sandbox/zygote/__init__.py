"""Kernels in milliseconds: one prepared process forks kernels that are each enclosed on their own.

``manager`` runs in the server, and everything it starts runs inside bubblewrap. Nothing generated
ever runs in the prepared process itself.
"""
