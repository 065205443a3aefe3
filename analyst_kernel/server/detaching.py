"""Takes a dataset back from an analysis: from its list, its grants and its kernel."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from analyst_kernel.agent.errors import InputError
from analyst_kernel.agent.ports import SetupEntry
from analyst_kernel.analysis import Analysis
from analyst_kernel.protocol.datasets import Dataset
from analyst_kernel.protocol.events import DatasetDetached

if TYPE_CHECKING:
    from analyst_kernel.data.grants import GrantStore
    from analyst_kernel.server.living import LivingAnalysis


async def detach(living: LivingAnalysis, name: str) -> None:
    """Take back the dataset ``name``; the kernel, which may still read it, is ended.

    Raises:
        InputError: There is no such dataset, or something is at work.
    """
    with suppress(TimeoutError):  # a run that has just told its end is about to be over
        await asyncio.wait_for(living.line.idle(), 1.0)
    if living.line.busy:
        raise InputError("A run is at work with this data.", "Stop it, or wait for its end.")
    catalog = await living.catalog()
    if catalog is None:
        raise InputError("No data is attached to this analysis.")
    gone = catalog.withdraw(name)
    left = tuple(catalog.datasets)
    if gone.path not in {dataset.path for dataset in left}:
        living.remember(pending=tuple(dataset.path for dataset in left))
        if living.record.notebook:
            living.remember(pending=())
            await asyncio.to_thread(
                _revoke, living.around.grants, living.record.notebook, gone, left
            )
    if living.analysis is not None:
        await _forget(living.analysis, name)
    living.tell(DatasetDetached(analysis=living.id, name=name))
    if living.analysis is not None and living.analysis.memory.facts is not None:
        await living.kernel_lost(
            "stopped", f"{name} was taken back; the next question starts a kernel without it."
        )


def _revoke(grants: GrantStore, notebook: str, gone: Dataset, left: tuple[Dataset, ...]) -> None:
    """Where the file came with a folder, its other files stay granted one by one."""
    if grants.revoke(notebook, gone.path):
        return
    for grant in grants.for_notebook(notebook):
        if grant.kind == "folder" and gone.path.startswith(grant.path.rstrip("/\\") + "/"):
            for path in dict.fromkeys(dataset.path for dataset in left):
                if path.startswith(grant.path):
                    grants.record(notebook, path, "file")
            grants.revoke(notebook, grant.path)


async def _forget(analysis: Analysis, name: str) -> None:
    """Take it out of what the next kernel loads; the notebook's setup cell must say the same."""
    analysis.memory.profiles.pop(name, None)
    for setup in analysis.memory.setups:
        if name in setup.names:
            setup.names = tuple(other for other in setup.names if other != name)
            setup.code = analysis.catalog.setup_code(setup.names) if setup.names else ""
            if setup.code:
                await analysis.notebook.record(SetupEntry(setup.cell, setup.code))
