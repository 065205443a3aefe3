"""Asks readers: one enclosed process per file, so that no file speaks for another.

With ``ahead``, which starts them, the only module of this package that knows the sandbox. It
believes nothing that comes back unchecked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from analyst_kernel.data.dictionary import DictionaryReading
from analyst_kernel.data.read.options import Inspected
from analyst_kernel.data.reader.opened import AT_ONCE, OpenedFile, Stamp, beside
from analyst_kernel.data.reader.wire import (
    ChosenOfTable,
    ColumnPair,
    FoundTables,
    ReaderAnswer,
    ReaderRequest,
    SeenFile,
    UnusableAnswer,
    inspected,
    read_answer,
)
from analyst_kernel.protocol.errors import (
    DataError,
    DataReplaced,
    LaunchFailed,
    PolicyError,
    SandboxError,
)
from analyst_kernel.protocol.levels import SandboxLevel
from analyst_kernel.protocol.sandbox import SandboxReport

if TYPE_CHECKING:
    from analyst_kernel.data.reader.ahead import ReadersAhead
    from analyst_kernel.sandbox.reader import Cause, ReaderLimits

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What a reader found in a file, and the stamps that it had then."""

    tables: tuple[Inspected, ...]
    stamp: Stamp
    dictionary: DictionaryReading | None
    dictionary_stamp: Stamp | None


class FileReader:
    """Parses users' files in processes of their own.

    Attributes:
        sandbox_report: How the last reader was isolated; None before there was one.
    """

    def __init__(
        self,
        require: SandboxLevel | None = None,
        limits: ReaderLimits | None = None,
        ahead: ReadersAhead | None = None,
    ) -> None:
        """Prepare; no process is started before a file is to be read.

        Args:
            require: The lowest acceptable isolation; that of the user's settings by default.
            limits: Of each reader.
            ahead: Readers that were begun with the same settings; one of the same files is used.
        """
        self.sandbox_report: SandboxReport | None = None
        self._require = require
        self._limits = limits
        self._ahead = ahead
        self._free = asyncio.Semaphore(AT_ONCE)

    async def read(
        self, path: str, max_frame_bytes: int, chosen: Sequence[ChosenOfTable] = ()
    ) -> ReadFile:
        """Return the tables of a file, and what the dictionary beside it says, if there is one.

        They are read as the user said, but for what cannot be kept, which each table names.

        Raises:
            DataError: It cannot be read as data, or not within the limits.
            SandboxError: No reader of the required isolation can be started.
        """
        async with self._free:
            with OpenedFile(path) as file, beside(path) as words_file:
                request = ReaderRequest(
                    do="read",
                    files=(_seen(file),),
                    dictionary=words_file and _seen(words_file),
                    max_frame_bytes=max_frame_bytes,
                    chosen=tuple(chosen),
                )
                tables, words = await self._ask(
                    request, lambda got: (inspected(got, path, file.size), got.dictionary)
                )
                return ReadFile(
                    tables, file.stamp, words, None if words_file is None else words_file.stamp
                )

    async def find(self, path: str) -> FoundTables:
        """Return what is in a file; raises like :meth:`read`."""
        async with self._free:
            with OpenedFile(path) as file:
                return await self._ask(ReaderRequest(do="find", files=(_seen(file),)), _required)

    async def shared_values(
        self, path: str, other: str, pairs: Sequence[ColumnPair]
    ) -> tuple[int | None, ...]:
        """Count for each pair how many values of its first column the second one has too.

        A count is None if it is not known. Raises like :meth:`read`.
        """

        def counts(got: ReaderAnswer) -> tuple[int | None, ...]:
            if len(got.shared) != len(pairs):
                raise UnusableAnswer("another number of counts")
            return got.shared

        async with self._free:
            with OpenedFile(path) as one, OpenedFile(other) as two:
                files = (_seen(one), _seen(two))
                request = ReaderRequest(do="shared", files=files, pairs=tuple(pairs))
                return await self._ask(request, counts)

    async def dictionary(self, path: str) -> DictionaryReading:
        """Return what a dictionary says; raises like :meth:`read`."""
        async with self._free:
            with OpenedFile(path) as file:
                request = ReaderRequest(do="dictionary", dictionary=_seen(file))
                return await self._ask(request, lambda got: got.dictionary or DictionaryReading())

    async def picture_difference(self, old: str, new: str) -> str:
        """Return what differs between two base64 pictures; empty if no eye would see it."""
        async with self._free:
            try:
                request = ReaderRequest(do="pictures", pictures=(old, new))
                return await self._ask(request, lambda got: got.pictures)
            except (DataError, ValueError):  # text that is no picture may be no valid text either
                return "a picture that cannot be read"
            except SandboxError:
                return "another picture, which nothing can compare safely on this machine"

    async def _ask(self, request: ReaderRequest, use: Callable[[ReaderAnswer], _T]) -> _T:
        """Start a reader for one request, and return what ``use`` makes of its answer."""
        from analyst_kernel.data.reader.ahead import reader_of
        from analyst_kernel.sandbox.paths import ShownPath
        from analyst_kernel.sandbox.reader import ReaderEnded, ReaderLimits

        limits = self._limits or ReaderLimits()
        shown = [*request.files, *([request.dictionary] if request.dictionary else [])]
        name = os.path.basename(shown[0].path) if shown else "The picture"
        files = tuple(ShownPath(file.path, file.device, file.inode) for file in shown)
        reader = self._ahead and self._ahead.take(files)
        reader = reader or reader_of(files, limits, self._require)
        try:
            async with reader:
                self.sandbox_report = reader.sandbox_report
                raw = await reader.ask(request.model_dump_json().encode())
            return await asyncio.to_thread(lambda: use(read_answer(raw)))
        except ReaderEnded as end:
            raise _limit_met(name, end.cause, limits) from end
        except UnusableAnswer as error:
            raise _limit_met(name, "crash", limits) from error
        except DataReplaced as error:
            raise DataError(
                f"{name} was replaced while it was opened.", "Attach it again."
            ) from error
        except PolicyError as error:
            raise DataError(f"{name} cannot be shown to a reader: {error.what}.") from error
        except (LaunchFailed, OSError) as error:
            raise DataError(
                f"The process that reads {name} could not be started: {error}.",
                "Run `analyst doctor`.",
            ) from error


async def in_turn(work: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Return all results, in order; if one fails, or the caller is cancelled, end the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _seen(file: OpenedFile) -> SeenFile:
    return SeenFile(path=file.path, device=file.device, inode=file.inode)


def _required(answer: ReaderAnswer) -> FoundTables:
    if answer.found is None:
        raise UnusableAnswer("nothing was found")
    return answer.found


def _limit_met(name: str, cause: Cause, limits: ReaderLimits) -> DataError:
    """Return what the end of a reader means for the file."""
    own = limits.resources
    gibi = 1 << 30
    part = "Attach a part of it, or convert it to Parquet."
    match cause:
        case "memory":
            most = f"{own.memory_bytes / gibi:.1f} GiB of memory"
            return DataError(f"{name} takes more than the {most} that reading may use.", part)
        case "time":
            most = f"{limits.seconds:g} s"
            return DataError(f"{name} takes more than the {most} that reading may last.", part)
        case "processor":
            most = f"{own.cpu_seconds} s of computing"
            return DataError(f"{name} takes more than the {most} that reading may use.", part)
        case "disk":
            most = f"{own.output_bytes / gibi:.1f} GiB of disk"
            return DataError(f"{name} takes more than the {most} that reading may use.", part)
        case "processes":
            return DataError(
                f"{name} made its reader start more than {own.processes} processes.",
                "It is no ordinary data file; get it again from where it came.",
            )
        case "answer":
            most = f"{limits.answer_bytes / (1 << 20):.0f} MiB"
            return DataError(f"{name} needs a description of more than {most}.", part)
        case "crash":
            return DataError(
                f"The process that read {name} ended without a usable answer.",
                "Try again; if it happens again, the file is damaged: export it again.",
            )
        case _:
            assert_never(cause)
