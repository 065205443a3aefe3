"""A reader: an enclosed process that parses a user's files, and sees nothing else of theirs.

It has no network, shows only the named files, writes into a private folder that is removed with it,
and has limits of its own. Whatever it answers is untrusted: bytes, bounded in number and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel._trees import remove_tree
from analyst_kernel.sandbox import paths
from analyst_kernel.sandbox.backends.base import Launch
from analyst_kernel.sandbox.enclosure import Enclosure
from analyst_kernel.sandbox.environment import scrubbed
from analyst_kernel.sandbox.policy import GIB, MIB, BackendName, ResourceLimits
from analyst_kernel.sandbox.settings import Isolation
from analyst_kernel.sandbox.shared import shared_resources

if TYPE_CHECKING:
    from analyst_kernel.protocol.sandbox import SandboxReport

Cause = Literal["memory", "processes", "disk", "time", "processor", "answer", "crash"]
"""Which limit a reader met; ``answer`` for one that is too long, ``crash`` for none."""

_SLOWEST = 5_000_000
"""Bytes in a second, below which a file of any size is given up."""
_START_WAIT = 60.0  # seconds for a starting reader
_BLOCK = 1 << 18


@dataclass(frozen=True)
class ReaderLimits:
    """What one reader may use.

    Attributes:
        resources: Memory, processes, files and time of processors; ``output_bytes`` is its room
            on disk.
        answer_bytes: The longest answer.
        seconds: For one request.
    """

    resources: ResourceLimits = field(
        default_factory=lambda: ResourceLimits(
            memory_bytes=2 * GIB,
            processes=64,
            tmp_bytes=64 * MIB,
            file_bytes=8 * GIB,
            open_files=256,
            cpus=2,
            output_bytes=8 * GIB,
            cpu_seconds=240,
        )
    )
    answer_bytes: int = 16 * MIB
    seconds: float = 120.0

    @classmethod
    def of_size(cls, size: int) -> ReaderLimits:
        """Return what the reader of a file of so many bytes may use: time grows with the file."""
        usual = cls()
        seconds = max(usual.seconds, size / _SLOWEST)
        own = replace(usual.resources, cpu_seconds=int(2 * seconds))
        return replace(usual, resources=own, seconds=seconds)


class ReaderEnded(RuntimeError):
    """A reader ended before it answered; ``cause`` says which limit it met."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause: Cause = cause


class EnclosedReader:
    """One reader, for an ``async with`` block that ends it.

    Attributes:
        sandbox_report: What was probed in it.
    """

    sandbox_report: SandboxReport | None = None

    def __init__(
        self,
        files: Sequence[paths.ShownPath],
        serves: str,
        isolation: Isolation,
        limits: ReaderLimits,
    ) -> None:
        """Prepare a reader of ``files``; ``serves`` is a module of this package."""
        self._files = tuple(files)
        self._serves = serves
        self._isolation = isolation
        self._limits = limits
        self._folder = ""
        self._enclosed: Enclosure | None = None
        self._died = ""
        self._starting: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the reader while the caller does something else; only the block waits for it."""
        self._starting = asyncio.create_task(self._start())

    async def __aenter__(self) -> EnclosedReader:
        """Start the reader, unless it begins already.

        Raises:
            SandboxError: The required level is not available.
            PolicyError: A file may not be shown.
            LaunchFailed: It did not start.
        """
        await (self._starting or self._start())
        return self

    async def _start(self) -> None:
        shared = shared_resources()
        self._folder = shared.runtime.kernel_folder()
        output = os.path.join(self._folder, "work")
        os.mkdir(output, 0o700)
        python, log = sys.executable, os.path.join(self._folder, "log")

        def prepare(backend: BackendName) -> Launch:
            policy = paths.policy_for(
                workdir="/",
                output_dir=output,
                runtime_dir=os.path.join(self._folder, "s"),
                grants=self._files,
                limits=self._limits.resources,
                backend=backend,
                landlock=self._isolation.landlock,
                python=python,
            )
            environment = scrubbed(os.environ, policy, python)
            # Else every installed package would be looked through for plugins of pydantic.
            environment["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
            plan = shared.canaries.plan_for(policy, environment)
            return Launch(
                policy, python, environment, plan, {}, log, _START_WAIT,
                cgroup=self._isolation.cgroup, serves=self._serves,
            )  # fmt: skip

        self._enclosed = Enclosure(self._isolation, "reader", self._note_death)
        try:
            await self._enclosed.start(prepare)
        except BaseException:
            await finish_despite_cancel(self._close())
            raise
        self.sandbox_report = self._enclosed.sandbox_report

    async def give_up(self) -> None:
        """End a reader that was begun and is not wanted any more, whatever became of its start."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await finish_despite_cancel(self._close())

    async def __aexit__(self, *_error: object) -> None:
        """End the reader and leave nothing of it behind."""
        await finish_despite_cancel(self._close())

    async def ask(self, request: bytes) -> bytes:
        """Send one request and return its answer; neither holds a line end.

        Raises:
            ReaderEnded: No answer came within the limits. The reader is of no use any more.
        """
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._exchange(request)
        except TimeoutError:
            raise ReaderEnded("time") from None
        except OSError:
            raise ReaderEnded(await self._cause()) from None

    async def _exchange(self, request: bytes) -> bytes:
        assert self._enclosed is not None
        end = getattr(self._enclosed.process, "conversation", None)
        if end is None:  # the watchdog was faster
            raise ConnectionError
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(end, request + b"\n")
        answer = bytearray()
        while True:
            block = await loop.sock_recv(end, _BLOCK)
            if not block:
                raise ConnectionError
            line, found, rest = block.partition(b"\n")
            answer += line
            if len(answer) > self._limits.answer_bytes:
                raise ReaderEnded("answer")
            if found:
                if rest:  # it answers what it was not asked
                    raise ReaderEnded("answer")
                return bytes(answer)

    async def _cause(self) -> Cause:
        """Return why the reader closed its end: it ends by itself, or was ended by a limit."""
        assert self._enclosed is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._enclosed.wait()
        known: dict[str, Cause] = {
            "memory": "memory", "processes": "processes", "disk": "disk", "processor": "processor",
        }  # fmt: skip
        return known.get(self._died, "crash")

    def _note_death(self, reason: str) -> None:
        self._died = reason

    async def _close(self) -> None:
        if self._enclosed is not None:
            await self._enclosed.close()
        if self._folder:
            await asyncio.to_thread(remove_tree, self._folder)
