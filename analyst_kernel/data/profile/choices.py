"""What was chosen when a table was read, as sentences: the assumptions of every answer from it.

Each may be wrong, and is stated so that whoever knows the data can say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analyst_kernel.data.chosen import ROWS
from analyst_kernel.data.read.folders.staging import conflicts
from analyst_kernel.data.read.options import (
    DelimitedReading,
    DuckdbReading,
    ExcelReading,
    FolderReading,
    JsonReading,
    LeftOut,
    LeftOutKind,
    ParquetReading,
    Reading,
    SqliteReading,
    StatReading,
)
from analyst_kernel.data.read.stage import Staged

_SHOWN = 8
ROW_WORDS: dict[LeftOutKind, tuple[str, str, str]] = {
    "footer": ("footer-rows", "row below the table is", "rows below the table are"),
    "units": ("unit-rows", "row with units or notes is", "rows with units or notes are"),
    "total": (
        "totals-set-apart", "row that is a sum of others is", "rows that are sums of others are",
    ),
    "header": ("repeated-header", "row that repeats the header is", "rows that repeat it are"),
    "surplus": (
        "surplus-rows", "row has too many fields and is", "rows have too many fields and are",
    ),
    "empty": ("blank-rows", "row without any value is", "rows without any value are"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice.

    Attributes:
        code: Stable kebab-case name.
        sentence: What was chosen, and what it rests on; no value of the table stands in it.
        column: The column, if it is about one.
        values: The values that it is about.
        about: What the key of the user's choice names; see :attr:`key`.
    """

    code: str
    sentence: str
    column: str | None = None
    values: tuple[str, ...] = ()
    about: str = ""

    @property
    def key(self) -> str:
        """How the user names it to change it, see ``data.chosen``; its code if they cannot."""
        return self.about or _KEYS.get(self.code, self.code)


_KEYS = {
    "decimal-comma": "decimal", "thousands-separators": "decimal", "no-header": "header",
    "preamble": "header", "damaged-bytes": "encoding", "bom": "encoding", "utf-16": "encoding",
    "encoding-guessed": "encoding", "hidden-sheets": "hidden-sheets",
}  # fmt: skip


def choices(staged: Staged) -> tuple[Choice, ...]:
    """Return the choices of a table's reading, those that move figures first."""
    reading = staged.reading
    match reading:
        case DelimitedReading():
            found = _delimited(reading, staged.short_rows)
        case ExcelReading():
            found = _excel(reading)
        case JsonReading():
            found = _json(reading)
        case SqliteReading() | DuckdbReading():
            found = _database(reading)
        case ParquetReading():
            found = _parquet(reading)
        case FolderReading():
            found = _folders(reading)
        case StatReading():
            found = _statistics(reading)
        case _:
            found = iter(())
    return tuple(found)


NO_ASSUMPTION = ("bom", "utf-16", "blank-rows", "from-folders", "folder-agrees")
"""What nobody could choose otherwise."""


def uncomputed_columns(reading: Reading) -> frozenset[str]:
    """Return the columns of formulas whose results the file does not hold."""
    counts = reading.uncomputed if isinstance(reading, ExcelReading) else ()
    return frozenset(name for name, _ in counts)


def counted(count: int, one: str, many: str) -> str:
    """Return a count with the words for one or for many."""
    return f"{count:,} {one if count == 1 else many}"


def _left_out(parts: tuple[LeftOut, ...]) -> Iterator[Choice]:
    for part in parts:
        code, one, many = ROW_WORDS[part.kind]
        values = (part.example,) if part.example else ()
        about = f"rows.{part.kind}" if part.kind in ROWS else ""
        words = f"{counted(len(part.lines), one, many)} left out."
        yield Choice(code, words, None, values, about)


def _words(words: tuple[str, ...]) -> Iterator[Choice]:
    for word in words:
        yield Choice(
            "word-is-value",
            f"{word!r} is read as a value, not as a gap: it stands among texts alone.",
            None,
            (word,),
            f"word.{word}",
        )


def _delimited(reading: DelimitedReading, short_rows: int) -> Iterator[Choice]:
    yield from _left_out(reading.left_out)
    if reading.bad_rows:
        bad = counted(
            reading.bad_rows, "row has too many fields and is", "rows have too many fields and are"
        )
        yield Choice("bad-rows", f"{bad} left out.")
    if reading.added:
        names = ", ".join(map(repr, reading.names[-reading.added :][:_SHOWN]))
        yield Choice(
            "extra-fields",
            f"Some rows have more fields than the header has names; the surplus is in {names}.",
        )
    if short_rows:
        yield Choice(
            "short-rows",
            counted(short_rows, "row has", "rows have")
            + " too few fields; the missing ones are empty.",
        )
    if reading.decimal == ",":
        yield Choice(
            "decimal-comma", "Numbers are written with a decimal comma and read as numbers."
        )
    if reading.thousands:
        yield Choice(
            "thousands-separators",
            f"Digits are grouped with {reading.thousands!r}; such columns are read as numbers.",
        )
    for name, kind in zip(reading.names, reading.types, strict=True):
        if kind.assumed and kind.date_format:
            first = "day" if kind.date_format.startswith("%d") else "month"
            yield Choice(
                "date-order",
                f"Dates that read both ways are read with the {first} first ({kind.date_format}).",
                name,
                about=f"dates.{name}",
            )
    yield from _words(reading.kept_words)
    for name, one, other in reading.collapsed:
        sentence = "Numbers that differ in zeros at the end alone are read as one number."
        yield Choice("same-number", sentence, name, (one, other))
    yield from _text_layout(reading)


def _text_layout(reading: DelimitedReading) -> Iterator[Choice]:
    if not reading.header:
        yield Choice("no-header", "The file has no header; columns are named column_1, column_2...")
    if reading.skip_rows:
        skipped = counted(reading.skip_rows, "line is", "lines are")
        yield Choice("preamble", f"{skipped} skipped before the table.")
    if reading.quote == "":
        yield Choice(
            "quotes-are-text", "Quotes are plain characters: some are opened and never closed."
        )
    if reading.encoding_errors == "replace":
        yield Choice(
            "damaged-bytes",
            f"Some bytes are no {reading.encoding} text; a sign stands for each (U+FFFD).",
        )
    if reading.encoding == "utf-8-sig":
        yield Choice("bom", "The file starts with a byte order mark; it is read as utf-8-sig.")
    elif reading.encoding.startswith("utf-16"):
        yield Choice("utf-16", "The file is UTF-16, not UTF-8.")
    elif reading.encoding != "utf-8":
        yield Choice(
            "encoding-guessed",
            f"The file is not UTF-8 and is read as {reading.encoding}; check accented letters.",
        )
    if reading.nul_characters:
        yield Choice("nul-characters", "The texts hold NUL characters, which are left in them.")


def _excel(reading: ExcelReading) -> Iterator[Choice]:
    for name, count in reading.uncomputed:
        yield Choice(
            "formulas-without-values",
            f"{counted(count, 'cell holds', 'cells hold')} formulas whose results are not in the "
            "file: open it in a spreadsheet program and save it again.",
            name,
        )
    yield from _left_out(reading.left_out)
    if reading.start is not None and (reading.header_row or 0) + 1 < reading.start:
        yield Choice("joined-header", "The header has several rows; their texts are joined.")
    if reading.header_row is None:
        yield Choice(
            "no-header", "The sheet has no header; columns are named column_1, column_2..."
        )
    elif reading.header_row:
        skipped = counted(reading.header_row, "row is", "rows are")
        yield Choice("preamble", f"{skipped} skipped before the table.")
    if reading.merged or reading.filled:
        yield Choice("merged-cells", "The value of merged cells is taken for all of their rows.")
    if reading.hidden_rows:
        hidden = counted(reading.hidden_rows, "row is", "rows are")
        yield Choice("hidden-rows", f"{hidden} hidden in the sheet and counted like the others.")
    if reading.hidden_sheets:
        names = ", ".join(map(repr, reading.hidden_sheets[:_SHOWN]))
        yield Choice("hidden-sheets", f"Hidden sheets are not loaded: {names}.")
    yield from _words(reading.kept_words)


def _json(reading: JsonReading) -> Iterator[Choice]:
    if reading.path:
        yield Choice("records-at", f"The records are those at {'.'.join(reading.path)!r}.")
    if reading.others:
        names = ", ".join(map(repr, reading.others[:_SHOWN]))
        yield Choice("other-records", f"Other lists in the document are not loaded: {names}.")
    if reading.encoding_errors == "replace":
        yield Choice("damaged-bytes", "Some bytes of the document are no text.")
    elif not reading.encoding.startswith("utf-8"):
        yield Choice("encoding-guessed", f"The document is read as {reading.encoding}.")


def _database(reading: SqliteReading | DuckdbReading) -> Iterator[Choice]:
    if reading.left_out:
        names = "; ".join(reading.left_out[:_SHOWN])
        yield Choice("broken-views", f"Some views of the file cannot be read: {names}.")


def _parquet(reading: ParquetReading) -> Iterator[Choice]:
    for name in reading.decimals:
        yield Choice("decimals-as-floats", "Exact decimals are loaded as floats.", name)


def _folders(reading: FolderReading) -> Iterator[Choice]:
    """Yield what putting the files of folders together chose."""
    if reading.left_out:
        number = counted(len(reading.left_out), "file is", "files are")
        every = counted(reading.files + len(reading.left_out), "file", "files")
        named = tuple(f"{name} {why}" for name, why in reading.left_out[:_SHOWN])
        yield Choice(
            "files-left-out", f"{number} left out, of {every} in the folders.", None, named
        )
    for own, said in conflicts(reading):
        yield Choice(
            "folder-and-column",
            f"The files and the names of their folders both give {own!r}, and they differ: that "
            f"of the files is {own!r}, that of the folders is {said!r}.",
            own,
        )
    for key, name in zip(reading.keys, reading.added, strict=True):
        if not name:
            sentence = "The files and their folders' names give it alike; it is loaded once."
            yield Choice("folder-agrees", sentence, key)
    for name, lacking in reading.missing[:_SHOWN]:
        number = counted(lacking, "file has", "files have")
        sentence = f"{number} no such column; it is empty there."
        yield Choice("column-not-in-all", sentence, name, about=f"column-not-in-all.{name}")
    if len(reading.missing) > _SHOWN:
        number = counted(len(reading.missing) - _SHOWN, "further column is", "further columns are")
        yield Choice("columns-not-in-all", f"{number} not in all files, and empty in the others.")
    for name in reading.other_types[:_SHOWN]:
        about = f"types-of-files-differ.{name}"
        sentence = "The files give it different types."
        yield Choice("types-of-files-differ", sentence, name, about=about)
    if added := [name for name in reading.added if name]:
        verb = "comes from" if len(added) == 1 else "come from"
        names = ", ".join(map(repr, added))
        yield Choice("from-folders", f"{names} {verb} the names of the folders, not out of files.")
    yield from _words(reading.text.kept_words if reading.text else ())


def _statistics(reading: StatReading) -> Iterator[Choice]:
    if reading.encoding:
        sentence = (
            f"Texts are no text of the encoding that the file names; read as {reading.encoding}."
        )
        yield Choice("encoding-guessed", sentence, about="encoding-of-file")
    if reading.labelled:
        number = counted(len(reading.labelled), "column holds", "columns hold")
        yield Choice("value-labels", f"{number} the labels that the file has for its codes.")
    if reading.coded:
        number = counted(len(reading.coded), "column", "columns")
        yield Choice(
            "labels-not-used",
            f"{number} with labels hold codes: some of their values have no label of their own.",
        )
