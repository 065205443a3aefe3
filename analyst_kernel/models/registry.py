"""All providers by name, and the way from a name to a model.

Every provider, this package's own included, is found through the entry-point group
``analyst_kernel.providers``. Nothing here imports an SDK or asks a server.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points

from analyst_kernel._text import nearest
from analyst_kernel.agent.ports import Model
from analyst_kernel.models.wire.streaming import StreamingModel
from analyst_kernel.protocol.errors import AnalystError, ModelChoiceError
from analyst_kernel.providers import Env, KeyedEnv, Provider, ProviderInfo, ProviderSettings

GROUP = "analyst_kernel.providers"
SEE_LIST = "Run `analyst models` to see which models there are."
TEXT_TOOLS = "ANALYST_TEXT_TOOLS"
"""Names of models, with ``*`` and spaces between, whose tools are described and called in words."""

CLAUDE = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos|instant|\d)[\w.-]*\Z")
"""The form of the names of Anthropic's models."""

_DISTRIBUTION = "analyst-kernel"

_ORDER = (
    "anthropic", "openai", "gemini", "ollama", "lmstudio", "llamacpp", "vllm", "openrouter",
    "azure", "bedrock", "vertex", "foundry", "compatible", "compat", "offline", "scripted",
)  # fmt: skip
"""The order of lists; installers sort entry points by name."""


def parse_name(text: str) -> tuple[str, str]:
    """Split ``provider:name``; the name is empty if ``text`` names only the provider.

    A bare ``claude-...`` is a model of Anthropic. Raises ``ModelChoiceError``, with the nearest
    provider, if there is no such provider.
    """
    known = _providers()
    provider, colon, name = text.strip().partition(":")
    provider, name = provider.strip().lower(), name.strip()
    if provider in known:
        return provider, name
    if not colon and CLAUDE.match(provider):
        return "anthropic", provider
    if not text.strip():
        raise ModelChoiceError("The model's name is empty.", SEE_LIST)
    hint = "".join(nearest(provider, known, 1))
    remedy = f"There are: {', '.join(sorted(known))}."
    if hint:
        suggestion = f"{hint}:{name}" if name else hint
        remedy = f"Did you mean {suggestion!r}? {SEE_LIST}"
    raise ModelChoiceError(f"There is no model provider {provider!r}.", remedy)


def default_name(env: Env | None = None) -> str:
    """Return the model that is used if none is named: the first that has what it needs."""
    usable = (
        f"{info.name}:{info.default_model}"
        for info in (_describe(name, found, _env(env)) for name, found in _providers().items())
        if info.has_credentials and info.default_model
    )
    return next(usable, "offline:rules")


async def open_model(name: str | None = None, *, env: Env | None = None) -> Model:
    """Return the named model, or the default one; nothing is sent yet.

    Args:
        name: ``provider:name``, a provider alone if it has a default, or ``None``.
        env: Environment variables; the process's own by default. If they are a ``KeyedEnv``, the
            provider gets what is stored for it and nothing that is stored for another.

    Raises:
        ModelChoiceError: There is no such model, or no credentials for it.
    """
    provider, model = parse_name(default_name(env) if name is None else name)
    found = _providers()[provider]
    settings = _settings(found)
    own, stored = env_of(provider, settings, _env(env))
    opened = await found.open(model, own)
    if isinstance(opened, StreamingModel):
        if _acts_in_text(opened.name, own):
            opened.acts_in_text = True
        if stored and settings is not None and _has_stored_key(settings, _env(env), own):
            opened.advise(
                f"Check the key in the {stored}: `analyst keys set {provider}` replaces it. "
                "The model offline:rules needs none."
            )
    return opened


def _has_stored_key(settings: ProviderSettings, env: Env, own: Env) -> bool:
    """Return whether the provider's key is the stored one; one in a variable goes before it."""
    names = (settings.key_variable, settings.elsewhere_variable)
    return any(name and own.get(name) != env.get(name) for name in names)


def _acts_in_text(name: str, env: Env) -> bool:
    """Return whether the user says that a model calls tools in words only."""
    return any(fnmatchcase(name, form) for form in env.get(TEXT_TOOLS, "").split())


def list_providers(env: Env | None = None) -> tuple[ProviderInfo, ...]:
    """Describe every provider, this package's first; a broken one says so in its note."""
    return tuple(_describe(name, found, _env(env)) for name, found in _providers().items())


def list_settings() -> dict[str, ProviderSettings]:
    """Return what a user may set, for each provider that says so."""
    described = ((name, _settings(provider)) for name, provider in _providers().items())
    return {name: settings for name, settings in described if settings is not None}


def env_of(name: str, settings: ProviderSettings | None, env: Env) -> tuple[Env, str]:
    """Return the variables for one provider, and where a key or address that was stored lies."""
    if settings is None or not isinstance(env, KeyedEnv):
        return env, ""
    return env.of(name, settings)


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


def _describe(name: str, provider: Provider, env: Env) -> ProviderInfo:
    settings = _settings(provider)
    own, stored = env_of(name, settings, env)
    try:
        info = provider.describe(own)
    except Exception as error:  # noqa: BLE001 - one broken entry must not hide the others
        note = str(error) if isinstance(error, AnalystError) else type(error).__name__
        return ProviderInfo(name, name, has_credentials=False, note=note, settings=settings)
    return replace(info, credential_source=stored) if stored and info.credential_source else info


def _settings(provider: Provider) -> ProviderSettings | None:
    try:
        return provider.describe({}).settings
    except Exception:  # noqa: BLE001 - one broken entry must not hide the others
        return None


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
