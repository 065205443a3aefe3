"""The two sockets to one kernel: requests out, replies and published messages in.

Reads both in tasks of its own and hands each message to the run whose request it answers; what
others run (a user's own cells in the same kernel) goes to whoever listens for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from analyst_kernel.kernel.execution import CellRun
from analyst_kernel.kernel.messages import content_of, parent_of, parse, type_of
from analyst_kernel.kernel.other_clients import ForeignRuns
from analyst_kernel.protocol.errors import KernelError

_POLL = 0.01


class Channels:
    """Shell and iopub of one kernel; made anew after every restart."""

    def __init__(self, km: Any, foreign: ForeignRuns | None = None) -> None:
        """Keep the manager; nothing is connected yet. ``foreign`` hears what others run."""
        self._km = km
        self._foreign = foreign
        self._client: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._runs: dict[str, CellRun] = {}
        self._welcome = asyncio.Event()
        self._told = asyncio.Event()
        self._asked: set[str] = set()

    async def open(self, deadline: float) -> None:
        """Connect and wait until the kernel answers and its messages arrive.

        Args:
            deadline: ``time.monotonic()`` at which to give up.

        Raises:
            KernelError: It died or did not answer in time.
        """
        import zmq.asyncio

        await self._bound(deadline)
        context = self._km.context
        if not isinstance(context, zmq.asyncio.Context):
            context = zmq.asyncio.Context.instance()
        self._client = self._km.client(context=context)
        # Managers give every client one identity, under which a kernel hears only the first.
        self._client.session.session = str(uuid.uuid4())
        self._client.start_channels(stdin=False, hb=False, control=False)
        self._tasks = [
            asyncio.create_task(self._read(self._client.shell_channel, self._on_shell)),
            asyncio.create_task(self._read(self._client.iopub_channel, self._on_iopub)),
        ]
        while True:
            self._asked.add(self._client.kernel_info())
            self._look()
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
        self._look()

    def forget(self, run: CellRun) -> None:
        """Pass over whatever still comes for ``run``."""
        self._runs = {key: kept for key, kept in self._runs.items() if kept is not run}

    async def close(self) -> None:
        """Stop reading and close the sockets; harmless when closed."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            client.shell_channel.stop()
            client.iopub_channel.stop()

    def _look(self) -> None:
        """Have the loop look at the shell socket, right after something was sent on it.

        The client sends past the loop. That may use up the one signal that says a reply is there,
        and the reply would lie unread until the next message.
        """
        import zmq

        self._client.shell_channel.socket.get(zmq.EVENTS)

    async def _answered(self) -> None:
        await self._told.wait()
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
            self._told.set()
        run = self._runs.get(parent)
        if run is not None and type_of(raw) == "execute_reply":
            run.replied(content_of(raw))

    async def _on_iopub(self, raw: Mapping[str, Any]) -> None:
        parent = parent_of(raw)
        if type_of(raw) == "iopub_welcome" or parent in self._asked:
            self._welcome.set()
        run = self._runs.get(parent)
        if run is not None:
            await run.take(parse(raw))
        elif self._foreign is not None:
            await self._foreign.take(raw, own=self._client.session.session)
