"""The start-up of an analysis's kernel, from inside: sent by a session, or as IPython extension.

Both ways run the same text, and whatever comes second changes nothing but ``OUTPUT_DIR``. So every
client of the ``analyst`` kernel gets the same pictures, typed charts and settings. Standard library
only: it is also read as text, and run where this package cannot be imported.
"""

from __future__ import annotations

import os
import sys
import types
from typing import Any

SETUP = "_analyst_setup"
CHARTS_INSIDE = "_analyst_charts"
LINEAGE_INSIDE = "_analyst_lineage"

FILES = {
    SETUP: "setup.py",
    "_analyst_frames": "frames.py",
    "_analyst_streams": "streams.py",
    "_analyst_interrupts": "interrupts.py",
    "_analyst_errors": "errors.py",
    "_analyst_databases": "databases.py",
    "_analyst_remote": "remote.py",
    "_analyst_chart_capture": "chart_capture.py",
    CHARTS_INSIDE: "charts/__init__.py",
    **{
        f"{CHARTS_INSIDE}.{name}": f"charts/{name}.py"
        for name in (
            "areas", "bars", "boxes", "figures", "grids", "lines", "points", "scales", "sheet",
            "summary", "values",
        )
    },
    LINEAGE_INSIDE: "lineage/__init__.py",
    **{
        f"{LINEAGE_INSIDE}.{name}": f"lineage/{name}.py"
        for name in (
            "aggregates", "joins", "masks", "observe", "origin", "probes", "queries", "seen",
            "sqlaggregates", "sqlbase", "sqlfilters", "sqljoins", "sqltree", "tables", "watch",
        )
    },
}  # fmt: skip
"""Module inside the kernel to file of this folder."""


def start(shell: Any, texts: dict[str, str], output_dir: str) -> None:
    """Set a kernel up from the texts of :data:`FILES`; a second time only set ``OUTPUT_DIR``."""
    known = sys.modules.get(SETUP)
    if known is None or getattr(known, "texts", None) != texts:
        if known is not None and hasattr(known, "retire"):
            known.retire()
        known = types.ModuleType(SETUP)
        exec(compile(texts[SETUP], f"<{SETUP}>", "exec"), known.__dict__)  # noqa: S102 - our own source
        sys.modules[SETUP] = known
        known.__dict__["set_up"](shell, texts)
    known.__dict__["set_output_dir"](shell, output_dir)


def load_ipython_extension(shell: Any) -> None:
    """Set up the kernel that this runs in, as IPython asks an extension to."""
    folder = os.path.dirname(os.path.abspath(__file__))
    texts = {}
    for name, file in FILES.items():
        with open(os.path.join(folder, file), encoding="utf-8") as stream:
            texts[name] = stream.read()
    start(shell, texts, output_folder(shell))


def output_folder(shell: Any) -> str:
    """Return the absolute path of ``OUTPUT_DIR``: as it was set, else by the notebook."""
    known = shell.user_ns.get("OUTPUT_DIR")
    given = os.fspath(known) if isinstance(known, os.PathLike) else ""
    given = given or os.environ.get("ANALYST_OUTPUT_DIR", "")
    if given:
        return os.path.abspath(given)
    notebook = os.environ.get("JPY_SESSION_NAME", "")
    stem = os.path.splitext(os.path.basename(notebook))[0]
    if not notebook.endswith(".ipynb") or not stem:
        stem = "analysis"
    return os.path.join(os.path.abspath(os.path.dirname(notebook) or os.curdir), f"{stem}_files")
