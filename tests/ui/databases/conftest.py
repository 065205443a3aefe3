from __future__ import annotations

from tests.connections.conftest import postgres

__all__ = ["postgres"]
