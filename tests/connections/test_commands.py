"""``analyst connections``: what users type, what they read, and where no password lies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analyst_kernel.connections.entries import (
    ConnectionEntry,
    checked_entry,
    connections_of_user,
    with_password,
)
from analyst_kernel.connections.passwords import keep_password, password_of
from analyst_kernel.protocol.errors import InputError, KeyStoreError
from tests.connections.server import PASSWORD, Postgres
from tests.support.command import analyst

pytestmark = pytest.mark.real


def test_a_connection_from_its_adding_to_its_removal(postgres: Postgres, tmp_path: Path) -> None:
    env = {"JUPYTER_DATA_DIR": str(tmp_path), "SHOP_PASSWORD": PASSWORD}

    def run(*arguments: str, code: int = 0) -> str:
        done = analyst("connections", *arguments, cwd=tmp_path, env=env)
        said = done.out + done.err
        assert done.code == code, said
        assert PASSWORD not in said
        return said

    assert "There are no connections." in run("list")
    run(
        "add", "shop", postgres.address(), "--password-from", "env:SHOP_PASSWORD", "--max-rows", "9"
    )
    assert "holds a password" in run("add", "x", "postgresql://a:b@c/d", code=2)
    said = run("add", "x", postgres.address(), "--password-from", "keyring", code=1)
    assert "There is no keyring" in said
    assert "env:SHOP_PASSWORD" in run()
    listed = json.loads(run("list", "--json"))["connections"]
    assert (listed[0]["name"], listed[0]["max_rows"]) == ("shop", 9)
    said = run("test", "shop")
    assert "as reader" in said
    assert "may change 3 tables" in said
    assert "- public.orders (table, about 500 rows)" in run("tables", "shop")
    assert "'amount'" in run("tables", "shop", "public.orders")
    assert "There is no connection 'store'" in run("test", "store", code=2)
    assert "Removed shop." in run("remove", "shop")
    assert PASSWORD.encode() not in b"".join(f.read_bytes() for f in tmp_path.rglob("*.json"))


def test_a_list_that_cannot_be_read_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    path = tmp_path / "analyst-kernel" / "connections.json"
    path.parent.mkdir()
    one = checked_entry("shop", "postgresql://a@b/c").model_dump(mode="json")
    for content in (
        "{",
        "[]",
        '{"connections": [{"name": "shop"}]}',
        json.dumps({"connections": [{**one, "address": f"postgresql://a:{PASSWORD}@b/c"}]}),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match="cannot be read") as found:
            connections_of_user().put(checked_entry("other", "postgresql://a@b/c"))
        assert PASSWORD not in str(found.value)
        assert path.read_text() == content


class Ring:
    """What the keyring of a system does."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self.kept[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


def test_a_keyring_keeps_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Ring()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("analyst_kernel.connections.passwords.usable_keyring", lambda: ring)
    entry = checked_entry("shop", "postgresql://a@b/c", password_from="keyring")
    connections_of_user().put(entry)
    with pytest.raises(KeyStoreError, match="has none for it"):
        password_of("shop", entry.password_from, {})
    keep_password("shop", PASSWORD)
    assert password_of("shop", entry.password_from, {}) == PASSWORD
    connections_of_user().remove("shop")
    assert ring.kept == {}


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        ("postgresql://a@db.example.org/c", "sslmode=require"),
        ("postgresql://a@db.example.org/c?sslmode=verify-full", "sslmode=verify-full"),
        ("postgresql://a@localhost/c", ""),
        ("postgresql://a@/c?host=/run/postgresql", ""),
        ("postgresql:///?service=shop", ""),
    ],
)
def test_other_machines_are_spoken_to_in_secret(address: str, mode: str) -> None:
    entry: ConnectionEntry = checked_entry("shop", address)
    full = with_password(entry, PASSWORD)
    assert ("sslmode" in full) == bool(mode)
    assert mode in full
    assert PASSWORD not in full  # it is quoted
    assert full.startswith(address.partition("?")[0] + "?")
    assert PASSWORD not in repr(entry)
