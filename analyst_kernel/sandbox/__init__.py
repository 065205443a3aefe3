"""The sandbox of kernels and readers: found by Jupyter through its entry point.

``policy`` defines what one process may reach. The backends (the zygote, ``bubblewrap``,
``landlock``, ``limits``) enforce it, ``probe`` tries it from inside, ``report`` judges the results.
"""
