"""The text that is sent into a fresh kernel, silently, and the reading of what it answers.

The in-kernel sources are files of this package (those that ``extension.FILES`` names, and that file
itself); they are read as text and never imported on this side.
"""

from __future__ import annotations

import base64
import functools
import json
import zlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from analyst_kernel.agent.lineage.trace import CellTrace
from analyst_kernel.kernel.payload.extension import FILES, LINEAGE_INSIDE, SETUP
from analyst_kernel.protocol.outputs import Frame, FrameColumn

FACTS = {"facts": f"__import__('sys').modules['{SETUP}'].Facts()"}
"""Asks for the kernel's facts as a user expression."""

_SEND = """\
def _analyst_start(packed, output_dir):
    import base64, json, zlib
    source, texts = json.loads(zlib.decompress(base64.b64decode(packed)))
    inside = {{'__name__': '_analyst_extension'}}
    exec(compile(source, '<_analyst_extension>', 'exec'), inside)
    inside['start'](get_ipython(), texts, output_dir)
_analyst_start({packed!r}, {output_dir!r})
del _analyst_start
"""


class StartupFacts(BaseModel):
    """What the kernel answered to its set-up, cut to lengths that are plausible."""

    model_config = ConfigDict(frozen=True)

    python: Annotated[str, AfterValidator(lambda text: text[:40])] = ""
    versions: Annotated[
        dict[str, str],
        AfterValidator(lambda given: {k[:60]: v[:60] for k, v in [*given.items()][:100]}),
    ] = {}
    output_dir: Annotated[str, AfterValidator(lambda text: text[:4096])] = ""
    """``OUTPUT_DIR`` as the code sees it."""


def startup_code(output_dir: str) -> str:
    """Return the code that sets a kernel up; ``output_dir`` is an absolute path."""
    texts = tuple((name, _source(file)) for name, file in FILES.items())
    # Packed, because IPython inspects every line of what it runs.
    return _SEND.format(packed=_packed(_source("extension.py"), texts), output_dir=output_dir)


def read_facts(expressions: Mapping[str, Any]) -> StartupFacts | None:
    """Read the answer to :data:`FACTS`, or return None if the set-up did not run."""
    text = expression_text(expressions, "facts", "application/vnd.analyst-kernel.facts+json")
    try:
        return None if text is None else StartupFacts.model_validate_json(text)
    except ValueError:  # not valid, or not even text
        return None


def why_no_facts(reply: Mapping[str, Any] | None, verdict: str) -> str:
    """Return why a set-up without an error brought no facts; ``verdict`` is how it ended."""
    if verdict != "done":
        return verdict
    if reply is None:
        return "it became idle without a reply"
    expressions = reply.get("user_expressions")
    answer = expressions.get("facts") if isinstance(expressions, Mapping) else None
    if isinstance(answer, Mapping) and answer.get("status") == "error":
        return f"its facts: {answer.get('ename')}: {answer.get('evalue')}"
    return f"its reply has the status {reply.get('status')!r} and no facts"


def expression_text(expressions: Mapping[str, Any], name: str, mime: str) -> str | None:
    """Return the text of one user expression's MIME entry, or None."""
    reply = expressions.get(name)
    data = reply.get("data") if isinstance(reply, Mapping) else None
    value = data.get(mime) if isinstance(data, Mapping) else None
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value if isinstance(value, str) else None


def _source(name: str) -> str:
    file = resources.files("analyst_kernel.kernel.payload").joinpath(name)
    return file.read_text(encoding="utf-8")


@functools.lru_cache(maxsize=2)
def _packed(source: str, texts: tuple[tuple[str, str], ...]) -> str:
    plain = json.dumps([source, dict(texts)]).encode()
    return base64.b64encode(zlib.compress(plain)).decode()


EXPRESSIONS = {"frames": "__import__('sys').modules['_analyst_frames'].Frames(get_ipython())"}
"""Asks for the listing as a user expression."""

_MIME = "application/vnd.analyst-kernel.frames+json"
_LINEAGE_MIME = "application/vnd.analyst-kernel.lineage+json"
_NAMES = 50
_COLUMNS = 200
_BYTES = 2_000_000


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True)

    name: str
    type: str
    shape: list[int] = Field(default=[], max_length=32)
    columns: list[list[str]] = []
    summary: str = ""


_ENTRIES = TypeAdapter(list[_Entry])


def read_frames(expressions: Mapping[str, Any]) -> tuple[Frame, ...] | None:
    """Return the listing, or None if the kernel sent no valid one."""
    text = expression_text(expressions, "frames", _MIME)
    if text is None or len(text) > _BYTES:
        return None
    try:
        entries = _ENTRIES.validate_json(text)
    except ValueError:  # not valid, or not even text
        return None
    return tuple(_frame(entry) for entry in entries[:_NAMES] if entry.name.isidentifier())


def watch_code(datasets: str) -> str:
    """Return the code, to run silently, that makes the kernel follow datasets through each cell."""
    return (
        f"__import__('importlib').import_module('{LINEAGE_INSIDE}.watch')"
        f".watch(get_ipython(), {datasets!r})"
    )


def import_code(paths: Sequence[str]) -> str:
    """Return the code, to run silently, that lets a kernel import from folders, last of all."""
    return f"__import__('sys').modules['{SETUP}'].import_from({list(paths)!r})"


def read_trace(expressions: Mapping[str, Any]) -> CellTrace | None:
    """Return what the kernel saw of the cell's tables, or None if it sent nothing valid."""
    text = expression_text(expressions, "frames", _LINEAGE_MIME)
    if text is None or len(text) > _BYTES:
        return None
    try:
        return CellTrace.model_validate_json(text)
    except ValueError:  # not valid, or not even text
        return None


def _frame(entry: _Entry) -> Frame:
    return Frame(
        name=entry.name[:200],
        type=entry.type[:200],
        shape=tuple(min(max(0, size), 2**53) for size in entry.shape),
        columns=tuple(
            FrameColumn(name=pair[0][:200], dtype=pair[1][:100])
            for pair in entry.columns[:_COLUMNS]
            if len(pair) == 2
        ),
        summary=entry.summary[:200],
    )
