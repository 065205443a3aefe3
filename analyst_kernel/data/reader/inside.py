"""What runs in a reader: it parses the file that it was shown, and answers in JSON.

Nothing of the asking process is here but the request. The process has limits from outside; what
they leave to an exception becomes a sentence about the file.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import signal
import socket
import stat
import sys
import tempfile
from importlib import import_module
from typing import assert_never

from analyst_kernel.data.dictionary import read_dictionary
from analyst_kernel.data.profile.profile import inspect
from analyst_kernel.data.read import columnar, database, delimited
from analyst_kernel.data.read.archives import unpacked_bytes
from analyst_kernel.data.read.discover import sources
from analyst_kernel.data.read.options import DuckdbReading, Source, SqliteReading
from analyst_kernel.data.read.workspace import workspace
from analyst_kernel.data.reader.texts import document_text
from analyst_kernel.data.reader.wire import (
    APART,
    FoundTables,
    ProfiledTable,
    ReaderAnswer,
    ReaderRequest,
    ReadTable,
    SeenFile,
)
from analyst_kernel.protocol.errors import DataError

_COUNTED_BYTES = 2 * 1000**3
_LONGEST_REQUEST = 64 << 20
_LONGEST_ANSWER = 64 << 20  # the asking process takes less
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
            apart = line.removeprefix(APART)
            answer = answer_to(line) if apart == line else _apart(apart, end)
            end.sendall(answer + b"\n")


def _apart(line: bytes, end: socket.socket) -> bytes:
    """Return the answer of a process of its own, so that no file of a batch speaks for another.

    It is forked after the libraries were loaded, which takes most of the time of a small file. What
    it answers is passed on as bytes; if it ends without an answer, so does this process.
    """
    if not hasattr(os, "fork"):
        return answer_to(line)
    _load_libraries()
    _show_memory(False)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _show_memory(True)  # the limits are watched from outside
            end.close()
            os.close(reading)
            with os.fdopen(writing, "wb") as file:
                file.write(answer_to(line))
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = file.read(_LONGEST_ANSWER)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not answer or b"\n" in answer:
        sys.exit(1)
    return answer


def _load_libraries() -> None:
    """Import what reading needs, with nothing of it running: a fork leaves threads behind."""
    for name in ("duckdb", "pandas"):
        import_module(name)
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def _show_memory(shown: bool) -> None:
    """Keep the memory of this process from those that it forks, where the system has a way."""
    if sys.platform == "linux":
        import ctypes

        pr_set_dumpable = 4
        ctypes.CDLL(None).prctl(pr_set_dumpable, int(shown), 0, 0, 0)


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
    if not same or not stat.S_ISREG(state.st_mode):
        raise DataError(
            f"{os.path.basename(file.path)} was replaced while it was opened.", "Attach it again."
        )


def _answer(request: ReaderRequest) -> ReaderAnswer:
    match request.do:
        case "read":
            (file,) = request.files
            tables = tuple(
                _profiled(source, request.max_frame_bytes) for source in sources(file.path)
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


def _profiled(source: Source, max_frame_bytes: int) -> ProfiledTable:
    one = inspect(source, "data", max_frame_bytes=max_frame_bytes)
    return ProfiledTable(
        table=ReadTable.of(one.source), profile=one.profile, sketches=one.sketches, keys=one.keys
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
