"""What all analyses of a server share, and the choice of the model that a question goes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_server.serverapp import ServerApp

from analyst_kernel.agent.ports import Model
from analyst_kernel.grants import GrantStore
from analyst_kernel.models.compatible_providers import probe_local
from analyst_kernel.models.registry import default_name, list_providers, open_model
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.sandbox import SandboxReport
from analyst_kernel.protocol.socket import AnalysisSummary
from analyst_kernel.providers import ProviderInfo
from analyst_kernel.server.credentials import Keys
from analyst_kernel.server.events.coalesce import EncodedEvent
from analyst_kernel.server.events.journal import Journal
from analyst_kernel.server.kernels import ServerHost
from analyst_kernel.server.settings import Places, ServerSettings


class ModelChoice:
    """Opens models with the keys that the server stores.

    Attributes:
        default: Full name of the model that is used if none was chosen; as of the last look.
        providers: Every provider, as of the last look.
    """

    def __init__(self, keys: Keys, settings: ServerSettings) -> None:
        """Look up nothing yet; call :meth:`look`."""
        self.default = settings.default_model or "offline:rules"
        self.providers: tuple[ProviderInfo, ...] = ()
        self._keys = keys
        self._fixed = str(settings.locked.get("model") or "")
        self._preferred = settings.default_model

    async def look(self) -> dict[str, str]:
        """Look up providers and default; return the environment variables with the stored keys."""
        env = await asyncio.to_thread(self._keys.environment)
        self.providers = await asyncio.to_thread(list_providers, env)
        self.default = self.full(self._fixed or self._preferred or default_name(env))
        return env

    def full(self, name: str) -> str:
        """Complete a provider's bare name with its default model."""
        if ":" in name:
            return name
        found = [p.default_model for p in self.providers if p.name == name and p.default_model]
        return f"{name}:{found[0]}" if found else name

    def wanted(self, chosen: str) -> str:
        """Return the model for an analysis whose user chose ``chosen``, which may be empty."""
        return self.full(self._fixed or chosen or self.default)

    def is_ai(self, name: str) -> bool:
        """Return whether a model of that name is an AI model."""
        provider = name.partition(":")[0]
        return next((p.is_ai for p in self.providers if p.name == provider), True)

    async def open(self, name: str) -> Model:
        """Make a model. Raises ``ModelChoiceError``."""
        return await open_model(name, env=await self.look())

    async def check(self, name: str) -> str:
        """Return the full name of a model that can be used.

        Raises:
            InputError: The administrator chose another model.
            ModelChoiceError: There is no such model, or no credentials for it.
        """
        if self._fixed and self.full(name) != self.full(self._fixed):
            raise InputError(
                f"The administrator of this server chose the model {self._fixed}.",
                "It cannot be changed here.",
            )
        model = await self.open(name)
        await model.aclose()
        return model.name

    async def listing(self) -> dict[str, Any]:
        """Return what the panel's menu of models shows; it holds no secret."""
        env = await self.look()
        local = await probe_local(env)
        kept = await asyncio.to_thread(self._keys.kept)
        return {
            "default": self.default,
            "providers": [asdict(provider) for provider in self.providers],
            "local": [model.name for model in local],
            "kept_keys": list(kept),
        }


@dataclass(slots=True)
class ServerServices:
    """Made once per server.

    Attributes:
        jupyter: The server, whose managers, settings and events the analyses use.
        announce: Called with the summary of an analysis when it changed in the list.
        deliver: Called with the events of an analysis after they were journalled.
        newest_report: The isolation of the kernel that was started last.
    """

    settings: ServerSettings
    places: Places
    journal: Journal
    keys: Keys
    models: ModelChoice
    grants: GrantStore
    jupyter: ServerApp
    announce: Callable[[AnalysisSummary], None] = lambda _: None
    deliver: Callable[[AnalysisId, Sequence[EncodedEvent]], None] = lambda _id, _events: None
    newest_report: SandboxReport | None = None

    def host(self, notebook: Callable[[], str | None] = lambda: None) -> ServerHost:
        """Return a host for one kernel; see :class:`ServerHost`."""
        return ServerHost(self.jupyter.kernel_manager, self.jupyter.session_manager, notebook)
