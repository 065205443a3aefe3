"""Starts workers and takes what they give; a cancellation ends a worker, and what it asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel.connections.engines import ENGINES
from analyst_kernel.connections.entries import ConnectionEntry, with_password
from analyst_kernel.connections.passwords import password_of
from analyst_kernel.connections.task import LAST_SECONDS, Task, TaskKind
from analyst_kernel.protocol.errors import DataError

_LONGEST_RESULT = 64 << 20
_LOOK_SECONDS = 30.0
_MORE_SECONDS = 30.0
"""What a task may take beside its statement: the start, the connection, the writing."""

_NEEDED = (
    "HOME", "USER", "USERNAME", "LOGNAME", "PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT",
    "APPDATA", "USERPROFILE", "TEMP", "TMP", "TMPDIR", "KRB5CCNAME", "KRB5_CONFIG",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


class DatabaseFailed(DataError):
    """A database did not do what it was asked; nothing of its answer is kept."""


class DatabaseWorker:
    """Asks databases in a process of its own, which is started when it is needed first.

    One task at a time; a second one waits. Several tasks share the process, never a connection.

    Attributes:
        idle_seconds: How long the process stays when nothing is asked.
    """

    idle_seconds = 60.0

    def __init__(self) -> None:
        """Start nothing yet."""
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> DatabaseWorker:
        """Return self."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process."""
        await self.aclose()

    async def aclose(self) -> None:
        """End the process, and with it what runs on a server. Idempotent."""
        self._busy()
        process, self._process = self._process, None
        if process is not None:
            await finish_despite_cancel(_end(process))

    async def try_out(self, entry: ConnectionEntry) -> tuple[str, str]:
        """Sign in, and return who did so where, and what that role could change; or empty.

        Raises:
            DatabaseFailed, KeyStoreError: It could not be asked.
        """
        about = await self.ask(entry, "test", seconds=_LOOK_SECONDS)
        title = ENGINES[entry.engine].title
        said = f"{entry.name}: {about['database']} on {title} {about['version']}"
        said += f", as {about['role']}."
        if not about["writable"]:
            return said, ""
        return said, (
            f"This role may change {about['writable']:,} tables. From here it cannot, since every "
            "query runs in a read-only transaction; a role with SELECT alone is safer still."
        )

    async def ask(
        self,
        entry: ConnectionEntry,
        kind: TaskKind,
        *,
        sql: str = "",
        queries: Sequence[str] = (),
        target: str = "",
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Carry out one task on a connection, and return what it gave.

        When cancelled, the statement on the server is cancelled too, within a second.

        Args:
            entry: The connection.
            kind: Of the task.
            sql: The query of the user or model.
            queries: Queries of ours.
            target: The file for the rows.
            seconds: A shorter limit than the connection's own.

        Raises:
            DatabaseFailed: One sentence with the reason, and what to do.
            KeyStoreError: There is no password where the connection says.
        """
        password = await asyncio.to_thread(password_of, entry.name, entry.password_from, os.environ)
        engine = ENGINES[entry.engine]
        if not engine.is_installed:
            raise DatabaseFailed(
                f"The driver for {engine.title} is not installed.",
                f"Run {engine.install}.",
            )
        limit = min(seconds or entry.max_seconds, entry.max_seconds)
        task = Task(
            name=entry.name,
            engine=entry.engine,
            kind=kind,
            address=with_password(entry, password),
            secret=password,
            sql=sql,
            queries=tuple(queries),
            target=target,
            rows=entry.max_rows,
            bytes=entry.max_megabytes << 20,
            seconds=limit,
        )
        async with self._lock:
            self._busy()
            result = await self._answer(task.model_dump_json().encode() + b"\n", limit, entry.name)
            self._rest()
        if "error" in result:
            raise DatabaseFailed(str(result["error"]), str(result.get("remedy", "")))
        return result

    def _busy(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        """Let the process end by itself when nothing is asked for a while: it holds memory."""
        process = self._process
        if process is not None and process.stdin is not None:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self.idle_seconds, process.stdin.close)

    async def _answer(self, order: bytes, limit: float, name: str) -> dict[str, Any]:
        process = self._process
        if (
            process is None
            or process.returncode is not None
            or process.stdin is None
            or process.stdin.is_closing()
        ):
            await self.aclose()
            process = self._process = await _start()
        assert process.stdin is not None
        assert process.stdout is not None
        seconds = limit + _MORE_SECONDS
        try:
            async with asyncio.timeout(seconds):
                with contextlib.suppress(ConnectionError):
                    process.stdin.write(order)
                    await process.stdin.drain()
                line = await process.stdout.readline()
            found = json.loads(line)
        except TimeoutError:
            await self.aclose()
            raise DatabaseFailed(
                f"{name} did not answer within {seconds:g} s.",
                "Check the network, and ask for less.",
            ) from None
        except ValueError:
            await self.aclose()
            raise DatabaseFailed(
                f"The process that asked {name} ended without an answer.",
                "Ask for less, in case its memory was not enough.",
            ) from None
        except asyncio.CancelledError:
            await self.aclose()
            raise
        return dict(found)


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # what lies in the working folder is no module of ours
        "-m",
        "analyst_kernel.connections.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        limit=_LONGEST_RESULT,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let a worker cancel its statement and end; end it where it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(LAST_SECONDS + 0.2):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _environment() -> dict[str, str]:
    """Return what a driver may need of the environment: its own variables, and no key of a model.

    ``PGPASSWORD`` and the like are the user's own credentials for exactly this.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name in _NEEDED or name.startswith(("PG", "LC_", "PYTHON"))
    }
