"""Fixtures of the model tests."""

from __future__ import annotations

from tests.fakes.fixtures import claude_environment, quiet_environment, wire_server

__all__ = ["claude_environment", "quiet_environment", "wire_server"]
