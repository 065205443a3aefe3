"""The providers of OpenAI's wires: where requests go, with which key, and what is missing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from analyst_kernel.models.openai_chat import OpenAIChat
from analyst_kernel.models.openai_model import OpenAIModel
from analyst_kernel.models.openai_responses import OpenAIResponses
from analyst_kernel.models.registry import default_name, list_providers, open_model
from analyst_kernel.models.wire.connection import NO_KEY
from analyst_kernel.protocol.errors import ModelChoiceError, ModelError
from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer, OpenAIServer
from analyst_kernel.testing.wires import collect
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import fail, say, turn
from tests.models.conformance.wires import chat, openai

OTHER_KEY = "sk-other-0123456789"
OWN = {"OPENAI_API_KEY": FAKE_KEY}
AMBIENT = {
    **OWN,
    "OPENAI_ADMIN_KEY": "sk-admin-0123456789",
    "OPENAI_ORG_ID": "org-secret",
    "OPENAI_PROJECT_ID": "proj-secret",
    "OPENAI_CUSTOM_HEADERS": "x-secret: hush\nauthorization: Bearer sk-custom-0123456789",
}

ADDRESSES = [
    ("openai:m", {**OWN}, "https://api.openai.com/v1", FAKE_KEY),
    ("openai:m", {**OWN, "OPENAI_BASE_URL": "https://api.openai.com/v1/"}, "https://api.openai.com/v1", FAKE_KEY),
    ("openai:m", {**OWN, "OPENAI_BASE_URL": "https://eu.api.openai.com/v1"}, "https://eu.api.openai.com/v1", FAKE_KEY),
    ("openai:m", {**OWN, "OPENAI_BASE_URL": "http://gate:8080", "ANALYST_OPENAI_KEY": OTHER_KEY}, "http://gate:8080/v1", OTHER_KEY),
    ("azure:d", {"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com/", "AZURE_OPENAI_API_KEY": OTHER_KEY}, "https://r.openai.azure.com/openai/v1", OTHER_KEY),
    ("vllm:m", {**OWN}, "http://localhost:8000/v1", NO_KEY),
    ("vllm:m", {"ANALYST_VLLM_URL": "https://gpu.example/v1", "ANALYST_VLLM_KEY": OTHER_KEY}, "https://gpu.example/v1", OTHER_KEY),
    ("compatible:m", {**OWN, "ANALYST_CHAT_URL": "https://api.groq.com/openai/v1"}, "https://api.groq.com/openai/v1", NO_KEY),
    ("compatible:m", {"ANALYST_CHAT_URL": "https://api.deepseek.com", "ANALYST_CHAT_KEY": OTHER_KEY}, "https://api.deepseek.com/v1", OTHER_KEY),
]  # fmt: skip


@pytest.mark.parametrize(("name", "env", "url", "key"), ADDRESSES)
async def test_addresses_and_their_keys(name: str, env: dict[str, str], url: str, key: str):
    model = await open_model(name, env={"HOME": "/nowhere", **env})
    assert isinstance(model, OpenAIModel)
    assert (model.connection.base_url, model.connection.api_key) == (url, key)
    assert isinstance(model, OpenAIResponses if name.startswith("openai") else OpenAIChat)
    assert key == NO_KEY or key not in f"{model!r} {model.connection!r}"


ELSEWHERE = [
    "https://openai.example/v1",
    "https://api.openai.com.example/v1",
    "https://notapi.openai.com/v1",
    "http://api.openai.com/v1",
    "http://eu.api.openai.com/v1",
    "https://api.openai.com@example.com/v1",
    "https://api.openai.com:8443/v1",
]


@pytest.mark.parametrize("url", ELSEWHERE)
async def test_openais_key_does_not_go_to_an_address_that_is_not_openais(url: str):
    with pytest.raises(ModelChoiceError) as raised:
        await open_model("openai:m", env={**OWN, "OPENAI_BASE_URL": url})
    assert "ANALYST_OPENAI_KEY" in raised.value.remedy
    assert raised.value.exit_code == 3
    (info,) = [i for i in list_providers({**OWN, "OPENAI_BASE_URL": url}) if i.name == "openai"]
    assert (info.has_credentials, info.note) == (False, "Set ANALYST_OPENAI_KEY to use it.")


@pytest.mark.parametrize(
    ("name", "env", "missing"),
    [
        ("openai:m", {}, "OPENAI_API_KEY"),
        ("azure:m", {}, "AZURE_OPENAI_ENDPOINT"),
        (
            "azure:m",
            {"AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com"},
            "AZURE_OPENAI_API_KEY",
        ),
        ("compatible:m", {}, "ANALYST_CHAT_URL"),
    ],
)
async def test_what_is_missing_is_named(name: str, env: dict[str, str], missing: str):
    with pytest.raises(ModelChoiceError) as raised:
        await open_model(name, env=env)
    assert missing in raised.value.remedy
    assert "offline:rules" in raised.value.remedy


@pytest.mark.parametrize("provider", ["azure", "vllm", "compatible"])
async def test_a_model_is_named_where_there_is_no_default(provider: str):
    env = {
        "AZURE_OPENAI_ENDPOINT": "https://a",
        "AZURE_OPENAI_API_KEY": "k",
        "ANALYST_CHAT_URL": "https://c",
    }
    with pytest.raises(ModelChoiceError, match="needs the name of a model"):
        await open_model(provider, env=env)


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("OPENAI_BASE_URL", "openai:m"), ("AZURE_OPENAI_ENDPOINT", "azure:m"),
        ("ANALYST_VLLM_URL", "vllm:m"), ("ANALYST_CHAT_URL", "compatible:m"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("url", ["localhost:11434", "ftp://host", "http://", "http://host:port"])
async def test_a_base_url_that_is_none(variable: str, name: str, url: str):
    env = {**OWN, "ANALYST_OPENAI_KEY": "k", "AZURE_OPENAI_API_KEY": "k", variable: url}
    with pytest.raises(ModelChoiceError, match=f"{variable} is not a web address"):
        await open_model(name, env=env)
    (info,) = [i for i in list_providers(env) if i.name == name.partition(":")[0]]
    assert not info.has_credentials
    assert "not a web address" in info.note


def test_the_default_needs_a_key():
    assert default_name({}) == "offline:rules"
    assert default_name(OWN).startswith("openai:")
    assert default_name({**OWN, "ANTHROPIC_API_KEY": "k"}).startswith("anthropic:")


async def test_only_what_belongs_to_a_host_is_sent_there(
    quiet_environment: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    with OpenAIServer([turn(say("Hi."))]) as server, OpenAIChatServer([turn(say("Hi."))]) as other:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("ANALYST_OPENAI_KEY", OTHER_KEY)
        monkeypatch.setenv("ANALYST_CHAT_URL", other.url)
        for name in ("openai:m", "compatible:m"):
            model = await open_model(name)
            await collect(model)
            await model.aclose()
        (one,), (two,) = server.requests, other.requests
    assert one.headers["authorization"] == f"Bearer {OTHER_KEY}"
    assert two.headers["authorization"] == f"Bearer {NO_KEY}"
    for request in (one, two):
        sent = json.dumps([request.headers, request.body])
        for secret in (FAKE_KEY, "sk-admin", "sk-custom", "org-secret", "proj-secret", "hush"):
            assert secret not in sent
        assert request.headers["content-type"] == "application/json"
        assert request.body["stream"] is True


@pytest.mark.parametrize(("serve", "connect"), [(OpenAIServer, openai), (OpenAIChatServer, chat)])
async def test_a_redirect_takes_neither_key_nor_data_along(
    serve: type[OpenAIServer], connect: Callable[[str], OpenAIModel]
):
    with serve([turn(say("stolen"))]) as thief, serve() as server:
        server.push(fail("status", status=307, headers={"location": thief.url + serve.PATH}))
        model = connect(server.url)
        with pytest.raises(ModelError, match="redirects"):
            await collect(model)
        await model.aclose()
    assert thief.requests == []


async def test_no_log_of_the_sdk_holds_the_key(caplog: pytest.LogCaptureFixture):
    """The server echoes it in a header, in an error and in a stream; all loggers say everything."""
    for name in ("", "openai", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)
    echo = {"x-echo": f"Bearer {FAKE_KEY}"}
    with OpenAIServer() as server:
        model = openai(server.url)
        for status in (400, 401, 307, 500):
            message = f"<html>proxy: Authorization: Bearer {FAKE_KEY}</html>"
            server.push(fail("status", status=status, message=message, headers=echo))
            with pytest.raises(ModelError):
                await collect(model)
        server.push(turn(say("Hi.")))
        await collect(model)
        await model.aclose()
    assert any(record.name.startswith("openai") for record in caplog.records)
    assert FAKE_KEY not in caplog.text


@pytest.mark.parametrize("key", [f"{FAKE_KEY}\nx: y", f"{FAKE_KEY}ü", f"{FAKE_KEY}\x00"])
async def test_a_key_that_cannot_be_sent_is_not_shown(key: str):
    with OpenAIServer() as server:
        model = openai(server.url, key=key)
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
        assert server.requests == []
    assert not raised.value.retryable
    cause = raised.value.__cause__
    assert FAKE_KEY not in f"{raised.value!s} {cause!r}"
