"""Describes an executed cell to the model: capped outputs, variables, charts, pictures. Pure.

Everything that came out of the kernel stands in an envelope that its own text cannot close.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from analyst_kernel.agent.lineage.lines import lineage_lines
from analyst_kernel.agent.observation.text import chart_of, chart_text, output_text
from analyst_kernel.agent.ports import Execution
from analyst_kernel.agent.transcript import Image
from analyst_kernel.protocol.ids import CellId, ChartId
from analyst_kernel.protocol.outputs import ErrorOutput, Frame, LineageHint, Output
from analyst_kernel.protocol.records import ChartRecord

OUTPUT_BUDGET = 4000
"""Characters of outputs in one result."""

_LARGEST_SIDE = 2000
_LARGEST_PICTURE = 2_000_000
_CHART_WORDS = re.compile(
    r"\b(?:charts?|plots?|plotting|graphs?|figures?|pictures?|draw\w*|visuali[sz]\w*|hist(?:ogram)?s?"
    r"|scatter|box ?plots?|heat ?maps?|bars?|lines? chart|pie|maps?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence of this package for the model, and what others wrote that it is about.

    ``quoted`` (names, values, errors) goes into the envelope for data, ``text`` never holds any.
    """

    text: str
    quoted: str = ""


def clip(text: str, limit: int = OUTPUT_BUDGET) -> str:
    """Cut the middle out of a long text and write how much is missing."""
    if len(text) <= limit:
        return text
    head = text[: limit * 2 // 3]
    tail = text[-(limit // 3) :]
    head = head[: head.rfind("\n") + 1] or head
    tail = tail[tail.find("\n") + 1 :] or tail
    cut = text[len(head) : len(text) - len(tail)]
    marker = (
        f"… {len(cut):,} characters ({cut.count(chr(10)):,} lines) omitted here; print less, or "
        "select what you need …"
    )
    return f"{head.rstrip()}\n{marker}\n{tail}"


def envelope(text: str, nonce: str) -> str:
    """Mark a text from outside as data; the text cannot close the envelope itself."""
    safe = re.sub(re.escape(nonce), "[removed]", text, flags=re.IGNORECASE)
    safe = re.sub(r"<\s*(/?)\s*data", r"<\1 data", safe, flags=re.IGNORECASE)
    return f'<data id="{nonce}">\n{safe}\n</data id="{nonce}">'


def note_text(note: Note, nonce: str) -> str:
    """Return a note as the model reads it: what others wrote stands in an envelope."""
    return f"{note.text}\n{envelope(note.quoted, nonce)}" if note.quoted else note.text


def outputs_text(outputs: Sequence[Output], budget: int = OUTPUT_BUDGET) -> str:
    """Return a cell's outputs as text, within a budget; :mod:`.repair` describes errors."""
    texts = [
        output_text(output).rstrip() for output in outputs if not isinstance(output, ErrorOutput)
    ]
    texts = [text for text in texts if text]
    if not texts:
        return ""
    # Short outputs first: what they leave of the budget goes to the long ones, so that a flood
    # hides no result and a lone table gets all the room.
    left, waiting = budget, len(texts)
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        texts[index] = clip(texts[index], max(left // waiting, 200))
        left, waiting = left - len(texts[index]), waiting - 1
    return "\n".join(texts)


def observation_text(
    *,
    iteration: int,
    execution: Execution,
    before: Sequence[Frame],
    nonce: str,
    error: str = "",
    notes: Sequence[str] = (),
    hints: Sequence[LineageHint] = (),
) -> str:
    """Compose the text of a cell's tool result.

    ``before`` are the variables before the cell, ``error`` is the text of
    :func:`~analyst_kernel.agent.observation.repair.error_text`; the ``notes`` are sentences of this
    package (hints, guidance, warnings) and stand outside the envelope. Of the ``hints`` only the
    advice stands there: their facts have names and values of the data.
    """
    parts = [outputs_text(execution.outputs)]
    if error:
        parts.append(error)
    changes = "\n".join(lineage_lines(before, execution.frames, execution.trace))
    if changes and execution.outcome == "ok":
        parts.append(f"variables:\n{changes}")
    for output in execution.outputs:
        png, data = chart_of(output)
        if data is not None:
            parts.append(f"chart: {chart_text(data)}")
        elif png is not None:
            parts.append("chart: a picture without typed data")
    parts += [f"note: {message}" for _code, message in execution.notices]
    if hints:
        parts.append("\n".join(f"{hint.code}: {hint.message}" for hint in hints))
    inside = "\n\n".join(part for part in parts if part) or "(no output)"
    header = f"cell {iteration}: {execution.outcome}, {execution.seconds:.1f} s"
    checks = [f"check {hint.code}: {hint.advice}" for hint in hints]
    return "\n".join([header, envelope(inside, nonce), *checks, *(n for n in notes if n)])


def about_chart(*texts: str) -> bool:
    """Return whether a goal, purpose or question is about a chart."""
    return any(_CHART_WORDS.search(text) for text in texts)


def picture(outputs: Sequence[Output]) -> Image | None:
    """Return the last picture of the outputs that a model accepts."""
    for output in reversed(outputs):
        png = chart_of(output)[0]
        if png is not None and len(png) <= _LARGEST_PICTURE and _fits(png):
            return Image(png)
    return None


def charts_of(
    outputs: Sequence[Output], *, cell: CellId, iteration: int, title: str
) -> tuple[ChartRecord, ...]:
    """Return a record of each figure among a cell's outputs, with its picture, from ``c1`` on.

    ``title`` is for a chart without a title of its own.
    """
    records: list[ChartRecord] = []
    for index, output in enumerate(outputs):
        png, data = chart_of(output)
        if png is None and data is None:
            continue
        own = data.get("title") if data else None
        alt = data.get("alt") if data else None
        name = own if isinstance(own, str) and own else title
        records.append(
            ChartRecord(
                id=ChartId(f"c{len(records) + 1}"),
                cell=cell,
                output=index,
                iteration=iteration,
                title=name,
                alt=alt if isinstance(alt, str) and alt else f"Chart: {name or 'untitled'}.",
                data=data,
                png=png,
            )
        )
    return tuple(records)


def with_ids(
    found: Sequence[ChartRecord], earlier: Sequence[ChartRecord]
) -> tuple[ChartRecord, ...]:
    """Return a cell's charts with their ids in the analysis.

    The charts of a cell that ran again keep their ids; further charts get new ones. ``earlier`` are
    all charts of the analysis until now.
    """
    if not found:
        return ()
    ids = [chart.id for chart in earlier if chart.cell == found[0].cell]
    last = max((int(chart.id.removeprefix("c")) for chart in earlier), default=0)
    ids += [ChartId(f"c{last + number + 1}") for number in range(len(found))]
    named = zip(found, ids, strict=False)
    return tuple(chart.model_copy(update={"id": name}) for chart, name in named)


def _fits(png: str) -> bool:
    """Return whether the size in the PNG's header is one that providers accept."""
    try:
        head = base64.b64decode(png[:32])
    except ValueError:
        return False
    if len(head) < 24 or head[:4] != b"\x89PNG":
        return False
    sides = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return 0 < max(sides) <= _LARGEST_SIDE
