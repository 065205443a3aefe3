"""What a cell showed, as the checks of an answer read it: its code, its texts, its tables.

Tables are read back from what was displayed, because that is what the model and the reader saw.
Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyst_kernel.agent.observation.text import bundle_text, html_text
from analyst_kernel.protocol.ids import CellId
from analyst_kernel.protocol.outputs import DisplayOutput, Frame, Output, ResultOutput, StreamOutput

_LONGEST_TEXT = 20_000
"""Characters of one output that are read."""
_MOST_ROWS = 2000
_TAG = re.compile(r"<(/?)(table|thead|tbody|tr|th|td)\b([^<>]*)>", re.IGNORECASE)
_SPAN = re.compile(r"(row|col)span=[\"']?([0-9]{1,4})", re.IGNORECASE)
_GAP = re.compile(r"\s{2,}|\t")
_BARS = re.compile(r"[│┆║|]")
_FRAME_END = re.compile(r"^(?:Name: (?P<name>.*?), )?(?:Freq: .*, )?(?:Length: \d+, )?dtype: \S+$")
_SIZE = re.compile(r"^\[[0-9]+ rows x [0-9]+ columns\]$")
_VALUE = re.compile(r"[-+−]?[$€£¥]?([0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s?%?")
_NOTHING = frozenset({"nan", "none", "<na>", "nat", "null", "-", ""})
_ELLIPSIS = frozenset({"...", "…", "⋮", "·"})
_SCALAR_TYPE = re.compile(r"\bnp\.(?:float|int|bool)[0-9_]*\(([^()]{1,40})\)")
_PAIR = re.compile(
    r"[\"']?(?P<label>[^\W\d_][^\n:=,;{}\[\]]{0,60}?|[12][0-9]{3})[\"']?\s*[:=]\s*"
    r"(?P<value>[-+−]?[$€£¥]?[0-9][0-9,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\s?%?)(?![\w.])"
)
TIMES = frozenset(
    "year month quarter week day date hour decade period time yr season weekday".split()
)
_AGGREGATES = {
    "mean": ("mean", "average", "avg", "averages", "averaged", "typical"),
    "median": ("median", "medians"),
    "sum": ("sum", "total", "totals", "sums"),
    "count": ("count", "counts", "number", "size", "cnt", "value_counts", "rows"),
    "max": ("max", "maximum"),
    "min": ("min", "minimum"),
    "std": ("std", "stddev", "sd", "deviation", "stdev"),
    "share": ("share", "percent", "percentage", "pct", "proportion", "rate", "normalize"),
    "unique": ("nunique", "distinct", "unique"),
}
_MARGINS = frozenset({"all", "total", "totals", "sum", "grand total", "overall"})
_MEASURES = frozenset(
    """rows row groups group result results shown columns column values value missing duplicates
    first last from to statistic pvalue p t r n slope intercept difference ratio years days
    used kept before after dropped""".split()
)
_AGGREGATE_OF = {word: kind for kind, words in _AGGREGATES.items() for word in words}


@dataclass(frozen=True, slots=True)
class ShownCell:
    """One cell that ran: what it was, and what it left for a reader.

    Attributes:
        cell: Its id in the notebook.
        iteration: Its number in the analysis; 0 for a cell of the user.
        code: As it ran.
        html, texts: Displayed tables, and printed or displayed plain text.
        before, after: The variables around it.
        reads: The datasets that it computed on, as the kernel saw it; None if it did not look.
    """

    cell: CellId
    iteration: int
    code: str
    html: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    before: tuple[Frame, ...] = ()
    after: tuple[Frame, ...] = ()
    reads: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table that a cell displayed: rows with labels and numbers.

    Attributes:
        cell: The cell's number.
        names: Headers of the label columns; an empty text for one without a header.
        columns: Headers of the columns of numbers.
        labels: The labels of each row.
        values: The numbers of each row; None for a cell without one.
        code: The cell's code.
    """

    cell: int
    names: tuple[str, ...]
    columns: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    values: tuple[tuple[float | None, ...], ...]
    code: str = ""

    def column(self, index: int) -> list[tuple[tuple[str, ...], float]]:
        """Return the rows that have a number in a column: their labels and the number."""
        rows = zip(self.labels, self.values, strict=True)
        return [(labels, v) for labels, values in rows if (v := values[index]) is not None]


def shown_cell(
    cell: CellId,
    iteration: int,
    code: str,
    outputs: Sequence[Output],
    *,
    before: Sequence[Frame] = (),
    after: Sequence[Frame] = (),
    reads: frozenset[str] | None = None,
) -> ShownCell:
    """Return what a cell showed; pictures and standard error are left out."""
    html: list[str] = []
    texts: list[str] = []
    for output in outputs:
        if isinstance(output, StreamOutput):
            if output.name == "stdout":
                texts.append(output.text[:_LONGEST_TEXT])
        elif isinstance(output, DisplayOutput | ResultOutput):
            table = output.data.get("text/html")
            if isinstance(table, str) and "<table" in table:
                html.append(table[: 4 * _LONGEST_TEXT])
            else:
                texts.append(bundle_text(output.data)[:_LONGEST_TEXT])
    return ShownCell(
        cell, iteration, code, tuple(html), tuple(texts), tuple(before), tuple(after), reads
    )


def tables_of(cell: ShownCell) -> tuple[ShownTable, ...]:
    """Return the tables, series and labelled numbers that a cell displayed."""
    found: list[ShownTable | None] = [_table(cell, *_html_grid(html)) for html in cell.html]
    for text in cell.texts:
        plain = _SCALAR_TYPE.sub(r"\1", text)
        pairs: list[tuple[str, str]] = []
        for block in re.split(r"\n\s*\n", plain):
            lines = [line.rstrip() for line in block.splitlines() if line.strip()]
            grid = _text_grid(lines)
            if grid is not None:
                found.append(_table(cell, *grid))
            else:
                pairs += _pairs(lines)
        if len(pairs) > 1:
            rows = _apart(pairs[:_MOST_ROWS])
            found.append(_table(cell, [""], [""], rows))
    return tuple(table for table in found if table is not None)


def values_of(cell: ShownCell) -> list[float]:
    """Return the whole numbers above 1 that a cell showed: what a share may be a share of."""
    found = re.findall(r"(?<![\w.,])[0-9][0-9,]{0,14}(?![\w]|[.,][0-9])", plain_text(cell))
    values = (value_of(text) for text in dict.fromkeys(found))
    sizes = (float(frame.shape[0]) for frame in cell.after if frame.shape)
    return [value for value in (*values, *sizes) if value is not None and value > 1]


def headed_values(cell: ShownCell, header: re.Pattern[str]) -> Iterator[float]:
    """Yield the numbers below headers that match, of every displayed table."""
    grids = [_html_grid(html) for html in cell.html]
    for text in cell.texts:
        for block in re.split(r"\n\s*\n", text):
            lines = [line.rstrip() for line in block.splitlines() if line.strip()]
            grid = _text_grid(lines)
            if grid is not None:
                grids.append(grid)
    for names, columns, rows in grids:
        for at, head in enumerate([*names, *columns]):
            if header.fullmatch(head.strip()):
                values = (value_of(row[at]) for row in rows if at < len(row))
                yield from (value for value in values if value is not None)


def plain_text(cell: ShownCell) -> str:
    """Return everything that a cell showed as plain text."""
    return "\n".join([*cell.texts, *map(html_text, cell.html)])


def value_of(text: str) -> float | None:
    """Return the number that a cell of a table holds, or None."""
    bare = text.strip()
    if _VALUE.fullmatch(bare) is None:
        return None
    bare = bare.replace("−", "-").replace(",", "").rstrip(" %")
    try:
        value = float(re.sub(r"[$€£¥]", "", bare))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def aggregates_in(words: Iterable[str]) -> frozenset[str]:
    """Return the kinds of aggregate (mean, count, share...) that words name."""
    return frozenset(_AGGREGATE_OF[word] for word in words if word in _AGGREGATE_OF)


def aggregates_of(table: ShownTable, column: int) -> frozenset[str]:
    """Return what a column aggregates: by its header, else by the code if that says one thing."""
    named = aggregates_in(re.findall(r"[a-z]+", table.columns[column].lower()))
    if named:
        return named
    words = re.findall(r"(\w+)\s*\(|['\"](\w+)['\"]", table.code.lower())
    by_code = aggregates_in(word for pair in words for word in pair) - {"share"}
    if re.search(r"normalize\s*=|/|\*\s*100\b", table.code):
        return frozenset()  # The code computes on; what comes out may be anything.
    return by_code if len(by_code) == 1 else frozenset()


# --- reading displayed tables back ----------------------------------------------------------------


def _html_grid(html: str) -> tuple[list[str], list[str], list[list[str]]]:
    """Return names of the index, headers of columns, and rows (index first) of an HTML table."""
    heads: list[list[str]] = []
    rows: list[tuple[int, list[str]]] = []
    row: list[str] = []
    marks = 0
    hanging: dict[int, tuple[int, str]] = {}
    in_head = False
    tags = list(_TAG.finditer(html))
    for number, tag in enumerate(tags):
        name, closing = tag[2].lower(), bool(tag[1])
        if name == "thead":
            in_head = not closing
        elif name == "tr" and not closing:
            row, marks = [], 0
        elif name in ("th", "td") and not closing:
            end = tags[number + 1].start() if number + 1 < len(tags) else len(html)
            while len(row) in hanging and not in_head:
                left, text = hanging.pop(len(row))
                if left > 1:
                    hanging[len(row)] = (left - 1, text)
                row.append(text)
                marks += 1
            text = html_text(html[tag.end() : end]).strip()
            spans = {kind.lower(): int(size) for kind, size in _SPAN.findall(tag[3])}
            if spans.get("row", 1) > 1:
                hanging[len(row)] = (spans["row"] - 1, text)
            row += [text] * min(spans.get("col", 1), 100)
            marks += name == "th"
        elif name == "tr" and closing and row:
            if in_head:
                heads.append(row)
            elif len(rows) < _MOST_ROWS:
                rows.append((marks, row))
    index = max((marks for marks, _ in rows), default=0)
    if not heads and rows:
        heads, rows = [rows[0][1]], rows[1:]
    return *_headers(heads, index), [row for _, row in rows]


def _headers(heads: list[list[str]], index: int) -> tuple[list[str], list[str]]:
    names = [""] * index
    if len(heads) > 1 and index and not any(heads[-1][index:]):
        names = heads[-1][:index]
        heads = heads[:-1]
    width = max((len(head) for head in heads), default=0)
    columns = [
        " ".join(dict.fromkeys(head[at] for head in heads if at < len(head) and head[at]))
        for at in range(index, width)
    ]
    return names, columns


def _text_grid(lines: list[str]) -> tuple[list[str], list[str], list[list[str]]] | None:
    """Return the grid of a table that was printed as text, or None if it is no table."""
    if sum(1 for line in lines if _BARS.search(line)) > max(1, len(lines) // 2):
        return _barred_grid(lines)
    series: str | None = None
    while lines and (_SIZE.match(lines[-1]) or (end := _FRAME_END.match(lines[-1]))):
        if not _SIZE.match(lines[-1]):
            end = _FRAME_END.match(lines[-1])
            series = (end["name"] or "") if end is not None else ""
        lines = lines[:-1]
    split = [_GAP.split(line.strip()) for line in lines]
    if series is not None:
        body = [parts for parts in split if len(parts) > 1 and _is_value(parts[-1])]
        rest = [parts for parts in split if not (len(parts) > 1 and _is_value(parts[-1]))]
        width = max((len(parts) for parts in body), default=0)
        names = rest[0] if rest and rest[0][0] not in _ELLIPSIS else []
        names = (names + [""] * width)[: max(width - 1, 0)]
        return (names, [series], _filled(body, width)) if body else None
    if len(lines) < 2:
        return None
    columns = split[0]
    body = split[1:]
    names = []
    if body and len(body[0]) <= 4 and len(lines) > 2:
        wide = max(len(parts) for parts in body)
        if len(body[0]) == wide - len(columns) and not any(map(_is_value, body[0])):
            names, body = body[0], body[1:]
    width = max((len(parts) for parts in body), default=0)
    index = width - len(columns)
    if not 0 <= index <= 4 or not body or any(map(_is_value, columns[:1])):
        return None
    rows = _filled(body, width)
    if not all(any(map(_is_value, row)) or row[0] in _ELLIPSIS for row in rows):
        return None
    if any(len(parts) < len(columns) for parts in body if parts[0] not in _ELLIPSIS):
        return None
    return (names + [""] * index)[:index], columns, rows


def _filled(body: list[list[str]], width: int) -> list[list[str]]:
    """Return rows of equal width; a label that pandas leaves out is that of the row above."""
    rows: list[list[str]] = []
    for parts in body[:_MOST_ROWS]:
        missing = width - len(parts)
        above = rows[-1][:missing] if rows else [""] * missing
        rows.append([*above, *parts])
    return rows


def _barred_grid(lines: list[str]) -> tuple[list[str], list[str], list[list[str]]] | None:
    split = [
        [part.strip() for part in _BARS.split(line.strip().strip("│┆║|"))]
        for line in lines
        if _BARS.search(line) and not re.fullmatch(r"[\s|:+\-─┼├┤═╞╪╡]*", line)
    ]
    types = re.compile(
        r"varchar|u?(?:big|small|tiny|huge)?int(?:eger)?\d*|double|float\d*|str|[if]\d\d"
        r"|date|timestamp|boolean|decimal\(.*\)|-+|---"
    )
    rows = [row for row in split[1:] if not all(types.fullmatch(part) for part in row)]
    return ([], split[0], rows) if split and rows else None


def _is_value(text: str) -> bool:
    return value_of(text) is not None or text.lower() in _NOTHING


def _pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        for match in _PAIR.finditer(line[:5000]):
            yield match["label"].strip(" '\"("), match["value"]


def _apart(pairs: list[tuple[str, str]]) -> list[list[str]]:
    """Return rows of printed pairs, without words that all labels share ("ward A", "ward B")."""
    labels = [label.split() for label, _ in pairs]
    shared = set(labels[0]).intersection(*labels[1:])
    shorter = [" ".join(word for word in label if word not in shared) for label in labels]
    if all(shorter):
        return [[label, value] for label, (_, value) in zip(shorter, pairs, strict=True)]
    return [list(pair) for pair in pairs]


def _table(
    cell: ShownCell, names: list[str], columns: list[str], rows: list[list[str]]
) -> ShownTable | None:
    """Part a grid into labels and numbers; None if it has no two rows of both."""
    heads = [*names, *columns]
    rows = [row for row in rows if len(row) == len(heads) and row[0] not in _ELLIPSIS]
    if len(rows) < 2:
        return None
    label_at: list[int] = []
    value_at: list[int] = []
    for at, head in enumerate(heads):
        texts = [row[at] for row in rows]
        if any(text in _ELLIPSIS for text in texts):
            continue
        numeric = all(map(_is_value, texts)) and any(value_of(t) is not None for t in texts)
        if at < len(names) and numeric and not head and _counts_up(texts):
            continue
        is_free = at >= len(names) and not label_at
        if not numeric or at < len(names) or (is_free and _is_key(head, texts, cell.code)):
            label_at.append(at)
        else:
            value_at.append(at)
    rows = [row for row in rows if not {row[at].lower() for at in label_at} & _MARGINS]
    if not label_at or not value_at or len(rows) < 2:
        return None
    if len(label_at) == 1 and sum(_is_of_no_group(row[label_at[0]]) for row in rows) > bool(
        heads[label_at[0]]
    ):
        return None  # A list of different measures: its rows cannot be compared.
    return ShownTable(
        cell=cell.iteration,
        names=tuple(heads[at] for at in label_at),
        columns=tuple(heads[at] for at in value_at),
        labels=tuple(tuple(row[at] for at in label_at) for row in rows),
        values=tuple(tuple(value_of(row[at]) for at in value_at) for row in rows),
        code=cell.code,
    )


def _is_of_no_group(label: str) -> bool:
    """Return whether a label names a measure ("mean", "rows used") instead of a group."""
    words = re.findall(r"[^\W\d_]+", label.lower())
    return bool(_MEASURES.intersection(words) or aggregates_in(words)) or label.endswith("%")


def _counts_up(texts: list[str]) -> bool:
    """Return whether an index without a name only numbers the rows."""
    numbers = [value_of(text) for text in texts]
    return numbers[0] == 0 or (None not in numbers and max(filter(None, numbers), default=0) < 500)


def _is_key(head: str, texts: list[str], code: str) -> bool:
    """Return whether a column of numbers names groups: a time, or what the code groups by."""
    words = re.findall(r"[a-z]+", head.lower())
    values = [value_of(text) for text in texts]
    if any(value is None or value != int(value) for value in values):
        return False
    if words and words[-1] in TIMES and len(words) < 3:
        return True
    if len(set(values)) != len(values) or not head:
        return False
    grouped = re.finditer(r"group\s?by\b([^;)\]]{0,200})", code, re.IGNORECASE)
    return any(re.search(rf"\b{re.escape(head)}\b", match[1]) for match in grouped)
