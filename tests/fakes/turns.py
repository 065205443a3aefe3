"""What a scripted model says: the turns of :mod:`analyst_kernel.testing.fakes.turns`, for tests."""

from __future__ import annotations

from analyst_kernel.testing.fakes.turns import (
    Fault,
    FaultKind,
    TurnSource,
    answer,
    call,
    calls,
    fail,
    finish,
    plan,
    python,
    raw_call,
    read_script,
    read_turn,
    redacted,
    say,
    script,
    think,
    turn,
)
from analyst_kernel.testing.fakes.turns import ScriptedTurn as Turn

__all__ = [
    "Fault",
    "FaultKind",
    "Turn",
    "TurnSource",
    "answer",
    "call",
    "calls",
    "fail",
    "finish",
    "plan",
    "python",
    "raw_call",
    "read_script",
    "read_turn",
    "redacted",
    "say",
    "script",
    "think",
    "turn",
]
