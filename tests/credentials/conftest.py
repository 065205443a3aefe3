"""Fixtures of these tests."""

from __future__ import annotations

from tests.fakes.fixtures import quiet_environment, wire_server

__all__ = ["quiet_environment", "wire_server"]
