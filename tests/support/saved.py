"""What version 0.1.0 left on a disk, put back into a temporary folder.

``tests/saved`` was written by a real run of that version: ``asked.ipynb`` by ``analyst ask`` (a
failed cell, its repair, a chart, then a second question), everything else by a Jupyter server that
was killed while a question ran and another one waited. Stores are kept as SQL text, in which
``@ROOT@`` stands for the server's root folder and ``@HOME@`` for the folder around it.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

SAVED = Path(__file__).resolve().parents[1] / "saved"
STORES = "data/analyst-kernel"

ANSWERED = "f516c3fb0ae8"
"""Answered with a chart; the user's own cell; a second question that was cancelled."""

BRANCH = "18a95b6155a7"
"""Branches from a cell of :data:`ANSWERED`."""

EARLY = "386cbb51fb47"
"""Has data attached, a model and a budget chosen, and no question or notebook yet."""

CUT_OFF = "513716621b3f"
"""Was at work when its server was killed."""


def restore(home: Path) -> Path:
    """Put everything below ``home``; return the root folder with data and notebooks.

    ``home / "data"`` is what ``JUPYTER_DATA_DIR`` should name.
    """
    root, stores = home / "root", home / STORES
    root.mkdir(parents=True)
    stores.mkdir(parents=True, mode=0o700)
    shutil.copy(SAVED / "birds.csv", root)
    for notebook in SAVED.glob("*.ipynb"):
        (root / notebook.name).write_text(_placed(notebook, home), encoding="utf-8")
    for name in ("grants", "journal"):
        with sqlite3.connect(stores / f"{name}.sqlite3") as connection:
            connection.executescript(_placed(SAVED / f"{name}.sql", home))
        connection.close()
    shutil.copy(SAVED / "keys.json", stores)
    kernelspec = home / "data" / "kernels" / "analyst"
    kernelspec.mkdir(parents=True)
    shutil.copy(SAVED / "kernel.json", kernelspec)
    return root


def _placed(file: Path, home: Path) -> str:
    text = file.read_text(encoding="utf-8")
    return text.replace("@ROOT@", str(home / "root")).replace("@HOME@", str(home))
