"""The wires as a user names them, each with its server and its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from analyst_kernel.protocol.records import PrivacyMode
from analyst_kernel.testing.fakes.openai_events import Style
from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer, OpenAIServer
from tests.agent.privacy.canaries import TIERS
from tests.fakes.cloud_servers import (
    FAKE_PROJECT,
    FAKE_REGION,
    BedrockServer,
    FoundryServer,
    VertexServer,
)
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.gemini_server import FAKE_GEMINI_KEY, GeminiServer
from tests.fakes.wire_server import WireServer


@dataclass(frozen=True)
class Row:
    """A wire as a user names it: the model, the environment, the server, and a key.

    Its mode becomes ``stricter`` in the middle of one analysis.
    """

    wire: str
    tier: str
    stricter: PrivacyMode
    model: str
    serve: Callable[..., WireServer]
    key: str
    env: Callable[[str, str], dict[str, str]]


ROWS_OF_WIRES = (
    Row("messages", TIERS[0], "schema-only", "anthropic:claude-sonnet-5-5", WireServer, FAKE_KEY,
        lambda url, key: {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": key}),
    Row("responses", TIERS[1], "no-values", "openai:some-model", OpenAIServer, FAKE_KEY,
        lambda url, key: {"OPENAI_BASE_URL": url, "ANALYST_OPENAI_KEY": key}),
    Row("chat", TIERS[2], "schema-only", "compatible:some-model", OpenAIChatServer, FAKE_KEY,
        lambda url, key: {"ANALYST_CHAT_URL": f"{url}/v1", "ANALYST_CHAT_KEY": key}),
    Row("gemini", TIERS[3], "no-values", "gemini:some-model", GeminiServer, FAKE_GEMINI_KEY,
        lambda url, key: {"GEMINI_BASE_URL": url, "GEMINI_BASE_URL_KEY": key}),
    Row("bedrock", TIERS[0], "no-values", "bedrock:some-model", BedrockServer, FAKE_KEY,
        lambda url, key: {"ANTHROPIC_BEDROCK_BASE_URL": url, "ANALYST_BEDROCK_KEY": key,
                          "AWS_REGION": FAKE_REGION}),
    Row("vertex", TIERS[1], "schema-only", "vertex:some-model", VertexServer, FAKE_KEY,
        lambda url, key: {"ANTHROPIC_VERTEX_BASE_URL": f"{url}/v1", "ANALYST_VERTEX_KEY": key,
                          "CLOUD_ML_REGION": FAKE_REGION, "ANTHROPIC_VERTEX_PROJECT_ID": FAKE_PROJECT}),
    Row("foundry", TIERS[2], "no-values", "foundry:some-model", FoundryServer, FAKE_KEY,
        lambda url, key: {"ANTHROPIC_FOUNDRY_BASE_URL": f"{url}/anthropic", "ANALYST_FOUNDRY_KEY": key}),
    Row("actions", TIERS[3], "schema-only", "compatible:some-model",
        partial(OpenAIChatServer, style=Style(actions=True), quirks=["no_tools"]), FAKE_KEY,
        lambda url, key: {"ANALYST_CHAT_URL": f"{url}/v1", "ANALYST_CHAT_KEY": key,
                          "ANALYST_TEXT_TOOLS": "compatible:*"}),
)  # fmt: skip
