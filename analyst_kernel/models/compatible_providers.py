"""Providers as rows of a table: a host, a key, a wire. These here speak the Messages wire.

Local servers, a reseller, the user's own. Each has its own key or none; no other's goes there.
:func:`probe_local` lists the models of servers on this machine: only on request, only at their
usual ports or those that the user set.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any

from analyst_kernel.agent.ports import Model
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.anthropic_provider import check_url
from analyst_kernel.models.prices import FREE
from analyst_kernel.models.registry import SEE_LIST, env_of
from analyst_kernel.models.wire.connection import NO_KEY, Connection
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env, ProviderInfo, ProviderSettings

LOCAL_STALL_SECONDS = 600.0
_MOST_BYTES = 1_000_000
_VERSION = (("anthropic-version", "2023-06-01"),)
_SEEING = ("anthropic/", "openai/", "google/")


def messages_wire(
    row: CompatibleProvider, model: str, connection: Connection, advice: str
) -> AnthropicMessages:
    """Return a model behind the Messages wire."""
    url = connection.base_url or ""
    return AnthropicMessages(
        **row.identity(model, advice),
        connection=replace(connection, base_url=url.removesuffix("/v1")),
        dialect="compat",
        sees_images=row.name == "openrouter" and model.startswith(_SEEING),
        tariff=FREE if row.local else None,
        stall_seconds=LOCAL_STALL_SECONDS if row.local else 120.0,
    )


Wire = Callable[["CompatibleProvider", str, Connection, str], Model]
"""Makes the model of a row from its name, its connection and what to do about a refused key."""


@dataclass(frozen=True, slots=True)
class CompatibleProvider:
    """One server kind.

    Attributes:
        example: A model name for messages.
        url: Default address; empty if the user must set one.
        url_variable: Overrides the address; empty where the host is fixed.
        key_variable: Holds its key; empty where none is wanted.
        needs_key: Whether it cannot work without the key.
        local: Runs on the user's machine: slow to start an answer, and free.
        default_model: Used if only the provider is named; empty if the user must name one.
        elsewhere_variable: Holds the key for another host than ``url``, where that may be set: the
            key of the provider itself never goes there. Empty where one key serves any host.
        wire: Makes the model.
        check_path: See :class:`ProviderSettings`, as ``usual_path``.
    """

    name: str
    label: str
    example: str
    url: str = ""
    url_variable: str = ""
    key_variable: str = ""
    needs_key: bool = False
    local: bool = False
    default_model: str = ""
    elsewhere_variable: str = ""
    wire: Wire = messages_wire
    check_path: str = "/v1/models"
    usual_path: str = ""

    @property
    def settings(self) -> ProviderSettings:
        """What a user may set for it."""
        return ProviderSettings(
            key_variable=self.key_variable,
            needs_key=self.needs_key,
            url=self.url,
            url_variable=self.url_variable,
            elsewhere_variable=self.elsewhere_variable,
            check_path=self.check_path,
            usual_path=self.usual_path,
            check_headers=_VERSION if self.wire is messages_wire else (),
        )

    def identity(self, model: str, advice: str) -> dict[str, Any]:
        """Return what a model of every wire knows of its provider."""
        return {
            "provider": self.name,
            "model": model,
            "label": self.label,
            "key_advice": advice,
        }

    def address(self, env: Env) -> str:
        """Return the server's address, or an empty text if it is not set.

        Raises ``ModelChoiceError`` if the variable holds no address.
        """
        url = env.get(self.url_variable, "").strip().rstrip("/") if self.url_variable else ""
        if url:
            check_url(url, self.url_variable)
        return url or self.url

    def is_elsewhere(self, env: Env) -> bool:
        """Return whether the user set an address that is not on the provider's own host."""
        if not self.elsewhere_variable:
            return False
        own, used = Connection(self.url).host, Connection(self.address(env)).host
        # A provider's regions are names below its own.
        regional = used.startswith("https://") and used.endswith(own.replace("https://", "."))
        return used != own and not regional

    def key_at(self, env: Env) -> str:
        """Return the variable with the key for the address that is set; empty if none is wanted."""
        return self.elsewhere_variable if self.is_elsewhere(env) else self.key_variable

    def missing(self, env: Env) -> str:
        """Return the variable without which it cannot work, or an empty text."""
        if not self.url and not env.get(self.url_variable, "").strip():
            return self.url_variable
        key = self.key_at(env)
        if self.needs_key and not env.get(key, "").strip():
            return key
        return ""

    def describe(self, env: Env) -> ProviderInfo:
        """Return whether it is set up; no server is asked."""
        missing = note = key = ""
        try:
            key, missing = self.key_at(env), self.missing(env)
            host = Connection(self.address(env)).host
            if missing:
                note = f"Set {missing} to use it."
            elif self.local:
                note = f"A server on this machine, at {host}; needs no key."
            elif self.is_elsewhere(env):
                note = f"Requests go to {host} ({self.url_variable})."
        except ModelChoiceError as error:
            missing, note = self.url_variable, str(error)
        found = [
            variable
            for variable in (key, self.url_variable)
            if variable and env.get(variable, "").strip()
        ]
        return ProviderInfo(
            name=self.name,
            label=self.label,
            has_credentials=not missing,
            credential_source=found[0] if found else "",
            default_model=self.default_model,
            note=note,
            settings=self.settings,
        )

    async def open(self, model: str, env: Env) -> Model:
        """Return the model; raises ``ModelChoiceError`` without a model's name or its settings."""
        model = model or self.default_model
        if not model:
            raise ModelChoiceError(
                f"{self.name!r} needs the name of a model.",
                f"For example --model {self.name}:{self.example}. {SEE_LIST}",
            )
        missing = self.missing(env)
        if missing:
            raise ModelChoiceError(
                f"{self.name}:{model} is not set up.",
                f"Set {missing}, or choose the model offline:rules, which needs nothing.",
                no_credentials=True,
            )
        variable = self.key_at(env)
        key = env.get(variable, "").strip() if variable else ""
        checked = variable or "the server's settings"
        connection = Connection(
            base_url=self.address(env),
            api_key=key or NO_KEY,
            # What else the user set for the provider's SDK may go to the provider alone.
            ambient=bool(self.elsewhere_variable) and not self.is_elsewhere(env),
        )
        advice = f"Check {checked}, or choose the model offline:rules, which needs none."
        return self.wire(self, model, connection, advice)


def on_this_machine(name: str, label: str, port: int, **more: Any) -> CompatibleProvider:
    """Return a local server at its usual port, which ``ANALYST_<NAME>_URL`` overrides."""
    url, variable = f"http://localhost:{port}", f"ANALYST_{name.upper()}_URL"
    return CompatibleProvider(
        name, label, "NAME", url=url, url_variable=variable, local=True, **more
    )


def of_the_user(name: str, label: str, prefix: str, **more: Any) -> CompatibleProvider:
    """Return any server of the user's: its address and its key are in variables of this prefix."""
    return CompatibleProvider(
        name,
        label,
        example="NAME",
        url_variable=f"{prefix}_URL",
        key_variable=f"{prefix}_KEY",
        **more,
    )


OLLAMA = on_this_machine("ollama", "Ollama", 11434)
LMSTUDIO = on_this_machine("lmstudio", "LM Studio", 1234)
LLAMACPP = on_this_machine("llamacpp", "llama.cpp", 8080)
OPENROUTER = CompatibleProvider(
    name="openrouter",
    label="OpenRouter",
    url="https://openrouter.ai/api",
    key_variable="OPENROUTER_API_KEY",
    needs_key=True,
    example="VENDOR/NAME",
    # The list of models is open to all there.
    check_path="/v1/key",
)
COMPAT = of_the_user("compat", "Compatible server", "ANALYST_COMPAT")

COMPATIBLE = (OLLAMA, LMSTUDIO, LLAMACPP, OPENROUTER, COMPAT)
"""In the order of lists; pyproject.toml registers each as an entry point."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that a server on this machine offers; ``name`` is ``provider:name``."""

    name: str
    label: str


async def probe_local(env: Env | None = None, *, seconds: float = 0.3) -> tuple[LocalModel, ...]:
    """List the models of the local servers that answer within ``seconds``."""
    variables = os.environ if env is None else env
    found = await asyncio.gather(
        *(_ask(name, label, url, seconds) for name, label, url in _places(variables))
    )
    return tuple(model for models in found for model in models)


def _places(env: Env) -> list[tuple[str, str, str]]:
    places = []
    for provider in COMPATIBLE:
        if not provider.local:
            continue
        try:
            url = provider.address(env_of(provider.name, provider.settings, env)[0])
        except ModelChoiceError:
            continue
        # A probe must not reach out of this machine, whatever the variable says.
        if Connection(url).is_local:
            places.append((provider.name, provider.label, url.removesuffix("/v1")))
    return places


async def _ask(name: str, label: str, url: str, seconds: float) -> list[LocalModel]:
    path = "/api/tags" if name == "ollama" else "/v1/models"
    try:
        async with asyncio.timeout(seconds):
            answer = await asyncio.to_thread(_get, url + path, seconds)
    except (OSError, ValueError, TimeoutError, RecursionError, HTTPException):
        return []
    return [LocalModel(f"{name}:{model}", label) for model in _names(answer)]


def _get(url: str, seconds: float) -> object:
    # No proxy: it would be asked for a server of its own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=seconds) as response:
        return json.loads(response.read(_MOST_BYTES))


def _names(answer: object) -> list[str]:
    """Read ``{"models": [{"name": ...}]}`` or ``{"data": [{"id": ...}]}``; else nothing."""
    if not isinstance(answer, Mapping):
        return []
    rows: Any = answer.get("models") or answer.get("data") or []
    if not isinstance(rows, list):
        return []
    names = [row.get("name") or row.get("id") for row in rows if isinstance(row, Mapping)]
    return [name for name in names if isinstance(name, str) and name]
