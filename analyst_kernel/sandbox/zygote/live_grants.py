"""A forked kernel to which data can be added while it runs, because the mounter reaches its room.

Data appears read-only at its true path, and a granted file that an editor replaced is shown anew.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from analyst_kernel.sandbox.backends.base import GrantFailed
from analyst_kernel.sandbox.policy import Policy, within
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel


class GrowingKernel(ZygoteKernel):
    """A kernel in a room with mounts of its own."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        """Remember which files were granted one by one."""
        super().__init__(*arguments, **keywords)
        self._seen = {path: seen for path in self._policy.grants if (seen := identity(path))}

    async def grant(self, policy: Policy) -> None:
        """Show what ``policy`` grants and this kernel lacks; raises :class:`GrantFailed`."""
        await asyncio.to_thread(self._grant, policy)

    def _grant(self, policy: Policy) -> None:
        missing = [path for path in policy.grants if not self._has(path)]
        for path in missing:
            if not any(within(path, top) for top in self._rooms.tops):
                raise GrantFailed(f"{path} cannot be shown to a running kernel.")
        hidden = [path for path in policy.hidden if any(within(path, new) for new in missing)]
        try:
            pairs = [(path, False) for path in missing]
            # What was visible below a new folder stays so.
            for path, writable in self._room.shown.items():
                if any(within(path, new) and path != new for new in missing):
                    pairs.append((path, writable))
            self._rooms.show(self._room, pairs, hidden=hidden)
        except OSError as error:
            raise GrantFailed(f"The data could not be added to the kernel: {error}.") from error
        self._policy = policy
        self._seen |= {path: seen for path in missing if (seen := identity(path))}

    def _has(self, path: str) -> bool:
        if path in self._room.shown:
            return True
        if path in self._policy.hidden or any(within(path, item) for item in self._policy.hidden):
            return False
        known = (*self._room.shown, *self._policy.system)
        return any(within(path, shown) for shown in known)

    def watches_files(self) -> bool:
        """Whether single files were granted, which an editor may replace."""
        return bool(self._seen) and not self._closed

    def refresh(self) -> list[str]:
        """Show replaced files as they are now; returns those that are still stale."""
        stale: list[str] = []
        for path, seen in list(self._seen.items()):
            now = identity(path)
            if now is None or now == seen or self._closed:
                continue
            try:
                self._rooms.renew(self._room, path)
            except OSError:
                stale.append(path)
            else:
                self._seen[path] = now
        return stale


def identity(path: str) -> tuple[int, int] | None:
    """What tells a file from its replacement; ``None`` for a folder or a missing path."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return None if os.path.isdir(path) else (status.st_dev, status.st_ino)
