"""The Jupyter Server extension: its settings, its routes, and the stop of all analyses.

The only module with traitlets. Every Jupyter server loads it at its start, so it imports nothing
heavy: no protocol records, no model SDK, no data library.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from traitlets import Dict, Enum, Float, Integer, List, Unicode, Union

from analyst_kernel.server.http.base import BOOTSTRAP, Bootstrap
from analyst_kernel.server.http.routes import ROUTES

if TYPE_CHECKING:
    from analyst_kernel.protocol.sandbox import SandboxLevel
    from analyst_kernel.server.session.registry import SessionRegistry
    from analyst_kernel.server.settings import ServerSettings


class AnalystKernelApp(ExtensionApp):
    """``c.AnalystKernelApp...`` in ``jupyter_server_config.py``."""

    name = "analyst_kernel"
    extension_url = "/lab"
    load_other_extensions = True

    default_model = Unicode(
        help="Model of new analyses, provider:name; empty: the best that has credentials."
    ).tag(config=True)
    sandbox = Enum(
        ["isolated", "restricted", "limits", "none"],
        default_value="restricted",
        help="Lowest isolation that generated code may run in; below it nothing runs.",
    ).tag(config=True)
    kernel_name = Unicode("analyst", help="Kernelspec that analyses run in.").tag(config=True)
    memory = Union(
        [Integer(), Unicode()],
        default_value="",
        help="Memory of a kernel, e.g. 2 GiB; empty: the sandbox's own default.",
    ).tag(config=True)
    processes = Integer(
        0, help="Processes and threads of a kernel; 0: the sandbox's own default."
    ).tag(config=True)
    cell_timeout = Float(120.0, help="Seconds that a cell may run.").tag(config=True)
    max_iterations = Integer(10, help="Cells that one question may run.").tag(config=True)
    max_cost = Float(
        0.0, min=0.0, help="US dollars that the model may cost for a question; 0: no limit."
    ).tag(config=True)
    max_analysis_cost = Float(
        0.0, min=0.0, help="US dollars that the model may cost for an analysis; 0: no limit."
    ).tag(config=True)
    max_day_cost = Float(
        0.0,
        min=0.0,
        help="US dollars that models may cost for all analyses of a day; 0: no limit.",
    ).tag(config=True)
    idle_minutes = Float(
        15.0, help="Minutes after which an unused kernel is stopped; 0: never."
    ).tag(config=True)
    idle_check_seconds = Float(60.0, help="Seconds between two looks for unused kernels.").tag(
        config=True
    )
    grace_seconds = Float(
        600.0,
        help=(
            "Seconds to wait for a browser that had a notebook open and vanished, before the "
            "notebook is written without it."
        ),
    ).tag(config=True)
    reconnect_seconds = Float(
        5.0,
        help=(
            "Seconds that browsers have to come back after the server starts, before what was not "
            "written yet is written into notebooks."
        ),
    ).tag(config=True)
    journal_path = Unicode(
        help="File that keeps the analyses; empty: in Jupyter's data folder."
    ).tag(config=True)
    locked = Dict(
        help=(
            "Settings that people may not change, with their values: model, approval (automatic, "
            "cells or plan), budget_usd, analysis_budget_usd, day_budget_usd, max_iterations, "
            "privacy (the least strict mode that is allowed: full, no-values or schema-only), "
            "providers (the names of those whose models may be used), keys (True: only those of "
            "the environment and of key_files count)."
        )
    ).tag(config=True)
    packages = Enum(
        ["ask", "forbid"],
        default_value="ask",
        help="Whether packages that a cell lacks may be fetched, each with the user's yes.",
    ).tag(config=True)
    package_indexes = List(
        Unicode(),
        help=(
            "Addresses of the indexes that packages come from; empty: those of pip's own "
            "configuration. Write credentials into netrc or pip's keyring, not here: Jupyter logs "
            "its configuration with --debug."
        ),
    ).tag(config=True)
    allowed_packages = List(
        Unicode(),
        help="The only packages that may be fetched, with all that they bring; empty: any.",
    ).tag(config=True)
    # No trait holds a key itself: Jupyter logs its whole configuration with --debug.
    key_files = Dict(
        help=(
            "Files that hold the keys of model providers, by provider, e.g. "
            "{'openai': '/run/secrets/openai'}. A key goes to its provider's own host, or to that "
            "of provider_urls."
        )
    ).tag(config=True)
    provider_urls = Dict(
        help="Addresses of model providers, by provider, e.g. {'vllm': 'https://gpu.example/v1'}."
    ).tag(config=True)

    def initialize_settings(self) -> None:
        """Make the bootstrap; nothing is loaded yet."""
        self.bootstrap = Bootstrap(self._open_registry)
        self.settings[BOOTSTRAP] = self.bootstrap

    async def _open_registry(self) -> SessionRegistry:
        from analyst_kernel.server.session.registry import SessionRegistry

        assert self.serverapp is not None
        return await SessionRegistry.open(self.server_settings(), self.serverapp)

    def initialize_handlers(self) -> None:
        """Add the routes."""
        self.handlers.extend(ROUTES)

    def server_settings(self) -> ServerSettings:
        """Return the settings as plain values."""
        from analyst_kernel.packages.policy import PackagePolicy
        from analyst_kernel.protocol.records import Limits
        from analyst_kernel.server.settings import ServerSettings

        assert self.serverapp is not None
        data = Path(jupyter_data_dir()) / "analyst-kernel"
        level: SandboxLevel = self.sandbox  # type: ignore[assignment] # the trait checked it
        limits: dict[str, int | str] = {}
        if self.memory:
            limits["memory_bytes"] = self.memory
        if self.processes:
            limits["processes"] = self.processes
        return ServerSettings(
            root=str(getattr(self.serverapp.contents_manager, "root_dir", "") or ""),
            data=data,
            journal=Path(self.journal_path) if self.journal_path else data / "journal.sqlite3",
            default_model=self.default_model,
            sandbox=level,
            kernel_name=self.kernel_name,
            kernel_limits=limits,
            limits=Limits(
                iterations=self.max_iterations,
                cell_seconds=self.cell_timeout,
                cost_usd=self.max_cost or None,
                analysis_usd=self.max_analysis_cost or None,
                day_usd=self.max_day_cost or None,
            ),
            idle_seconds=self.idle_minutes * 60,
            idle_check_seconds=self.idle_check_seconds,
            grace_seconds=self.grace_seconds,
            reconnect_seconds=self.reconnect_seconds,
            key_files={name: str(path) for name, path in self.key_files.items()},
            provider_urls={name: str(url) for name, url in self.provider_urls.items()},
            locked=dict(self.locked),
            packages=PackagePolicy(
                "forbid" if self.packages == "forbid" else "ask",
                indexes=tuple(self.package_indexes),
                names=tuple(self.allowed_packages),
            ),
        )

    def current_activity(self) -> dict[str, Any] | None:
        """Return, for Jupyter's list of activities, how many runs a stop would end."""
        at_work = self.bootstrap.at_work
        return {"runs": at_work} if at_work else None

    async def stop_extension(self) -> None:
        """Stop every run and write what is left."""
        await self.bootstrap.close()
