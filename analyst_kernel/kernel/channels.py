"""The two sockets to one kernel: requests out, replies and published messages in.

Reads both in tasks of its own and passes each message to the run whose request it answers. What
other clients run (a user's own cells in the same kernel) goes to ``other_clients``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from analyst_kernel.kernel.collector import CellRun
from analyst_kernel.kernel.messages import content_of, parent_of, parse, type_of
from analyst_kernel.kernel.other_clients import OtherClientRuns
from analyst_kernel.protocol.errors import KernelError

_POLL = 0.01


class Channels:
    """Shell and iopub of one kernel; made anew after every restart.

    Args:
        km: The kernel's manager.
        other_clients: Takes the messages that answer no request of ours.
    """

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

        Args:
            deadline: ``time.monotonic()`` at which to give up.

        Raises:
            KernelError: The kernel ended or did not answer in time.
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
                    await asyncio.wait_for(self._answered(), _POLL * 5)
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

    async def _answered(self) -> None:
        await self._info.wait()
        await self._welcome.wait()

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
        while True:
            try:
                raw = await channel.get_msg(timeout=None)
            except (ValueError, TypeError, RecursionError, KeyError, IndexError):
                # Not signed by the kernel's session, or not a message.
                await asyncio.sleep(0)
                continue
            await handle(raw)
            # A socket that always has something would keep the loop from everything else.
            await asyncio.sleep(0)

    async def _on_shell(self, raw: Mapping[str, Any]) -> None:
        parent = parent_of(raw)
        if parent in self._asked:
            self._info.set()
        run = self._runs.get(parent)
        if run is not None and type_of(raw) == "execute_reply":
            run.take_reply(content_of(raw))

    async def _on_iopub(self, raw: Mapping[str, Any]) -> None:
        parent = parent_of(raw)
        if type_of(raw) == "iopub_welcome" or parent in self._asked:
            self._welcome.set()
        run = self._runs.get(parent)
        if run is not None:
            await run.take(parse(raw))
        else:
            await self._other_clients.take(raw, own=self._client.session.session)
