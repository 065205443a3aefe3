"""A kernel that is bound before anybody asked for it; its data and its name come when it is taken.

Its sockets are given to a client by renaming them, because a socket is reached by any name of its
file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.sandbox.zygote.rooms import Room, Rooms, end_room

_CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


@dataclass
class Spare:
    """One waiting kernel.

    Attributes:
        rooms: The zygote that forked it.
        room: Where it is.
        folder: Its runtime folder on the host.
        connection: What it is bound to.
        system: Interpreter and libraries that it may execute.
    """

    rooms: Rooms
    room: Room
    folder: str
    connection: dict[str, Any]
    system: tuple[str, ...]

    def rename(self, wanted: Mapping[str, Any]) -> None:
        """Give the sockets the names of another connection; raises ``OSError``."""
        if wanted.get("transport") != "ipc":
            raise OSError("only sockets with names can be handed over")
        for channel in _CHANNELS:
            os.rename(_name(self.connection, channel), _name(wanted, channel))

    def discard(self) -> None:
        """End it and leave nothing behind."""
        end_room(self.rooms, self.room)
        shutil.rmtree(self.folder, ignore_errors=True)


def _name(connection: Mapping[str, Any], channel: str) -> str:
    return f"{connection['ip']}-{connection[channel]}"
