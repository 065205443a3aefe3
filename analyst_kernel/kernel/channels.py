"""The two sockets to one kernel: requests out, replies and published messages in.

Reads both in tasks of its own and passes each message to the run whose request it answers. What
other clients run (a user's own cells in the same kernel) goes to ``other_clients``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.messages import DroppedMsg, content_of, parent_of, parse, type_of
from analyst_kernel.kernel.other_clients import OtherClientRuns
from analyst_kernel.protocol.errors import KernelError

_POLL = 0.01
LARGEST_MESSAGE = 16 * 2**20
"""Bytes of the largest message that is read; what a notebook keeps of an output is far smaller."""
LARGEST_STOPPED = 2**18
"""The same once a cell was stopped: a reply with its tables still fits."""
_MOST_VALUES = 1_000_000
"""Values in one message: as Python objects they take up to a hundred times their bytes."""
_LARGEST_HEADER = 65_536
_log = logging.getLogger(__name__)


class Channels:
    """Shell and iopub of one kernel; made anew after every restart."""

    def __init__(self, km: Any, other_clients: OtherClientRuns) -> None:
        self._km = km
        self._other_clients = other_clients
        self._client: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._runs: dict[str, CellRun] = {}
        self._welcome = asyncio.Event()
        self._info = asyncio.Event()
        self._asked: set[str] = set()

    async def open(self, deadline: float) -> None:
        """Connect and wait until the kernel answers and its messages arrive.

        Raises:
            KernelError: The kernel ended, or did not answer before ``deadline`` (monotonic).
        """
        import zmq.asyncio

        await self._bound(deadline)
        context = self._km.context
        if not isinstance(context, zmq.asyncio.Context):
            context = zmq.asyncio.Context.instance()
        self._client = self._km.client(context=context)
        # Managers give every client one identity, and a kernel answers only the first one of it.
        self._client.session.session = str(uuid.uuid4())
        self._client.start_channels(stdin=False, hb=False, control=False)
        self._tasks = [
            asyncio.create_task(self._read(self._client.shell_channel, self._on_shell)),
            asyncio.create_task(self._read(self._client.iopub_channel, self._on_iopub)),
        ]
        while True:
            self._asked.add(self._client.kernel_info())
            self._poll_shell()
            pause = time.monotonic() + 0.5
            while time.monotonic() < pause:
                with contextlib.suppress(TimeoutError):
                    both = asyncio.gather(self._info.wait(), self._welcome.wait())
                    await asyncio.wait_for(both, _POLL * 5)
                    return
                await self._check_alive()
                if time.monotonic() > deadline:
                    raise KernelError("The kernel did not answer in time.", "Try again.")

    def send(
        self, code: str, run: CellRun, *, silent: bool, expressions: Mapping[str, str]
    ) -> None:
        """Send an execute request whose answers go to ``run``."""
        message_id = self._client.execute(
            code,
            silent=silent,
            store_history=not silent,
            user_expressions=dict(expressions),
            allow_stdin=False,
            # Else the kernel would refuse our question for the variables after a failed cell.
            stop_on_error=False,
        )
        self._runs[message_id] = run
        self._poll_shell()

    def forget(self, run: CellRun) -> None:
        """Ignore whatever still arrives for ``run``."""
        self._runs = {key: kept for key, kept in self._runs.items() if kept is not run}

    async def close(self) -> None:
        """Stop reading and close the sockets. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            client.shell_channel.stop()
            client.iopub_channel.stop()

    def _poll_shell(self) -> None:
        """Make the loop read the state of the shell socket, right after something was sent on it.

        The client sends past the event loop. That may consume the one signal of ZeroMQ that a reply
        has arrived, and the reply would stay unread until the next message.
        """
        import zmq

        self._client.shell_channel.socket.get(zmq.EVENTS)

    async def _bound(self, deadline: float) -> None:
        """Wait for the ipc sockets: connecting too early costs the reconnect interval of zmq."""
        km = self._km
        if getattr(km, "transport", "") != "ipc":
            return
        ports = (km.shell_port, km.iopub_port, km.control_port, km.hb_port)
        late = min(deadline, time.monotonic() + 5.0)
        checked = 0
        while not all(os.path.exists(f"{km.ip}-{port}") for port in ports):
            if time.monotonic() > late:
                return
            checked += 1
            if checked % 10 == 0:
                await self._check_alive()
            await asyncio.sleep(_POLL)

    async def _check_alive(self) -> None:
        if not await self._km.is_alive():
            raise KernelError("The kernel ended before it was ready.", "Run `analyst doctor`.")

    async def _read(self, channel: Any, handle: Any) -> None:
        """Read messages for ever. Whatever arrives, the next one is read too."""
        session = self._client.session
        copy = True
        while True:
            frames = await channel.socket.recv_multipart(copy=copy)
            # Small messages are quicker to copy. Large ones are not kept, and seldom come alone.
            copy = sum(memoryview(frame).nbytes for frame in frames) <= LARGEST_MESSAGE
            try:
                raw = read_message(session, frames, self._largest())
            except (ValueError, TypeError, RecursionError, KeyError, IndexError, AttributeError):
                # Not signed by the kernel's session, or not a message.
                raw = {}
            del frames
            try:
                await handle(raw)
            except Exception:  # noqa: BLE001 - else the cell would wait for ever for its reply
                _log.exception("A message of a kernel could not be taken.")
                if (run := self._runs.get(parent_of(raw))) is not None:
                    run.add(DroppedMsg(0))
            # A socket that always has something would keep the loop from everything else.
            await asyncio.sleep(0)

    def _largest(self) -> int:
        """Return the bytes of a message from which on only its headers are read."""
        # What a stopped cell had published stands before the end that its caller waits for.
        stopped = any(run.abandoned for run in self._runs.values())
        return LARGEST_STOPPED if stopped else LARGEST_MESSAGE

    async def _on_shell(self, raw: Mapping[str, Any]) -> None:
        parent = parent_of(raw)
        if parent in self._asked:
            self._info.set()
        run = self._runs.get(parent)
        if run is None or type_of(raw) != "execute_reply":
            return
        if "too_large" in raw:
            run.add(DroppedMsg(raw["too_large"]))
            # How it ended is lost with it, but for the error that was published before.
            run.take_reply({"status": "error" if run.state.error else "ok"})
        else:
            run.take_reply(content_of(raw))

    async def _on_iopub(self, raw: Mapping[str, Any]) -> None:
        parent = parent_of(raw)
        if type_of(raw) == "iopub_welcome" or parent in self._asked:
            self._welcome.set()
        run = self._runs.get(parent)
        if run is None:
            for waiting in self._runs.values():
                waiting.last_of_others = time.monotonic()
        if run is not None and "too_large" in raw:
            await run.take(DroppedMsg(raw["too_large"]))
        elif run is not None:
            await run.take(parse(raw))
        else:
            await self._other_clients.take(raw, own=self._client.session.session)


def read_message(
    session: Any, frames: Sequence[Any], largest: int = LARGEST_MESSAGE
) -> Mapping[str, Any]:
    """Return the message of some frames; of one over ``largest`` bytes only headers, unverified.

    Parsing comes last: 57 MiB of nested lists grow the process by 3 GB and stop it for a minute.
    Even to copy such a message, or to look through it, takes long where one follows the other.
    One that is too large has the size in bytes under ``too_large``.

    Raises:
        ValueError: Not signed by the kernel's session, or not a message; so do other errors that
            malformed JSON leads to.
    """
    sizes = [memoryview(frame).nbytes for frame in frames]
    is_large = sum(sizes) > largest
    copies = [
        b"" if is_large and size > _LARGEST_HEADER else bytes(frame)
        for frame, size in zip(frames, sizes, strict=True)
    ]
    _, parts = session.feed_identities(copies)
    sizes = sizes[len(frames) - len(parts) :]
    size = sum(sizes)
    if sum(sizes[1:3]) > _LARGEST_HEADER:
        raise ValueError("the header of a message is too large")
    if size <= largest:
        values = sum(part.count(mark) for part in parts[3:5] for mark in (b",", b"[", b"{"))
        if values <= _MOST_VALUES:
            message: Mapping[str, Any] = session.deserialize(parts)
            return message
    header, parent = (json.loads(part) for part in parts[1:3])
    return {"header": header, "parent_header": parent, "too_large": size}
