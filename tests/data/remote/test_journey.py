"""From a grant on the command line to a proven answer, and to the news that the data changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.grants import GrantStore
from tests.support.command import analyst
from tests.support.notebook_io import valid_notebook
from tests.support.remote.object_server import READER, ObjectServer

pytestmark = pytest.mark.real  # starts kernels and readers

TABLE = "region,units\n" + "".join(
    f"{region},{units}\n" for region, units in [("north", 10), ("south", 20), ("north", 33)] * 5
)


@pytest.fixture
def place(store: ObjectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in store.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    store.put("open/journey/units.csv", TABLE.encode())
    return tmp_path


def test_a_question_about_a_bucket(store: ObjectServer, place: Path) -> None:
    begun = len(store.requests)
    done = analyst(
        "ask", "What is the mean of units by region?", "--data", "s3://lake/open/journey/",
        "--notebook", "units.ipynb", "--model", "offline:rules", cwd=place,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "21.5" in done.out
    assert "Fetched s3://lake/open/journey/" in done.err
    # The kernel asked nobody: its sandbox has no network, and the store saw one client's requests.
    assert store.requests[begun:] == [
        "GET /lake?list-type=2&prefix=open%2Fjourney%2F", "GET /lake/open/journey/units.csv",
    ]  # fmt: skip
    notebook = valid_notebook((place / "units.ipynb").read_bytes())
    (setup,) = [c for c in notebook["cells"] if role(c) == "setup"]
    assert 'units = pd.read_csv("s3://lake/open/journey/units.csv")' in setup["source"]
    assert "s3fs" in setup["source"]
    (grant,) = GrantStore().for_notebook(str(place / "units.ipynb"))
    held = (place / "units.ipynb").read_bytes() + b"".join(
        path.read_bytes() for path in GrantStore().path.parent.rglob("*") if path.is_file()
    )
    for secret in (READER[1], os.path.dirname(grant.path)):
        assert secret not in (place / "units.ipynb").read_text()
    assert READER[1].encode() not in held

    store.put("open/journey/units.csv", TABLE.replace("33", "34").encode())
    checked = analyst("verify", "units.ipynb", cwd=place)
    assert checked.code == 0, checked.out
    assert "The data changed: s3://lake/open/journey/units.csv is another version" in checked.out
    assert "verified with the copy" in checked.out

    fresh = analyst(
        "ask", "What is the mean of units by region?", "--data", "s3://lake/open/journey/",
        "--notebook", "units.ipynb", "--model", "offline:rules", cwd=place,
    )  # fmt: skip
    assert fresh.code == 0, fresh.err
    assert "22" in fresh.out
    (now,) = GrantStore().for_notebook(str(place / "units.ipynb"))
    assert now.path != grant.path
    assert "units_2" not in (place / "units.ipynb").read_text()


def role(cell: dict[str, Any]) -> str:
    return str(cell["metadata"].get("analyst_kernel", {}).get("role", ""))


def test_profile_files_and_doctor(store: ObjectServer, place: Path) -> None:
    shown = analyst("profile", "s3://lake/open/journey/units.csv", cwd=place)
    assert shown.code == 0, shown.err
    assert "units: 15 rows x 2 columns" in shown.out
    listed = analyst("files", "s3://lake/open/journey/", "--json", cwd=place)
    (file,) = json.loads(listed.out)
    assert (file["path"], file["bytes"]) == ("s3://lake/open/journey/units.csv", len(TABLE))


@pytest.mark.parametrize(
    "command",
    [("profile",), ("files",), ("ask", "How many?", "--model", "offline:rules", "--data")],
)
def test_a_refusal_is_bad_input_and_leaves_nothing(
    store: ObjectServer, place: Path, command: tuple[str, ...]
) -> None:
    before = sorted(place.rglob("*"))
    for address, words in (
        ("s3://lake/open/none.csv", "There is no object"),
        ("s3://lake/closed/secret.csv", "There is no|may not"),
        ("ftp://host/x.csv", "Data cannot be fetched by ftp"),
        ("https://me:hunter2@data.example/x.csv", "in front of an @"),
    ):
        if command == ("files",) and "closed" in address:
            continue  # it may be listed
        done = analyst(*command, address, cwd=place)
        assert done.code == 2, done.out
        assert any(word in done.err for word in words.split("|")), done.err
        assert "hunter2" not in done.err + done.out
        assert "Traceback" not in done.err
    assert sorted(place.rglob("*")) == before
