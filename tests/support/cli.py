"""Saved notebooks and the pictures in them, as the tests of the whole chain read them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from os import PathLike
from typing import Any

import nbformat
import pandas as pd

from tests.contracts.repository import ROOT

VEHICLES = ROOT / "notebooks" / "data" / "vehicles.csv"
QUESTION = "How did average city mileage change by model year? Show a line chart."


def notebook_at(path: str | PathLike[str]) -> Any:
    """Read a notebook and check that it is valid, with unique cell ids and no trust."""
    with open(path, encoding="utf-8") as file:
        notebook = nbformat.read(file, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    assert not any("trusted" in cell.metadata for cell in notebook.cells)
    return notebook


def cells(notebook: Any, role: str, run: str | None = None) -> list[Any]:
    """Return the cells with this role, of one run where it is named."""
    found = []
    for cell in notebook.cells:
        ours = cell.metadata.get("analyst_kernel", {})
        if ours.get("role") == role and run in (None, ours.get("run")):
            found.append(cell)
    return found


def ours(cell: Any) -> dict[str, Any]:
    """Return what we note on a cell."""
    return dict(cell.metadata["analyst_kernel"])


def pictures(cells_: Sequence[Any]) -> list[bytes]:
    """Return the PNGs in the outputs of these cells."""
    return [
        base64.b64decode(output.data["image/png"])
        for cell in cells_
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def shows_something(png: bytes) -> bool:
    """Return whether a PNG can be decoded and is not one flat colour."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        image.load()
        colours = image.convert("L").getextrema()
        return image.width > 200 and image.height > 100 and colours[0] != colours[1]


def mileage_by_year() -> dict[int, float]:
    """Compute with pandas what the question asks for: the mean of ``cty`` per ``year``."""
    means = pd.read_csv(VEHICLES).groupby("year")["cty"].mean()
    return {int(year): float(mean) for year, mean in means.items()}
