"""The providers that speak OpenAI's wires, as rows: OpenAI, Azure, vLLM, any server of the user's.

OpenAI's key goes to OpenAI. Where ``OPENAI_BASE_URL`` names another host, that host gets the key
that was given for it, and nothing else that the SDK would find in the environment.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from analyst_kernel.models.compatible_providers import (
    LOCAL_STALL_SECONDS,
    CompatibleProvider,
    of_the_user,
    on_this_machine,
)
from analyst_kernel.models.openai_chat import ChatDialect, OpenAIChat
from analyst_kernel.models.openai_responses import OpenAIResponses
from analyst_kernel.models.prices import FREE
from analyst_kernel.models.wire.connection import Connection

_REASONING_STALL_SECONDS = 300.0
"""A model that reasons without a summary is silent meanwhile."""


def _versioned(connection: Connection, path: str = "/v1") -> Connection:
    """Return the connection with the wire's usual path, if the address has none of its own."""
    url = connection.base_url or ""
    return connection if urlsplit(url).path.strip("/") else replace(connection, base_url=url + path)


def _responses(
    row: CompatibleProvider, model: str, connection: Connection, advice: str
) -> OpenAIResponses:
    return OpenAIResponses(
        **row.identity(model, advice),
        connection=_versioned(connection),
        stall_seconds=_REASONING_STALL_SECONDS,
    )


def _chat(row: CompatibleProvider, model: str, connection: Connection, advice: str) -> OpenAIChat:
    azure = row.name == "azure"
    dialect: ChatDialect = "openai" if azure else "common"
    return OpenAIChat(
        **row.identity(model, advice),
        connection=_versioned(connection, "/openai/v1" if azure else "/v1"),
        dialect=dialect,
        tariff=FREE if row.local and connection.is_local else None,
        stall_seconds=LOCAL_STALL_SECONDS if connection.is_local else _REASONING_STALL_SECONDS,
    )


OPENAI = CompatibleProvider(
    name="openai",
    label="OpenAI",
    example="NAME",
    default_model="gpt-6.2-sol",
    url="https://api.openai.com",
    url_variable="OPENAI_BASE_URL",
    key_variable="OPENAI_API_KEY",
    elsewhere_variable="ANALYST_OPENAI_KEY",
    needs_key=True,
    wire=_responses,
    check_path="/models",
    usual_path="/v1",
)
AZURE = CompatibleProvider(
    name="azure",
    label="Azure OpenAI",
    example="my-deployment",
    url_variable="AZURE_OPENAI_ENDPOINT",
    key_variable="AZURE_OPENAI_API_KEY",
    needs_key=True,
    wire=_chat,
    check_path="/models",
    usual_path="/openai/v1",
)
VLLM = on_this_machine(
    "vllm", "vLLM", 8000, key_variable="ANALYST_VLLM_KEY", wire=_chat,
    check_path="/models", usual_path="/v1",
)  # fmt: skip
COMPATIBLE_CHAT = of_the_user(
    "compatible", "OpenAI-compatible server", "ANALYST_CHAT", wire=_chat,
    check_path="/models", usual_path="/v1",
)  # fmt: skip

OPENAI_WIRES = (OPENAI, AZURE, VLLM, COMPATIBLE_CHAT)
"""In the order of lists; pyproject.toml registers each as an entry point."""
