"""Load what an analysis uses and build the shell, once, so that every kernel starts with it.

Leaves a process that may be forked: no Python thread, no library's thread, no open database, no
random state that kernels would share unawares.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib
import os
import sys
from typing import Any

LIBRARIES = ("numpy", "pandas", "pyarrow", "matplotlib", "duckdb")
"""What is imported; one that is missing is left out."""

_LATE = ("IPython.extensions.storemagic", "psutil", "pathlib", "subprocess", "ipykernel.ipkernel")
"""What a starting kernel would import by itself."""

HARMLESS_THREADS = ("jemalloc_bg_thd",)
"""Threads without a lock that a forked child could wait for (the allocator restarts its own)."""


class Unfit(RuntimeError):
    """This process cannot be forked safely."""


def load() -> list[str]:
    """Import the libraries and use each once; return the names of those that are here."""
    found: list[str] = []
    for name in LIBRARIES:
        try:
            __import__(name)
        except ImportError:
            continue
        found.append(name)
    if "pyarrow" in found:
        import pyarrow as pa

        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
    if "pandas" in found:
        import pandas as pd

        frame = pd.DataFrame({"number": [1.5, 2.5], "word": ["a", "b"]})
        frame.describe()
        frame.groupby("word")["number"].mean()
        frame.to_html()
        repr(frame)
    if "matplotlib" in found:
        _draw()
    if "duckdb" in found:
        _query()
    return found


def _draw() -> None:
    """Render one figure, which fills the font cache."""
    import io

    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([1, 2], label="x")
    axes.set_title("x")
    axes.legend()
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
    mpl.rcParams["backend"]  # resolves the backend now
    plt.close("all")


def _query() -> None:
    """Use DuckDB over a connection of one thread, and leave nothing of it behind."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    try:
        connection.sql("SELECT 1 AS one").df()
    finally:
        connection.close()
    if _others():
        # Some versions open the default connection, with its threads, when they are imported.
        duckdb.close()


def _others() -> list[str]:
    """Return names of this process's threads beside the main one that are not harmless."""
    found: list[str] = []
    own = str(os.getpid())
    try:
        tasks = os.listdir("/proc/self/task")
        main = os.readlink("/proc/self")
    except OSError:
        return found
    for task in tasks:
        if task in (own, main):
            continue
        try:
            with open(f"/proc/self/task/{task}/comm", encoding="ascii", errors="replace") as comm:
                name = comm.read().strip()
        except OSError:
            continue
        if name not in HARMLESS_THREADS:
            found.append(name)
    return found


def build_app(app_class: Any) -> Any:
    """Build ipykernel's application with its shell, but without sockets and without a kernel."""
    _without_debugger()
    from ipykernel.compiler import XCachingCompiler
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.zmqshell import ZMQInteractiveShell

    for name in _LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)

    app = app_class.instance()
    # What a kernel application does before it needs its connection.
    super(IPKernelApp, app).initialize(
        ["--HistoryManager.enabled=False", "--HistoryManager.hist_file=:memory:"]
    )
    app.init_pdb()
    app.init_blackhole()
    shell = ZMQInteractiveShell.instance(
        parent=app,
        profile_dir=app.profile_dir,
        user_ns={},
        compiler_class=XCachingCompiler,
    )
    _show_figures(shell)
    app.shell = shell
    return app


def _without_debugger() -> None:
    """Hide the debugger from ipykernel: it needs connections, which a kernel cannot make."""
    hidden = {name: sys.modules.get(name) for name in ("debugpy", "debugpy.server")}
    sys.modules["debugpy"] = None  # type: ignore[assignment] # None is how an import is barred
    try:
        importlib.import_module("ipykernel.debugger")
    finally:
        for name, module in hidden.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _show_figures(shell: Any) -> None:
    """Hook figures into the shell; done before the shell existed, it would silently do nothing."""
    try:
        from matplotlib_inline.backend_inline import configure_inline_support
    except ImportError:
        return
    import matplotlib as mpl

    mpl.use("module://matplotlib_inline.backend_inline")
    configure: Any = configure_inline_support
    configure(shell, "inline")


def settle() -> None:
    """Make ready for forking; raises :class:`Unfit` where a fork would break what runs."""
    import threading
    import time

    deadline = time.monotonic() + 5.0
    while _others() and time.monotonic() < deadline:
        time.sleep(0.01)  # threads of a closed database take a moment to end
    threads = [thread.name for thread in threading.enumerate()][1:] + _others()
    if threads:
        raise Unfit(f"threads run that a fork would break: {', '.join(threads)}")
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    gc.freeze()


_SETTERS = (
    "scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_", "openblas_set_num_threads",
)  # fmt: skip


@functools.cache
def libraries() -> tuple[str, ...]:
    """Return paths of the OpenBLAS libraries that are loaded; looked up once."""
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
    if count == _in_use[0]:
        return
    _in_use[0] = count
    for path in libraries():
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(path)
            for name in _SETTERS:
                setter = getattr(library, name, None)
                if setter is not None:
                    setter(ctypes.c_int(count))
                    break
