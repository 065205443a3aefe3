"""Readers that start while the program that will ask them is still being loaded.

A reader takes as long to start as this package to be imported. So what is imported here is only
what a start needs; the command that shows a profile begins with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analyst_kernel.data.reader.opened import AT_ONCE, OpenedFile, beside
from analyst_kernel.protocol.errors import AnalystError
from analyst_kernel.protocol.levels import SandboxLevel
from analyst_kernel.sandbox.paths import ShownPath
from analyst_kernel.sandbox.reader import EnclosedReader, ReaderLimits
from analyst_kernel.sandbox.settings import Isolation
from analyst_kernel.sandbox.zygote.backend import warm_up

_SERVES = "data.reader.inside"


def reader_of(
    files: Sequence[ShownPath], limits: ReaderLimits, require: SandboxLevel | None = None
) -> EnclosedReader:
    """Return a reader of some files that is not started yet, isolated as the user set it."""
    return EnclosedReader(files, _SERVES, _isolation(require), limits)


def prepare_forks(require: SandboxLevel | None = None) -> None:
    """Begin to prepare a process that readers are forked from; it takes longer than one reader."""
    isolation = _isolation(require)
    if isolation.form in (None, "zygote"):
        warm_up(sys.executable, isolation.bubblewrap)


class ReadersAhead:
    """Readers of the first files of a command, for an ``async with`` block that ends the rest."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Prepare; paths that are no readable files are left to whoever reads them later."""
        self._paths = paths[:AT_ONCE]
        self._readers: dict[tuple[ShownPath, ...], EnclosedReader] = {}

    async def __aenter__(self) -> ReadersAhead:
        """Begin to start the readers."""
        for path in self._paths:
            with contextlib.suppress(AnalystError, OSError, ValueError):
                real = os.path.realpath(path)
                files = _shown(real)
                if files not in self._readers:
                    limits = ReaderLimits.of_size(os.path.getsize(real))
                    reader = reader_of(files, limits)
                    reader.begin()
                    self._readers[files] = reader
        return self

    def take(self, files: Sequence[ShownPath]) -> EnclosedReader | None:
        """Return the reader of exactly these files, which the caller ends, or None."""
        return self._readers.pop(tuple(files), None)

    async def __aexit__(self, *_error: object) -> None:
        """End the readers that nobody took."""
        readers, self._readers = list(self._readers.values()), {}
        await asyncio.gather(*(reader.give_up() for reader in readers))


def _shown(path: str) -> tuple[ShownPath, ...]:
    """Return what a reader of a data file is shown: the file, and the dictionary beside it."""
    with OpenedFile(path) as file, beside(path) as words:
        files = (file,) if words is None else (file, words)
        return tuple(ShownPath(one.path, one.device, one.inode) for one in files)


def _isolation(require: SandboxLevel | None) -> Isolation:
    """Return what the user's settings say: Jupyter's configuration where there is one."""
    found = Isolation.from_environment()
    application: Any = getattr(sys.modules.get("traitlets.config"), "Application", None)
    if application is not None and application.initialized():
        from analyst_kernel.sandbox.provisioner import AnalystProvisioner

        found = AnalystProvisioner(config=application.instance().config).isolation()
    return found if require is None else replace(found, require=require)
