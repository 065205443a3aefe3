"""All providers by name, and the way from a name to a model.

It imports no SDK and asks no server. Third parties add providers through the entry-point group
``analyst_kernel.providers``; they cannot replace one of ours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import entry_points

from analyst_kernel.agent.ports import Model
from analyst_kernel.models.anthropic_credentials import find_source
from analyst_kernel.models.anthropic_provider import DEFAULT_MODEL, AnthropicProvider
from analyst_kernel.models.builtin_providers import OfflineProvider, ScriptedProvider
from analyst_kernel.models.compatible_providers import COMPATIBLE
from analyst_kernel.models.model_name import split_name
from analyst_kernel.models.provider import Env, Provider, ProviderInfo
from analyst_kernel.protocol.errors import AnalystError, ModelChoiceError

GROUP = "analyst_kernel.providers"
"""Entry-point group for third parties."""

_OURS: tuple[Provider, ...] = (
    AnthropicProvider(),
    *COMPATIBLE,
    OfflineProvider(),
    ScriptedProvider(),
)


def parse_name(text: str) -> tuple[str, str]:
    """Take ``provider:name`` apart.

    The name is empty when only the provider is named. Raises ``ModelChoiceError`` for an unknown
    provider, naming the nearest.
    """
    return split_name(text, _providers())


def default_name(env: Env | None = None) -> str:
    """Name the model that is used when none is named."""
    return f"anthropic:{DEFAULT_MODEL}" if find_source(_env(env)) else "offline:rules"


async def open_model(name: str | None = None, *, env: Env | None = None) -> Model:
    """Make the named model, or the default one; nothing is sent yet.

    Args:
        name: ``provider:name``, a provider alone where it has a default, or ``None``.
        env: Environment variables; the process's own by default.

    Raises:
        ModelChoiceError: No such model, or no credentials for it.
    """
    provider, model = parse_name(default_name(env) if name is None else name)
    return await _providers()[provider].open(model, _env(env))


def list_providers(env: Env | None = None) -> tuple[ProviderInfo, ...]:
    """Describe every provider, ours first; a broken third-party one says so in its note."""
    return tuple(_describe(provider, _env(env)) for provider in _providers().values())


def _env(env: Env | None) -> Env:
    return os.environ if env is None else env


def _providers() -> dict[str, Provider]:
    table: dict[str, Provider] = {provider.name: provider for provider in _OURS}
    for entry in entry_points(group=GROUP):
        if entry.name in table or ":" in entry.name:
            continue
        try:
            loaded = entry.load()
            made = not isinstance(loaded, type) and hasattr(loaded, "open")
            table[entry.name] = loaded if made else loaded()
        except Exception as error:  # noqa: BLE001 - a stranger's package must not stop ours
            table[entry.name] = _Broken(entry.name, type(error).__name__)
    return table


def _describe(provider: Provider, env: Env) -> ProviderInfo:
    try:
        return provider.describe(env)
    except Exception as error:  # noqa: BLE001 - one broken row must not hide the others
        note = str(error) if isinstance(error, AnalystError) else type(error).__name__
        return ProviderInfo(provider.name, provider.name, has_credentials=False, note=note)


@dataclass(frozen=True, slots=True)
class _Broken:
    """Stands for a third party's provider that could not be loaded."""

    name: str
    problem: str

    @property
    def _note(self) -> str:
        return f"The package that adds it could not be loaded ({self.problem})."

    def describe(self, env: Env) -> ProviderInfo:
        return ProviderInfo(self.name, self.name, has_credentials=False, note=self._note)

    async def open(self, model: str, env: Env) -> Model:
        raise ModelChoiceError(
            f"The provider {self.name!r} cannot be used. {self._note}", "Update or remove it."
        )
