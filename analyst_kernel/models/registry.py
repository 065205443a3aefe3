"""All providers by name, and the way from a name to a model.

Every provider, this package's own included, is found through the entry-point group
``analyst_kernel.providers``. Nothing here imports an SDK or asks a server.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from analyst_kernel.agent.ports import Model
from analyst_kernel.models.model_name import split_name
from analyst_kernel.protocol.errors import AnalystError, ModelChoiceError
from analyst_kernel.providers import Env, Provider, ProviderInfo

GROUP = "analyst_kernel.providers"
_DISTRIBUTION = "analyst-kernel"

_ORDER = (
    "anthropic", "ollama", "lmstudio", "llamacpp", "openrouter", "compat", "offline", "scripted",
)  # fmt: skip
"""The order of lists; installers sort entry points by name."""


def parse_name(text: str) -> tuple[str, str]:
    """Split ``provider:name``.

    The name is empty if only the provider is named. Raises ``ModelChoiceError`` for an unknown
    provider, naming the nearest.
    """
    return split_name(text, _providers())


def default_name(env: Env | None = None) -> str:
    """Return the model that is used if none is named: the first that has what it needs."""
    usable = (
        f"{info.name}:{info.default_model}"
        for info in (_describe(provider, _env(env)) for provider in _providers().values())
        if info.has_credentials and info.default_model
    )
    return next(usable, "offline:rules")


async def open_model(name: str | None = None, *, env: Env | None = None) -> Model:
    """Return the named model, or the default one; nothing is sent yet.

    Args:
        name: ``provider:name``, a provider alone if it has a default, or ``None``.
        env: Environment variables; the process's own by default.

    Raises:
        ModelChoiceError: There is no such model, or no credentials for it.
    """
    provider, model = parse_name(default_name(env) if name is None else name)
    return await _providers()[provider].open(model, _env(env))


def list_providers(env: Env | None = None) -> tuple[ProviderInfo, ...]:
    """Describe every provider, this package's first; a broken one says so in its note."""
    return tuple(_describe(provider, _env(env)) for provider in _providers().values())


def _env(env: Env | None) -> Env:
    return os.environ if env is None else env


def _providers() -> dict[str, Provider]:
    table: dict[str, Provider] = {}
    for entry in sorted(entry_points(group=GROUP), key=_place):
        if entry.name not in table and ":" not in entry.name:
            table[entry.name] = _load(entry)
    if not table:
        raise ModelChoiceError(
            "No model provider is installed: analyst-kernel was updated without being installed.",
            "Run `pip install` for analyst-kernel again.",
        )
    return table


def _place(entry: EntryPoint) -> tuple[bool, int]:
    """Return a key that puts this package's entries first, so that no other replaces one."""
    own = entry.dist is not None and entry.dist.name == _DISTRIBUTION
    return not own, _ORDER.index(entry.name) if own and entry.name in _ORDER else len(_ORDER)


def _load(entry: EntryPoint) -> Provider:
    try:
        loaded = entry.load()
        made = not isinstance(loaded, type) and hasattr(loaded, "open")
        provider: Provider = loaded if made else loaded()
        return provider
    except Exception as error:  # noqa: BLE001 - one broken package must not stop the others
        return _Broken(entry.name, type(error).__name__)


def _describe(provider: Provider, env: Env) -> ProviderInfo:
    try:
        return provider.describe(env)
    except Exception as error:  # noqa: BLE001 - one broken entry must not hide the others
        note = str(error) if isinstance(error, AnalystError) else type(error).__name__
        return ProviderInfo(provider.name, provider.name, has_credentials=False, note=note)


@dataclass(frozen=True, slots=True)
class _Broken:
    """A provider whose entry point could not be loaded."""

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
