"""How a table is read, as choices that the user may change: what holds, and what else there is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from analyst_kernel.data.chosen import NONE, Chosen, values_of
from analyst_kernel.data.profile.choices import NO_ASSUMPTION, ROW_WORDS, Choice, choices, counted
from analyst_kernel.data.read.options import DelimitedReading, ExcelReading, LeftOut, StatReading
from analyst_kernel.data.read.stage import Staged
from analyst_kernel.data.read.workspace import Workspace, column, literal
from analyst_kernel.protocol.datasets import DataWarning, ReadingChoice

_IN_ALL_ROWS = frozenset(
    {
        "bad-rows", "surplus-rows", "short-rows", "merged-cells", "hidden-rows", "footer-rows",
        "unit-rows", "totals-set-apart", "repeated-header", "files-left-out",
    }
)  # fmt: skip
_SENTINELS = ("sentinel", "missing-as-text")
_MOST_COLUMNS = 200
_NOT_ASCII = "[^\\x00-\\x7f]"


@dataclass(frozen=True)
class _ReadTable:
    work: Workspace
    staged: Staged
    chosen: Chosen

    def holding(self, test: str) -> tuple[str, ...]:
        """Return the columns of texts with a value that passes an SQL test of ``{0}``."""
        kinds = self.work.rows("DESCRIBE staged")
        found = []
        for place, name in enumerate(self.staged.names[:_MOST_COLUMNS]):
            at = column(place)
            if kinds[place][1] == "VARCHAR" and self.work.rows(
                f"SELECT 1 FROM staged WHERE {test.format(at)} LIMIT 1"
            ):
                found.append(name)
        return tuple(found)


def reading_choices(
    work: Workspace, staged: Staged, warnings: Sequence[DataWarning]
) -> tuple[ReadingChoice, ...]:
    """Return the choices of a table's reading: what may be wrong first, then what may be changed.

    Args:
        work: Holds the table as ``staged``.
        staged: Its reading.
        warnings: Of its profile; they name dates that read both ways, and sentinels.
    """
    table = _ReadTable(work, staged, staged.chosen)
    found: dict[str, ReadingChoice] = {}
    for one in (*_found(table), *_offered(table, warnings)):
        known = found.get(one.key)
        if known is None:
            found[one.key] = one
        elif one.sentence:  # two sentences about one choice
            both = f"{known.sentence} {one.sentence}".strip()
            names = tuple(dict.fromkeys((*known.columns, *one.columns)))
            found[one.key] = known.model_copy(update={"sentence": both, "columns": names})
    for key, value in table.chosen.values:
        found[key] = _said(table, key, value, found.get(key))
    return tuple(sorted(found.values(), key=lambda one: (not one.sentence, not one.value)))


def sentence_of(choice: ReadingChoice) -> str:
    """Return a choice as a sentence of its own, with its column, and whose it is."""
    if not choice.by_user:
        return f"{choice.column}: {choice.sentence}" if choice.column else choice.sentence
    about = f" of {choice.column}" if choice.column else ""
    return f"You said{about}: {choice.sentence}"


def _found(table: _ReadTable) -> Iterator[ReadingChoice]:
    for choice in choices(table.staged):
        if choice.code in NO_ASSUMPTION:
            continue
        value, values = _value(table, choice)
        names: tuple[str, ...] = (choice.column,) if choice.column else ()
        names = names or _columns_of(table, choice)
        in_rows = choice.code in _IN_ALL_ROWS
        yield ReadingChoice(
            key=choice.key,
            value=value,
            values=values,
            sentence=choice.sentence,
            column=choice.column,
            touches="rows" if in_rows else "columns" if names else "nothing",
            columns=() if in_rows else names,
        )


def _value(table: _ReadTable, choice: Choice) -> tuple[str, tuple[str, ...]]:
    """Return what holds, and what else there is; nothing if it cannot be chosen."""
    reading = table.staged.reading
    kind = choice.key.partition(".")[0]
    values = values_of(kind)
    match kind:
        case "rows":
            assert isinstance(reading, DelimitedReading | ExcelReading)
            fits = all(o.fits for o in reading.left_out if f"rows.{o.kind}" == choice.key)
            return ("leave-out", values) if fits else ("", ())
        case "word":
            return "value", values
        case "dates":
            return ("day" if "the day first" in choice.sentence else "month"), values
        case "hidden-sheets":
            return "leave-out", values
        case "header" | "decimal" | "encoding":
            return _facts(table).get(kind, ""), values
    return "", ()


def _columns_of(table: _ReadTable, choice: Choice) -> tuple[str, ...]:
    reading = table.staged.reading
    match choice.code:
        case "decimal-comma" | "thousands-separators" if isinstance(reading, DelimitedReading):
            typed = zip(reading.names, reading.types, strict=True)
            return tuple(name for name, kind in typed if kind.kind == "number")
        case "encoding-guessed" | "damaged-bytes":
            return table.holding(f"regexp_matches({{0}}, '{_NOT_ASCII}')")
        case "value-labels" if isinstance(reading, StatReading):
            return reading.labelled
        case "labels-not-used" if isinstance(reading, StatReading):
            return reading.coded
        case "word-is-value":
            return table.holding(f"{{0}} = {literal(choice.values[0])}")
        case "extra-fields" if isinstance(reading, DelimitedReading):
            return reading.names[-reading.added :]
    return ()


def _facts(table: _ReadTable) -> dict[str, str]:
    """Return what holds for the whole file."""
    reading = table.staged.reading
    match reading:
        case DelimitedReading():
            header = str(reading.skip_rows + 1) if reading.header else NONE
            return {"header": header, "encoding": reading.encoding, "decimal": reading.decimal}
        case ExcelReading():
            return {"header": NONE if reading.header_row is None else str(reading.header_row + 1)}
    return {}


def _offered(table: _ReadTable, warnings: Sequence[DataWarning]) -> Iterator[ReadingChoice]:
    """Yield what the user may choose although nothing is assumed of it."""
    for key, value in _facts(table).items():
        yield ReadingChoice(key=key, value=value, values=values_of(key))
    reading = table.staged.reading
    if isinstance(reading, DelimitedReading | ExcelReading):
        for word in reading.text_words:
            if word not in reading.kept_words:
                yield ReadingChoice(key=f"word.{word}", value="gap", values=values_of("word"))
    if isinstance(reading, StatReading):
        for one in (*reading.labelled, *reading.coded):
            value = "labels" if one in reading.labelled else "codes"
            about = f"labels.{one}"
            yield ReadingChoice(key=about, value=value, values=values_of("labels"), column=one)
    for warning in warnings:
        name = warning.column
        if name is None:
            continue
        if warning.code == "ambiguous-dates" and _reads_dates(table):
            yield ReadingChoice(
                key=f"dates.{name}", value="text", values=values_of("dates"), column=name
            )
        elif warning.code in _SENTINELS and takes_gaps(table.staged):
            values = (NONE, *warning.values[:1])
            yield ReadingChoice(key=f"gap.{name}", value=NONE, values=values, column=name)


def _reads_dates(table: _ReadTable) -> bool:
    """Return whether texts of the table may be read as dates."""
    return table.staged.load == "frame" and (
        hasattr(table.staged.reading, "dates") or isinstance(table.staged.reading, DelimitedReading)
    )


def takes_gaps(staged: Staged) -> bool:
    """Return whether values of the table may be taken for gaps."""
    if isinstance(staged.reading, DelimitedReading):
        return True
    return staged.load == "frame" and hasattr(staged.reading, "chosen")


def _said(table: _ReadTable, key: str, value: str, known: ReadingChoice | None) -> ReadingChoice:
    """Return what the user chose, in words of its own."""
    kind, _, about = key.partition(".")
    column_of = about if kind in ("dates", "gap", "labels") else None
    names: tuple[str, ...] = (column_of,) if column_of else ()
    reading, values = table.staged.reading, values_of(kind)
    in_rows = kind in ("rows", "header")
    match kind:
        case "header":
            sentence = f"The names of the columns stand in row {value}."
            sentence = sentence if value != NONE else "No row holds the names of the columns."
        case "encoding":
            sentence = f"The text is {value}."
            names = table.holding(f"regexp_matches({{0}}, '{_NOT_ASCII}')")
        case "decimal":
            sentence = f"The decimal mark is {value!r}."
            assert isinstance(reading, DelimitedReading)
            typed = zip(reading.names, reading.types, strict=True)
            names = tuple(name for name, one in typed if one.kind == "number")
        case "dates":
            sentence = f"Dates are read with the {value} first."
            sentence = sentence if value != "text" else "Dates stay texts."
        case "rows":
            sentence = _rows_said(reading, about, value)
        case "labels":
            sentence = f"It holds {'the labels of ' if value == 'labels' else ''}its codes."
        case "word":
            held = f"= {literal(about)}" if value == "value" else "IS NULL"
            names = table.holding(f"{{0}} {held}")
            sentence = f"{about!r} is a value." if value == "value" else f"{about!r} is a gap."
        case "gap":
            sentence = f"{value!r} stands for a missing value."
            sentence = sentence if value != NONE else "All of its values are values."
            values = (NONE, value) if value != NONE else known.values if known else (NONE,)
        case _:
            sentence = "Hidden sheets are loaded too." if value == "load" else ""
    return ReadingChoice(
        key=key, value=value, values=values, sentence=sentence, column=column_of,
        touches="rows" if in_rows and sentence else "columns" if names else "nothing",
        columns=() if in_rows else names, by_user=True,
    )  # fmt: skip


def _rows_said(reading: object, kind: str, value: str) -> str:
    """Return what became of rows; empty if there are none."""
    if not isinstance(reading, DelimitedReading | ExcelReading):
        return ""
    parts: tuple[LeftOut, ...] = reading.kept_rows if value == "keep" else reading.left_out
    found = [one for one in parts if one.kind == kind]
    if not found:
        return ""
    _, one, many = ROW_WORDS[found[0].kind]
    words = counted(len(found[0].lines), one, many)
    verb = "are" if re.search(r"\bare$", words) else "is"
    words = words.removesuffix(f" {verb}")
    return f"{words} {verb} {'kept' if value == 'keep' else 'left out'}."
