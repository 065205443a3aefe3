"""A kernel that is bound before anybody asked for it; its data and its name come when it is taken.

Its sockets are given to a client by renaming them, because a socket is reached by any name of its
file. Every forked kernel is handed over like this, after the verdict: no request reaches one that
was not judged, or one that is still registering what answers requests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.sandbox.zygote.rooms import Room, Rooms, end_room

_BEHIND = "b"  # what the names of sockets begin with that no client knows yet
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

    def discard(self) -> None:
        """End it and leave nothing behind."""
        end_room(self.rooms, self.room)
        shutil.rmtree(self.folder, ignore_errors=True)


def withheld(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A connection beside the one that clients know, with names of the same length.

    Raises:
        OSError: Its sockets could not be handed over.
    """
    if wanted.get("transport") != "ipc":
        raise OSError("only sockets with names can be handed over")
    ip = str(wanted["ip"])
    return {**wanted, "ip": os.path.join(os.path.dirname(ip), _BEHIND)}


def hand_over(bound: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Give bound sockets the names that clients know; raises ``OSError``."""
    for channel in _CHANNELS:
        os.rename(_name(bound, channel), _name(wanted, channel))


def _name(connection: Mapping[str, Any], channel: str) -> str:
    return f"{connection['ip']}-{connection[channel]}"
