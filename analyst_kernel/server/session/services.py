"""What all analyses of a server share, and the choice of the model that a question goes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jupyter_server.serverapp import ServerApp

from analyst_kernel.agent.ports import Model
from analyst_kernel.credentials.check import Checked, save_key
from analyst_kernel.credentials.entries import StoredEnv
from analyst_kernel.credentials.store import Keys
from analyst_kernel.grants import GrantStore
from analyst_kernel.models.compatible_providers import probe_local
from analyst_kernel.models.registry import list_providers, open_model
from analyst_kernel.protocol.errors import InputError, ModelChoiceError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.sandbox import SandboxReport
from analyst_kernel.protocol.socket import AnalysisSummary
from analyst_kernel.providers import ProviderInfo
from analyst_kernel.server.events.coalesce import EncodedEvent
from analyst_kernel.server.events.journal import Journal
from analyst_kernel.server.kernels import ServerHost
from analyst_kernel.server.session.connections import UserConnections
from analyst_kernel.server.settings import Places, ServerSettings


class ModelChoice:
    """Opens models with the keys that the server stores.

    Attributes:
        default: Full name of the model that is used if none was chosen; as of the last look.
        providers: Every provider that the administrator allows, as of the last look.
        problem: What of the stored keys cannot be read, as of the last look; empty for nothing.
    """

    def __init__(self, keys: Keys, settings: ServerSettings) -> None:
        """Look up nothing yet; call :meth:`look`."""
        self.default = settings.default_model or "offline:rules"
        self.providers: tuple[ProviderInfo, ...] = ()
        self.problem = ""
        self._keys = keys
        self._fixed = str(settings.locked.get("model") or "")
        self._preferred = settings.default_model
        self._allowed = settings.allowed_providers
        self._local: tuple[str, ...] = ()

    async def look(self) -> StoredEnv:
        """Look up providers and default; return the environment with the stored keys."""
        env = await asyncio.to_thread(self._keys.environment)
        found = await asyncio.to_thread(list_providers, env)
        self.providers = tuple(one for one in found if self._allows(one.name, is_ai=one.is_ai))
        self.problem = env.problem
        self.default = self.full(self._fixed or self._preferred or self._best())
        return env

    def _best(self) -> str:
        names = (
            f"{one.name}:{one.default_model}"
            for one in self.providers
            if one.has_credentials and one.default_model
        )
        return next(names, "offline:rules")

    def _allows(self, provider: str, *, is_ai: bool) -> bool:
        return self._allowed is None or not is_ai or provider in self._allowed

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
        env = await self.look()
        model = await open_model(name, env=env)
        provider = model.name.partition(":")[0]
        if not self._allows(provider, is_ai=model.is_ai):
            await model.aclose()
            raise ModelChoiceError(
                f"The administrator of this server does not allow models of {provider}.",
                f"Allowed are {', '.join(sorted(self._allowed or ())) or 'none but the rules'}.",
            )
        return model

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

    async def listing(self, *, look_for_local: bool = False) -> dict[str, Any]:
        """Return what the panel's menu of models and its dialog of keys show; it holds no secret.

        Servers on this computer are asked only if ``look_for_local``; else those are listed that
        answered when it was last asked for.
        """
        env = await self.look()
        if look_for_local:
            found = await probe_local(env)
            self._local = tuple(one.name for one in found if self._listed(one.name))
        states = await asyncio.to_thread(self._keys.states, env)
        return {
            "default": self.default,
            "providers": [asdict(provider) for provider in self.providers],
            "local": list(self._local),
            "kept_keys": sorted({state.provider for state in states if state.removable}),
            "keys": [asdict(state) for state in states],
            "key_place": "" if self._keys.locked else self._keys.place,
            "problem": self.problem,
        }

    def _listed(self, name: str) -> bool:
        return name.partition(":")[0] in {provider.name for provider in self.providers}

    async def save_key(self, provider: str, key: str, url: str, *, anyway: bool) -> Checked:
        """Check a key and store it; see :func:`analyst_kernel.credentials.check.save_key`."""
        if not self._allows(provider, is_ai=True):
            raise InputError(
                f"The administrator of this server does not allow models of {provider[:60]}.",
                "No key was stored.",
            )
        return await save_key(self._keys, provider, key, url, anyway=anyway)


@dataclass(slots=True)
class ServerServices:
    """Made once per server.

    Attributes:
        jupyter: The server, whose managers, settings and events the analyses use.
        connections: The databases that the user can attach.
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
    connections: UserConnections
    announce: Callable[[AnalysisSummary], None] = lambda _: None
    deliver: Callable[[AnalysisId, Sequence[EncodedEvent]], None] = lambda _id, _events: None
    newest_report: SandboxReport | None = None

    def host(self, notebook: Callable[[], str | None] = lambda: None) -> ServerHost:
        """Return a host for one kernel; see :class:`ServerHost`."""
        return ServerHost(self.jupyter.kernel_manager, self.jupyter.session_manager, notebook)
