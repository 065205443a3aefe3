"""A profile as text for a model: file facts, columns, rows, warnings, within a budget.

Text from the data is quoted, cut and kept on one line, so that it cannot close an envelope or pass
for an instruction.
"""

from __future__ import annotations

import os

from analyst_kernel._relevance import NAMED, column_scores
from analyst_kernel.protocol.datasets import ColumnProfile, DatasetProfile

CHARACTERS_PER_TOKEN = 4
WIDE = 60
_CELL, _ROW, _ROWS_TEXT, _ALL_ROWS_TEXT = 80, 400, 1400, 5000
_USUAL = (("delimiter", ","), ("encoding", "utf-8"), ("decimal", "."), ("header_row", 0))
_CLEAR = {"<": "‹", ">": "›", "`": "'"}


def describe(profile: DatasetProfile, *, question: str = "", budget: int = 2000) -> str:
    """Return a profile as text.

    Args:
        profile: What is known.
        question: Its words choose which columns of a wide table get full detail.
        budget: Hard limit in tokens, at about four characters each.
    """
    limit = max(200, budget * CHARACTERS_PER_TOKEN)
    facts = _facts(profile)
    warnings = _warnings(profile, limit // 4)
    rows = _rows(profile, min(limit // 4, _ALL_ROWS_TEXT))
    rest = limit - len(facts) - len(warnings) - len(rows) - 4
    if rest < limit // 3:
        rows, rest = "", rest + len(rows)
    columns = _columns(profile, question, rest)
    text = "\n".join(part for part in (facts, columns, rows, warnings) if part)
    return text if len(text) <= limit else text[: limit - 30] + "\n… (cut to fit the budget)"


def clean(text: str, limit: int = _CELL) -> str:
    """Return a value of the data for a prompt: one line, no tags, cut at ``limit`` characters."""
    flat = "".join(_CLEAR.get(mark, mark) for mark in " ".join(text[: limit * 4].split()))
    flat = "".join(mark if mark.isprintable() else "?" for mark in flat)
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _name(name: str) -> str:
    return repr(name) if len(name) <= 120 else repr(name[:120]) + "…"


def _facts(profile: DatasetProfile) -> str:
    one = profile.dataset
    shape = f"{one.rows:,} rows x " if one.rows is not None else ""
    parts = [
        f"{one.name}: {shape}{len(one.columns):,} columns",
        f"{clean(os.path.basename(one.path))} ({one.format}, {_size(one.bytes)})",
    ]
    if one.table:
        parts.append(f"table {clean(one.table)!r}")
    shown = {
        key: value
        for key, value in one.options.items()
        if key not in ("dates", "text_columns", "header", "assumptions")
        and (key, value) not in _USUAL
    }
    parts += [f"{key} {clean(str(value))}" for key, value in shown.items()]
    if one.options.get("header") is False:
        parts.append("no header")
    if profile.duplicate_rows is not None:
        parts.append(f"duplicate rows {profile.duplicate_rows:,}")
    loaded = (
        "a pandas DataFrame"
        if one.load == "frame"
        else "a DuckDB view or table: too big for a frame, query it with SQL"
    )
    parts.append(f"loaded as {one.name}, {loaded}")
    note = f"\n{profile.sample_note}" if profile.sample_note else ""
    return "; ".join(parts) + note


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def _columns(profile: DatasetProfile, question: str, limit: int) -> str:
    columns = profile.columns
    scores = column_scores(columns, question)
    wide = len(columns) > WIDE
    short = {place: _line(one, full=False) for place, one in enumerate(columns)}
    needed = sum(len(line) + 1 for line in short.values()) + 40
    crowded = needed > limit
    order = sorted(range(len(columns)), key=lambda place: (-scores[place], place))
    spare = limit // 2 if crowded else limit - needed
    texts: dict[int, str] = {}
    for place in order:
        if wide and not scores[place]:
            break
        for line in (_line(columns[place], full=True), _line(columns[place], full=True, top=4)):
            extra = len(line) + 1 if crowded else len(line) - len(short[place])
            if extra <= spare:
                texts[place] = line
                spare -= extra
                break
    used = sum(len(line) + 1 for line in texts.values())
    for place in order:
        # What the question names may take the room of the names of others.
        room = limit - 200 if scores[place] >= NAMED else limit // 2
        if place not in texts and (not crowded or used + len(short[place]) < room):
            texts[place] = short[place]
            used += len(short[place]) + 1
    lines = ["Columns:", *(texts[place] for place in sorted(texts))]
    left = [_name(columns[place].name) for place in order if place not in texts]
    if left:
        lines.append(_names_only(left, limit - used - 100))
    return "\n".join(lines)


def _names_only(names: list[str], limit: int) -> str:
    shown: list[str] = []
    for name in names:
        if sum(map(len, shown)) + 2 * len(shown) + len(name) > limit:
            break
        shown.append(name)
    rest = len(names) - len(shown)
    more = f" and {rest:,} more: call profile_dataset with their names" if rest else ""
    return f"- names only: {', '.join(shown)}{more}"


def _line(one: ColumnProfile, *, full: bool, top: int = 30) -> str:
    about = "about " if one.distinct_is_estimate else ""
    parts = [f"- {_name(one.name)} {one.dtype[:60]}", f"null={one.nulls:,}"]
    parts.append(f"distinct={about}{one.distinct:,}")
    if one.kind == "number" and one.minimum is not None:
        if full:
            parts.append(
                f"min={_figure(one.minimum)} p25={_figure(one.p25)} median={_figure(one.median)} "
                f"p75={_figure(one.p75)} max={_figure(one.maximum)} mean={_figure(one.mean)} "
                f"std={_figure(one.std)}"
            )
            parts += [f"zeros={one.zeros:,}"] if one.zeros else []
            parts += [f"negatives={one.negatives:,}"] if one.negatives else []
        else:
            parts.append(f"{_figure(one.minimum)} to {_figure(one.maximum)}")
    elif one.kind == "date" and one.minimum is not None:
        parts.append(f"{one.minimum} to {one.maximum}")
    if full:
        parts += _text_parts(one, top)
    said = _said(one, full=full)
    return ", ".join(parts) + (f" — {said}" if said else "")


def _said(one: ColumnProfile, *, full: bool) -> str:
    """Return what a dictionary says of a column; of most columns of a wide table, its label."""
    words = one.words
    if words is None:
        return ""
    label = clean(words.label, 100) + (f" [{clean(words.unit, 20)}]" if words.unit else "")
    if not full:
        return label.strip()
    parts = [label.strip(), clean(words.description, 400)]
    if words.synonyms:
        parts.append("also called " + ", ".join(clean(one, 40) for one in words.synonyms[:6]))
    parts += [
        f"{clean(word, 40)} means {', '.join(repr(clean(value, 40)) for value in values[:8])}"
        for word, values in [*words.values.items()][:8]
    ]
    return "; ".join(part for part in parts if part)


def _text_parts(one: ColumnProfile, top: int) -> list[str]:
    parts: list[str] = []
    if one.kind == "text":
        parts += [f"longest={one.max_length}"] if one.max_length and one.max_length > 40 else []
        parts += [f"numbers={one.share_number:.0%}"] if one.share_number else []
        parts += [f"dates={one.share_date:.0%}"] if one.share_date else []
        parts += [f"format {one.date_format}"] if one.date_format else []
    few = 12 if one.kind == "number" else top
    unique = bool(one.top) and one.top[0].count == 1
    shown = one.top[:3] if unique and one.distinct > len(one.top) else one.top[:few]
    if shown and not (one.kind in ("number", "date") and one.distinct > few):
        label = (
            "values" if len(shown) == one.distinct else "e.g." if unique else f"top {len(shown)}"
        )
        listed = ", ".join(
            repr(clean(item.value)) + ("" if unique else f" {item.count:,}") for item in shown
        )
        parts.append(f"{label}: {listed}")
    return parts


def _figure(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"


def _rows(profile: DatasetProfile, limit: int) -> str:
    if not profile.head:
        return ""
    whole = profile.dataset.rows is not None and len(profile.head) >= profile.dataset.rows
    limit = min(limit, _ALL_ROWS_TEXT if whole else _ROWS_TEXT)
    title = "All rows" if whole else f"First {len(profile.head)} rows"
    lines, cut = [f"{title} (fields in column order, separated by |):"], False
    share = limit if whole else limit * 5 // 8
    for label, rows in (("", profile.head), ("Rows from elsewhere:", profile.sample)):
        kept: list[str] = []
        for row in rows:
            line = " | ".join("∅" if cell is None else clean(cell) for cell in row)
            line = line if len(line) <= _ROW else line[:_ROW] + "…"
            if sum(map(len, kept)) + len(line) > share:
                cut = True
                break
            kept.append(line)
        lines += [label, *kept] if label and kept else kept
        share = limit - share
    if cut:
        lines.append("… (some rows left out)")
    return "\n".join(lines)


def _warnings(profile: DatasetProfile, limit: int) -> str:
    if not profile.warnings:
        return ""
    lines, used = ["Warnings:"], 10
    for place, one in enumerate(profile.warnings):
        where = f" {_name(one.column)}:" if one.column is not None else ""
        line = f"- {one.code}:{where} {clean(one.message, 300)}"
        if used + len(line) > limit:
            lines.append(f"… and {len(profile.warnings) - place} more warnings")
            break
        lines.append(line)
        used += len(line) + 1
    return "\n".join(lines)
