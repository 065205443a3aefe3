"""A forked kernel to which data can be added while it runs: the mounter reaches its container.

Data appears read-only at its true path, and a granted file that an editor replaced is shown anew.
"""

from __future__ import annotations

import asyncio
from typing import Any

from analyst_kernel.protocol.errors import GrantFailed
from analyst_kernel.sandbox.paths import file_identity
from analyst_kernel.sandbox.policy import SandboxPolicy, within
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel


class LiveGrantKernel(ZygoteKernel):
    """A kernel in a container with mounts of its own."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._seen = {path: seen for path in self._policy.grants if (seen := file_identity(path))}

    async def grant(self, policy: SandboxPolicy) -> None:
        """Show what ``policy`` grants and this kernel lacks; raises :class:`GrantFailed`."""
        await asyncio.to_thread(self._grant, policy)

    def _grant(self, policy: SandboxPolicy) -> None:
        missing = [path for path in policy.grants if not self._has(path)]
        for path in missing:
            if not any(within(path, top) for top in self.client.tops):
                raise GrantFailed(f"{path} cannot be shown to a running kernel.")
        hidden = [path for path in policy.hidden if any(within(path, new) for new in missing)]
        try:
            pairs = [(path, False) for path in missing]
            # What was visible below a new folder stays so.
            for path, writable in self.container.shown.items():
                if any(within(path, new) and path != new for new in missing):
                    pairs.append((path, writable))
            self.client.show(self.container, pairs, hidden=hidden)
        except OSError as error:
            raise GrantFailed(f"The data could not be added to the kernel: {error}.") from error
        self._policy = policy
        self._seen |= {path: seen for path in missing if (seen := file_identity(path))}

    def _has(self, path: str) -> bool:
        if path in self.container.shown:
            return True
        if path in self._policy.hidden or any(within(path, item) for item in self._policy.hidden):
            return False
        known = (*self.container.shown, *self._policy.system)
        return any(within(path, shown) for shown in known)

    def watches_files(self) -> bool:
        """Return whether single files were granted, which an editor may replace."""
        return bool(self._seen) and not self._closed

    def refresh(self) -> list[str]:
        """Show replaced files as they are now; return those that are still stale."""
        stale: list[str] = []
        for path, seen in list(self._seen.items()):
            now = file_identity(path)
            if now is None or now == seen or self._closed:
                continue
            try:
                self.client.renew(self.container, path)
            except OSError:
                stale.append(path)
            else:
                self._seen[path] = now
        return stale
