"""A table in folders is taken back, and what lies beside it keeps its grant; and the reverse."""

from __future__ import annotations

import json

import pytest

from analyst_kernel.grants import GrantStore
from analyst_kernel.server.session.datasets import revoke_dataset
from tests.support.reading import catalog_here


@pytest.mark.parametrize(
    ("gone", "left"), [("sales", ["stores.csv"]), ("stores", [""])], ids=["table", "beside"]
)
async def test_what_is_left_of_a_folder_stays_granted(gone, left, tmp_path):
    folder, notebook = tmp_path / "sales", tmp_path / "n.ipynb"
    for year in (1, 2):
        (folder / f"y={year}").mkdir(parents=True)
        (folder / f"y={year}/x.csv").write_text("a,b\n1,2\n")
    (folder / "stores.csv").write_text("c,d\n1,2\n")
    known = {"cells": [], "metadata": {"analyst_kernel": {"analysis": "a" * 12}}, "nbformat": 4}
    notebook.write_text(json.dumps(known))
    store = GrantStore(tmp_path / "home" / "grants.sqlite3")
    store.record(str(notebook), str(folder))
    catalog = catalog_here(notebook=str(notebook))
    assert {one.name for one in await catalog.grant([str(folder)])} == {"sales", "stores"}
    withdrawn = catalog.withdraw(gone)
    revoke_dataset(store, str(notebook), "a" * 12, withdrawn, catalog.datasets)
    granted = [grant.path for grant in store.for_notebook(str(notebook))]
    assert granted == [str(folder / name) if name else str(folder) for name in left]
