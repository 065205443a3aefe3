"""Providers that speak the same wire on other hosts: local servers, a reseller, the user's own.

Each has its own key or none; Anthropic's never goes there.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyst_kernel.models.anthropic_client import NO_KEY, Connection
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.anthropic_provider import check_url
from analyst_kernel.models.prices import FREE
from analyst_kernel.models.registry import SEE_LIST
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env, ProviderInfo

_LOCAL_STALL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class CompatibleProvider:
    """One server kind.

    Attributes:
        example: A model name for messages.
        url: Default address without ``/v1``; empty if the user must set one.
        url_variable: Overrides the address; empty where the host is fixed.
        key_variable: Holds its key; empty where none is wanted.
        needs_key: Whether it cannot work without the key.
        local: Runs on the user's machine: free, slow to start an answer.
    """

    name: str
    label: str
    example: str
    url: str = ""
    url_variable: str = ""
    key_variable: str = ""
    needs_key: bool = False
    local: bool = False

    def address(self, env: Env) -> str:
        """Return the server's address, or an empty text if it is not set.

        Raises ``ModelChoiceError`` if the variable holds no address.
        """
        url = env.get(self.url_variable, "").strip().rstrip("/") if self.url_variable else ""
        if url:
            check_url(url, self.url_variable)
        return (url or self.url).removesuffix("/v1")

    def missing(self, env: Env) -> str:
        """Return the variable without which it cannot work, or an empty text."""
        if not self.url and not env.get(self.url_variable, "").strip():
            return self.url_variable
        if self.needs_key and not env.get(self.key_variable, "").strip():
            return self.key_variable
        return ""

    def describe(self, env: Env) -> ProviderInfo:
        """Return whether it is set up; no server is asked."""
        missing = self.missing(env)
        found = [
            variable
            for variable in (self.key_variable, self.url_variable)
            if variable and env.get(variable, "").strip()
        ]
        if missing:
            note = f"Set {missing} to use it."
        elif self.local:
            try:
                host = Connection(self.address(env)).host
                note = f"A server on this machine, at {host}; needs no key."
            except ModelChoiceError as error:
                missing, note = self.url_variable, str(error)
        else:
            note = ""
        return ProviderInfo(
            name=self.name,
            label=self.label,
            has_credentials=not missing,
            credential_source=found[0] if found else "",
            note=note,
        )

    async def open(self, model: str, env: Env) -> AnthropicMessages:
        """Return the model; raises ``ModelChoiceError`` without a model's name or its settings."""
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
        key = env.get(self.key_variable, "").strip() if self.key_variable else ""
        checked = self.key_variable or "the server's settings"
        return AnthropicMessages(
            provider=self.name,
            model=model,
            label=self.label,
            connection=Connection(base_url=self.address(env), api_key=key or NO_KEY),
            dialect="compat",
            key_advice=f"Check {checked}, or choose the model offline:rules, which needs none.",
            sees_images=self.name == "openrouter" and model.startswith(_SEEING),
            tariff=FREE if self.local else None,
            stall_seconds=_LOCAL_STALL_SECONDS if self.local else 120.0,
        )


_SEEING = ("anthropic/", "openai/", "google/")

OLLAMA = CompatibleProvider(
    name="ollama",
    label="Ollama",
    url="http://localhost:11434",
    url_variable="ANALYST_OLLAMA_URL",
    local=True,
    example="qwen3",
)
LMSTUDIO = CompatibleProvider(
    name="lmstudio",
    label="LM Studio",
    url="http://localhost:1234",
    url_variable="ANALYST_LMSTUDIO_URL",
    local=True,
    example="qwen3-8b",
)
LLAMACPP = CompatibleProvider(
    name="llamacpp",
    label="llama.cpp",
    url="http://localhost:8080",
    url_variable="ANALYST_LLAMACPP_URL",
    local=True,
    example="default",
)
OPENROUTER = CompatibleProvider(
    name="openrouter",
    label="OpenRouter",
    url="https://openrouter.ai/api",
    key_variable="OPENROUTER_API_KEY",
    needs_key=True,
    example="anthropic/claude-sonnet-5.5",
)
COMPAT = CompatibleProvider(
    name="compat",
    label="Compatible server",
    url_variable="ANALYST_COMPAT_URL",
    key_variable="ANALYST_COMPAT_KEY",
    example="my-model",
)

COMPATIBLE = (OLLAMA, LMSTUDIO, LLAMACPP, OPENROUTER, COMPAT)
"""In the order of lists; pyproject.toml registers each as an entry point."""
