"""A notebook in another form: as it is, clean, as one HTML page, or as a script.

Returns text that the caller writes. No code runs here: :func:`clean_checked` takes a function that
runs a notebook in a kernel.
"""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, assert_never

from analyst_kernel.notebook.document.cells import RAISES, Cell
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.serialize import Renderer
from analyst_kernel.notebook.export.clean import cleaned, failed_with_effect, likely_needed
from analyst_kernel.notebook.export.source import uses_name
from analyst_kernel.notebook.storage.disk import read_during_save
from analyst_kernel.notebook.storage.names import notebook_path
from analyst_kernel.notebook.verify.verify import VerifyReport

ExportFormat: TypeAlias = Literal["ipynb", "html", "py"]

_POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_STYLE: Final = (
    ".celltag_raises-exception{opacity:.6;max-height:12em;overflow:auto;"
    "border-left:3px solid #c66;}"
)
_MAGIC = re.compile(r"^([ \t]*)([%!?].*)$", re.MULTILINE)
_SCRIPT = re.compile(r"<script\b[^>]*>.*?</script\s*>", re.DOTALL | re.IGNORECASE)


def export(
    notebook: str | os.PathLike[str],
    to: ExportFormat = "ipynb",
    *,
    clean: bool = False,
    destination: str | os.PathLike[str] | None = None,
) -> str:
    """Return the notebook in another form.

    Args:
        notebook: The notebook file; not changed.
        to: ``ipynb``, ``html`` (one page, pictures inside, nothing loaded, no scripts) or ``py``.
        clean: Leave out failed iterations and everything of this package.
        destination: Where the caller will write it, so that its data paths fit; beside the
            notebook by default.

    Raises:
        NotebookError: The notebook cannot be read.
    """
    source = notebook_path(notebook)
    document = read(source)
    place = Path(os.path.abspath(destination)) if destination is not None else source
    folder = Path(os.path.realpath(source)).parent
    if clean or to == "py":
        keep = () if clean else None
        document = cleaned(document, folder=folder, destination=place, keep=keep)
    match to:
        case "ipynb":
            return render(document)
        case "html":
            return page(document, source.stem)
        case "py":
            return script(document)
        case _:
            assert_never(to)


async def clean_checked(
    notebook: str | os.PathLike[str],
    check: Callable[[Document], Awaitable[VerifyReport]],
    *,
    destination: str | os.PathLike[str],
) -> tuple[str, VerifyReport]:
    """Return a clean notebook and the report of running it.

    Failed iterations are left out if the rest runs without them. But a failed cell can have left
    state behind. Then those are kept whose names are used below or, if that is not enough, all that
    may have left state, each below a line with the reason.

    Args:
        notebook: The notebook file; not changed.
        check: Runs a document in a fresh kernel whose working folder is the destination's, e.g.
            with :func:`analyst_kernel.notebook.verify.verify.verify_document`.
        destination: Where the caller will write it.
    """
    source = notebook_path(notebook)
    document = read(source)
    place = Path(os.path.abspath(destination))
    folder = Path(os.path.realpath(source)).parent
    stateful = failed_with_effect(document)
    tried: dict[tuple[str, ...], tuple[Document, VerifyReport]] = {}
    for keep in ((), tuple(likely_needed(document)), tuple(stateful)):
        if keep in tried:
            continue
        candidate = cleaned(document, folder=folder, destination=place, keep=keep)
        report = await check(candidate)
        if report.ok:
            return render(candidate), report
        tried[keep] = candidate, report
    # None reproduced everything. A kept failed cell must make up for itself by reproduced ones.
    best = max(tried, key=lambda keep: (tried[keep][1].reproduced - len(keep), -len(keep)))
    candidate, report = tried[best]
    return render(candidate), report


def read(path: Path) -> Document:
    """Return the document in a file; raises ``NotebookError``."""
    return read_during_save(path)[0]


def render(document: Document) -> str:
    """Return a document as the text of an ``.ipynb`` file."""
    return Renderer().render(document)


def page(document: Document, title: str) -> str:
    """Return one HTML page that loads and runs nothing."""
    import nbformat
    from nbconvert.exporters import HTMLExporter

    shown = {**document, "cells": [_harmless(cell) for cell in document["cells"]]}
    make: Any = HTMLExporter
    exporter = make(
        template_name="lab",
        # nbconvert's own list lacks paragraphs, headings and table parts: their tags would show.
        filters={"clean_html": _clean_html},
        embed_images=True,
        sanitize_html=True,
        require_js_url="",
        mathjax_url="",
        jquery_url="",
    )
    reads: Any = nbformat.reads
    node = reads(render(shown), as_version=4)
    body, _ = exporter.from_notebook_node(node, resources={"metadata": {"name": title}})
    body = _SCRIPT.sub("", str(body))
    head = (
        f'<head><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<style>{_STYLE}</style>"
    )
    return body.replace("<head>", head, 1)


def _harmless(cell: Cell) -> Cell:
    if cell["cell_type"] != "code":
        return cell

    def harmless(output: dict[str, Any]) -> dict[str, Any]:
        html = output.get("data", {}).get("text/html")
        if html is None:
            return output
        return {**output, "data": {**output["data"], "text/html": _clean_html(html)}}

    return {**cell, "outputs": [harmless(output) for output in cell["outputs"]]}


def _clean_html(html: object) -> str:
    """Return HTML with text, tables, links and pictures, and nothing that runs."""
    import nh3

    attributes = {**nh3.ALLOWED_ATTRIBUTES}
    attributes["*"] = attributes.get("*", set()) | {"class", "id", "style"}
    return nh3.clean(str(html), attributes=attributes)


def script(document: Document) -> str:
    """Return the script.

    Text, failed cells and magics become comments, so that it runs from top to bottom. The value of
    a cell's last line is not shown, because a script shows only what it prints.
    """
    parts = [_part(cell) for cell in document["cells"]]
    code = [c["source"] for c in document["cells"] if c["cell_type"] == "code"]
    if any(uses_name(source, "display") for source in code):
        parts.insert(0, "# %%\nfrom IPython.display import display")
    return "\n\n".join(parts) + "\n"


def _part(cell: Cell) -> str:
    source = cell["source"].rstrip()
    if cell["cell_type"] != "code":
        return f"# %% [markdown]\n{_commented(source)}"
    failed = RAISES in cell["metadata"].get("tags", [])
    if failed or source.lstrip().startswith("%%"):
        return f"# %% {'(failed, kept as comments)' if failed else ''}".rstrip() + (
            f"\n{_commented(source)}"
        )
    return "# %%\n" + _MAGIC.sub(r"\1pass  # \2", source)


def _commented(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.split("\n"))
