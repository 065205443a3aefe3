"""The table of commands against the protocol."""

from __future__ import annotations

from typing import get_args

from analyst_kernel.protocol.commands import Command
from analyst_kernel.server.session.session import HANDLERS


def test_every_command_of_the_protocol_has_one_row() -> None:
    commands, _ = get_args(Command)
    assert set(HANDLERS) == set(get_args(commands))
