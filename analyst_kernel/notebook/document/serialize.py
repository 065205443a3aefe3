"""The JSON text of notebooks: reads any version 4 notebook, writes what Jupyter writes. Pure.

Reading refuses invalid notebooks; it repairs only cell ids.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import operator
import re
import warnings
from typing import Any

from analyst_kernel.notebook.document.cells import JSON_MIME, KEY, Cell, finite
from analyst_kernel.notebook.document.operations import Document, as_dict
from analyst_kernel.protocol.errors import NotebookError

_SPLIT_MIMES = ("application/javascript", "image/svg+xml")
_PLACE = "\x00"
"""Where the cells go; JSON text never holds this character."""
_PLACE_BYTES = _PLACE.encode()
_BETWEEN = b",\n  "
_BLOCK = 32
"""Number of cells whose joined text is reused as long as none of them changes."""
_CELL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )", re.MULTILINE)
_DEEPEST = 100
"""No output of a kernel is nested deeper; the wire and the validator have limits of their own."""
_UNTOUCHED = "The file was not changed."


def parse(text: str, name: str) -> Document:
    """Return the document in ``text``, its texts joined, as nbformat 4.5.

    Raises:
        NotebookError: It is not a valid notebook of version 4; the error calls it ``name``.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if _CONFLICT.search(text):
            what = f"{name} holds an unresolved merge conflict."
            raise NotebookError(what, f"Resolve it first. {_UNTOUCHED}") from error
        raise NotebookError(
            f"{name} is not a notebook: its content is not valid JSON.",
            f"Name another notebook. {_UNTOUCHED}",
        ) from error
    return from_json(document, name)


def from_json(document: Any, name: str) -> Document:
    """Return the document in parsed JSON, of which it shares parts; see :func:`parse`."""
    version = document.get("nbformat") if isinstance(document, dict) else None
    if not isinstance(version, int):
        raise NotebookError(
            f"{name} is not a notebook: it has no format version.",
            f"Name another notebook. {_UNTOUCHED}",
        )
    if version != 4:
        remedy = "Save it as version 4."
        if version < 4:
            remedy = f"Convert it with: jupyter nbconvert --to notebook {name}."
        raise NotebookError(
            f"{name} is a notebook of format version {version}; only version 4 is supported.",
            f"{remedy} {_UNTOUCHED}",
        )
    try:
        found: Document = {**document, "cells": [_joined_cell(cell) for cell in document["cells"]]}
        _give_ids(found)
        _check_depth(found)
        validate(found)
    except Exception as error:  # the validator raises many kinds of errors
        reason = _reason(error)
        raise NotebookError(
            f"{name} is not a valid notebook: {reason}.", f"Repair it first. {_UNTOUCHED}"
        ) from error
    return found


def _check_depth(document: Any) -> None:
    """Raise ``ValueError`` if lists and objects are nested too deep."""
    level = [document]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for one in level:
            inner = one.values() if isinstance(one, dict) else one
            below += [item for item in inner if isinstance(item, dict | list)]
        if not below:
            return
        level = below
    raise ValueError("it is nested too deep")


def _reason(error: Exception) -> str:
    """Return the first line of an error; the validator's quotes the document, however deep."""
    try:
        return str(error).strip().split("\n")[0] or type(error).__name__
    except RecursionError:
        return "it is nested too deep"


def validate(document: Document) -> None:
    """Raise ``nbformat.ValidationError`` unless the document is valid nbformat."""
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nbformat.validate(document)


def validate_cell(cell: Cell) -> None:
    """Raise ``nbformat.ValidationError`` unless the one cell is valid nbformat 4.5."""
    validate({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def is_valid_cell(cell: Any) -> bool:
    """Return whether something is one cell in valid nbformat 4.5, its text joined."""
    try:
        validate_cell(cell)
    except Exception:  # noqa: BLE001 - the validator raises many kinds of errors
        return False
    return isinstance(cell["source"], str)


class Renderer:
    """Renders documents and caches their parts, so that adding a cell costs one cell.

    Documents share the objects that did not change, so identity decides what is rendered again.
    """

    def __init__(self) -> None:
        self._texts: dict[str, tuple[Cell, bytes]] = {}
        self._blocks: list[tuple[list[Cell], bytes]] = []
        self._notes: dict[str, tuple[Any, str]] = {}
        self._marks = _Marks()

    def render(self, document: Document) -> str:
        """Return the text that ``nbformat.writes`` makes (sorted keys, indent 1, split lines)."""
        return b"".join(self.parts(document)).decode()

    def parts(self, document: Document) -> list[bytes]:
        """Return the same as UTF-8 in pieces, because joining a long notebook is slow."""
        cells: list[Cell] = document["cells"]
        blocks = [
            self._block(number, cells[at : at + _BLOCK])
            for number, at in enumerate(range(0, len(cells), _BLOCK))
        ]
        self._blocks = blocks
        if len(self._texts) > 2 * len(cells) + _BLOCK:
            here = {cell["id"] for cell in cells}
            self._texts = {name: text for name, text in self._texts.items() if name in here}
        pairs = {k: _dumps(v, 1) for k, v in document.items() if k not in ("cells", "metadata")}
        pairs |= {"cells": _PLACE, "metadata": self._metadata(document["metadata"])}
        before, after = (_object(pairs, 0) + "\n").encode("utf-8", "replace").split(_PLACE_BYTES, 1)
        if not blocks:
            return [before, b"[]", after]
        pieces = [before, b"[\n  "]
        for _, text in blocks:
            pieces += (text, _BETWEEN)
        return [*pieces[:-1], b"\n ]", after]

    def _block(self, number: int, cells: list[Cell]) -> tuple[list[Cell], bytes]:
        """Render a block of cells, unless it is the one of the last time."""
        if number < len(self._blocks):
            known = self._blocks[number]
            if len(known[0]) == len(cells) and all(map(operator.is_, known[0], cells)):
                return known
        return cells, _BETWEEN.join([self._text(cell) for cell in cells])

    def _text(self, cell: Cell) -> bytes:
        known = self._texts.get(cell["id"])
        if known is None or known[0] is not cell:
            known = cell, _dumps(_split(cell), 2).encode("utf-8", "replace")
            self._texts[cell["id"]] = known
        return known[1]

    def _metadata(self, metadata: dict[str, Any]) -> str:
        """Render the notebook's metadata; of our marks (one per cell) only those that are new."""
        ours = as_dict(metadata.get(KEY))
        marks = self._marks.render(ours.get("cells"))
        if marks is None:
            return _dumps(metadata, 1)
        pairs = {k: _dumps(v, 2) for k, v in metadata.items() if k != KEY}
        inner = {k: self._note(k, v) for k, v in ours.items() if k != "cells"}
        inner["cells"] = marks
        pairs[KEY] = _object(inner, 2)
        return _object(pairs, 1)

    def _note(self, key: str, value: Any) -> str:
        """Render one of our notes, unless it is the object of the last time."""
        known = self._notes.get(key)
        if known is None or known[0] is not value:
            known = self._notes[key] = value, _dumps(value, 3)
        return known[1]


class _Marks:
    """The marks of cells as sorted lines, of which only changed ones are rendered again."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self._names: list[str] = []
        self._lines: list[str] = []

    def render(self, marks: Any) -> str | None:
        """Return the JSON object of the marks, or ``None`` if ``marks`` is not of that kind."""
        if not isinstance(marks, dict):
            return None
        held = self._held.get
        news = [(name, mark) for name, mark in marks.items() if held(name) is not mark]
        if any(type(name) is not str or type(mark) is not str for name, mark in news):
            return None
        added = sum(name not in self._held for name, _ in news)
        gone = self._held.keys() - marks.keys() if len(self._held) + added > len(marks) else ()
        for name in gone:
            at = bisect.bisect_left(self._names, name)
            del self._names[at], self._lines[at]
        for name, mark in news:
            line = f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(mark, ensure_ascii=False)}"
            at = bisect.bisect_left(self._names, name)
            if name in self._held:
                self._lines[at] = line
            else:
                self._names.insert(at, name)
                self._lines.insert(at, line)
        self._held = marks
        if not marks:
            return "{}"
        return "{\n    " + ",\n    ".join(self._lines) + "\n   }"


def _object(pairs: dict[str, str], depth: int) -> str:
    """Return the JSON object of rendered values; its opening brace stands at ``depth``."""
    if not pairs:
        return "{}"
    pad = "\n" + " " * depth
    lines = [f"{json.dumps(k, ensure_ascii=False)}: {pairs[k]}" for k in sorted(pairs)]
    return "{" + pad + " " + ("," + pad + " ").join(lines) + pad + "}"


def _dumps(value: Any, depth: int) -> str:
    options: dict[str, Any] = {"ensure_ascii": False, "sort_keys": True, "indent": 1}
    try:
        text = json.dumps(value, allow_nan=False, **options)
    except ValueError:
        text = json.dumps(finite(value), **options)
    return text.replace("\n", "\n" + " " * depth)


def _joined_cell(cell: Cell) -> Cell:
    out = {**cell, "source": _join(cell.get("source", ""))}
    if "outputs" in cell:
        out["outputs"] = [_joined_output(output) for output in cell["outputs"]]
    if "attachments" in cell:
        out["attachments"] = {k: _joined_bundle(v) for k, v in cell["attachments"].items()}
    return out


def _joined_output(output: dict[str, Any]) -> dict[str, Any]:
    out = dict(output)
    if "text" in out:
        out["text"] = _join(out["text"])
    if "data" in out:
        out["data"] = _joined_bundle(out["data"])
    return out


def _joined_bundle(bundle: dict[str, Any]) -> dict[str, Any]:
    return {k: v if JSON_MIME.fullmatch(k) else _join(v) for k, v in bundle.items()}


def _join(value: Any) -> Any:
    lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
    return "".join(value) if lines else value


def _split(cell: Cell) -> Cell:
    out = {**cell, "source": cell["source"].splitlines(keepends=True)}
    if "outputs" in cell:
        out["outputs"] = [_split_output(output) for output in cell["outputs"]]
    return out


def _split_output(output: dict[str, Any]) -> dict[str, Any]:
    out = dict(output)
    if isinstance(out.get("text"), str):
        out["text"] = out["text"].splitlines(keepends=True)
    if "data" in out:
        out["data"] = {
            k: v.splitlines(keepends=True)
            if isinstance(v, str) and (k.startswith("text/") or k in _SPLIT_MIMES)
            else v
            for k, v in out["data"].items()
        }
    return out


def _give_ids(document: Document) -> None:
    """Make the document 4.5: a cell without a valid, unique id gets one, the same every time."""
    if document.get("nbformat_minor", 0) < 5:
        document["nbformat_minor"] = 5
    seen: set[str] = set()
    for place, cell in enumerate(document["cells"]):
        name = cell.get("id")
        if not isinstance(name, str) or not _CELL_ID.fullmatch(name) or name in seen:
            digest = hashlib.sha256(f"{place}\n{cell['source']}".encode("utf-8", "replace"))
            cell["id"] = digest.hexdigest()[:12]
        seen.add(cell["id"])
