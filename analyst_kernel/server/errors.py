"""Errors of the server, below the tree of :mod:`analyst_kernel.agent.errors`."""

from __future__ import annotations

from analyst_kernel.agent.errors import AnalystError


class NotFound(AnalystError):
    """There is no such analysis, file or provider."""


class JournalError(AnalystError):
    """The journal cannot be used; nothing was changed."""


class KeyStoreError(AnalystError):
    """A key cannot be kept or read; the message never holds it."""
