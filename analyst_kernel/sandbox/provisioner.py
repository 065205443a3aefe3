"""The kernel provisioner behind the kernelspec ``analyst``: any Jupyter client gets the sandbox.

It decides what one kernel may reach, lets a backend start it, judges the probe, and cleans up. How
a backend encloses is up to the backend; which data an analysis may read is up to the grant store.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_client.connect import KernelConnectionInfo

from analyst_kernel.protocol.errors import GrantFailed, SandboxError
from analyst_kernel.protocol.sandbox import SandboxReport
from analyst_kernel.sandbox import config, paths, report
from analyst_kernel.sandbox.backends.base import AcceptsGrants, Launch, Process
from analyst_kernel.sandbox.config import SettingsProvisioner
from analyst_kernel.sandbox.environment import scrubbed
from analyst_kernel.sandbox.linux import cgroup as control_groups
from analyst_kernel.sandbox.linux import landlock as landlock_layer
from analyst_kernel.sandbox.policy import BackendName, SandboxPolicy
from analyst_kernel.sandbox.shared import shared_resources
from analyst_kernel.sandbox.watchdog import WatchedKernel
from analyst_kernel.sandbox.zygote.backend import warm_up

_CLOSE_WAIT = 5.0  # seconds for a killed kernel to be gone


class AnalystProvisioner(SettingsProvisioner):
    """Starts kernels enclosed.

    Keywords of ``start_kernel`` that it takes: ``grants`` (paths, instead of the recorded ones),
    ``limits`` (names of ``ResourceLimits`` to values), ``require`` (a level), ``form`` (a
    construction), ``notebook`` (the analysis's notebook, absolute).

    Attributes:
        sandbox_report: What was probed in the running kernel, or None before the first start.
        death_reason: Why the kernel last died without being asked to: ``memory``, ``processes``,
            ``disk``, ``time``, ``exit`` (it left by itself, code 0) or ``crash``; None if it
            never did.
        output_dir: ``OUTPUT_DIR`` of the kernel.
        grants: What it was shown, real paths.
    """

    sandbox_report: SandboxReport | None = None
    death_reason: str | None = None
    output_dir: str = ""
    grants: tuple[str, ...] = ()

    _started: Process | None = None
    _watched: WatchedKernel | None = None
    _group: control_groups.Cgroup | None = None
    _folder: str | None = None
    _made_output = False
    _ending = False
    _policy: SandboxPolicy | None = None
    _policy_for: functools.partial[SandboxPolicy]
    _seen: dict[str, tuple[int, int] | None]
    _asked: dict[str, Any]

    @classmethod
    def warm_up(cls, python: str = sys.executable) -> None:
        """Prepare in the background what kernels of ``python`` are forked from; return at once.

        Called by a server at its start, so that the first kernel does not wait for the libraries.
        """
        warm_up(python, cls().bubblewrap)

    # --- life of one kernel ----------------------------------------------------------------------

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Take our keywords, prepare sockets and the connection; called before every launch."""
        own = ("grants", "limits", "require", "form", "notebook")
        self._asked = {name: kwargs.pop(name) for name in own if name in kwargs}
        for name in ("stdin", "stdout", "stderr"):
            kwargs.pop(name, None)  # a kernel never holds a terminal of the server's
        manager: Any = self.parent
        if self._folder is None:
            self._folder = shared_resources().runtime.kernel_folder()
            if os.name == "posix":
                manager.transport = "ipc"
                manager.cache_ports = False
                # Absolute, because kernel and client resolve a relative path in different folders.
                manager.ip = os.path.join(self._folder, "s", "k")
            manager.connection_file = os.path.join(self._folder, "k.json")
        kwargs.setdefault("env", os.environ.copy())
        return await super().pre_launch(**kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel enclosed and probed.

        Raises:
            SandboxError: The required level is not available, or the probe found a way out
                that this backend promised to close. Nothing generated ran.
            PolicyError: A grant or limit cannot be.
            LaunchFailed: The kernel did not start.
        """
        assert self._folder is not None
        self._ending = False
        environment: dict[str, str] = kwargs["env"]
        required = config.level(self._asked.get("require", self.require))
        pinned = config.form(self._asked.get("form", self.form))
        quota = config.limits(self.configured_limits(), self._asked.get("limits"))
        notebook, workdir = self._locate(environment, kwargs.get("cwd"))
        grants = self._asked.get("grants")
        if grants is None:
            grants = recorded_grants(notebook, workdir)
        notes = [f"{path} was granted but is gone." for path in grants if not os.path.exists(path)]
        notes += self._make_output(paths.output_folder(workdir, notebook))
        python = cmd[0] if cmd and os.path.isabs(cmd[0]) else sys.executable
        runtime_dir = os.path.join(self._folder, "s")
        # The temporary files of the kernel before this one.
        shutil.rmtree(os.path.join(runtime_dir, "tmp"), ignore_errors=True)
        policy_for = functools.partial(
            paths.policy_for,
            workdir=workdir,
            output_dir=self.output_dir,
            runtime_dir=runtime_dir,
            limits=quota,
            landlock=self.landlock,
            python=python,
        )

        def prepare(backend: BackendName) -> Launch:
            policy = policy_for(backend=backend, grants=grants)
            scrubbed_environment = scrubbed(environment, policy, python)
            return Launch(
                policy=policy,
                python=python,
                environment=scrubbed_environment,
                plan=shared_resources().canaries.plan_for(policy, scrubbed_environment),
                connection=_as_json(self.connection_info),
                log=os.path.join(self._folder or "", "log"),
                timeout=self.start_timeout,
                cgroup=self.cgroup,
            )

        selector = shared_resources().selector(pinned, self.bubblewrap, self.landlock)
        try:
            started, launch = await selector.launch(prepare, required)
            self._started = started
            self._policy, self._policy_for = launch.policy, policy_for
            self.grants = launch.policy.grants
            self._seen = {path: paths.file_identity(path) for path in self.grants}
            self._limit(started, launch)
            notes = [*selector.notes(launch.policy.backend), *getattr(started, "notes", ()), *notes]
            self._judge(started, launch, notes)
            await started.release()
        except BaseException:
            await self.cleanup()
            raise
        self._watch(started, launch.policy)
        self.pid = started.pid
        self.cwd = workdir
        return self.connection_info

    def _make_output(self, wanted: str) -> list[str]:
        """Make ``OUTPUT_DIR``; where the notebook's folder is read-only, a temporary one, noted."""
        try:
            self._made_output |= paths.make_output_folder(wanted)
        except PermissionError:
            self.output_dir = os.path.join(self._folder or "", os.path.basename(wanted))
            paths.make_output_folder(self.output_dir)
            return ["The notebook's folder is read-only: OUTPUT_DIR is lost with the kernel."]
        self.output_dir = wanted
        return []

    def _judge(self, started: Process, launch: Launch, notes: Sequence[str]) -> None:
        """Write the report; raise when a promise is broken."""
        backend, abi = launch.policy.backend, landlock_layer.abi()
        results = report.read_results(started.results, backend, abi)
        broken = report.breaches(results)
        if broken:
            found = "; ".join(f"{result.name}: {result.detail}" for result in broken)
            raise SandboxError(
                f"The kernel's sandbox ({backend}) does not hold: {found}.",
                "The kernel was ended before any code ran; please report this.",
            )
        if backend in ("bubblewrap", "zygote") and not self.landlock:
            notes = (*notes, "Landlock was switched off by configuration.")
        self.sandbox_report = report.build(
            backend,
            results,
            abi=abi,
            memory_bytes=launch.policy.limits.memory_bytes,
            cgroup=self._group is not None,
            notes=notes,
        )

    def _limit(self, started: Process, launch: Launch) -> None:
        """Put the waiting kernel into a control group where one can be made."""
        linux = sys.platform.startswith("linux")
        if not self.cgroup or launch.policy.backend == "none" or not linux:
            return
        self._group = getattr(started, "group", None)
        if self._group is not None:
            return
        self._group = group = control_groups.create(launch.policy.limits)
        if group is None:
            return
        import psutil

        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(started.pid).children(recursive=True):
                with contextlib.suppress(OSError):
                    group.add(process.pid)

    def _watch(self, started: Process, policy: SandboxPolicy) -> None:
        if policy.backend == "none":
            return
        self._watched = WatchedKernel(
            pid=started.pid,
            limits=policy.limits,
            end=self.end_for,
            alive=lambda: started.poll() is None,
            folders=(
                (policy.output_dir, policy.limits.output_bytes),
                (self._folder or "", policy.limits.tmp_bytes),
            ),
        )
        shared_resources().watchdog.add(self._watched)

    def end_for(self, reason: str) -> None:
        """Kill the kernel and record why, e.g. ``time`` for a cell that ignores interrupts."""
        self.death_reason = reason
        self._ending = True
        if self._started is not None:
            self._started.kill()

    async def grant(self, more: Sequence[str]) -> None:
        """Show more data, read-only and at its true path, to the running kernel; its state stays.

        Raises:
            GrantFailed: This kernel's backend cannot do that, or the data cannot be shown. After a
                restart it is shown, and the analysis's cells have to be run again.
            PolicyError: A path may not be shown.
        """
        if self._started is None or self._policy is None:
            raise GrantFailed("No kernel is running.")
        if not isinstance(self._started, AcceptsGrants):
            raise GrantFailed(
                f"Data cannot be added to a running kernel of the form {self._policy.backend!r}; "
                "restart the kernel and run the cells again."
            )
        known = self._policy
        wider = self._policy_for(backend=known.backend, grants=(*known.grants, *more))
        gone = [path for path in more if not os.path.exists(path)]
        if gone:
            raise GrantFailed(f"{', '.join(gone)} cannot be found.")
        await self._started.grant(wider)
        self._policy = wider
        self.grants = wider.grants
        self._seen |= {
            path: paths.file_identity(path) for path in self.grants if path not in self._seen
        }

    def stale_grants(self) -> tuple[str, ...]:
        """Granted single files that were replaced since the start.

        Such a kernel reads the old content (bubblewrap) or nothing (Landlock) until it is started
        again; one to which data can be added is shown the new content by this call. Files in
        granted folders are never stale.
        """
        started: object = self._started
        if isinstance(started, AcceptsGrants):
            return tuple(started.refresh())
        return tuple(
            path
            for path, identity in self._seen.items()
            if identity is not None and identity != paths.file_identity(path)
        )

    # --- what Jupyter asks -----------------------------------------------------------------------

    @property
    def has_process(self) -> bool:
        """Return whether a kernel was started and not yet waited for."""
        return self._started is not None

    async def poll(self) -> int | None:
        """Return None while the kernel runs, else its exit code."""
        if self._started is None:
            return 0
        code = self._started.poll()
        if code is not None:
            self._note_death(code)
        return code

    async def wait(self) -> int | None:
        """Wait for the kernel's end and clean up after it."""
        if self._started is None:
            return 0
        code = await self._started.wait()
        self._note_death(code)
        self._drop_pending_messages()
        self._forget()
        return code

    def _note_death(self, code: int) -> None:
        """Record why a kernel ended that was not asked to."""
        if self._ending:
            return
        self._ending = True
        if self._group is not None and self._group.out_of_memory():
            self.death_reason = "memory"
        else:
            self.death_reason = "exit" if code == 0 else "crash"

    async def send_signal(self, signum: int) -> None:
        """Only the signals that end a kernel are sent; an interrupt goes by message."""
        if signum in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
            await self.kill()

    async def kill(self, restart: bool = False) -> None:
        """End the kernel and everything it started."""
        self._drop_pending_messages()
        await self.terminate()

    async def terminate(self, restart: bool = False) -> None:
        """End the kernel and everything it started."""
        self._ending = True
        if self._started is not None:
            self._started.kill()

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Note that the kernel was asked to leave, so that its end is no crash."""
        self._ending = True

    async def cleanup(self, restart: bool = False) -> None:
        """Leave no process, socket or file behind; on a restart keep the sockets' folder."""
        if self._started is not None:
            self._ending = True
            self._started.kill()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._started.wait(), _CLOSE_WAIT)
            self._forget()
        if not restart:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None
            if self._made_output:
                with contextlib.suppress(OSError):
                    os.rmdir(self.output_dir)  # only when it is empty
                self._made_output = False
        await super().cleanup(restart=restart)

    def _drop_pending_messages(self) -> None:
        """Make the manager drop what it has not yet sent to the kernel that ends.

        Its control socket lingers when it is closed, and the next kernel listens at the same
        address within milliseconds: it would be interrupted, or shut down, in its place.
        """
        control = getattr(self.parent, "_control_socket", None)
        if control is not None:
            control.linger = 0

    def _forget(self) -> None:
        """Release what belonged to a kernel that ended."""
        if self._watched is not None:
            shared_resources().watchdog.remove(self._watched)
            self._watched = None
        if self._group is not None:
            self._group.kill()
            _remove_soon(self._group)
            self._group = None
        if self._started is not None:
            self._started.close()
            self._started = None

    # --- inputs ----------------------------------------------------------------------------------

    def _locate(self, environment: Mapping[str, str], cwd: Any) -> tuple[str | None, str]:
        """``(notebook or None, working folder)``, real paths."""
        folder = os.path.realpath(str(cwd) if cwd else os.getcwd())
        named = self._asked.get("notebook") or environment.get("JPY_SESSION_NAME", "")
        if not named.endswith(".ipynb"):
            return None, folder
        notebook = os.path.realpath(os.path.join(folder, named))
        return notebook, os.path.dirname(notebook)


def recorded_grants(notebook: str | None, workdir: str) -> list[str]:
    """Return paths that the user granted: to this notebook, or to the analyses of this folder."""
    from analyst_kernel.grants import GrantStore

    store = GrantStore()
    found = store.for_notebook(notebook) if notebook else store.for_folder(workdir)
    return [str(grant.path) for grant in found]


def _as_json(connection: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in connection.items()
    }


def _remove_soon(group: control_groups.Cgroup) -> None:
    """Remove a group now, or as soon as what was killed in it is gone."""
    if group.remove():
        return

    def retry(left: int) -> None:
        if not group.remove() and left:
            timer = threading.Timer(0.1, retry, (left - 1,))
            timer.daemon = True
            timer.start()

    retry(50)
