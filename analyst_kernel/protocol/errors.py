"""Every failure that this package raises on purpose.

::

    AnalystError                  what happened, what it means, what to do next
    +-- InputError                the user's input is wrong (exit code 2)
    |   +-- DataError             a file cannot be read as data
    |   +-- NotebookError         a notebook cannot be read or written
    |   +-- ModelChoiceError      no such model, or no credentials for it (exit code 3 then)
    |   +-- PolicyError           a sandbox setting, limit or grant cannot be enforced
    +-- ModelError                the provider failed (exit code 3)
    +-- KernelError               the kernel did not start or died (exit code 1)
    |   +-- LaunchFailed          a kernel did not start although its sandbox works here
    |   +-- GrantFailed           data could not be added to a running kernel
    +-- SandboxError              the required isolation level is not there (exit code 4)
    |   +-- DataReplaced          attached data was replaced while a process started
    +-- NotFound                  there is no such analysis, file or provider (exit code 1)
    +-- JournalError              the journal cannot be used (exit code 1)
    +-- KeyStoreError             a key cannot be kept or read (exit code 1)

    Cancelled is not an error: it is ``asyncio.CancelledError``, and the run ends ``cancelled``.

A failing cell is not an error of this package either: it is an iteration with outcome ``error``.
Standard library only, because the processes inside a sandbox import it too.
"""

from __future__ import annotations

from typing import Literal

ModelFault = Literal[
    "transport",  # connection refused, reset, timed out
    "overloaded",  # 529 or overloaded_error at status 200
    "rate_limited",  # 429
    "server",  # other 5xx, api_error
    "truncated",  # the stream ended before the message did
    "malformed",  # the bytes do not follow the protocol
    "stalled",  # no event for too long
    "auth",  # 401, 403, no credentials
    "request",  # 400, 404, 413: our request is wrong for this model
    "refused",  # the model declined
    "too_long",  # the conversation does not fit
]


class AnalystError(Exception):
    """Base of the errors that this package raises on purpose; ``str()`` joins both sentences.

    Attributes:
        what: What happened, one sentence.
        remedy: What to do next, one sentence; may be empty.
        exit_code: The exit code of the command line.
    """

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy


class InputError(AnalystError):
    """The user's input is wrong; nothing was changed."""

    exit_code = 2


class DataError(InputError):
    """A file or folder cannot be read as data."""


class NotebookError(InputError):
    """A notebook cannot be read or written; the file is unchanged."""


class ModelChoiceError(InputError):
    """The named model does not exist, or has no credentials (then ``exit_code`` is 3)."""

    def __init__(self, what: str, remedy: str = "", *, no_credentials: bool = False) -> None:
        super().__init__(what, remedy)
        if no_credentials:
            self.exit_code = 3


class PolicyError(InputError, ValueError):
    """A policy that would show more than a user can have meant, or that cannot be enforced."""


class ModelError(AnalystError):
    """The model provider failed.

    Attributes:
        fault: The class of failure.
        retryable: Whether asking again may help.
        retry_after: Seconds that the provider asked to wait, or None.
    """

    exit_code = 3

    def __init__(
        self,
        what: str,
        remedy: str = "",
        *,
        fault: ModelFault,
        retryable: bool,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, remedy)
        self.fault: ModelFault = fault
        self.retryable = retryable
        self.retry_after = retry_after


class KernelError(AnalystError):
    """The kernel did not start, or died and could not be brought back."""


class LaunchFailed(KernelError):
    """A kernel did not start although its sandbox works on this machine."""


class GrantFailed(KernelError):
    """Data could not be added to a running kernel; nothing of its state is lost.

    A restart shows it, after which the analysis's cells have to be run again.
    """


class SandboxError(AnalystError):
    """The required isolation level is not available; no generated code ran."""

    exit_code = 4


class DataReplaced(SandboxError):
    """Attached data was replaced while a process started that was to see it; no code ran."""


class NotFound(AnalystError):
    """The named analysis, file or provider does not exist."""


class JournalError(AnalystError):
    """The journal cannot be used; nothing was changed."""


class KeyStoreError(AnalystError):
    """A key cannot be stored or read; the message never contains the key."""
