"""The kernel's sandbox: found by Jupyter through its entry point, imported by no other package.

``policy`` defines what one kernel may reach. The backends (the zygote, ``bubblewrap``,
``landlock``, ``limits``) enforce it, ``probe`` tries it from inside, ``report`` judges the results.
"""
