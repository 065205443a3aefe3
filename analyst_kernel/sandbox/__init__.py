"""The kernel's sandbox: found by Jupyter through its entry point, imported by nobody else here.

``policy`` says what one kernel may reach, the forms (``bubblewrap``, ``landlock``, ``limits``, the
zygote) enforce it, ``probe`` tries it from inside, ``report`` says what was found.
"""
