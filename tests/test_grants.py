from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pytest

from analyst_kernel.grants import GrantStore, GrantStoreError, default_path


@pytest.fixture
def store(tmp_path):
    return GrantStore(tmp_path / "home" / "analyst-kernel" / "grants.sqlite3")


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a\n1\n")
    return str(path)


def test_grants_are_kept_per_notebook_and_folder(store, tmp_path):
    data, other = touch(tmp_path / "d" / "x.csv"), str(tmp_path / "d")
    one, two = str(tmp_path / "nb" / "one.ipynb"), str(tmp_path / "nb" / "two.ipynb")
    below = str(tmp_path / "nb" / "sub" / "three.ipynb")
    for notebook, path, kind in (
        (one, data, "file"),
        (two, other, "folder"),
        (below, data, "file"),
    ):
        store.record(notebook, path, kind)
    store.record(one, data, "file")
    assert [grant.path for grant in store.for_notebook(one)] == [data]
    assert {grant.notebook for grant in store.for_folder(str(tmp_path / "nb"))} == {one, two}
    assert GrantStore(store.path).for_notebook(two)[0].kind == "folder"
    assert store.revoke(one, data)
    assert not store.revoke(one, data)
    assert store.for_notebook(one) == ()


def test_links_are_resolved_once_when_granted(store, tmp_path):
    first, second = touch(tmp_path / "first.csv"), touch(tmp_path / "second.csv")
    link = tmp_path / "link.csv"
    link.symlink_to(first)
    notebook = str(tmp_path / "a.ipynb")
    store.record(notebook, str(link), "file")
    link.unlink()
    link.symlink_to(second)
    (grant,) = store.for_notebook(notebook)
    assert grant.path == first
    assert grant.given == str(link)
    assert store.revoke(notebook, str(link))


def test_what_does_not_exist_is_not_granted(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        store.record(str(tmp_path / "a.ipynb"), str(tmp_path / "gone.csv"), "file")


def test_rename_moves_grants(store, tmp_path):
    data = touch(tmp_path / "x.csv")
    old, new = str(tmp_path / "a.ipynb"), str(tmp_path / "sub" / "b.ipynb")
    store.record(old, data, "file")
    store.record(new, data, "file")
    assert store.rename(old, new) == 1
    assert store.for_notebook(old) == ()
    assert len(store.for_notebook(new)) == 1
    assert len(store.for_folder(str(tmp_path / "sub"))) == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_only_the_user_may_read_it(store):
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damage", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 9000]
)
def test_a_damaged_store_is_set_aside(tmp_path, damage):
    path = tmp_path / "grants.sqlite3"
    path.write_bytes(damage)
    store = GrantStore(path)
    assert "set aside" in store.notice
    assert len(list(tmp_path.glob("grants.sqlite3.damaged-*"))) == 1
    store.record(str(tmp_path / "a.ipynb"), touch(tmp_path / "x.csv"), "file")
    assert GrantStore(path).notice == ""


def test_a_newer_store_is_left_alone(store):
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(GrantStoreError, match="newer"):
        GrantStore(store.path)


def test_several_processes_write_at_once(store, tmp_path):
    data = touch(tmp_path / "x.csv")
    code = (
        "import sys; from pathlib import Path; from analyst_kernel.grants import GrantStore\n"
        "store = GrantStore(Path(sys.argv[1]))\n"
        "_, _, data, folder, me = sys.argv\n"
        "for n in range(20): store.record(f'{folder}/{me}-{n}.ipynb', data, 'file')"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, store.path, data, str(tmp_path), str(n)])
        for n in range(3)
    ]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    assert len(store.for_folder(str(tmp_path))) == 60


def test_default_path_and_light_import(monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert default_path() == tmp_path / "analyst-kernel" / "grants.sqlite3"
    code = (
        "import sys, analyst_kernel.grants; "
        "print(sorted({'duckdb', 'pandas', 'pydantic', 'jupyter_core'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_branch_gets_exactly_the_grants_of_its_parent(store, tmp_path):
    data, secret = touch(tmp_path / "d.csv"), touch(tmp_path / "secret.csv")
    link = tmp_path / "link.csv"
    link.symlink_to(data)
    parent, branch = str(tmp_path / "p.ipynb"), str(tmp_path / "sub" / "b.ipynb")
    store.record(parent, str(link), "file")
    store.record(branch, secret, "file")  # of an earlier notebook of that name
    link.unlink()
    link.symlink_to(secret)
    assert store.copy(parent, branch) == 1
    (grant,) = store.for_notebook(branch)
    (before,) = store.for_notebook(parent)
    assert (grant.path, grant.given, grant.granted_at) == (
        before.path, before.given, before.granted_at,
    )  # fmt: skip
    assert [g.notebook for g in store.for_folder(str(tmp_path / "sub"))] == [branch]
    assert store.copy(parent, parent) == 0
    assert store.for_notebook(parent) == (before,)
    store.forget(branch)
    assert store.for_notebook(branch) == ()
    assert store.copy(branch, parent) == 0
    assert store.for_notebook(parent) == ()
