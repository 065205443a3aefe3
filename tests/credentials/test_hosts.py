"""A key goes to the host that it was given for and to no other, whatever is set later."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyst_kernel.credentials.entries import Entry, StoredEnv, origin, read_address, shown_host
from analyst_kernel.credentials.store import Keys, NamedKey
from analyst_kernel.models import registry
from analyst_kernel.models.registry import list_settings, open_model
from analyst_kernel.models.wire.connection import NO_KEY, Connection
from analyst_kernel.models.wire.faults import AUTH, fault_of
from analyst_kernel.protocol.errors import InputError, ModelChoiceError
from analyst_kernel.providers import ProviderSettings
from tests.credentials.theirs import DesktopKeyring, install

PLANTED = "sk-planted-0123456789"
AMBIENT = "sk-of-the-environment-0123456789"
HERE, THERE = "https://here.example:8443/api", "https://there.example"
SOURCES = ("settings", "keyring", "file", "earlier file")
_HOME = {"HOME": "/nowhere"}


@pytest.fixture(autouse=True)
def quiet(quiet_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("GEMINI_", "GOOGLE_", "THEIR_")):
            monkeypatch.delenv(name)
    install(monkeypatch)
    # Found once: these tests make thousands of models.
    found = registry._providers()
    monkeypatch.setattr(registry, "_providers", lambda: found)


def providers() -> dict[str, ProviderSettings]:
    """Return every provider that takes a key, a third party's too."""
    return {name: one for name, one in list_settings().items() if one.key_variable}


NAMES = (
    "anthropic", "openai", "gemini", "vllm", "openrouter", "azure", "compatible", "compat", "theirs",
)  # fmt: skip


def test_every_provider_that_takes_a_key_is_in_these_tables():
    assert set(providers()) >= set(NAMES)
    assert set(list_settings()) - set(providers()) >= {"ollama", "lmstudio", "llamacpp"}


def stored(folder: Path, source: str, name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """Return a store in which a key lies for an address."""
    if source == "settings":
        (folder / "secret").write_text(f"{PLANTED}\n")
        return Keys(folder, named={name: NamedKey(str(folder / "secret"), url)})
    ring = DesktopKeyring(folder / "ring.json")
    if source == "keyring":
        monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
        monkeypatch.setattr(keyring, "get_password", ring.get_password)
        monkeypatch.setattr(keyring, "set_password", ring.set_password)
    keys = Keys(folder)
    if source == "earlier file":
        (folder / "keys.json").write_text(json.dumps({name: PLANTED}))
        variable = providers()[name].url_variable
        if url and variable:
            monkeypatch.setenv(variable, url)
            keys.environment()  # the first start of this version binds it
            monkeypatch.delenv(variable)
    else:
        keys.keep(keys.propose(name, PLANTED, url))
    return keys


async def destination(name: str, env: Mapping[str, str]) -> tuple[str, str]:
    """Return the host that a provider's model sends to and the key that it sends there."""
    try:
        model: Any = await open_model(f"{name}:claude-opus-9", env=env)
    except ModelChoiceError as error:
        if error.exit_code != 3:
            raise
        return "", ""
    connection: Connection = model.connection
    await model.aclose()
    return origin(connection.base_url or ""), connection.api_key or connection.auth_token or ""


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", NAMES)
async def test_each_provider_from_each_source_at_each_address(
    name: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = providers()[name]
    others = [other for other in providers() if other != name]
    addresses = [settings.url] if settings.url else []
    addresses += [HERE] if settings.url_variable else []
    for number, given_for in enumerate(addresses):
        folder = tmp_path / str(number)
        folder.mkdir()
        keys = stored(folder, source, name, given_for, monkeypatch)
        bound = origin(given_for)
        if source == "earlier file" and settings.elsewhere_variable:
            bound = origin(settings.url)  # where that version sent it, whatever was set
        assert await destination(name, keys.environment(_HOME)) == (bound, PLANTED)
        for later in filter(None, (settings.url, HERE, THERE)):
            if not settings.url_variable:
                break
            changed = {**_HOME, settings.url_variable: later}
            host, key = await destination(name, keys.environment(changed))
            assert (key == PLANTED) == (origin(later) == bound), later
            assert key != PLANTED or host == bound
            mixed = {**changed, settings.key_variable: AMBIENT}
            host, key = await destination(name, keys.environment(mixed))
            assert key != PLANTED or host == bound == origin(later)
        # A key of the environment stays away from an address that is stored.
        host, key = await destination(
            name, keys.environment({**_HOME, settings.key_variable: AMBIENT})
        )
        assert key != PLANTED
        assert key != AMBIENT or host == origin(settings.url)
        for other in others:
            assert (await destination(other, keys.environment(_HOME)))[1] in ("", NO_KEY), other
        assert PLANTED not in repr((keys.environment(_HOME), keys.states(keys.environment(_HOME))))


ODD = [
    "https://api.openai.com@there.example/v1",
    "https://there.example\\@api.openai.com/v1",
    "https://api.openai.com.there.example",
    "https://user:word@api.openai.com",
    "http://api.openai.com",
    "https://api.openai.com:444",
    "https://api.openai.com\t.there.example",
    "https://api.openai.com%2f@there.example",
    "https://аpi.openai.com",  # a Cyrillic letter
    "//api.openai.com",
    "file:///etc/passwd",
    "https://",
    "https://[::1",
    "https://api.openai.com:https",
]


@pytest.mark.parametrize("url", ODD)
@pytest.mark.parametrize("name", ["anthropic", "openai", "gemini"])
async def test_an_address_that_only_looks_like_the_providers_gets_no_stored_key(
    name: str, url: str, tmp_path: Path
):
    settings = providers()[name]
    url = url.replace("api.openai.com", settings.url.removeprefix("https://"))
    keys = Keys(tmp_path)
    keys.keep(keys.propose(name, PLANTED))
    env = keys.environment({**_HOME, settings.url_variable: url})
    assert PLANTED not in dict(env.of(name, settings)[0]).values()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gate.example", "no web address"),
        ("ftp://gate.example", "no web address"),
        ("https://me:word@gate.example", "no web address"),
        ("https://gate.example/v1?api-key=1", "more than a host"),
        ("https://gate.example/#key", "more than a host"),
        ("https://gate.example/a b", "no web address"),
        ("https://gate.example\n.other.example", "no web address"),
        ("https://" + "a" * 3_000, "no web address"),
    ],
)
def test_what_is_no_address_is_refused(url: str, said: str, tmp_path: Path):
    keys = Keys(tmp_path)
    with pytest.raises(InputError, match=said):
        keys.propose("openai", PLANTED, url)
    assert not (tmp_path / "keys.json").exists()


def test_hosts_are_compared_as_programs_do():
    assert origin("HTTPS://Api.OpenAI.com/v1") == origin("https://api.openai.com:443")
    assert origin("http://[::1]:8000/v1") == "http://[::1]:8000"
    assert shown_host("https://api.openai.com:443/v1") == "https://api.openai.com"
    assert shown_host("http://localhost:8000") == "http://localhost:8000"
    assert read_address(" https://gate.example/v1/ ") == "https://gate.example/v1"


_HOSTS = st.sampled_from(
    [
        "api.openai.com",
        "eu.api.openai.com",
        "api.anthropic.com",
        "gate.example",
        "127.0.0.1",
        "[::1]",
    ]
)
_URLS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS://", "//", ""]),
    st.sampled_from(["", "", "", "user@", "api.openai.com@", "gate.example\\@"]),
    _HOSTS,
    st.sampled_from(["", "", ":443", ":80", ":8443", ":x", "."]),
    st.sampled_from(["", "/", "/v1", "/v1/", "@gate.example", "\\gate.example", "?a=b"]),
)
_VALUES = st.one_of(st.just(""), st.just("  "), st.just(AMBIENT))


@given(data=st.data())
async def test_no_mixture_of_stored_and_set_sends_a_key_elsewhere(data: st.DataObject):
    """The keys of all providers are stored at once, with any address, under any environment."""
    known = providers()
    entries = {
        name: Entry(f"{PLANTED}-{name}", data.draw(st.one_of(st.just(one.url), _URLS)), "file")
        for name, one in known.items()
    }
    env = dict(_HOME)
    for one in known.values():
        for variable in (one.key_variable, one.elsewhere_variable):
            if variable:
                env[variable] = data.draw(_VALUES)
        if one.url_variable:
            env[one.url_variable] = data.draw(st.one_of(st.just(""), _URLS))
    held = StoredEnv(env, entries)
    assert not [value for value in held.values() if PLANTED in value]
    for name, entry in entries.items():
        handed = held.of(name, known[name])[0]
        assert not [v for v in handed.values() if PLANTED in v and v != entry.key]
        try:
            model: Any = await open_model(f"{name}:claude-opus-9", env=held)
        except InputError:
            continue
        sent = model.connection.api_key or model.connection.auth_token or ""
        used = origin(model.connection.base_url or "")
        await model.aclose()
        assert PLANTED not in sent or (sent == entry.key and used == entry.host != "")
        if sent == AMBIENT and entry.host:
            # It went where it goes without a store.
            bare: Any = await open_model(f"{name}:claude-opus-9", env=env)
            assert used == origin(bare.connection.base_url or "")
            await bare.aclose()


@pytest.mark.parametrize(
    ("set_too", "said"), [("", "`analyst keys set {}` replaces it"), ("own", "{}_API_KEY")]
)
async def test_a_refused_key_is_looked_for_where_it_lies(set_too: str, said: str) -> None:
    """A stored key that is refused is not in the variable, unless the user set that too."""
    for name in ("anthropic", "gemini", "openai", "openrouter"):
        known = providers()[name]
        env = {**_HOME, known.key_variable: set_too} if set_too else dict(_HOME)
        held = StoredEnv(env, {name: Entry(f"{PLANTED}-{name}", known.url, "file")})
        model: Any = await open_model(f"{name}:claude-opus-4-1", env=held)
        error = fault_of(AUTH, model._about)
        assert said.format(name.upper() if set_too else name) in error.remedy
        assert ("key file" in error.remedy) == (not set_too)
        await model.aclose()
