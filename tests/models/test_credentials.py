"""A key goes to its own provider's host and nowhere else, and is never shown."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from pathlib import Path

import pytest

from analyst_kernel.agent.ports import Model
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.registry import list_providers, open_model
from analyst_kernel.models.wire.connection import NO_KEY, Connection
from analyst_kernel.models.wire.faults import quotes_secret, redact
from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import collect
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import fail, say, turn
from tests.fakes.wire_server import WireServer
from tests.models.conversations import claude

OTHER_KEY = "sk-or-other-9876543210"
CUSTOM = f"X-Secret: {FAKE_KEY}\nauthorization: Bearer {FAKE_KEY}\nx-api-key: {FAKE_KEY}"


@pytest.fixture
def compat_server():
    with WireServer([turn(say("Hi."))], dialect="compat") as server:
        yield server


async def sent_headers(model: Model, server: WireServer) -> dict[str, str]:
    await collect(model)
    await model.aclose()
    return server.requests[-1].headers


async def test_the_anthropic_key_goes_to_the_configured_gateway(claude_environment: WireServer):
    claude_environment.push(turn(say("Hi.")))
    model = await open_model("anthropic:claude-sonnet-5-5")
    headers = await sent_headers(model, claude_environment)
    assert headers["authorization"] == f"Bearer {FAKE_KEY}"
    assert headers["anthropic-version"]


async def test_a_bearer_token_and_custom_headers_go_to_anthropic(
    quiet_environment: Path, wire_server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire_server.url)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", FAKE_KEY)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Team: data")
    wire_server.push(turn(say("Hi.")))
    headers = await sent_headers(await open_model("anthropic"), wire_server)
    assert headers["authorization"] == f"Bearer {FAKE_KEY}"
    assert headers["x-team"] == "data"


async def test_a_profile_file_is_found_and_used(
    quiet_environment: Path, wire_server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    folder = quiet_environment / ".config" / "anthropic"
    (folder / "configs").mkdir(parents=True)
    (folder / "credentials").mkdir()
    config = {"version": "1.0", "authentication": {"type": "user_oauth"}}
    (folder / "configs" / "default.json").write_text(json.dumps(config))
    token = {"version": "1.0", "type": "oauth_token", "access_token": FAKE_KEY}
    secret = folder / "credentials" / "default.json"
    secret.write_text(json.dumps({**token, "expires_at": 4_000_000_000}))
    secret.chmod(0o600)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire_server.url)
    wire_server.push(turn(say("Hi.")))
    info = list_providers()[0]
    assert (info.has_credentials, info.credential_source) == (True, "profile default")
    headers = await sent_headers(await open_model(), wire_server)
    assert headers["authorization"] == f"Bearer {FAKE_KEY}"


@pytest.mark.parametrize("provider", ["ollama", "lmstudio", "llamacpp", "compat"])
@pytest.mark.parametrize("variable", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
async def test_anthropics_key_never_goes_to_another_provider(
    quiet_environment: Path,
    compat_server: WireServer,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    variable: str,
):
    monkeypatch.setenv(variable, FAKE_KEY)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", CUSTOM)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv(f"ANALYST_{provider.upper()}_URL", compat_server.url + "/v1/")
    headers = await sent_headers(await open_model(f"{provider}:some-model"), compat_server)
    assert FAKE_KEY not in json.dumps(headers)
    assert "x-secret" not in headers
    assert "x-api-key" not in headers
    assert headers["authorization"] == f"Bearer {NO_KEY}"
    assert headers["content-type"] == "application/json"
    assert headers["anthropic-version"]


async def test_compat_sends_its_own_key(
    quiet_environment: Path, compat_server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", FAKE_KEY)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", CUSTOM)
    monkeypatch.setenv("ANALYST_COMPAT_URL", compat_server.url)
    monkeypatch.setenv("ANALYST_COMPAT_KEY", OTHER_KEY)
    headers = await sent_headers(await open_model("compat:some-model"), compat_server)
    assert headers["authorization"] == f"Bearer {OTHER_KEY}"
    assert FAKE_KEY not in json.dumps(headers)


async def test_openrouter_has_its_own_key_and_a_fixed_host(quiet_environment: Path):
    env = {"OPENROUTER_API_KEY": OTHER_KEY, "ANTHROPIC_API_KEY": FAKE_KEY}
    env["ANTHROPIC_BASE_URL"] = env["ANALYST_OPENROUTER_URL"] = "http://127.0.0.1:9"
    model = await open_model("openrouter:openai/gpt-6", env=env)
    assert isinstance(model, AnthropicMessages)
    assert model.connection.base_url == "https://openrouter.ai/api"
    assert model.connection.api_key == OTHER_KEY


async def test_a_local_server_is_not_asked_through_a_proxy(
    quiet_environment: Path, compat_server: WireServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ANALYST_OLLAMA_URL", compat_server.url)
    assert await sent_headers(await open_model("ollama:qwen3"), compat_server)


async def test_a_redirect_takes_neither_key_nor_data_along(wire_server: WireServer):
    with WireServer([turn(say("stolen"))]) as thief:
        target = {"location": f"{thief.url}/v1/messages"}
        wire_server.push(fail("status", status=307, headers=target))
        model = claude(wire_server.url)
        with pytest.raises(ModelError, match="redirects"):
            await collect(model)
        await model.aclose()
        assert thief.requests == []


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_a_provider_that_echoes_the_key_is_not_quoted(wire_server: WireServer, status: int):
    wire_server.push(fail("status", status=status, message=f"no such key {FAKE_KEY} here"))
    model = claude(wire_server.url)
    with pytest.raises(ModelError) as raised:
        await collect(model)
    await model.aclose()
    shown = "".join(traceback.format_exception(raised.value))
    assert FAKE_KEY not in shown
    assert "[secret]" in shown


@pytest.mark.parametrize("level", [logging.DEBUG, 1])
async def test_no_log_of_the_sdk_holds_the_key(
    wire_server: WireServer, caplog: pytest.LogCaptureFixture, level: int
):
    """The server echoes it in a header, in an error and in a stream; all loggers say everything."""
    for name in ("", "anthropic", "httpx2", "httpcore2"):
        caplog.set_level(level, name)
    echo = {"x-echo": f"Bearer {FAKE_KEY}"}
    model = claude(wire_server.url)
    for status in (400, 401, 307, 500):
        message = f"<html>proxy: Authorization: Bearer {FAKE_KEY}</html>"
        wire_server.push(fail("status", status=status, message=message, headers=echo))
        with pytest.raises(ModelError):
            await collect(model)
    wire_server.push(fail("error_event", message=f"bad {FAKE_KEY}"), turn(say("Hi.")))
    with pytest.raises(ModelError):
        await collect(model)
    await collect(model)
    await model.aclose()
    assert any(record.name.startswith("anthropic") for record in caplog.records)
    assert "x-echo" in caplog.text
    assert FAKE_KEY not in caplog.text


async def test_a_log_record_without_a_key_stays_as_it_is(
    wire_server: WireServer, caplog: pytest.LogCaptureFixture
):
    model = claude(wire_server.url)
    wire_server.push(turn(say("Hi.")))
    await collect(model)
    await model.aclose()
    logging.getLogger("anthropic._base_client").warning("%s of %d", "one", 2)
    assert caplog.records[-1].args == ("one", 2)


@pytest.mark.parametrize("key", [f"{FAKE_KEY}\nx: y", f"{FAKE_KEY}ü", f"{FAKE_KEY}\x00"])
async def test_a_key_that_cannot_be_sent_is_not_shown(wire_server: WireServer, key: str):
    model = claude(wire_server.url, key=key)
    with pytest.raises(ModelError) as raised:
        await collect(model)
    await model.aclose()
    assert not raised.value.retryable
    assert FAKE_KEY not in "".join(traceback.format_exception(raised.value))


async def test_a_key_with_a_stray_line_end_works(
    claude_environment: WireServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_API_KEY", FAKE_KEY + "\n")
    claude_environment.push(turn(say("Hi.")))
    headers = await sent_headers(await open_model(), claude_environment)
    assert headers["authorization"] == f"Bearer {FAKE_KEY}"


async def test_no_repr_shows_a_key():
    connection = Connection(
        "http://user:pass@host:1/path?q=1", api_key=FAKE_KEY, auth_token="t0ken"
    )
    model = AnthropicMessages(
        provider="anthropic",
        model="m",
        label="Anthropic",
        connection=connection,
        dialect="claude",
        key_advice="",
    )
    shown = f"{connection!r} {model!r} {model._about!r} {connection.host}"
    assert FAKE_KEY not in shown
    assert "t0ken" not in shown
    assert connection.host == "http://host:1"


def test_redact_and_quotes_secret():
    assert redact("a key here", ["key"]) == "a [secret] here"
    assert redact("nothing", [""]) == "nothing"
    cause = ValueError("holds key")
    outer = RuntimeError("outer")
    outer.__cause__ = cause
    assert quotes_secret(outer, ["key"])
    assert not quotes_secret(outer, ["other"])


async def test_no_credentials_at_all_is_an_auth_fault(quiet_environment: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        model = AnthropicMessages(
            provider="anthropic",
            model="claude-sonnet-5-5",
            label="Anthropic",
            connection=Connection(url, ambient=True),
            dialect="claude",
            key_advice="Set ANTHROPIC_API_KEY.",
        )
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert (raised.value.fault, raised.value.retryable) == ("auth", False)
    assert raised.value.remedy == "Set ANTHROPIC_API_KEY."
