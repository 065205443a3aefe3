"""Reading a notebook that a running Jupyter server may be saving."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import nbformat

_PATIENCE = 30.0


def whole_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a notebook that is written to its end.

    Jupyter's contents manager empties the file before it writes it.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        text = Path(path).read_text(encoding="utf-8")
        try:
            json.loads(text)
        except ValueError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return text


def valid_notebook(text: str | bytes) -> Any:
    """Read a notebook's text and check that it is valid."""
    reads: Any = nbformat.reads
    book = reads(text if isinstance(text, str) else text.decode(), as_version=4)
    nbformat.validate(book)
    return book
