"""Asks a fresh kernel for its kernel info in the name of the Jupyter server, before its first cell.

Jupyter asks when the first tab connects, and lets that tab wait for the answer, which comes only
after the cell that is running: up to a minute. Meanwhile its browser opens no other socket to this
server either, neither the panel's nor a live room's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

_SECONDS = 60.0
_KNOWN = "_kernel_info_future"
"""Where Jupyter's connections of one kernel share what it answered."""
_log = logging.getLogger(__name__)


def greet(kernels: Any, kernel_id: str) -> Callable[[], None]:
    """Ask now, and keep the answer where Jupyter looks for it; where that is unknown, do nothing.

    Args:
        kernels: The server's kernel manager, which has just started the kernel.
        kernel_id: Which.

    Returns:
        What ends the waiting for an answer, if there was none yet.
    """
    try:
        manager = kernels.get_kernel(kernel_id)
        if hasattr(manager, _KNOWN):
            return lambda: None
        stream = kernels.connect_shell(kernel_id)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def heard(frames: list[bytes]) -> None:
            _, message = manager.session.feed_identities(frames)
            content = manager.session.deserialize(message)["content"]
            if not answer.done():
                answer.set_result(content)

        stream.on_recv(heard)
        setattr(manager, _KNOWN, answer)
        manager.session.send(stream, "kernel_info_request")
    except Exception as error:  # noqa: BLE001 - a gateway's kernels: then Jupyter asks as ever
        _log.debug("Kernel %s is not asked ahead of its tabs: %s", kernel_id, error)
        return lambda: None

    def end() -> None:
        if not answer.done():
            answer.set_result({})
            if getattr(manager, _KNOWN, None) is answer:
                delattr(manager, _KNOWN)

    def done(_: object) -> None:
        late.cancel()
        if not stream.closed():
            stream.close()

    late = asyncio.get_running_loop().call_later(_SECONDS, end)
    answer.add_done_callback(done)
    return end
