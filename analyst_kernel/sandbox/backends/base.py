"""What every construction of a sandbox offers to the provisioner: start a kernel, probed and held.

The seam between the provisioner and the forms (``exec_form`` here; the zygote beside it). A form
starts a process, lets it probe itself and hands over the raw results; the provisioner judges them
and either releases the process or kills it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from analyst_kernel.sandbox.policy import FormName, Policy


@dataclass(frozen=True)
class Launch:
    """Everything a form needs to start one kernel.

    Attributes:
        policy: What the kernel may reach; its ``form`` is the form's own.
        python: The kernel's interpreter, absolute.
        environment: The scrubbed environment, complete.
        plan: For ``probe.run``, JSON.
        connection: Connection info as ``load_connection_info`` takes it, JSON; no file exists.
        log: A host file for what the kernel writes before its streams are captured.
        timeout: Seconds until the kernel must have answered.
        cgroup: Whether the form may put it into a control group ahead.
    """

    policy: Policy
    python: str
    environment: Mapping[str, str]
    plan: Mapping[str, Any]
    connection: Mapping[str, Any]
    log: str
    timeout: float
    cgroup: bool = False


class Process(Protocol):
    """One started kernel, as the host sees it. Methods may be called from any thread."""

    @property
    def pid(self) -> int:
        """Host pid of the outermost process; its descendants are the kernel's."""
        ...

    @property
    def results(self) -> Any:
        """What the probe said, unchecked (see ``report.read_results``)."""
        ...

    async def release(self) -> None:
        """Say go after the results were judged; returns when the kernel listens.

        Raises :class:`LaunchFailed`.
        """
        ...

    def poll(self) -> int | None:
        """``None`` while it lives, else its exit code (negative: the signal)."""
        ...

    async def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        ...

    def terminate(self) -> None:
        """Ask for the end, of the kernel and all its descendants; harmless when it ended."""
        ...

    def kill(self) -> None:
        """Force the end, of the kernel and all its descendants; harmless when it ended."""
        ...

    def close(self) -> None:
        """Release descriptors, after the end; harmless when done."""
        ...


class Form(Protocol):
    """One construction of a sandbox."""

    @property
    def name(self) -> FormName:
        """Its name in policies and reports."""
        ...

    async def launch(self, launch: Launch) -> Process:
        """Start a kernel and let it probe itself; nothing else has run in it on return.

        Raises :class:`FormUnavailable` where this machine does not allow the construction,
        :class:`FormSkipped` where the next form has to serve this launch, and
        :class:`LaunchFailed` where this one kernel did not start.
        """
        ...


class FormUnavailable(RuntimeError):
    """This machine does not allow a construction.

    Attributes:
        what: What was found when it was tried.
        remedy: What the user can do about it; may be empty.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        """Keep both sentences; ``str()`` joins them."""
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy


class FormSkipped(RuntimeError):
    """A construction works here, but not for this one launch; the next one may."""


class GrantFailed(RuntimeError):
    """Data could not be added to a running kernel; nothing of its state is lost.

    A restart shows it, after which the analysis's cells have to be run again.
    """


@runtime_checkable
class Growing(Protocol):
    """A :class:`Process` to which data can be added while it runs."""

    async def grant(self, policy: Policy) -> None:
        """Show the grants of ``policy`` that it lacks; raises :class:`GrantFailed`."""
        ...

    def refresh(self) -> list[str]:
        """Show granted files that were replaced as they are now; returns those still stale."""
        ...


class LaunchFailed(RuntimeError):
    """A kernel did not start although its construction works here."""


class SandboxUnavailable(RuntimeError):
    """No construction here reaches the required level, or a kernel broke its promise.

    Nothing generated has run. Named apart from the core's ``SandboxError``, which imports nothing
    of this package, but with the same exit code.
    """

    exit_code = 4

    def __init__(self, what: str, remedy: str = "") -> None:
        """Keep both sentences; ``str()`` joins them."""
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy
