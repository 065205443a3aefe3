"""Has a process of its own find and fetch packages, and takes what it answers; never in a kernel.

The store is content-addressed: a folder for each wheel, named after the wheel's SHA-256, which
kernels are shown read-only, and a note beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analyst_kernel._aio import finish_despite_cancel
from analyst_kernel._trees import remove_tree
from analyst_kernel.packages.names import alike, is_known
from analyst_kernel.packages.policy import PackagePolicy
from analyst_kernel.packages.task import PackageTask
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.protocol.records import PackageOffer, PackageUsed, PackageWheel

STORE = "packages"
"""Below the user's own folder; the sandbox knows a granted folder in it by this name."""

_PASSED = (
    "HOME", "USER", "USERNAME", "LOGNAME", "PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT",
    "APPDATA", "LOCALAPPDATA", "USERPROFILE", "TEMP", "TMP", "TMPDIR", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "HTTP_PROXY", "HTTPS_PROXY",
    "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME", "XDG_DATA_HOME", "VIRTUAL_ENV",
    "DBUS_SESSION_BUS_ADDRESS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS",
    "PIP_NO_INDEX", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_TRUSTED_HOST",
    "PIP_CONFIG_FILE", "PIP_KEYRING_PROVIDER", "PIP_CONSTRAINT", "PIP_CACHE_DIR",
    "PIP_NO_CACHE_DIR",
)  # fmt: skip
"""What pip needs to reach the index as the user does; no key of a model is among it."""

_LONGEST_ANSWER = 8 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")


class PackageFailed(DataError):
    """A package cannot be had; nothing of it is kept or shown to a kernel."""


def is_package_folder(path: str) -> bool:
    """Return whether a granted path is a package of the store, and no data of the user's."""
    folder, name = os.path.split(path)
    above, last = os.path.split(folder)
    is_ours = last == STORE and os.path.basename(above) == "analyst-kernel"
    return is_ours and _DIGEST.fullmatch(name) is not None


class PackageSource:
    """Finds and fetches packages for one interpreter.

    Args:
        root: The user's own folder, with the store.
        python: The kernel's interpreter.
        policy: Where and how much.
    """

    def __init__(self, root: Path, python: str, policy: PackagePolicy) -> None:
        self.store = root / STORE
        self.python = python
        self.policy = policy

    def folder(self, digest: str) -> str:
        """Return where a wheel is unpacked."""
        return os.path.realpath(self.store / digest)

    def is_stored(self, digest: str) -> bool:
        """Return whether a wheel is in the store, whole."""
        if not _DIGEST.fullmatch(digest):
            return False
        return (self.store / f"{digest}.json").is_file() and (self.store / digest).is_dir()

    async def find(
        self, distribution: str, *, module: str = "", held: Sequence[PackageUsed] = ()
    ) -> PackageOffer:
        """Return what a package is and brings; nothing of it is kept.

        ``held`` are packages of the analysis, which stay as they are, as all that is installed.

        Raises:
            PackageFailed: The index has no wheel that fits, or cannot be asked.
        """
        pins = tuple(f"{one.name}=={one.version}" for one in held)
        limits = self.policy.limits
        found = await self._ask("find", limits.find_seconds, wanted=distribution, held=pins)
        have = {one.sha256 for one in held}
        try:
            wheels = tuple(PackageWheel.model_validate(one) for one in found["wheels"])
        except ValidationError:
            raise PackageFailed(
                f"The index describes {distribution} in a way that is not allowed; it was not used."
            ) from None
        return PackageOffer(
            module=module,
            name=wheels[0].name,
            version=wheels[0].version,
            indexes=tuple(str(one)[:300] for one in found["indexes"][:10]),
            wheels=tuple(one for one in wheels if one.sha256 not in have),
            known=is_known(wheels[0].name),
            alike=alike(wheels[0].name),
        )

    async def fetch(self, wheels: Sequence[PackageWheel]) -> dict[str, tuple[str, ...]]:
        """Bring wheels into the store; return the top-level modules of each, by its hash.

        Raises:
            PackageFailed: A wheel is not what the index announced, or is refused.
        """
        wanted = tuple(
            {"name": w.name, "version": w.version, "sha256": w.sha256, "file": w.file}
            for w in wheels
        )
        found = await self._ask("fetch", self.policy.limits.fetch_seconds, wheels=wanted)
        return {str(one["sha256"]): tuple(one["modules"]) for one in found["wheels"]}

    async def _ask(self, do: Any, seconds: float, **order: Any) -> dict[str, Any]:
        scratch = self.store / f"new-{secrets.token_hex(8)}"
        try:
            await asyncio.to_thread(scratch.mkdir, mode=0o700, parents=True)
        except OSError as error:
            what = f"Packages cannot be kept in {self.store}: {error.strerror}."
            raise PackageFailed(what, "Make room, or make it writable.") from error
        task = PackageTask(
            do=do, python=self.python, scratch=str(scratch), store=str(self.store),
            indexes=self.policy.indexes, limits=self.policy.limits, **order,
        )  # fmt: skip
        try:
            answer = await _answer(task, seconds)
        finally:
            await finish_despite_cancel(asyncio.to_thread(remove_tree, scratch))
        if "error" in answer:
            raise PackageFailed(str(answer["error"]), str(answer.get("remedy", "")))
        return answer


async def _answer(task: PackageTask, seconds: float) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # what lies in the working folder is no module of ours
        "-m",
        "analyst_kernel.packages.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        limit=_LONGEST_ANSWER,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            out, _ = await process.communicate(json.dumps(asdict(task)).encode() + b"\n")
        return dict(json.loads(out))
    except TimeoutError:
        raise PackageFailed(
            f"The index did not answer within {seconds:g} s, so nothing was fetched.",
            "Try again later, or name a nearer index.",
        ) from None
    except ValueError:
        raise PackageFailed(
            "The process that fetches packages ended without an answer, so nothing was fetched.",
            "The package may be too large for this machine.",
        ) from None
    finally:
        await finish_despite_cancel(_end(process))


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and the pip that it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    await process.wait()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _PASSED}
    more = {n: v for n, v in os.environ.items() if n.startswith(("LC_", "PYTHON"))}
    return {**kept, **more, "PYTHONDONTWRITEBYTECODE": "1"}
