"""What the user said of the data's reading is kept beside the grants, in older stores too."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from analyst_kernel.grants import GrantStore
from tests.test_grants import notebook, touch


def test_grants_of_version_2_go_on_and_keep_readings(tmp_path):
    data = touch(tmp_path / "x.csv")
    saved = (Path(__file__).parent / "saved" / "grants-2.sql").read_text()
    with closing(sqlite3.connect(tmp_path / "g.sqlite3")) as connection:
        connection.executescript(saved.replace("@ROOT@", str(tmp_path)))
    store, ours = GrantStore(tmp_path / "g.sqlite3"), tmp_path / "a.ipynb"
    (grant,) = store.for_notebook(str(ours), analysis="aaaaaaaaaaaa")
    assert grant.path == data
    notebook(ours)
    assert store.readings(str(ours)) == ()
    said = [
        (data, "", "", "header", "2"),
        (data, "s", "", "gap.a", "-9"),
        ("/y/z", "", "", "k", "v"),
    ]
    store.keep_readings(str(ours), said, analysis="aaaaaaaaaaaa")
    assert GrantStore(store.path).readings(str(ours)) == tuple(said)
    # A branch has them too; what is granted no more is forgotten.
    branch = notebook(tmp_path / "b.ipynb", "bbbbbbbbbbbb")
    store.copy(str(ours), str(branch), analysis="bbbbbbbbbbbb")
    assert store.readings(str(branch)) == tuple(said)
    assert store.revoke(str(ours), data)
    assert store.readings(str(ours)) == tuple(said[2:])
    assert store.readings(str(branch)) == tuple(said)
