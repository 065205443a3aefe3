"""From names to models: what is refused, how it is said, and that nothing heavy is loaded."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.models import registry
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.anthropic_provider import find_source
from analyst_kernel.models.compatible_providers import probe_local
from analyst_kernel.models.registry import default_name, list_providers, open_model, parse_name
from analyst_kernel.models.scripted import Script, ScriptedModel, ScriptTurn, TextBlock
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import ProviderInfo
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.wire_server import WireServer

KEY = {"ANTHROPIC_API_KEY": FAKE_KEY, "HOME": "/nowhere"}
NO_KEY = {"HOME": "/nowhere"}


def test_importing_the_registry_loads_no_sdk():
    program = (
        "import sys, asyncio, analyst_kernel.models.registry as r; r.list_providers(); "
        "asyncio.run(r.open_model('anthropic', env={'ANTHROPIC_API_KEY': 'k'})); "
        "asyncio.run(r.open_model('openai', env={'OPENAI_API_KEY': 'k'})); "
        "heavy = {'anthropic', 'openai', 'httpx', 'httpx2', 'pandas', 'duckdb', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("anthropic:claude-opus-5-5", ("anthropic", "claude-opus-5-5")),
        ("ollama:qwen3:8b", ("ollama", "qwen3:8b")),
        ("offline", ("offline", "")),
        ("claude-sonnet-5-5", ("anthropic", "claude-sonnet-5-5")),
        (" Offline:rules ", ("offline", "rules")),
        ("scripted:C:/demo.json", ("scripted", "C:/demo.json")),
    ],
)
def test_parse_name(text: str, parsed: tuple[str, str]):
    assert parse_name(text) == parsed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("antropic:claude-sonnet-5-5", "Did you mean 'anthropic:claude-sonnet-5-5'?"),
        ("olama:qwen3", "'ollama:qwen3'"),
        ("offlne", "'offline'"),
        ("zzz:thing", "There are: anthropic, azure, bedrock, compat, compatible,"),
        ("", "empty"),
        ("gpt-6", "There is no model provider 'gpt-6'."),
    ],
)
def test_unknown_providers(text: str, said: str):
    with pytest.raises(ModelChoiceError) as raised:
        parse_name(text)
    assert said in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("anthropic:claud-sonet-5-5", "Did you mean 'anthropic:claude-sonnet-5-5'?"),
        ("anthropic:gpt-6", "Anthropic has no model 'gpt-6'."),
        ("offline:rule", "Did you mean 'offline:rules'?"),
        ("ollama", "needs the name of a model"),
        ("scripted", "needs a file"),
        ("scripted:/no/such/file.json", "cannot be read"),
    ],
)
async def test_unknown_models(name: str, said: str):
    with pytest.raises(ModelChoiceError) as raised:
        await open_model(name, env=KEY)
    assert said in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("anthropic:claude-sonnet-5-5", "ANTHROPIC_API_KEY"),
        ("openrouter:openai/gpt-6", "OPENROUTER_API_KEY"),
        ("compat:mine", "ANALYST_COMPAT_URL"),
        ("openai:gpt-6.2-sol", "OPENAI_API_KEY"),
        ("azure:mine", "AZURE_OPENAI_ENDPOINT"),
        ("compatible:mine", "ANALYST_CHAT_URL"),
    ],
)
async def test_a_named_provider_without_credentials(name: str, variable: str):
    with pytest.raises(ModelChoiceError) as raised:
        await open_model(name, env=NO_KEY)
    assert raised.value.exit_code == 3
    assert variable in raised.value.remedy
    assert "offline:rules" in raised.value.remedy


@pytest.mark.parametrize("url", ["localhost:11434", "ftp://host", "http://", "http://host:port"])
async def test_a_base_url_that_is_none(url: str):
    with pytest.raises(ModelChoiceError, match="ANALYST_COMPAT_URL is not a web address"):
        await open_model("compat:mine", env={"ANALYST_COMPAT_URL": url})
    with pytest.raises(ModelChoiceError, match="ANTHROPIC_BASE_URL is not a web address"):
        await open_model("anthropic", env={**KEY, "ANTHROPIC_BASE_URL": url})


async def test_the_default():
    assert default_name(KEY) == "anthropic:claude-sonnet-5-5"
    assert default_name(NO_KEY) == "offline:rules"
    model = await open_model(env=KEY)
    assert (model.name, model.is_ai, model.sees_images) == (
        "anthropic:claude-sonnet-5-5",
        True,
        True,
    )


async def test_models_newer_than_this_package_and_gateway_names_are_let_through():
    assert (await open_model("anthropic:claude-opus-9", env=KEY)).name == "anthropic:claude-opus-9"
    gateway = {**KEY, "ANTHROPIC_BASE_URL": "https://gateway.example"}
    assert (await open_model("anthropic:team-model", env=gateway)).name == "anthropic:team-model"


async def test_an_empty_base_url_means_the_usual_one():
    model = await open_model("anthropic", env={**KEY, "ANTHROPIC_BASE_URL": " "})
    assert isinstance(model, AnthropicMessages)
    assert model.connection.base_url == "https://api.anthropic.com"


def test_listing_names_sources_and_never_values():
    env = {**KEY, "OPENROUTER_API_KEY": "sk-or-secret", "ANALYST_COMPAT_KEY": "sk-mine"}
    rows = {info.name: info for info in list_providers(env)}
    assert next(iter(rows)) == "anthropic"
    assert rows["anthropic"].credential_source == "ANTHROPIC_API_KEY"
    assert rows["openrouter"].has_credentials
    assert not rows["compat"].has_credentials
    assert rows["compat"].note == "Set ANALYST_COMPAT_URL to use it."
    assert rows["ollama"].has_credentials
    assert not rows["offline"].is_ai
    shown = repr(rows)
    assert not any(secret in shown for secret in (FAKE_KEY, "sk-or-secret", "sk-mine"))
    assert not list_providers(NO_KEY)[0].has_credentials
    broken = {info.name: info for info in list_providers({"ANALYST_OLLAMA_URL": "nonsense"})}
    assert not broken["ollama"].has_credentials


def test_credential_sources_follow_the_sdks_order(tmp_path: Path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "work.json").write_text("{}")
    env = {"ANTHROPIC_CONFIG_DIR": str(tmp_path)}
    assert find_source(env) == ""
    (tmp_path / "active_config").write_text("work\n")
    assert find_source(env) == "profile work"
    env |= {"ANTHROPIC_FEDERATION_RULE_ID": "r", "ANTHROPIC_ORGANIZATION_ID": "o"}
    assert find_source(env) == "profile work"
    env["ANTHROPIC_IDENTITY_TOKEN"] = "t"
    assert find_source(env) == "ANTHROPIC_IDENTITY_TOKEN"
    env["ANTHROPIC_PROFILE"] = "dev"
    assert find_source(env) == "ANTHROPIC_PROFILE"
    env["ANTHROPIC_AUTH_TOKEN"] = "t"
    assert find_source(env) == "ANTHROPIC_AUTH_TOKEN"
    env["ANTHROPIC_API_KEY"] = "  "
    assert find_source(env) == "ANTHROPIC_AUTH_TOKEN"
    (tmp_path / "active_config").write_text("../../work")
    assert find_source({"ANTHROPIC_CONFIG_DIR": str(tmp_path)}) == ""
    (tmp_path / "active_config").write_bytes(b"\xff\xfe")
    assert find_source({"ANTHROPIC_CONFIG_DIR": str(tmp_path)}) == ""
    (tmp_path / "configs" / "default.json").write_text("{}")
    assert find_source({"ANTHROPIC_CONFIG_DIR": str(tmp_path)}) == "profile default"


class Theirs:
    name = "theirs"

    def describe(self, env: Any) -> ProviderInfo:
        return ProviderInfo("theirs", "Theirs", has_credentials=True)

    async def open(self, model: str, env: Any) -> Any:
        turn = ScriptTurn(blocks=(TextBlock(text=model),))
        return ScriptedModel(Script(turns=(turn,)), path="theirs")


async def test_third_parties_add_providers_but_replace_none(monkeypatch: pytest.MonkeyPatch):
    here = f"{__name__}:Theirs"
    entries = [
        *registry.entry_points(group=registry.GROUP),
        EntryPoint("theirs", here, registry.GROUP),
        EntryPoint("anthropic", here, registry.GROUP),
        EntryPoint("broken", "no.such.module:Thing", registry.GROUP),
    ]
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Theirs.__module__])
    monkeypatch.setattr(registry, "entry_points", lambda *, group: entries)
    rows = {info.name: info for info in list_providers(KEY)}
    assert rows["theirs"].label == "Theirs"
    assert rows["anthropic"].label == "Anthropic"
    assert "could not be loaded" in rows["broken"].note
    assert (await open_model("theirs:x", env=KEY)).name == "scripted:theirs"
    with pytest.raises(ModelChoiceError, match="cannot be used"):
        await open_model("broken:x", env=KEY)


async def test_without_any_provider_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "entry_points", lambda *, group: ())
    with pytest.raises(ModelChoiceError, match="No model provider is installed"):
        await open_model("offline:rules", env=NO_KEY)


def test_our_own_providers_are_entry_points():
    names = [info.name for info in list_providers(NO_KEY)]
    assert names[: len(registry._ORDER)] == list(registry._ORDER)


async def test_probe_lists_what_local_servers_offer():
    with WireServer(models=["qwen3:8b", "gemma"]) as server:
        env = {
            "ANALYST_OLLAMA_URL": server.url,
            "ANALYST_LMSTUDIO_URL": server.url,
            "ANALYST_LLAMACPP_URL": "http://192.0.2.1:8080",
        }
        found = await probe_local(env, seconds=20.0)
        assert [model.name for model in found] == [
            "ollama:qwen3:8b",
            "ollama:gemma",
            "lmstudio:qwen3:8b",
            "lmstudio:gemma",
        ]
        assert all("authorization" not in request.headers for request in server.requests)


async def test_probe_of_a_silent_or_foreign_server_finds_nothing():
    async def foreign(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n[{},7")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(foreign, "127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {
            "ANALYST_OLLAMA_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "ANALYST_LMSTUDIO_URL": f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}",
            "ANALYST_LLAMACPP_URL": "not an address",
        }
        assert await probe_local(env, seconds=0.3) == ()
    other.close()
    await other.wait_closed()
