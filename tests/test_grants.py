from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from analyst_kernel._real_paths import version_at
from analyst_kernel.grants import GrantRefused, GrantStore, GrantStoreError, default_path


@pytest.fixture
def store(tmp_path):
    return GrantStore(tmp_path / "home" / "analyst-kernel" / "grants.sqlite3")


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a\n1\n")
    return str(path)


def notebook(path, analysis="aaaaaaaaaaaa", text="1"):
    """Write a notebook in place, as Jupyter saves; an empty ``analysis`` is none of ours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ours = {"analyst_kernel": {"analysis": analysis}} if analysis else {}
    cells = [{"cell_type": "markdown", "metadata": {}, "source": text}]
    path.write_text(json.dumps({"cells": cells, "metadata": ours, "nbformat": 4}))
    return path


def replaced(path, *arguments):
    """Write a notebook as git and most editors do: a new file under the old name."""
    fresh = notebook(path.with_name("fresh"), *arguments)
    fresh.replace(path)
    return path


def paths(store, path, **known):
    return [grant.path for grant in store.for_notebook(str(path), **known)]


def test_grants_are_kept_per_notebook(store, tmp_path):
    data, other = touch(tmp_path / "d" / "x.csv"), str(tmp_path / "d")
    one, two = notebook(tmp_path / "nb" / "one.ipynb"), notebook(tmp_path / "nb" / "two.ipynb", "b")
    store.record(str(one), data)
    store.record(str(two), other)
    store.record(str(one), data)
    assert paths(store, one) == [data]
    assert paths(store, tmp_path / "nb") == []
    assert GrantStore(store.path).for_notebook(str(two))[0].kind == "folder"
    assert store.revoke(str(one), data)
    assert not store.revoke(str(one), data)
    assert paths(store, one) == []
    assert paths(store, two) == [other]


def test_links_are_resolved_once_when_granted(store, tmp_path):
    first, second = touch(tmp_path / "first.csv"), touch(tmp_path / "second.csv")
    link = tmp_path / "link.csv"
    link.symlink_to(first)
    place = str(notebook(tmp_path / "a.ipynb"))
    store.record(place, str(link))
    link.unlink()
    link.symlink_to(second)
    (grant,) = store.for_notebook(place)
    assert grant.path == first
    assert grant.given == str(link)
    assert store.revoke(place, str(link))


def test_what_does_not_exist_is_not_granted(store, tmp_path):
    place = str(notebook(tmp_path / "a.ipynb"))
    with pytest.raises(FileNotFoundError):
        store.record(place, str(tmp_path / "gone.csv"))
    with pytest.raises(FileNotFoundError):
        store.record(str(tmp_path / "gone.ipynb"), touch(tmp_path / "x.csv"))
    os.mkfifo(tmp_path / "queue.csv")
    with pytest.raises(GrantRefused, match="neither a file nor a folder"):
        store.record(place, str(tmp_path / "queue.csv"))
    assert paths(store, place) == []


def move_file(path):
    return path.rename(path.with_name("moved.ipynb"))


def move_folder(path):
    return path.parent.rename(path.parent.with_name("elsewhere")) / path.name


LEGITIMATE = {
    "nothing": lambda path: path,
    "saved in place": lambda path: notebook(path, "aaaaaaaaaaaa", "more"),
    "replaced by git or an editor": lambda path: replaced(path, "aaaaaaaaaaaa", "older"),
    "moved": move_file,
    "its folder moved": move_folder,
    "saved in place, then moved": lambda path: move_file(notebook(path, "aaaaaaaaaaaa", "more")),
    "moved, then saved in place": lambda path: notebook(move_file(path), "aaaaaaaaaaaa", "more"),
    "moved there and back": lambda path: move_file(path).rename(path),
}


@pytest.mark.parametrize("act", LEGITIMATE)
def test_a_notebook_keeps_its_grants_when_its_user(store, tmp_path, act):
    data, place = touch(tmp_path / "x.csv"), notebook(tmp_path / "nb" / "a.ipynb")
    store.record(str(place), data)
    now = LEGITIMATE[act](place)
    assert paths(store, now) == [data]
    assert paths(store, now) == [data]
    if now != place:
        assert paths(store, place) == []


def test_a_notebook_keeps_its_grants_when_its_analysis_saved_and_it_is_moved(store, tmp_path):
    data, place = touch(tmp_path / "x.csv"), notebook(tmp_path / "nb" / "a.ipynb")
    store.record(str(place), data)
    for written in (True, False):
        replaced(place, "aaaaaaaaaaaa", "an answer")
        store.seen(str(place), "aaaaaaaaaaaa", written=written)
        place = move_folder(place)
        assert paths(store, place) == [data]
        place.parent.rename(tmp_path / "nb")
        place = tmp_path / "nb" / place.name
        assert paths(store, place) == [data]


def deleted_and_made_anew(path, analysis):
    path.unlink()
    return notebook(path, analysis)


def copied_away(path, *, leaves):
    copy = path.with_name("copy.ipynb")
    shutil.copy2(path, copy)
    if leaves:
        path.unlink()
    return copy


def linked(path):
    """Two names of one file: the second is no move."""
    other = path.with_name("other.ipynb")
    os.link(path, other)
    return other


def gone(path):
    path.unlink()
    return path


def special(path):
    path.unlink()
    os.mkfifo(path)
    return path


def wait_for_a_later_birth(folder):
    """The clock of files ticks every few milliseconds only."""
    first, until = touch(folder / "tick"), time.monotonic() + 60
    while version_at(first).born == version_at(touch(folder / f"tock-{time.time_ns()}")).born:
        assert time.monotonic() < until


HOSTILE = {
    "a new notebook of a deleted one's name": lambda p: deleted_and_made_anew(p, "bbbbbbbbbbbb"),
    "a new notebook that is none of ours": lambda p: deleted_and_made_anew(p, ""),
    "another notebook written over it in place": lambda p: notebook(p, "bbbbbbbbbbbb"),
    "one that is none of ours, in place": lambda p: notebook(p, ""),
    "another notebook moved over it": lambda p: replaced(p, "bbbbbbbbbbbb"),
    "a copy with its id": lambda p: copied_away(p, leaves=False),
    "a copy with its id, when it left": lambda p: copied_away(p, leaves=True),
    "a second name": linked,
    "a notebook beside it": lambda p: notebook(p.with_name("stranger.ipynb"), "bbbbbbbbbbbb"),
    "a notebook beside it with its id": lambda p: notebook(p.with_name("stranger.ipynb")),
    "a notebook that is gone": gone,
    "a FIFO of its name": special,
    "no JSON": lambda p: p.write_text("{") and p,
    "JSON without end": lambda p: p.write_text("[" * 1_000_000) and p,
    "lists without number": lambda p: p.write_text("[" + "[]," * 3_000_000 + "[]]") and p,
    "an id that is no text": lambda p: notebook(p, ["aaaaaaaaaaaa"]),
}


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and hard links")
@pytest.mark.parametrize("held", ["aaaaaaaaaaaa", ""])
@pytest.mark.parametrize("act", HOSTILE)
def test_no_grants_has(store, tmp_path, act, held):
    data, place = touch(tmp_path / "x.csv"), notebook(tmp_path / "nb" / "a.ipynb", held)
    store.record(str(place), data)
    # The system may give a new file the number of one that is gone, but not its birth.
    wait_for_a_later_birth(tmp_path)
    other = HOSTILE[act](place)
    # A notebook without an id is known by its file alone.
    expected = [data] if act == "one that is none of ours, in place" and not held else []
    assert paths(store, other) == expected
    assert paths(store, other) == expected


def test_the_notebook_has_its_grants_again_when_it_is_back(store, tmp_path):
    data, place = touch(tmp_path / "x.csv"), notebook(tmp_path / "a.ipynb")
    store.record(str(place), data)
    deleted_and_made_anew(place, "bbbbbbbbbbbb")
    other = touch(tmp_path / "y.csv")
    store.record(str(place), other)
    assert paths(store, place) == [other]
    replaced(place, "aaaaaaaaaaaa")  # another branch of git
    assert paths(store, place) == [data]


def test_who_knows_the_analysis_needs_no_file(store, tmp_path):
    """A server's own journal says where an analysis is, also before it has a notebook again."""
    data, place = touch(tmp_path / "x.csv"), str(tmp_path / "a.ipynb")
    store.record(place, data, analysis="aaaaaaaaaaaa")
    assert paths(store, place) == []
    assert paths(store, place, analysis="aaaaaaaaaaaa") == [data]
    assert paths(store, place, analysis="bbbbbbbbbbbb") == []
    assert paths(store, str(tmp_path / "b.ipynb"), analysis="aaaaaaaaaaaa") == []
    store.forget(place, analysis="bbbbbbbbbbbb")
    assert paths(store, place, analysis="aaaaaaaaaaaa") == [data]
    store.forget(place, analysis="aaaaaaaaaaaa")
    assert paths(store, place, analysis="aaaaaaaaaaaa") == []


@pytest.mark.parametrize("held", ["bbbbbbbbbbbb", ["no text"]])
def test_who_knows_the_analysis_does_not_lend_it_to_another_notebook(store, tmp_path, held):
    """A server goes on with an analysis whose notebook was replaced meanwhile."""
    data, other = touch(tmp_path / "x.csv"), touch(tmp_path / "y.csv")
    place = notebook(tmp_path / "a.ipynb")
    store.record(str(place), data)
    deleted_and_made_anew(place, held)
    store.seen(str(place), "aaaaaaaaaaaa")
    store.record(str(place), other, analysis="aaaaaaaaaaaa")
    assert paths(store, place, analysis="aaaaaaaaaaaa") == [data, other]
    assert paths(store, place) == []
    replaced(place, "aaaaaaaaaaaa")
    assert paths(store, place) == [data, other]


def test_only_what_was_not_granted_yet_is_new(store, tmp_path):
    one, two = touch(tmp_path / "1.csv"), touch(tmp_path / "2.csv")
    place = str(notebook(tmp_path / "a.ipynb"))
    for given, new in (([one], [one]), ([one, two], [two]), ([two], [])):
        made, fresh = store.record_all(place, given)
        assert [[grant.path for grant in some] for some in (made, fresh)] == [given, new]


@pytest.mark.parametrize("whole_folder", [False, True])
def test_rename_moves_grants(store, tmp_path, whole_folder):
    data = touch(tmp_path / "x.csv")
    old, new = notebook(tmp_path / "nb" / "a.ipynb"), tmp_path / "sub" / "a.ipynb"
    beside = notebook(tmp_path / "nb-2" / "a.ipynb", "bbbbbbbbbbbb")
    store.record(str(old), data)
    store.record(str(beside), data)
    new.parent.mkdir()
    replaced(old).rename(new)  # a save that the store did not see
    named = (old.parent, new.parent) if whole_folder else (old, new)
    store.rename(*map(str, named))
    assert paths(store, old) == []
    assert paths(store, new) == paths(store, beside) == [data]


# --- what stands at a granted path ----------------------------------------------------------------


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    touch(folder / "x.csv")
    touch(folder / "deep" / "y.csv")
    touch(tmp_path / "private" / "x.csv")
    touch(tmp_path / "private" / "y.csv")
    return folder


def swap(path, make):
    """Put something else in place of a file or folder, which stays beside it."""
    path.rename(path.with_name(f"{path.name}.before"))
    make(path)


REFUSED = {
    "the file became a link": lambda d: swap(
        d / "x.csv", lambda p: p.symlink_to(d.parent / "private" / "x.csv")
    ),
    "the file became a link to itself": lambda d: swap(
        d / "x.csv", lambda p: p.symlink_to("x.csv.before")
    ),
    "the file became a FIFO": lambda d: swap(d / "x.csv", os.mkfifo),
    "the file became a folder": lambda d: swap(d / "x.csv", Path.mkdir),
    "its folder became a link": lambda d: swap(
        d, lambda p: p.symlink_to(d.parent / "private", target_is_directory=True)
    ),
    "its folder was replaced": lambda d: swap(
        d, lambda p: shutil.copytree(d.parent / "private", p) and None
    ),
    "the granted folder became a link": lambda d: swap(
        d / "deep", lambda p: p.symlink_to(d.parent / "private")
    ),
    "the granted folder became a file": lambda d: swap(d / "deep", touch),
}


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and links")
@pytest.mark.parametrize("act", REFUSED)
def test_a_grant_is_refused_when(store, tmp_path, data, act):
    place = str(notebook(tmp_path / "a.ipynb"))
    target = data / "deep" if "granted folder" in act else data / "x.csv"
    store.record(place, str(target))
    REFUSED[act](data)
    (grant,) = store.for_notebook(place)
    with pytest.raises(GrantRefused, match=r"so it is not read\. If that is as you want it"):
        grant.look()
    if target.is_fifo():
        return
    fresh = store.record(place, str(target))  # the user attaches it again
    assert fresh.look().kind == fresh.kind


def test_a_grant_of_another_users_file_is_refused(store, tmp_path, data):
    place = str(notebook(tmp_path / "a.ipynb"))
    grant = store.record(place, str(data / "x.csv"))
    swap(data / "x.csv", touch)
    assert grant.look().inode != grant.identity.inode
    theirs = dataclasses.replace(grant.identity, owner=grant.identity.owner + 1)
    with pytest.raises(GrantRefused, match="another user"):
        dataclasses.replace(grant, identity=theirs).look()


ACCEPTED = {
    "changed in place": lambda d: (d / "x.csv").write_text("a\n2\n"),
    "replaced by an editor": lambda d: swap(d / "x.csv", touch),
    "a folder made anew beside": lambda d: swap(d / "deep", Path.mkdir),
    "more files in its folder": lambda d: touch(d / "z.csv"),
}


@pytest.mark.parametrize("act", ACCEPTED)
def test_a_grant_stays_when(store, tmp_path, data, act):
    place = str(notebook(tmp_path / "a.ipynb"))
    store.record_all(place, [data / "x.csv", data / "deep"])
    ACCEPTED[act](data)
    assert {grant.look().kind for grant in store.for_notebook(place)} == {"file", "folder"}


def test_a_grant_of_what_is_gone(store, tmp_path, data):
    grant = store.record(str(notebook(tmp_path / "a.ipynb")), str(data / "x.csv"))
    (data / "x.csv").unlink()
    with pytest.raises(FileNotFoundError):
        grant.look()


# --- what earlier versions left -------------------------------------------------------------------


def version_1(path, rows):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA user_version = 1; CREATE TABLE grants (notebook TEXT NOT NULL, folder TEXT NOT "
            "NULL, path TEXT NOT NULL, given TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN "
            "('file', 'folder')), granted_at REAL NOT NULL, PRIMARY KEY (notebook, path)); "
            "CREATE INDEX grants_by_folder ON grants (folder);"
        )
        with connection:
            connection.executemany(
                "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?)",
                [(str(n), str(n.parent), str(p), str(p), k, t) for n, p, k, t in rows],
            )


def test_grants_of_version_1_go_on(tmp_path):
    data, missing = touch(tmp_path / "x.csv"), tmp_path / "gone.csv"
    ours, plain = notebook(tmp_path / "a.ipynb"), notebook(tmp_path / "b.ipynb", "")
    deleted = tmp_path / "deleted.ipynb"
    rows = [(n, tmp_path / "x.csv", "file", t) for t, n in enumerate((ours, plain, deleted))]
    version_1(tmp_path / "g.sqlite3", [*rows, (ours, missing, "folder", 9.0)])
    store = GrantStore(tmp_path / "g.sqlite3")
    assert store.notice == ""
    assert paths(store, ours) == [data, str(missing)]
    assert [grant.kind for grant in store.for_notebook(str(ours))] == ["file", "folder"]
    assert store.for_notebook(str(ours))[0].granted_at == 0.0
    assert paths(store, plain) == [data]
    assert [grant.identity is None for grant in store.for_notebook(str(ours))] == [False, True]
    replaced(ours)
    assert paths(GrantStore(store.path), ours) == [data, str(missing)]
    # Nobody knows whose notebook that was, except a server that makes it again.
    notebook(deleted)
    assert paths(store, deleted) == paths(store, deleted, analysis="aaaaaaaaaaaa") == []
    deleted.unlink()
    assert paths(store, deleted, analysis="aaaaaaaaaaaa") == [data]
    assert paths(store, notebook(deleted)) == [data]
    missing.mkdir()
    assert store.for_notebook(str(ours))[1].look().kind == "folder"


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
    store.record(str(notebook(tmp_path / "a.ipynb")), touch(tmp_path / "x.csv"))
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
        "for n in range(20): store.record(f'{folder}/{me}-{n}.ipynb', data, analysis=me)"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, store.path, data, str(tmp_path), str(n)])
        for n in range(3)
    ]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    made = [(f"{tmp_path}/{me}-{n}.ipynb", str(me)) for me in range(3) for n in range(20)]
    assert all(paths(store, place, analysis=me) == [data] for place, me in made)


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
    parent = str(notebook(tmp_path / "p.ipynb"))
    branch = str(notebook(tmp_path / "sub" / "b.ipynb", "bbbbbbbbbbbb"))
    store.record(parent, str(link))
    store.record(branch, secret)  # of an earlier notebook of that name
    link.unlink()
    link.symlink_to(secret)
    assert store.copy(parent, branch) == 1
    (grant,) = store.for_notebook(branch)
    (before,) = store.for_notebook(parent)
    assert (grant.path, grant.given, grant.granted_at) == (
        before.path, before.given, before.granted_at,
    )  # fmt: skip
    assert grant.identity == before.identity
    assert store.copy(parent, parent) == 0
    assert store.for_notebook(parent) == (before,)
    store.forget(branch)
    assert store.for_notebook(branch) == ()
    assert store.copy(branch, parent) == 0
    assert store.for_notebook(parent) == ()
