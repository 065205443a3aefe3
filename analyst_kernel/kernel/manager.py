"""Where kernels are started: through Jupyter's own kernel managers, behind one small interface.

``LocalHost`` uses ``jupyter_client`` in this process; a server passes a host over its own managers.
Nothing here depends on cells or outputs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any, Protocol

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel._trees import remove_tree
from analyst_kernel.protocol.errors import AnalystError, KernelError, LaunchFailed

_LOG = logging.getLogger("analyst_kernel.kernel")
_LOG.addHandler(logging.NullHandler())
_SOCKET_PATH = 80
_TAIL = 4_000

_log = logging.getLogger(__name__)


class KernelHost(Protocol):
    """Starts, restarts and ends kernels; called by ``KernelSession`` alone, one call at a time.

    ``Any`` stands for a ``jupyter_client.AsyncKernelManager`` or anything with its methods
    (``client``, ``interrupt_kernel``, ``is_alive``, ``provisioner``).
    """

    async def start(
        self, kernel_name: str, *, cwd: str, env: dict[str, str], **options: Any
    ) -> Any:
        """Start a kernel; it need not be ready. Cancelled or failed, it leaves nothing behind.

        ``options`` (``require``, ``grants``, ``limits``...) are for the kernel's provisioner; a
        kernel without one is started without them, since nothing there takes them.

        Raises ``KernelError`` or ``SandboxError``.
        """
        ...

    async def restart(self, km: Any) -> None:
        """Kill the kernel, dead or alive, and start it anew under the same manager."""
        ...

    async def shutdown(self, km: Any) -> None:
        """End the kernel and remove what it left. Idempotent."""
        ...

    def last_words(self, km: Any) -> str:
        """Return the end of what the kernel's process wrote to its own stderr, if it is known."""
        ...


@dataclass(slots=True)
class _Files:
    """What belongs to one kernel on disk."""

    folder: Path
    stderr: IO[bytes] | None = None


def warm_up() -> None:
    """Prepare in the background what the first kernel starts from; return at once.

    Only a provisioner that offers it (found as Jupyter finds it, by its entry point) has anything
    to prepare. A failure here is not raised, because the kernel's own start reports what is wrong.
    """
    for point in entry_points(group="jupyter_client.kernel_provisioners"):
        if point.dist is None or point.dist.name != "analyst-kernel":
            continue
        try:
            point.load().warm_up()
        except Exception:  # noqa: BLE001 - the kernel's own start reports what is wrong
            _log.debug("The provisioner could not be warmed up", exc_info=True)


class LocalHost:
    """Kernels of this machine, without a server."""

    def __init__(self) -> None:
        self._files: dict[int, _Files] = {}

    async def start(
        self, kernel_name: str, *, cwd: str, env: dict[str, str], **options: Any
    ) -> Any:
        """Start a kernel over ipc sockets in a private folder."""
        import zmq.asyncio
        from jupyter_client.kernelspec import NoSuchKernel
        from jupyter_client.manager import AsyncKernelManager

        km = AsyncKernelManager(
            kernel_name=kernel_name, context=zmq.asyncio.Context.instance(), log=_LOG
        )
        km.shutdown_wait_time = 2.0
        try:
            spec = km.kernel_spec
        except NoSuchKernel:
            raise KernelError(
                f"There is no Jupyter kernel named {kernel_name!r} on this machine.",
                "Install this package again, or run `analyst doctor`.",
            ) from None
        try:
            if not (spec is not None and spec.metadata.get("kernel_provisioner")):
                options = self._make_files(km)
            await km.start_kernel(cwd=cwd, env=env, **options)
        except BaseException as error:
            with contextlib.suppress(Exception):  # the error that led here counts for more
                await finish_despite_cancel(self.shutdown(km))
            if (known := as_analyst_error(error, kernel_name)) is not None:
                raise known from error
            raise
        return km

    async def restart(self, km: Any) -> None:
        """Kill and start again, with the same sockets and options."""
        try:
            await km.restart_kernel(now=True)
        except BaseException as error:
            if (known := as_analyst_error(error, km.kernel_name)) is not None:
                raise known from error
            raise

    async def shutdown(self, km: Any) -> None:
        """Request the kernel's end, kill it after 2 s, remove its folder."""
        try:
            if km.has_kernel:
                await km.shutdown_kernel(now=not await km.is_alive())
            elif km.provisioner is not None:
                await km.cleanup_resources()
        finally:
            files = self._files.pop(id(km), None)
            if files is not None:
                if files.stderr is not None:
                    files.stderr.close()
                remove_tree(files.folder)

    def last_words(self, km: Any) -> str:
        """Return the end of the kernel's stderr."""
        files = self._files.get(id(km))
        if files is None or files.stderr is None:
            return ""
        with open(files.stderr.name, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            return file.read().decode("utf-8", "replace").strip()

    def _make_files(self, km: Any) -> dict[str, Any]:
        """Make a private folder for the kernel's sockets and its stderr."""
        folder = Path(tempfile.mkdtemp(prefix="analyst-"))
        if len(str(folder)) > _SOCKET_PATH and os.name == "posix":
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="analyst-", dir="/tmp"))
        files = self._files[id(km)] = _Files(folder)
        km.connection_file = str(folder / "kernel.json")
        if sys.platform != "win32":
            km.transport = "ipc"
            km.cache_ports = False
            km.ip = str(folder / "s")
        files.stderr = open(folder / "stderr", "wb")  # noqa: SIM115 - closed in shutdown
        return {"stdout": files.stderr, "stderr": files.stderr}


async def is_alive(km: Any) -> bool:
    """Return whether ``km`` is a manager whose kernel's process runs."""
    return km is not None and bool(await km.is_alive())


async def interrupt(km: Any) -> None:
    """Interrupt what runs in the kernel, if its process runs."""
    # The kernel may end between the check and the signal.
    with contextlib.suppress(RuntimeError, OSError):
        if await is_alive(km):
            await km.interrupt_kernel()


async def kill(km: Any) -> None:
    """Kill the kernel's process, if there is one, in a way that allows a restart."""
    provisioner = getattr(km, "provisioner", None)
    if provisioner is not None:
        with contextlib.suppress(RuntimeError, OSError):
            await provisioner.kill(restart=True)


def as_analyst_error(error: BaseException, kernel_name: str) -> AnalystError | None:
    """Return what a failed start means to the user, as a new error.

    Returns None if ``error`` means that by itself, or is no failure of the start (a cancellation).
    """
    if isinstance(error, AnalystError) and not isinstance(error, LaunchFailed):
        return None
    if not isinstance(error, LaunchFailed | OSError | RuntimeError | ValueError):
        return None
    what = f"The kernel {kernel_name!r} could not be started: {str(error).rstrip('.')}."
    return KernelError(what, "Run `analyst doctor`.")


_NAMES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP",
        "TMP", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TERM",
        "DYLD_FALLBACK_LIBRARY_PATH", "COLUMNS", "IPYTHONDIR", "JUPYTER_PATH", "JUPYTER_DATA_DIR",
        "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "FONTCONFIG_PATH",
        "FONTCONFIG_FILE", "SSL_CERT_FILE",
        "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA",
        "PROGRAMDATA", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "NUMBER_OF_PROCESSORS",
        "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS",
        "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
    }
)  # fmt: skip
_PREFIXES = ("LC_", "PYTHON", "CONDA_", "OMP_")


def kernel_environment(notebook: str) -> dict[str, str]:
    """Return the environment of the kernel of ``notebook`` (absolute path).

    The kernel finds its analysis by it, as ``JPY_SESSION_NAME``.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _NAMES or name.upper().startswith(_PREFIXES)
    }
    return {**kept, "JPY_SESSION_NAME": notebook}
