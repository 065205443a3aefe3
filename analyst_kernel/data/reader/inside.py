"""What runs in a reader: it parses the file that it was shown, and answers in JSON.

Nothing of the asking process is here but the request. The process has limits from outside; what
they leave to an exception becomes a sentence about the file.
"""

from __future__ import annotations

import base64
import io
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from analyst_kernel.data.chosen import Chosen, ReadingNotKept
from analyst_kernel.data.dictionary import read_dictionary
from analyst_kernel.data.profile.profile import inspect
from analyst_kernel.data.read import columnar, database, delimited
from analyst_kernel.data.read.archives import unpacked_bytes
from analyst_kernel.data.read.discover import folder_table, sources
from analyst_kernel.data.read.folders import staging
from analyst_kernel.data.read.folders.query import names_of
from analyst_kernel.data.read.options import DuckdbReading, FolderReading, Source, SqliteReading
from analyst_kernel.data.read.workspace import workspace
from analyst_kernel.data.reader.texts import document_text
from analyst_kernel.data.reader.wire import (
    FoundTables,
    NotKept,
    ProfiledTable,
    ReaderAnswer,
    ReaderRequest,
    ReadTable,
    SeenFile,
)
from analyst_kernel.protocol.errors import DataError

_COUNTED_BYTES = 2 * 1000**3
_LONGEST_WHY = 1000
_LONGEST_REQUEST = 64 << 20
_PICTURES = ("PNG", "JPEG")
"""Pillow tries some thirty other formats by itself, and starts programs for one of them."""


def serve(end: socket.socket, folder: str) -> None:
    """Answer requests, a line each, until the other end is closed.

    Args:
        end: Connected to the process that asks.
        folder: For temporary files.
    """
    tempfile.tempdir = folder
    with end, end.makefile("rb") as requests:
        while line := requests.readline(_LONGEST_REQUEST):
            end.sendall(answer_to(line) + b"\n")


def answer_to(line: bytes) -> bytes:
    """Return the answer to one request; whatever a file does to its reader is a sentence."""
    name = "The file"
    try:
        request = ReaderRequest.model_validate_json(line)
        shown = [*request.files, *([request.dictionary] if request.dictionary else [])]
        name = os.path.basename(shown[0].path) if shown else "The picture"
        for file in shown:
            _check_same(file)
        return _answer(request).model_dump_json().encode()
    except DataError as error:
        problem = error
    except MemoryError:
        problem = _out_of_memory(name)
    except RecursionError:
        problem = DataError(
            f"{name} nests lists or objects too deeply to be read.",
            "Attach the part that holds the records.",
        )
    except _out_of_memory_of_duckdb():
        problem = _out_of_memory(name)
    except Exception as error:  # noqa: BLE001 - libraries raise anything over a damaged file
        reason = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        problem = DataError(
            f"{name} cannot be read: {reason.rstrip('.')}.",
            "It is damaged, or not what its name says; export it again.",
        )
    what = problem.what if name in problem.what else f"{name}: {problem.what}"
    what = what.replace("\n", " ")
    answer = ReaderAnswer(what=what[:2000], remedy=problem.remedy[:2000])
    return answer.model_dump_json().encode()


def _out_of_memory(name: str) -> DataError:
    return DataError(
        f"{name} needs more memory than reading may take.",
        "Convert it to Parquet, or attach a part of it.",
    )


def _out_of_memory_of_duckdb() -> tuple[type[Exception], ...]:
    """Return DuckDB's error, which is no ``MemoryError``; nothing where it was not needed."""
    duckdb = sys.modules.get("duckdb")
    return () if duckdb is None else (duckdb.OutOfMemoryException,)


def _check_same(file: SeenFile) -> None:
    """Raise ``DataError`` unless the file is the one that was asked about."""
    state = os.lstat(file.path)
    same = (state.st_dev, state.st_ino) == (file.device, file.inode)
    if not same or not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
        raise DataError(
            f"{os.path.basename(file.path)} was replaced while it was opened.", "Attach it again."
        )


def _answer(request: ReaderRequest) -> ReaderAnswer:
    match request.do:
        case "read":
            (file,) = request.files
            said = {(one.table, one.member): one.chosen for one in request.chosen}
            hidden = said.get((None, None), Chosen()).get("hidden-sheets") == "load"
            tables = tuple(
                _profiled(source, request.max_frame_bytes, said)
                for source in sources(file.path, hidden_too=hidden)
            )
            words = request.dictionary and read_dictionary(request.dictionary.path)
            return ReaderAnswer(tables=tables, dictionary=words)
        case "find":
            (file,) = request.files
            return ReaderAnswer(found=_found(file.path))
        case "dictionary":
            assert request.dictionary is not None
            return ReaderAnswer(dictionary=read_dictionary(request.dictionary.path))
        case "text":
            (file,) = request.files
            text, cut = document_text(file.path)
            return ReaderAnswer(text=text.encode("utf-8", "replace").decode(), text_cut=cut)
        case "pictures":
            return ReaderAnswer(pictures=picture_difference(*request.pictures))
        case _:
            assert_never(request.do)


def _profiled(
    source: Source,
    max_frame_bytes: int,
    said: Mapping[tuple[str | None, str | None], Chosen],
) -> ProfiledTable:
    """Read and profile a table as the user said, but for what cannot be kept."""
    whole = said.get((None, None), Chosen())
    own = said.get((source.table, source.packing.member), Chosen())
    chosen = Chosen(tuple(dict((*whole.values, *own.values)).items()))
    not_kept: list[NotKept] = []
    while True:
        try:
            one = inspect(replace(source, chosen=chosen), "data", max_frame_bytes=max_frame_bytes)
        except ReadingNotKept as gone:
            not_kept.append(NotKept(key=gone.key, why=gone.what[:_LONGEST_WHY]))
            chosen = chosen.without(gone.key)
        else:
            return ProfiledTable(
                table=ReadTable.of(one.source),
                profile=one.profile,
                sketches=one.sketches,
                keys=one.keys,
                not_kept=tuple(not_kept),
            )


def _found(path: str) -> FoundTables:
    tables = sources(path)
    first = tables[0]
    if len(tables) > 1:
        names = tuple(table.table or table.stem for table in tables)
        return FoundTables(format=first.format, tables=names)
    rows, columns = _measured(first)
    return FoundTables(format=first.format, rows=rows, columns=columns)


def _measured(source: Source) -> tuple[int | None, tuple[str, ...]]:
    """Count rows and name columns with as little reading as the format allows."""
    if isinstance(source.reading, FolderReading):
        folder = folder_table(source.path, source.table)
        assert folder is not None, "a source is listed from the same folder"
        seen = staging.look(folder)
        return seen.rows, names_of(seen.reading)
    match source.format:
        case "parquet":
            _, names, rows, _ = columnar.look_parquet(source.path)
            return rows, names
        case "csv" | "tsv":
            reading = delimited.look(source.path, source.packing, source.path)
            if unpacked_bytes(source.path, source.packing) > _COUNTED_BYTES:
                return None, reading.names
            with workspace(None, source.path) as work:
                return delimited.count_rows(work, source.path, reading), reading.names
        case "sqlite":
            assert isinstance(source.reading, SqliteReading)
            return database.measure_sqlite(source.path, source.reading)
        case "duckdb":
            assert isinstance(source.reading, DuckdbReading)
            with workspace(None, source.path) as work:
                database.attach_duckdb(work, source.path)
                table = database.duckdb_table_sql(source.reading)
                return int(work.row(f"SELECT count(*) FROM {table}")[0]), work.names(table)
        case "json" | "jsonl" | "excel" | "arrow":
            one = inspect(source, "found", max_frame_bytes=1 << 40, columns=("",))
            return one.profile.dataset.rows, one.profile.dataset.columns
        case "stata" | "spss" | "sas":
            _, frame, count = columnar.read_statistics(source.path, Chosen(), rows=False)
            return count, tuple(map(str, frame.columns))
        case _:
            assert_never(source.format)


def picture_difference(old: str, new: str) -> str:
    """Compare two base64 pictures by their pixels, without differences that no eye sees."""
    from PIL import Image, ImageChops, UnidentifiedImageError

    try:
        files = [io.BytesIO(base64.b64decode(picture)) for picture in (old, new)]
        pictures = [Image.open(file, formats=_PICTURES).convert("RGBA") for file in files]
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return "a picture that cannot be read"
    left, right = pictures
    if left.size != right.size:
        before, now = (f"{p.width} x {p.height}" for p in pictures)
        return f"picture of {before} pixels before, {now} now"
    far = (
        ImageChops.difference(left, right)
        .convert("RGB")
        .convert("L")
        .point(lambda level: 255 if level > 8 else 0)
    )
    differing = sum(far.histogram()[1:])
    share = differing / (left.width * left.height)
    return "" if share <= 1e-4 else f"picture differs in {share:.1%} of its pixels"
