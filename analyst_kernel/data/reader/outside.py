"""Asks readers: one enclosed process per file, so that no file speaks for another.

With ``ahead``, which starts them, the only module of this package that knows the sandbox. It
believes nothing that comes back unchecked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from analyst_kernel.agent.documents import DocumentText
from analyst_kernel.data.dictionary import DictionaryReading
from analyst_kernel.data.profile.inspected import Inspected
from analyst_kernel.data.reader.kept import KeptAnswers
from analyst_kernel.data.reader.opened import AT_ONCE, OpenedFile, Stamp, beside, opened
from analyst_kernel.data.reader.wire import (
    ChosenOfTable,
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
    from analyst_kernel.sandbox.reader import Cause, EnclosedReader, ReaderLimits

_T = TypeVar("_T")
_WORTH_FORKING = 5
"""So many files are worth a process that readers are forked from, in milliseconds each."""


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
        kept: KeptAnswers | None = None,
    ) -> None:
        """Prepare; no process is started before a file is to be read.

        Args:
            require: The lowest acceptable isolation; that of the user's settings by default.
            limits: Of each reader.
            ahead: Readers that were begun with the same settings; one of the same files is used.
            kept: What was read before; by default the user's own folder of it.
        """
        self.sandbox_report: SandboxReport | None = None
        self._require = require
        self._limits = limits
        self._ahead = ahead
        self._kept = kept or KeptAnswers()
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
            with opened(path) as file, beside(path) as words:
                request = _read_request(file, words, max_frame_bytes, chosen)
                key = await asyncio.to_thread(self._kept.key, file, words, request)
                if key:
                    known = await asyncio.to_thread(self._read_before, key, file, words)
                    if known is not None:
                        return known

                def use(answer: ReaderAnswer) -> ReadFile:
                    read = _read_file(answer, file, words)
                    if key:
                        self._kept.put(key, answer, file, words)
                    return read

                return await self._ask(request, use, file.size)

    def _read_before(self, key: str, file: OpenedFile, words: OpenedFile | None) -> ReadFile | None:
        """Return what was read of exactly this file before; what is damaged is forgotten."""
        raw = self._kept.get(key)
        if raw is None:
            return None
        try:
            return _read_file(read_answer(raw), file, words)
        except (UnusableAnswer, DataError):
            self._kept.forget(key)
            return None

    async def read_all(
        self,
        paths: Sequence[str],
        max_frame_bytes: int,
        chosen: Mapping[str, Sequence[ChosenOfTable]],
    ) -> list[ReadFile | DataError]:
        """Read several files, in order, each as :meth:`read` does or with what is wrong with it.

        Raises:
            SandboxError: No reader of the required isolation can be started.
        """
        each = list(dict.fromkeys(paths))
        if len(each) >= _WORTH_FORKING:
            await self._prepare_forks()

        async def one(path: str) -> ReadFile | DataError:
            try:
                return await self.read(path, max_frame_bytes, chosen.get(path, ()))
            except DataError as error:
                return error

        found = dict(zip(each, await in_turn([one(path) for path in each]), strict=True))
        return [found[path] for path in paths]

    async def _prepare_forks(self) -> None:
        from analyst_kernel.data.reader.ahead import prepare_forks

        await asyncio.to_thread(prepare_forks, self._require)

    async def find(self, path: str) -> FoundTables:
        """Return what is in a file; raises like :meth:`read`."""
        async with self._free:
            with opened(path) as file:
                request = ReaderRequest(do="find", files=(_seen(file),))
                return await self._ask(request, _required, file.size)

    async def dictionary(self, path: str) -> DictionaryReading:
        """Return what a dictionary says; raises like :meth:`read`."""
        async with self._free:
            with OpenedFile(path) as file:
                request = ReaderRequest(do="dictionary", dictionary=_seen(file))
                return await self._ask(request, lambda got: got.dictionary or DictionaryReading())

    async def document(self, path: str) -> DocumentText:
        """Return the text of a document; raises like :meth:`read`."""
        async with self._free:
            with OpenedFile(path) as file:
                request = ReaderRequest(do="text", files=(_seen(file),))
                return await self._ask(request, lambda got: DocumentText(got.text, got.text_cut))

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

    async def _ask(
        self, request: ReaderRequest, use: Callable[[ReaderAnswer], _T], size: int = 0
    ) -> _T:
        """Start a reader for one request, and return what ``use`` makes of its answer.

        The more bytes ``size`` says it has to read, the more time it gets.
        """
        from analyst_kernel.sandbox.reader import ReaderEnded, ReaderLimits

        shown = _files_of(request)
        limits = self._limits or ReaderLimits.of_size(size)
        name = os.path.basename(shown[0].path) if shown else "The picture"
        try:
            async with self._started(shown, limits) as reader:
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

    @asynccontextmanager
    async def _started(
        self, shown: Sequence[SeenFile], limits: ReaderLimits
    ) -> AsyncIterator[EnclosedReader]:
        """Start a reader that sees some files, and end it afterwards."""
        from analyst_kernel.data.reader.ahead import reader_of
        from analyst_kernel.sandbox.paths import ShownPath

        files = tuple(ShownPath(file.path, file.device, file.inode) for file in shown)
        reader = self._ahead and self._ahead.take(files)
        reader = reader or reader_of(files, limits, self._require)
        async with reader:
            self.sandbox_report = reader.sandbox_report
            yield reader


async def in_turn(work: Sequence[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Return all results, in order; if one fails, or the caller is cancelled, end the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _read_request(
    file: OpenedFile,
    words: OpenedFile | None,
    max_frame_bytes: int,
    chosen: Sequence[ChosenOfTable],
) -> ReaderRequest:
    return ReaderRequest(
        do="read",
        files=(_seen(file),),
        dictionary=words and _seen(words),
        max_frame_bytes=max_frame_bytes,
        chosen=tuple(chosen),
    )


def _read_file(got: ReaderAnswer, file: OpenedFile, words: OpenedFile | None) -> ReadFile:
    tables = inspected(got, file.path, file.size)
    return ReadFile(tables, file.stamp, got.dictionary, None if words is None else words.stamp)


def _files_of(request: ReaderRequest) -> tuple[SeenFile, ...]:
    """Return what the reader of a request is shown."""
    return (*request.files, *([request.dictionary] if request.dictionary else ()))


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
