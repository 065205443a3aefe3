"""Kernels of the Jupyter server: listed under Running, and shared with the notebook's tab.

One host serves one analysis. :meth:`ServerHost.condition` detects what the user does to the kernel
in Jupyter's own panels; the caller acts on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from analyst_kernel._aio import BackgroundTasks, finish_despite_cancel
from analyst_kernel.kernel.manager import as_analyst_error
from analyst_kernel.protocol.errors import KernelError

_log = logging.getLogger(__name__)
_ENDING_SECONDS = 20.0
Condition: TypeAlias = Literal["none", "running", "replaced", "dead", "gone"]
"""``replaced`` and ``gone`` mean that the user restarted it or shut it down in Jupyter."""


class ServedKernel:
    """Wraps the kernel's manager, which can be replaced while the wrapper stays.

    All other attributes are the manager's own: ``client``, ``is_alive``, ``provisioner``...
    """

    def __init__(self, kernel_id: str, manager: Any, launch: dict[str, Any]) -> None:
        """Wrap ``manager``, which was started with the keywords ``launch``."""
        self.kernel_id = kernel_id
        self.manager = manager
        self.launch = launch
        self.name = str(launch["kernel_name"])
        self.process = _process(manager)
        self.is_moved = False
        self.cancel_prefetch: Callable[[], None] = lambda: None
        """Ends the wait for the kernel's first answer."""

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the manager."""
        return getattr(self.manager, name)


class ServerHost:
    """Implements ``kernel.host.KernelHost`` over the server's kernel and session managers."""

    def __init__(
        self, kernels: Any, sessions: Any, notebook: Callable[[], str | None] = lambda: None
    ) -> None:
        """Start kernels with a ``MappingKernelManager``, and sessions with a ``SessionManager``.

        ``notebook`` returns the file browser's path of the notebook whose tab is to use the kernel.
        If it returns None, there is no session.
        """
        self._kernels = kernels
        self._sessions = sessions
        self._notebook = notebook
        self._kernel: ServedKernel | None = None
        self._released: ServedKernel | None = None
        self._spared = False
        self._unwanted = BackgroundTasks()

    # --- the port ------------------------------------------------------------------------------

    async def start(
        self, kernel_name: str, *, cwd: str, env: dict[str, str], **options: Any
    ) -> Any:
        """Start a kernel, or use the released one again if it still runs."""
        taken, self._released = self._released, None
        if taken is not None and self._is_served(taken) and await taken.manager.is_alive():
            taken.process = _process(taken.manager)
            self._kernel = taken
            return taken
        spec = self._spec(kernel_name)
        if not spec.metadata.get("kernel_provisioner"):
            options = {}
        launch = {"kernel_name": kernel_name, "cwd": cwd, "env": env, **options}
        kernel = self._kernel = await self._launch(launch)
        try:
            await self._attach(kernel)
        except asyncio.CancelledError:
            await asyncio.shield(self.shutdown(kernel))
            raise
        return kernel

    async def restart(self, km: Any) -> None:
        """Kill the kernel and start it again, or another one if it was shut down meanwhile."""
        kernel: ServedKernel = km
        try:
            if await self._left_alone(kernel) and not kernel.is_moved:
                await self._restart(kernel)
            elif kernel.is_moved:  # Jupyter would start it for the notebook's old path
                await self.shutdown(kernel)
                await self._relaunch(kernel)
            elif self._is_served(kernel):
                pass  # the user has just restarted it
            else:
                await self._relaunch(kernel)
            kernel.process = _process(kernel.manager)
        except BaseException as error:
            if (known := as_analyst_error(error, kernel.name)) is not None:
                raise known from error
            raise

    async def shutdown(self, km: Any) -> None:
        """End the kernel and its session; a released kernel is left running."""
        kernel: ServedKernel = km
        if self._spared:
            self._released = kernel
            return
        kernel.cancel_prefetch()
        if self._kernel is kernel:
            self._kernel = None
        if kernel is self._released or not self._is_served(kernel):
            return
        await self._detach(kernel.kernel_id)
        alive = await kernel.manager.is_alive()
        ending = _awaited(self._kernels.shutdown_kernel(kernel.kernel_id, now=not alive))
        with contextlib.suppress(Exception):  # Jupyter may be shutting it down too
            await finish_despite_cancel(ending, reraise=True)

    def last_words(self, km: Any) -> str:
        """Return nothing: the kernel's stderr is the server's."""
        return ""

    # --- its condition -----------------------------------------------------------------

    @property
    def kernel_id(self) -> str | None:
        """The kernel's id on this server, or None while there is no kernel."""
        return None if self._kernel is None else self._kernel.kernel_id

    async def condition(self) -> Condition:
        """Return the condition of the kernel that was started here."""
        kernel = self._kernel
        if kernel is None:
            return "none"
        if not self._is_served(kernel):
            return "gone"
        if _is_ending(kernel.manager):
            return "running"  # for a moment; then it is gone or replaced
        if not await kernel.manager.is_alive():
            return "dead"
        return "running" if _process(kernel.manager) == kernel.process else "replaced"

    def take_over(self) -> AbstractContextManager[None]:
        """Leave the kernel running at the next shutdown, and take it up again at the next start.

        Inside the context manager that this returns, a start that fails does not end the kernel.
        """
        self._released = self._kernel
        return self._spare()

    @contextlib.contextmanager
    def _spare(self) -> Iterator[None]:
        self._spared = True
        try:
            yield
        finally:
            self._spared = False

    async def close(self) -> None:
        """End a kernel that was released and not used again. Idempotent."""
        kernel, self._released = self._released, None
        if kernel is not None:
            await self.shutdown(kernel)

    async def moved(self, notebook: str) -> None:
        """Continue at the notebook's new absolute path, so that its tab keeps the kernel."""
        kernel = self._kernel
        if kernel is None:
            return
        kernel.launch["env"] = {**kernel.launch["env"], "JPY_SESSION_NAME": notebook}
        kernel.launch["cwd"] = os.path.dirname(notebook)
        kernel.is_moved = True
        path = self._notebook()
        for session in await self._sessions.list_sessions():
            if path is not None and session["kernel"]["id"] == kernel.kernel_id:
                name = os.path.basename(path)
                await self._sessions.update_session(session["id"], path=path, name=name)

    def touch(self) -> None:
        """Mark the kernel as active, so that Jupyter does not cull it."""
        if self._kernel is not None:
            self._kernel.manager.last_activity = datetime.now(UTC)

    @property
    def last_activity(self) -> float:
        """Time of the kernel's last activity, seconds since the epoch; 0 if there was none."""
        moment = getattr(self._kernel and self._kernel.manager, "last_activity", None)
        return moment.timestamp() if isinstance(moment, datetime) else 0.0

    @property
    def busy(self) -> bool:
        """Return whether it runs a cell of any client."""
        return getattr(self._kernel and self._kernel.manager, "execution_state", "") == "busy"

    @property
    def is_shared(self) -> bool:
        """Return whether a notebook tab or a console is connected."""
        kernel_id = self.kernel_id
        if kernel_id is None or kernel_id not in self._kernels:
            return False
        return bool(self._kernels.kernel_model(kernel_id).get("connections"))

    async def _launch(self, launch: dict[str, Any]) -> ServedKernel:
        kernel_id = str(uuid.uuid4())
        # If the start is cancelled, Jupyter loses track of the kernel and its process never ends.
        starting = asyncio.ensure_future(
            _awaited(self._kernels.start_kernel(kernel_id=kernel_id, **launch))
        )
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._unwanted.start(self._end_unwanted(kernel_id, starting))
            raise
        except BaseException as error:
            await asyncio.shield(self._end_unwanted(kernel_id, starting))
            if (known := as_analyst_error(error, str(launch["kernel_name"]))) is not None:
                raise known from error
            raise
        manager = self._kernels.get_kernel(kernel_id)
        # A kernel that ends is restarted by its analysis, which then loads the data again.
        manager.stop_restarter()
        manager.autorestart = False
        fresh = ServedKernel(kernel_id, manager, launch)
        fresh.cancel_prefetch = prefetch_kernel_info(self._kernels, kernel_id)
        return fresh

    async def _end_unwanted(self, kernel_id: str, starting: asyncio.Future[Any]) -> None:
        """End a kernel whose start was cancelled or failed, as soon as it is there."""
        with contextlib.suppress(Exception):
            await starting
        if kernel_id in self._kernels:
            with contextlib.suppress(Exception):  # Jupyter may be shutting it down too
                await _awaited(self._kernels.shutdown_kernel(kernel_id, now=True))

    async def _relaunch(self, kernel: ServedKernel) -> None:
        """Start another kernel in its place."""
        fresh = await self._launch(kernel.launch)
        kernel.cancel_prefetch()
        kernel.kernel_id, kernel.manager = fresh.kernel_id, fresh.manager
        kernel.cancel_prefetch = fresh.cancel_prefetch
        kernel.is_moved = False
        self._kernel = kernel
        await self._attach(kernel)

    async def _left_alone(self, kernel: ServedKernel) -> bool:
        """Wait while Jupyter shuts the kernel down or restarts it; return whether it still runs."""
        if not self._is_served(kernel) or not _is_ending(kernel.manager):
            return self._is_served(kernel)
        until = time.monotonic() + _ENDING_SECONDS
        while self._is_served(kernel) and _is_ending(kernel.manager):
            if time.monotonic() > until:
                return True
            await asyncio.sleep(0.05)
        return False

    async def _restart(self, kernel: ServedKernel) -> None:
        # Cut off in the middle, the kernel would be about to start for ever in Jupyter's eyes, and
        # the server could not end.
        restarting = _awaited(self._kernels.restart_kernel(kernel.kernel_id, now=True))
        answered = await finish_despite_cancel(restarting, reraise=True)
        if isinstance(answered, asyncio.Future):
            # The session itself waits for the kernel; the result is only retrieved for asyncio.
            answered.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _is_served(self, kernel: ServedKernel) -> bool:
        if kernel.kernel_id not in self._kernels:
            return False
        return self._kernels.get_kernel(kernel.kernel_id) is kernel.manager

    def _spec(self, kernel_name: str) -> Any:
        from jupyter_client.kernelspec import NoSuchKernel

        try:
            return self._kernels.kernel_spec_manager.get_kernel_spec(kernel_name)
        except NoSuchKernel:
            raise KernelError(
                f"There is no Jupyter kernel named {kernel_name!r} on this server.",
                "Install this package again, or run `analyst doctor`.",
            ) from None

    async def _attach(self, kernel: ServedKernel) -> None:
        """Make the notebook's tab use this kernel, now or when it is opened."""
        path = self._notebook()
        if path is None:
            return
        try:
            await self._have_session(kernel, path)
        except Exception:  # noqa: BLE001 - the analysis goes on; a tab would get its own kernel
            _log.exception("%s got no session for its kernel", path)

    async def _have_session(self, kernel: ServedKernel, path: str) -> None:
        for session in await self._sessions.list_sessions():
            if session["path"] == path and session["kernel"]["name"] == kernel.name:
                before = session["kernel"]["id"]
                await self._sessions.update_session(session["id"], kernel_id=kernel.kernel_id)
                if before != kernel.kernel_id and before in self._kernels:
                    await _awaited(self._kernels.shutdown_kernel(before))
                return
        await self._sessions.create_session(
            path=path, name=os.path.basename(path), type="notebook", kernel_id=kernel.kernel_id
        )

    async def _detach(self, kernel_id: str) -> None:
        for session in await self._sessions.list_sessions():
            if session["kernel"]["id"] == kernel_id:
                with contextlib.suppress(Exception):  # the tab may be removing it as well
                    await self._sessions.delete_session(session["id"])


def _is_ending(manager: Any) -> bool:
    return bool(getattr(manager, "shutting_down", False))


def _process(manager: Any) -> object:
    """Return a value that differs between two launches of a kernel."""
    return getattr(getattr(manager, "provisioner", None), "pid", None)


async def _awaited(value: Any) -> Any:
    """Return the result of an async or of a sync manager."""
    return await value if asyncio.iscoroutine(value) or asyncio.isfuture(value) else value


_SECONDS = 60.0
_KNOWN = "_kernel_info_future"
"""The attribute in which Jupyter's connections of one kernel share its answer."""


def prefetch_kernel_info(kernels: Any, kernel_id: str) -> Callable[[], None]:
    """Request the info of a kernel that has just started before the first tab does, for Jupyter.

    Returns a function that ends the wait for the answer.
    """
    try:
        manager = kernels.get_kernel(kernel_id)
        if hasattr(manager, _KNOWN):
            return lambda: None
        stream = kernels.connect_shell(kernel_id)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def on_answer(frames: list[bytes]) -> None:
            _, message = manager.session.feed_identities(frames)
            content = manager.session.deserialize(message)["content"]
            if not answer.done():
                answer.set_result(content)

        stream.on_recv(on_answer)
        setattr(manager, _KNOWN, answer)
        manager.session.send(stream, "kernel_info_request")
    except Exception as error:  # noqa: BLE001 - kernels of a gateway; Jupyter then asks itself
        _log.debug("The info of kernel %s is not prefetched: %s", kernel_id, error)
        return lambda: None

    def end() -> None:
        if not answer.done():
            answer.set_result({})
            if getattr(manager, _KNOWN, None) is answer:
                delattr(manager, _KNOWN)

    def done(_: object) -> None:
        late.cancel()
        if not stream.closed():
            stream.close()

    late = asyncio.get_running_loop().call_later(_SECONDS, end)
    answer.add_done_callback(done)
    return end
