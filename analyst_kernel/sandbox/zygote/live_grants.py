"""A forked kernel to which data can be added while it runs: the mounter reaches its container.

Data appears read-only at its true path, and a granted file that an editor replaced is shown anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from analyst_kernel._real_paths import PathIdentity, identify
from analyst_kernel.protocol.errors import GrantFailed
from analyst_kernel.sandbox.policy import SandboxPolicy, within
from analyst_kernel.sandbox.zygote.kernel import ZygoteKernel


class LiveGrantKernel(ZygoteKernel):
    """A kernel in a container with mounts of its own."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._files: dict[str, PathIdentity] = {}
        self._note_files(self._policy.grants)

    def _note_files(self, paths: Sequence[str]) -> None:
        """Watch those of the paths that are single files, as the policy says they are now."""
        shown = dict(zip(self._policy.grants, self._policy.identities, strict=True))
        for path in paths:
            with contextlib.suppress(OSError):
                now = identify(path)
                if now.kind == "file" and (now.device, now.inode) == shown[path]:
                    self._files[path] = now

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
            shown = dict(zip(policy.grants, policy.identities, strict=True))
            shown |= {path: (now.device, now.inode) for path, now in self._files.items()}
            self.client.show(self.container, pairs, identities=shown, hidden=hidden)
        except OSError as error:
            raise GrantFailed(f"The data could not be added to the kernel: {error}.") from error
        self._policy = policy
        self._note_files(missing)

    def _has(self, path: str) -> bool:
        if path in self.container.shown:
            return True
        if path in self._policy.hidden or any(within(path, item) for item in self._policy.hidden):
            return False
        known = (*self.container.shown, *self._policy.system)
        return any(within(path, shown) for shown in known)

    def watches_files(self) -> bool:
        """Return whether single files were granted, which an editor may replace."""
        return bool(self._files) and not self._closed

    def refresh(self) -> list[str]:
        """Show replaced files as they are now; return those that are still stale.

        Stale, too, is one in whose place something else stands than an editor leaves.
        """
        stale: list[str] = []
        for path, seen in list(self._files.items()):
            try:
                now = identify(path)
                identity = (now.device, now.inode)
                if identity == (seen.device, seen.inode) or self._closed:
                    continue
                if seen.difference(now):
                    stale.append(path)
                    continue
                self.client.renew(self.container, path, identity)
            except FileNotFoundError:
                continue  # an editor may be replacing it
            except OSError:
                stale.append(path)
            else:
                self._files[path] = now
        return stale
