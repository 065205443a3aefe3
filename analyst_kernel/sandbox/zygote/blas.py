"""How many threads the loaded BLAS uses: found in this process's own memory map (Linux).

A BLAS that is not OpenBLAS keeps what its environment variable said. Stdlib only.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools

_SETTERS = (
    "scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_", "openblas_set_num_threads",
)  # fmt: skip


@functools.cache
def libraries() -> tuple[str, ...]:
    """Paths of the OpenBLAS libraries that are loaded; looked up once."""
    found: dict[str, None] = {}
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if "openblas" in path.rpartition("/")[2].lower():
                found["/" + path] = None
    return tuple(found)


_in_use = [1]


def use(count: int) -> None:
    """Let BLAS, which was loaded with one thread for the sake of forking, use this many."""
    if count != _in_use[0]:
        _in_use[0] = count
        set_threads(count)


def set_threads(count: int) -> None:
    """Tell each loaded OpenBLAS; harmless where there is none."""
    for path in libraries():
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(path)
            for name in _SETTERS:
                setter = getattr(library, name, None)
                if setter is not None:
                    setter(ctypes.c_int(count))
                    break
