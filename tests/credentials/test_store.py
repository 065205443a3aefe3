"""Where keys lie, who can read them there, and what happens if they cannot be read."""

from __future__ import annotations

import json
import os
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keyring
import pytest

from analyst_kernel.credentials.store import Keys, NamedKey
from analyst_kernel.models.registry import list_providers
from analyst_kernel.protocol.errors import InputError, KeyStoreError
from tests.credentials.theirs import DesktopKeyring, install

KEY = "sk-planted-0123456789"


@pytest.fixture(autouse=True)
def quiet(quiet_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GEMINI_BASE_URL", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    install(monkeypatch)


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DesktopKeyring:
    """Return the keyring that the library finds here."""
    found = DesktopKeyring(tmp_path / "ring.json")
    monkeypatch.setattr("keyring.core._keyring_backend", found)
    assert keyring.get_keyring() is found
    return found


def keep(keys: Keys, provider: str, key: str = KEY, url: str = "") -> None:
    keys.keep(keys.propose(provider, key, url))


def test_the_file_is_its_owners_alone(tmp_path: Path):
    folder = tmp_path / "deep" / "analyst-kernel"
    keys = Keys(folder)
    assert (keys.place, keys.kept()) == ("file", ())
    keep(keys, "openai")
    assert folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
    (folder / "keys.json").chmod(0o644)
    keys.environment()
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600


def test_what_an_earlier_version_stored_is_bound_where_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gate.example:1/v1")
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"anthropic": KEY, "openai": KEY, "gone": KEY, "azure": KEY}))
    keys = Keys(tmp_path)
    hosts = {state.provider: state.host for state in keys.states(keys.environment())}
    assert hosts == {
        "anthropic": "http://gate.example:1",
        "openai": "https://api.openai.com",
        "azure": "",
        "gone": "",
    }
    found = json.loads(file.read_text())
    assert found["anthropic"] == {"key": KEY, "url": "http://gate.example:1/v1"}
    assert found["gone"] == found["azure"] == KEY
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    assert {s.provider: s.host for s in keys.states(keys.environment())} == hosts


def test_what_cannot_be_written_back_is_bound_all_the_same(tmp_path: Path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"openai": KEY}))
    (tmp_path / ".keys-lock").mkdir()  # nothing can be locked, so nothing is written
    keys = Keys(tmp_path)
    assert keys.environment().entries["openai"].host == "https://api.openai.com:443"
    assert json.loads(file.read_text()) == {"openai": KEY}
    with pytest.raises(KeyStoreError, match="cannot be kept"):
        keep(keys, "azure", url="https://r.example")


def test_the_keyring_is_used_where_there_is_one_and_the_file_stays_known(
    tmp_path: Path, ring: DesktopKeyring
):
    (tmp_path / "keys.json").write_text(json.dumps({"openai": KEY, "anthropic": KEY}))
    keys = Keys(tmp_path)
    assert keys.place == "keyring"
    keep(keys, "gemini")
    keep(keys, "openai", KEY + "-new")
    states = {state.provider: state.source for state in keys.states(keys.environment())}
    assert states == {"anthropic": "file", "openai": "keyring", "gemini": "keyring"}
    assert "openai" not in json.loads((tmp_path / "keys.json").read_text())
    sources = {one.name: one.credential_source for one in list_providers(keys.environment())}
    assert (sources["anthropic"], sources["gemini"]) == ("key file", "keyring")
    for name in states:
        keys.forget(name)
    assert keys.kept() == ()
    assert KEY not in ring.path.read_text() + (tmp_path / "keys.json").read_text()


def test_a_locked_keyring_says_so_and_takes_nothing_else_along(
    tmp_path: Path, ring: DesktopKeyring
):
    keys = Keys(tmp_path)
    keep(keys, "openai")
    (tmp_path / "keys.json").write_text(json.dumps({"anthropic": KEY}))
    ring.locked = True
    env = keys.environment()
    assert list(env.entries) == ["anthropic"]
    assert env.problem == "The system keyring cannot be read. Unlock it."
    with pytest.raises(KeyStoreError, match="cannot be read") as raised:
        keep(keys, "gemini")
    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_a_keyring_that_is_none_or_broken_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from keyring.backends import chainer, fail, null

    for hollow in (fail.Keyring(), null.Keyring()):
        monkeypatch.setattr("keyring.core._keyring_backend", hollow)
        assert Keys(tmp_path).place == "file"
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [])
    monkeypatch.setattr("keyring.core._keyring_backend", chainer.ChainerBackend())
    assert Keys(tmp_path).place == "file"

    def broken() -> None:
        raise OSError("no bus")

    monkeypatch.setattr(keyring, "get_keyring", broken)
    assert Keys(tmp_path).place == "file"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, f'{{"a": "{KEY}'.encode()])
def test_a_damaged_file_is_not_overwritten_nor_quoted(content: bytes, tmp_path: Path):
    (tmp_path / "keys.json").write_bytes(content)
    keys = Keys(tmp_path)
    env = keys.environment()
    assert "cannot be read" in env.problem
    assert KEY not in env.problem
    assert dict(env.entries) == {}
    for act in (lambda: keep(keys, "openai"), lambda: keys.forget("openai")):
        with pytest.raises(KeyStoreError, match="cannot be read") as raised:
            act()
        assert KEY not in "".join(traceback.format_exception(raised.value))
    assert (tmp_path / "keys.json").read_bytes() == content


@pytest.mark.parametrize("content", ["[]", '"text"', '{"openai": 3, "azure": {"key": 1}, "x": {}}'])
def test_what_is_no_key_in_the_file_is_none(content: str, tmp_path: Path):
    (tmp_path / "keys.json").write_text(content)
    assert dict(Keys(tmp_path).environment().entries) == {}


def test_two_programs_that_store_at_once_lose_nothing(tmp_path: Path):
    names = ("anthropic", "openai", "gemini", "openrouter", "theirs", "vllm")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: keep(Keys(tmp_path), name), names))
    assert set(Keys(tmp_path).kept()) == set(names)


def test_a_change_by_another_program_is_seen(tmp_path: Path):
    server, command = Keys(tmp_path), Keys(tmp_path)
    server.environment()
    before = server.version
    server.environment()
    assert server.version == before
    keep(command, "openai")
    server.environment()
    assert server.version == before + 1


def test_files_that_the_settings_name(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text(KEY + "\n")
    huge = tmp_path / "huge"
    huge.write_text("x" * 100_000)
    named = {
        "openai": NamedKey(str(secret)),
        "vllm": NamedKey(url="https://gpu.example/v1"),
        "anthropic": NamedKey(f"/no/such/{KEY}"),
        "gemini": NamedKey(str(huge)),
        "compat": NamedKey(str(secret)),
        "azure": NamedKey(str(secret), f"https://{KEY}@r.example"),
        "nobody": NamedKey(str(secret)),
    }
    keys = Keys(tmp_path, named=named)
    env = keys.environment()
    assert set(env.entries) == {"openai", "vllm"}
    for name in set(named) - set(env.entries):
        assert repr(name) in env.problem
    assert KEY not in env.problem
    assert {state.source for state in keys.states(env)} == {"settings"}
    assert not any(state.removable for state in keys.states(env))
    with pytest.raises(InputError, match="settings of this server"):
        keep(keys, "openai")
    assert keys.kept() == ()


def test_an_administrator_can_lock_the_keys(tmp_path: Path):
    keep(Keys(tmp_path), "openai")
    keys = Keys(tmp_path, locked=True)
    assert dict(keys.environment().entries) == {}
    for act in (lambda: keep(keys, "azure"), lambda: keys.forget("openai")):
        with pytest.raises(InputError, match="administrator"):
            act()
    assert Keys(tmp_path).kept() == ("openai",)


@pytest.mark.parametrize(
    ("provider", "key", "url", "env", "said"),
    [
        ("nobody", KEY, "", {}, "Nothing can be stored"),
        ("old", KEY, "", {}, "Nothing can be stored"),
        ("offline", KEY, "", {}, "Nothing can be stored"),
        ("openai", "", "", {}, "This is no key"),
        ("openai", "two words", "", {}, "This is no key"),
        ("openai", "sk-ü", "", {}, "This is no key"),
        ("openai", "a\nb", "", {}, "This is no key"),
        ("openai", "k" * 5_000, "", {}, "This is no key"),
        ("ollama", KEY, "", {}, "takes no key"),
        ("azure", KEY, "", {}, "no address of its own"),
        ("openrouter", KEY, "https://gate.example", {}, "sends to https://openrouter.ai alone"),
        ("openai", KEY, "", {"OPENAI_API_KEY": "k"}, "OPENAI_API_KEY is set"),
        ("azure", KEY, "https://a", {"AZURE_OPENAI_ENDPOINT": "https://b"}, "leads to https://b"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_said_and_not_stored(
    provider: str,
    key: str,
    url: str,
    env: dict[str, str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    keys = Keys(tmp_path)
    with pytest.raises(InputError, match=said) as raised:
        keep(keys, provider, key, url)
    assert KEY not in str(raised.value)
    assert not (tmp_path / "keys.json").exists()


def test_a_key_for_the_address_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gate.example/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")  # is not sent there, so it is no obstacle
    keys = Keys(tmp_path)
    keep(keys, "openai")
    assert (
        json.loads((tmp_path / "keys.json").read_text())["openai"]["url"]
        == os.environ["OPENAI_BASE_URL"]
    )
    (info,) = [one for one in list_providers(keys.environment()) if one.name == "openai"]
    assert (info.has_credentials, info.credential_source) == (True, "key file")
