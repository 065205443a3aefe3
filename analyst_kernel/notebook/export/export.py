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

from analyst_kernel._code import tree_of
from analyst_kernel._markdown import harmless_markdown
from analyst_kernel.notebook.document.cells import RAISES, Cell
from analyst_kernel.notebook.document.operations import Document
from analyst_kernel.notebook.document.serialize import Renderer
from analyst_kernel.notebook.export.clean import (
    cleaned,
    failed_with_effect,
    likely_needed,
    linked_within,
)
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
    ".analyst-claims{font:smaller sans-serif;opacity:.8;margin:1em;}"
)
_STYLES: Final = {
    "background-color", "border", "color", "font-family", "font-style", "font-weight", "height",
    "margin", "max-height", "max-width", "opacity", "overflow", "padding", "text-align",
    "text-decoration", "vertical-align", "white-space", "width",
}  # fmt: skip
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,", re.IGNORECASE)
_MAGIC = re.compile(r"^([ \t]*)([%!?].*)$", re.MULTILINE)
_COMMAND = re.compile(r"^(?=\s*[%!?])")
_BESIDE: Final = "| "
"""Stands before a line of text that would be a command, or the head of a cell."""
_ENCODING = re.compile(r"#.*coding[:=]")
_TAG = re.compile(r"<[^<>]*>")
_PROOF = re.compile(
    r"[\W_]*(?:proof[\W_]*?:|sources[\W_]*?:[\W_]*[0-9]+ of [0-9]+ numbers?\b)", re.IGNORECASE
)
"""The line under an answer, as it is written now and as earlier versions wrote it."""

_BLOCK = re.compile(r"[ \t>#+-]*")
_CLAIM: Final = "Claimed by the notebook, not checked by the export: "
_CLAIMS: Final = (
    '<p class="analyst-claims">Everything on this page is what its notebook holds: code, outputs, '
    "answers and proofs of numbers. Nothing was run or checked for it.</p>"
)
_BODY = re.compile(r"<body\b[^>]*>")
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
    if clean or to != "ipynb":
        document = with_claims(document)  # a copy as it is stays as it is
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
    document = with_claims(read(source))
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


def with_claims(document: Document) -> Document:
    """Return a document whose lines about proofs say that they are the notebook's own.

    Whoever wrote the file wrote them too, and in an export nothing else tells who that was.
    """
    cells = [
        {**cell, "source": "".join(map(_claim, cell["source"].splitlines(keepends=True)))}
        if cell["cell_type"] != "code"
        else cell
        for cell in document["cells"]
    ]
    return {**document, "cells": cells}


def _claim(line: str) -> str:
    if not _PROOF.match(_TAG.sub("", line)):
        return line
    found = _BLOCK.match(line)
    at = found.end() if found else 0
    return f"{line[:at]}{_CLAIM}{line[at:]}"


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
    body = body.replace("<head>", head, 1)
    return _BODY.sub(lambda tag: f"{tag[0]}{_CLAIMS}", body, count=1)


def _harmless(cell: Cell) -> Cell:
    if cell["cell_type"] == "markdown":
        return {**cell, "source": harmless_markdown(cell["source"])}
    if cell["cell_type"] != "code":
        return cell
    return {**cell, "outputs": [_harmless_output(output) for output in cell["outputs"]]}


def _harmless_output(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output of which the page shows only what loads nothing."""
    if "data" not in output:
        return output
    data = {**output["data"]}
    if "text/vnd.mermaid" in data:
        data.setdefault("text/plain", data["text/vnd.mermaid"])
        del data["text/vnd.mermaid"]
    for mime, clean in (("text/html", _clean_html), ("text/markdown", harmless_markdown)):
        if mime in data:
            given = data[mime]
            data[mime] = clean("".join(given) if isinstance(given, list) else str(given))
    # Names of files stand in for pictures where nbconvert finds them.
    metadata = {k: v for k, v in output.get("metadata", {}).items() if k != "filenames"}
    return {**output, "data": data, "metadata": metadata}


def _clean_html(html: object) -> str:
    """Return HTML with text, tables, links and its own pictures, and nothing that loads or runs."""
    import nh3

    attributes = {**nh3.ALLOWED_ATTRIBUTES}
    attributes["*"] = attributes.get("*", set()) | {"class", "id", "style"}
    return nh3.clean(
        str(html),
        attributes=attributes,
        attribute_filter=_kept_attribute,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto", "data"},
    )


def _kept_attribute(tag: str, name: str, value: str) -> str | None:
    """Return the value of an attribute, or None where it would load something or lead astray."""
    if name in ("src", "longdesc", "cite", "background"):
        return value if tag == "img" and _PICTURE.match(value) is not None else None
    if name == "href":
        return value if re.match(r"(?:https?:|mailto:|#)", value, re.IGNORECASE) else None
    return value


def script(document: Document) -> str:
    """Return the script.

    Text, failed cells and magics become comments, so that it runs from top to bottom. The value of
    a cell's last line is not shown, because a script shows only what it prints.
    """
    # A script has no links; the numbers of cells stand in their first comments.
    parts = [_part(cell) for cell in linked_within(document["cells"], none=True)]
    code = [c["source"] for c in document["cells"] if c["cell_type"] == "code"]
    if any(uses_name(source, "display") for source in code):
        parts.insert(0, "# %%\nfrom IPython.display import display")
    text = "\n\n".join(parts) + "\n"
    # Python reads an encoding out of any comment in the first two lines; the first one counts.
    says_encoding = any(map(_ENCODING.search, text.split("\n")[:2]))
    return f"# -*- coding: utf-8 -*-\n{text}" if says_encoding else text


def _part(cell: Cell) -> str:
    source = cell["source"].rstrip()
    if cell["cell_type"] != "code":
        return f"# %% [markdown]\n{_commented(source)}"
    failed = RAISES in cell["metadata"].get("tags", [])
    if failed or source.lstrip().startswith("%%"):
        return f"# %% {'(failed, kept as comments)' if failed else ''}".rstrip() + (
            f"\n{_commented(source)}"
        )
    return f"# %%\n{_without_magics(source)}"


def _without_magics(source: str) -> str:
    if tree_of(source) is None:
        return _MAGIC.sub(r"\1pass  # \2", source)
    return source  # what looks like a magic stands in a text


def _commented(text: str) -> str:
    """Return the lines of a text as comments.

    Python ends a comment at a carriage return, and notebook tools end it at every character that
    ends a line anywhere, begin a cell at ``# %%``, and take ``# !`` and ``# %`` for commands.
    """
    lines = text.splitlines() or [""]
    return "\n".join(f"# {_COMMAND.sub(_BESIDE, line)}".rstrip() for line in lines)
