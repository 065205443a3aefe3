"""The clean notebook: it runs from top to bottom without this package.

Pure, except that it checks which data paths exist and which packages are installed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from analyst_kernel._code import text_literal
from analyst_kernel.notebook.document.cells import KEY, OUR_TAGS, RAISES, Cell
from analyst_kernel.notebook.document.operations import Document, as_dict, cell_notes, notes
from analyst_kernel.notebook.export.source import (
    packages_of,
    read_names,
    relocated,
    touched_names,
    tree_of,
    uses_name,
)
from analyst_kernel.protocol.outputs import CHART_MIME

KERNELSPEC: Final = {
    "name": "python3",
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
}
_FOLDER = "OUTPUT_DIR"
_LINK = re.compile(r"\[(?P<text>[^\[\]\n]{1,200})\]\(#cell-id=(?P<cell>[\w-]{1,64})\)")
_VERSION = re.compile(r"\d[\w.+!-]{0,40}", re.ASCII)
"""What a notebook says that it was made with becomes a command to type: nothing else is one."""


def cleaned(
    document: Document, *, folder: Path, destination: Path, keep: Collection[str] | None = ()
) -> Document:
    """Return the notebook without failed iterations, our metadata and our kernel.

    Args:
        document: The notebook; not changed.
        folder: The folder that its data paths are relative to.
        destination: Path of the clean notebook; data paths become relative to its folder, and
            ``OUTPUT_DIR`` becomes ``<stem>_files`` beside it.
        keep: Ids of failed cells to keep, because later cells need what they did; ``None`` keeps
            all of them.
    """
    kept = [c for c in document["cells"] if keep is None or c["id"] in keep or not is_failed(c)]
    here, there = folder.absolute(), destination.absolute().parent
    cells = linked_within([_plain(cell, here, there) for cell in kept])
    if keep is not None:
        cells = _with_reasons(cells, set(keep), {c["id"] for c in document["cells"]})
    sources = [c["source"] for c in cells if c["cell_type"] == "code"]
    if any(uses_name(source, _FOLDER) for source in sources):
        cells = _with_folder(cells, f"{destination.stem}_files")
    python, packages = needs(document, sources)
    titled = bool(kept) and cell_notes(kept[0]).get("role") == "title"
    cells.insert(int(titled), _packages(python, packages, {c["id"] for c in cells}))
    metadata = {k: v for k, v in document["metadata"].items() if k not in (KEY, "kernelspec")}
    metadata["kernelspec"] = dict(KERNELSPEC)
    metadata["requirements"] = {"python": python, "packages": packages}
    return {**document, "cells": cells, "metadata": metadata}


def linked_within(cells: list[Cell], *, none: bool = False) -> list[Cell]:
    """Return cells whose texts link only to cells that are there; with ``none``, to no cell."""
    there = set() if none else {cell["id"] for cell in cells}

    def shown(link: re.Match[str]) -> str:
        return link[0] if link["cell"] in there else link["text"]

    return [
        {**cell, "source": _LINK.sub(shown, cell["source"])}
        if cell["cell_type"] == "markdown"
        else cell
        for cell in cells
    ]


def is_failed(cell: Cell) -> bool:
    """Return whether the cell is an iteration or setup of ours that failed or did not end."""
    note = cell_notes(cell)
    match note.get("role"):
        case "iteration":
            return note.get("outcome") != "ok"
        case "setup":
            return note.get("outcome") not in (None, "ok")
        case _:
            return False


def failed_with_effect(document: Document) -> list[str]:
    """Return the ids of failed cells that may have left state behind before they failed."""
    return [c["id"] for c in document["cells"] if cell_notes(c).get("outcome") == "error"]


def likely_needed(document: Document) -> list[str]:
    """Return the failed cells whose names later cells use, by their text alone.

    A failed cell is needed if a cell below it that is kept reads a name that it made or changed
    before it failed. So the cells are read from the end, collecting the names that are wanted.
    """
    wanted: set[str] = set()
    needed: list[str] = []
    for cell in reversed(document["cells"]):
        if cell["cell_type"] != "code":
            continue
        if is_failed(cell):
            effect = cell_notes(cell).get("outcome") == "error"
            if not effect or not touched_names(cell["source"]) & wanted:
                continue
            needed.append(cell["id"])
        wanted |= read_names(cell["source"])
    return needed[::-1]


def needs(document: Document, sources: list[str]) -> tuple[str, dict[str, str]]:
    """Return the Python version (may be empty) and the packages that ``sources`` need."""
    known = as_dict(notes(document).get("packages")).items()
    found = {k: str(v) for k, v in known if _VERSION.fullmatch(str(v))}
    version = str(as_dict(document["metadata"].get("language_info")).get("version", ""))
    python = version if _VERSION.fullmatch(version) else ""
    return ".".join(python.split(".")[:2]), packages_of(sources, found)


def _plain(cell: Cell, here: Path, there: Path) -> Cell:
    ours = cell_notes(cell)
    drop = (KEY, "trusted", "collapsed", "jupyter") if ours else ("trusted",)
    metadata = {k: v for k, v in cell["metadata"].items() if k not in drop}
    tags = metadata.pop("tags", [])
    if ours and ours.get("outcome") in (None, "ok"):
        tags = [t for t in tags if t not in OUR_TAGS]
    if tags:
        metadata["tags"] = tags
    out = {**cell, "metadata": metadata}
    if cell["cell_type"] == "code":
        out["source"] = relocated(cell["source"], here, there)
        out["outputs"] = [_plain_output(o) for o in cell["outputs"]]
    return out


def _with_reasons(cells: list[Cell], keep: set[str], taken: set[str]) -> list[Cell]:
    """Insert the reason above each failed cell that is kept."""
    out: list[Cell] = []
    for cell in cells:
        if cell["id"] in keep:
            names = [o.get("ename", "") for o in cell["outputs"] if o["output_type"] == "error"]
            error = f" (`{names[-1]}`)" if names and str(names[-1]).isidentifier() else ""
            text = (
                f"*The next cell fails{error} and is kept all the same: cells below need what it "
                "does before it fails.*"
            )
            name = _free_id(f"kept-{cell['id'][:50]}", taken)
            out.append({"cell_type": "markdown", "id": name, "metadata": {}, "source": text})
        out.append(cell)
    return out


def _plain_output(output: dict[str, Any]) -> dict[str, Any]:
    if CHART_MIME not in output.get("data", {}):
        return output
    data = {k: v for k, v in output["data"].items() if k != CHART_MIME}
    metadata = {k: v for k, v in output.get("metadata", {}).items() if k != CHART_MIME}
    return {**output, "data": data, "metadata": metadata}


def _with_folder(cells: list[Cell], name: str) -> list[Cell]:
    """Define the output folder at the top of the first code cell."""
    place = f"{_FOLDER} = pathlib.Path({text_literal(name)})"
    lines = f"import pathlib\n\n{place}\n{_FOLDER}.mkdir(exist_ok=True)\n"
    first = next(i for i, c in enumerate(cells) if c["cell_type"] == "code")
    source = cells[first]["source"]
    raises = RAISES in cells[first]["metadata"].get("tags", [])
    if tree_of(source) is None or "from __future__" in source or raises:
        own: Cell = {
            "cell_type": "code",
            "id": _free_id("output-folder", {c["id"] for c in cells}),
            "metadata": {},
            "source": lines.rstrip("\n"),
            "execution_count": None,
            "outputs": [],
        }
        return [*cells[:first], own, *cells[first:]]
    return [*cells[:first], {**cells[first], "source": f"{lines}\n{source}"}, *cells[first + 1 :]]


def _packages(python: str, packages: dict[str, str], taken: set[str]) -> Cell:
    wanted = " ".join(f"{k}=={v}" if v else k for k, v in packages.items())
    runs_on = f"Python {python}" if python else "Python 3"
    text = f"This notebook was made with {runs_on} and needs no packages beside Jupyter."
    if wanted:
        text = f"This notebook was made with {runs_on}. It needs:\n\n```\npip install {wanted}\n```"
    name = _free_id("packages", taken)
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def _free_id(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "-x"
    return name
