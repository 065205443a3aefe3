"""Identifiers. Each is a plain string on the wire and a type of its own in Python."""

from __future__ import annotations

import secrets
from typing import NewType

AnalysisId = NewType("AnalysisId", str)
"""One notebook with its kernel, grants and runs. 12 lower-case hex digits, kept in the notebook."""

RunId = NewType("RunId", str)
"""One question of an analysis: ``r1``, ``r2``, ... in the order asked."""

CellId = NewType("CellId", str)
"""An nbformat 4.5 cell id; unique in its notebook, and it never changes."""

FindingId = NewType("FindingId", str)
"""``f1``, ``f2``, ... in an analysis."""

DefinitionId = NewType("DefinitionId", str)
"""``d1``, ``d2``, ... in an analysis."""

ChartId = NewType("ChartId", str)
"""``c1``, ``c2``, ... in an analysis."""

AskId = NewType("AskId", str)
"""One question or approval that waits for the user."""


def new_analysis_id() -> AnalysisId:
    """Return a fresh random analysis id."""
    return AnalysisId(secrets.token_hex(6))


def new_cell_id() -> CellId:
    """Return a fresh random cell id; nbformat allows 1 to 64 of ``[A-Za-z0-9_-]``."""
    return CellId(secrets.token_hex(6))


def new_ask_id() -> AskId:
    """Return a fresh random id for a question to the user."""
    return AskId(secrets.token_hex(4))
