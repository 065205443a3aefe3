"""The kernel provisioner behind the kernelspec ``analyst``: any Jupyter client gets the sandbox.

It decides what one kernel may reach, lets a backend start it, judges the probe, and cleans up. How
a backend encloses is up to the backend; which data an analysis may read is up to the grant store.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_client.connect import KernelConnectionInfo

from analyst_kernel._trees import remove_tree
from analyst_kernel.grants import Grant, GrantStore, grant_of
from analyst_kernel.protocol.errors import GrantFailed
from analyst_kernel.protocol.sandbox import SandboxReport
from analyst_kernel.sandbox import paths, settings
from analyst_kernel.sandbox.backends.base import AcceptsGrants, Launch, Process
from analyst_kernel.sandbox.config import SettingsProvisioner
from analyst_kernel.sandbox.enclosure import Enclosure
from analyst_kernel.sandbox.environment import scrubbed
from analyst_kernel.sandbox.policy import BackendName, SandboxPolicy
from analyst_kernel.sandbox.shared import shared_resources
from analyst_kernel.sandbox.zygote.backend import warm_up

_REMOVE_WAIT = 0.3


class AnalystProvisioner(SettingsProvisioner):
    """Starts kernels enclosed.

    Keywords of ``start_kernel`` that it takes: ``grants`` (paths or grants, instead of the recorded
    ones), ``limits`` (names of ``ResourceLimits`` to values), ``require`` (a level), ``form`` (a
    construction), ``notebook`` (the analysis's notebook, absolute), ``analysis`` (its id, for a
    caller that knows by its own records that this is its notebook).

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

    _enclosed: Enclosure | None = None
    _folder: str | None = None
    _made_output = False
    _policy: SandboxPolicy | None = None
    _policy_for: functools.partial[SandboxPolicy]
    _seen: dict[str, tuple[int, int] | None]
    _asked: dict[str, Any]
    _recorded: Callable[[], list[Grant]]

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._by_name: dict[str, Grant] = {}

    @classmethod
    def warm_up(cls, python: str = sys.executable) -> None:
        """Prepare in the background what kernels of ``python`` are forked from; return at once.

        Called by a server at its start, so that the first kernel does not wait for the libraries.
        """
        warm_up(python, cls().bubblewrap)

    # --- life of one kernel ----------------------------------------------------------------------

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Take our keywords, prepare sockets and the connection; called before every launch."""
        own = ("grants", "analysis", "limits", "require", "form", "notebook")
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
        environment: dict[str, str] = kwargs["env"]
        isolation = replace(
            self.isolation(),
            require=settings.level(self._asked.get("require", self.require)),
            form=settings.form(self._asked.get("form", self.form)),
        )
        quota = settings.limits(self.configured_limits(), self._asked.get("limits"))
        notebook, workdir = self._locate(environment, kwargs.get("cwd"))
        self._recorded = functools.partial(
            recorded_grants, notebook, self._asked.get("analysis"), self.nameless_grants
        )
        asked = self._asked.get("grants")
        granted = self._recorded() if asked is None else [self._named(path) for path in asked]
        shown, notes = paths.shown_paths(granted)
        if notebook is None and asked is None:
            notes.append(NAMELESS)
        notes += self._make_output(paths.output_folder(workdir, notebook))
        python = cmd[0] if cmd and os.path.isabs(cmd[0]) else sys.executable
        runtime_dir = os.path.join(self._folder, "s")
        # Whatever the kernel before this one left, such as a folder with the name of a socket.
        if os.listdir(runtime_dir):
            left = os.path.join(self._folder, f"old-{secrets.token_hex(4)}")
            os.rename(runtime_dir, left)
            os.mkdir(runtime_dir, 0o700)
            await _remove_folder(left)
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
            policy = policy_for(backend=backend, grants=shown)
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

        self._enclosed = Enclosure(isolation, "kernel", self._note_death)
        try:
            launch = await self._enclosed.start(prepare, [(self._folder, quota.tmp_bytes)], notes)
        except BaseException:
            await self.cleanup()
            raise
        self.sandbox_report = self._enclosed.sandbox_report
        self._policy, self._policy_for = launch.policy, policy_for
        self.grants = launch.policy.grants
        self._seen = {path: paths.file_identity(path) for path in self.grants}
        assert self._enclosed.process is not None
        self.pid = self._enclosed.process.pid
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

    def _note_death(self, reason: str) -> None:
        self.death_reason = reason

    def end_for(self, reason: str) -> None:
        """Kill the kernel and record why, e.g. ``time`` for a cell that ignores interrupts."""
        if self._enclosed is None:
            self.death_reason = reason
        else:
            self._enclosed.end_for(reason)

    async def grant(self, more: Sequence[str]) -> None:
        """Show more data, read-only and at its true path, to the running kernel; its state stays.

        Raises:
            GrantFailed: This kernel's backend cannot do that, or the data cannot be shown. After a
                restart it is shown, and the analysis's cells have to be run again.
            PolicyError: A path may not be shown.
        """
        started: object = self._process
        if started is None or self._policy is None:
            raise GrantFailed("No kernel is running.")
        if not self._policy.isolates:
            return  # it reads whatever its user reads
        if not isinstance(started, AcceptsGrants):
            raise GrantFailed(
                f"Data cannot be added to a running kernel of the form {self._policy.backend!r}; "
                "restart the kernel and run the cells again."
            )
        gone = [path for path in more if not os.path.lexists(path)]
        if gone:
            raise GrantFailed(f"{', '.join(gone)} cannot be found.")
        # What the user granted, not what may stand at its path since.
        recorded = {grant.path: grant for grant in self._recorded()}
        fresh, refused = paths.shown_paths(recorded.get(p) or self._named(p) for p in more)
        if refused:
            raise GrantFailed(" ".join(refused))
        known = self._policy
        before = [
            paths.ShownPath(path, *identity)
            for path, identity in zip(known.grants, known.identities, strict=True)
        ]
        wider = self._policy_for(backend=known.backend, grants=[*fresh, *before])
        await started.grant(wider)
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
        started: object = self._process
        if isinstance(started, AcceptsGrants):
            return tuple(started.refresh())
        return tuple(
            path
            for path, identity in self._seen.items()
            if identity is not None and identity != paths.file_identity(path)
        )

    # --- what Jupyter asks -----------------------------------------------------------------------

    @property
    def _process(self) -> Process | None:
        return None if self._enclosed is None else self._enclosed.process

    @property
    def has_process(self) -> bool:
        """Return whether a kernel was started and not yet waited for."""
        return self._process is not None

    async def poll(self) -> int | None:
        """Return None while the kernel runs, else its exit code."""
        return 0 if self._enclosed is None else self._enclosed.poll()

    async def wait(self) -> int | None:
        """Wait for the kernel's end and clean up after it."""
        if self._enclosed is None or self._enclosed.process is None:
            return 0
        code = await self._enclosed.wait()
        self._drop_pending_messages()
        return code

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
        if self._enclosed is not None:
            self._enclosed.kill()

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Note that the kernel was asked to leave, so that its end is no crash."""
        if self._enclosed is not None:
            self._enclosed.expect_end()

    async def cleanup(self, restart: bool = False) -> None:
        """Leave no process, socket or file behind; on a restart keep the sockets' folder."""
        if self._enclosed is not None:
            await self._enclosed.close()
        if not restart:
            if self._folder is not None:
                await _remove_folder(self._folder)
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

    # --- inputs ----------------------------------------------------------------------------------

    def _named(self, path: str | Grant) -> Grant:
        """Return a grant of a path that the caller named, as it was when it was named first."""
        if isinstance(path, Grant):
            return path
        if path not in self._by_name:
            made = named_grant(path)
            if made.identity is None:
                return made
            self._by_name[path] = made
        return self._by_name[path]

    def _locate(self, environment: Mapping[str, str], cwd: Any) -> tuple[str | None, str]:
        """``(notebook or None, working folder)``, real paths."""
        folder = os.path.realpath(str(cwd) if cwd else os.getcwd())
        named = self._asked.get("notebook") or environment.get("JPY_SESSION_NAME", "")
        if not named.endswith(".ipynb"):
            return None, folder
        notebook = os.path.realpath(os.path.join(folder, named))
        return notebook, os.path.dirname(notebook)


NAMELESS = (
    "This kernel was started without the name of its notebook, so it reads only what "
    "ANALYST_GRANTS names."
)


def recorded_grants(notebook: str | None, analysis: str | None, nameless: str) -> list[Grant]:
    """Return what the user granted to a notebook; without one, what ``nameless`` lists.

    Nothing else is given to a kernel without a notebook's name: any notebook may be run in it.
    """
    if notebook is not None:
        return list(GrantStore().for_notebook(notebook, analysis=analysis))
    return [named_grant(path) for path in nameless.split(os.pathsep) if path]


def named_grant(path: str) -> Grant:
    """Return a grant of a path that the user names now; of nothing if nothing stands there."""
    try:
        return grant_of(path)
    except FileNotFoundError:
        return Grant("", os.path.abspath(path), path, "file", 0.0)


async def _remove_folder(folder: str) -> None:
    """Remove a folder; one that takes long is left to a thread."""
    with contextlib.suppress(TimeoutError):
        removed = asyncio.shield(asyncio.to_thread(remove_tree, folder))
        await asyncio.wait_for(removed, _REMOVE_WAIT)


def _as_json(connection: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in connection.items()
    }
