"""Gemini's key goes to Google's host or to the one it was given for, and is never shown."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from analyst_kernel.models.gemini import provider as gemini_provider
from analyst_kernel.models.gemini.interactions import GeminiInteractions
from analyst_kernel.models.registry import default_name, list_providers, open_model
from analyst_kernel.protocol.errors import ModelChoiceError, ModelError
from analyst_kernel.testing.wires import collect
from tests.fakes.gemini_server import FAKE_GEMINI_KEY, GeminiServer
from tests.fakes.turns import fail, say, turn
from tests.models.gemini.conversations import gemini, gemini_server

__all__ = ["gemini_server"]

GOOGLE = "https://generativelanguage.googleapis.com"
OTHER_KEY = "gateway-9876543210"


def info(env: dict[str, str]) -> gemini_provider.ProviderInfo:
    return next(one for one in list_providers(env) if one.name == "gemini")


@pytest.mark.parametrize(
    ("env", "key"),
    [
        ({"GEMINI_API_KEY": FAKE_GEMINI_KEY}, FAKE_GEMINI_KEY),
        ({"GOOGLE_API_KEY": FAKE_GEMINI_KEY + "\n"}, FAKE_GEMINI_KEY),
        ({"GEMINI_API_KEY": FAKE_GEMINI_KEY, "GOOGLE_API_KEY": "other"}, FAKE_GEMINI_KEY),
        ({"GEMINI_API_KEY": FAKE_GEMINI_KEY, "GEMINI_BASE_URL": GOOGLE + "/"}, FAKE_GEMINI_KEY),
        (
            {"GEMINI_API_KEY": FAKE_GEMINI_KEY, "GOOGLE_GEMINI_BASE_URL": "http://x"},
            FAKE_GEMINI_KEY,
        ),
    ],
)
async def test_the_key_of_google_goes_to_google(env: dict[str, str], key: str):
    model = await open_model("gemini:gemini-3.8-flash", env=env)
    assert isinstance(model, GeminiInteractions)
    assert (model.connection.base_url, model.connection.api_key) == (GOOGLE, key)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", GOOGLE + ".evil.org", "http://generativelanguage.googleapis.com"]
)
async def test_the_key_of_google_goes_nowhere_else(url: str):
    env = {"GEMINI_API_KEY": FAKE_GEMINI_KEY, "GOOGLE_API_KEY": "x", "GEMINI_BASE_URL": url}
    with pytest.raises(ModelChoiceError, match="Set GEMINI_BASE_URL_KEY to the key of") as raised:
        await open_model("gemini:gemini-3.8-flash", env=env)
    assert raised.value.exit_code == 3
    assert not info(env).has_credentials
    assert "GEMINI_BASE_URL_KEY" in info(env).note


async def test_an_address_of_the_users_own_gets_its_own_key(
    quiet_environment: Path, gemini_server: GeminiServer, monkeypatch: pytest.MonkeyPatch
):
    """And nothing that the SDK finds in the environment by itself."""
    gemini_server._keys = frozenset({OTHER_KEY})
    monkeypatch.setenv("GEMINI_API_KEY", FAKE_GEMINI_KEY)
    monkeypatch.setenv("GOOGLE_API_KEY", FAKE_GEMINI_KEY)
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GENAI_USE_ENTERPRISE", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somebody-s-project")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west1")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GEMINI_BASE_URL", gemini_server.url + "/")
    monkeypatch.setenv("GEMINI_BASE_URL_KEY", OTHER_KEY)
    gemini_server.push(turn(say("Hi.")))
    model = await open_model("gemini")
    await collect(model)
    await model.aclose()
    (asked,) = gemini_server.interactions
    assert asked.headers["x-goog-api-key"] == OTHER_KEY
    assert "authorization" not in asked.headers
    assert "somebody" not in json.dumps(asked.headers)
    assert FAKE_GEMINI_KEY not in json.dumps(asked.headers)
    assert (
        gemini_server.url
        in info({"GEMINI_BASE_URL": gemini_server.url, "GEMINI_BASE_URL_KEY": "k"}).note
    )


def test_what_lists_show():
    assert info({}).note == "Set GEMINI_API_KEY to use it."
    assert not info({}).has_credentials
    found = info({"GEMINI_API_KEY": FAKE_GEMINI_KEY})
    assert (found.has_credentials, found.credential_source) == (True, "GEMINI_API_KEY")
    assert found.default_model == "gemini-3.8-flash"
    assert FAKE_GEMINI_KEY not in repr(found)
    assert info({"GEMINI_BASE_URL": "nonsense", "GEMINI_API_KEY": "x"}).has_credentials is False


def test_only_geminis_own_key_makes_it_the_default():
    """GOOGLE_API_KEY serves maps and translations too: it must not send anybody's data to Gemini."""
    assert default_name({"GEMINI_API_KEY": FAKE_GEMINI_KEY}) == "gemini:gemini-3.8-flash"
    assert default_name({"GOOGLE_API_KEY": FAKE_GEMINI_KEY}) == "offline:rules"
    both = {"GEMINI_API_KEY": FAKE_GEMINI_KEY, "ANTHROPIC_API_KEY": "sk-ant-x"}
    assert default_name(both) == "anthropic:claude-sonnet-5-5"


@pytest.mark.parametrize("name", ["two words", "../x", "x/y", "x?key=1", "Ümlaut"])
async def test_names_that_cannot_be_right(name: str):
    with pytest.raises(ModelChoiceError, match="Gemini has no model"):
        await open_model(f"gemini:{name}", env={"GEMINI_API_KEY": FAKE_GEMINI_KEY})


async def test_a_name_as_google_lists_it():
    model = await open_model(
        "gemini:models/gemini-4-argon", env={"GEMINI_API_KEY": FAKE_GEMINI_KEY}
    )
    assert model.name == "gemini:gemini-4-argon"


async def test_without_a_key_the_error_says_what_to_set():
    with pytest.raises(ModelChoiceError, match="Set GEMINI_API_KEY") as raised:
        await open_model("gemini", env={})
    assert raised.value.exit_code == 3


WITHOUT = """
import asyncio, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "google" or name.startswith("google."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from analyst_kernel.models.registry import default_name, list_providers, open_model
env = {"GEMINI_API_KEY": "x"}
print(default_name(env))
print(next(one for one in list_providers(env) if one.name == "gemini").note)
try:
    asyncio.run(open_model("gemini", env=env))
except Exception as error:
    print(error)
"""


def test_without_the_sdk_one_sentence_says_how_to_install_it():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    default, note, error = done.stdout.splitlines()
    assert default == "offline:rules"
    assert note.endswith("`pip install 'analyst-kernel[gemini]'`.")
    assert error == (
        "gemini:gemini-3.8-flash needs the package google-genai, which is not installed. "
        "Install it with `pip install 'analyst-kernel[gemini]'`."
    )


def test_opening_and_listing_import_no_sdk():
    code = (
        "import asyncio, sys\nfrom analyst_kernel.models.registry import list_providers, open_model\n"
        "env = {'GEMINI_API_KEY': 'x'}\nlist_providers(env)\n"
        "model = asyncio.run(open_model('gemini', env=env))\n"
        "print(sorted(set(sys.modules) & {'google.genai', 'google.auth', 'httpx2', 'anthropic'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_a_redirect_takes_neither_key_nor_data_along(gemini_server: GeminiServer):
    with GeminiServer([turn(say("stolen"))]) as thief:
        target = {"location": f"{thief.url}/v1/interactions"}
        gemini_server.push(fail("status", status=307, headers=target))
        model = gemini(gemini_server.url)
        with pytest.raises(ModelError, match="redirects"):
            await collect(model)
        await model.aclose()
        assert thief.requests == []


@pytest.mark.parametrize("key", [f"{FAKE_GEMINI_KEY}\nx: y", f"{FAKE_GEMINI_KEY}ü"])
async def test_a_key_that_cannot_be_sent_is_not_shown(gemini_server: GeminiServer, key: str):
    model = gemini(gemini_server.url, key=key)
    with pytest.raises(ModelError) as raised:
        await collect(model)
    await model.aclose()
    assert not raised.value.retryable
    assert FAKE_GEMINI_KEY not in "".join(traceback.format_exception(raised.value))


async def test_no_log_holds_the_key(
    gemini_server: GeminiServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """The SDK's own debug log writes every header, and the server echoes the key in an error."""
    monkeypatch.setenv("GOOGLE_GENAI_DEBUG", "1")
    for name in ("", "google.genai", "google_genai", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)
    model = gemini(gemini_server.url)
    for status in (400, 401, 500):
        message = f"bad key {FAKE_GEMINI_KEY}"
        gemini_server.push(
            fail("status", status=status, message=message, headers={"x-echo": FAKE_GEMINI_KEY})
        )
        with pytest.raises(ModelError):
            await collect(model)
    gemini_server.push(turn(say("Hi.")))
    await collect(model)
    await model.aclose()
    assert any(record.name.startswith("google") for record in caplog.records)
    assert FAKE_GEMINI_KEY not in caplog.text


def test_no_repr_shows_a_key():
    model = gemini("http://user:pass@host:1/path?q=1")
    assert repr(model) == "<GeminiInteractions gemini:gemini-3.8-flash at http://host:1>"
    assert FAKE_GEMINI_KEY not in f"{model._about!r}"
