"""Data, uploads, completions, exports and keys over REST."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.grants import GrantStore
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import call, python, say, script, turn
from tests.fakes.wire_server import WireServer
from tests.server.browser import Browser
from tests.server.conftest import Server, StartServer
from tests.support.notebook_io import valid_notebook, whole_text

FILE = "data/penguins_raw.csv"


async def test_data_can_be_attached_before_the_first_question_and_taken_back(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    (root / "data" / "prices.csv").write_text("item,price\nnut,2\nbolt,3\n")
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("attach_data", analysis, paths=[FILE, str(root / "data" / "prices.csv")])
    for name in ("penguins_raw", "prices"):
        await tab.frame(lambda frame, name=name: profiled(frame) == name)
    assert (await browser.summary(analysis))["notebook"] is None
    names = [p["dataset"]["name"] for p in await datasets(browser, analysis)]
    assert names == ["penguins_raw", "prices"]
    code = "print(sorted(name for name in ('prices', 'penguins_raw') if name in globals()))"
    model = script(tmp_path, python(code), say("Both."))
    await tab.do("ask_question", analysis, question="Which?", model=model)
    await tab.event("run_finished")
    assert tab.of("iteration_finished")[0]["outputs"][0]["text"] == "['penguins_raw', 'prices']\n"
    notebook = (await browser.summary(analysis))["notebook_path"]
    assert os.path.dirname(notebook) == str(root / "data")

    await tab.do("detach_data", analysis, name="prices")
    assert await tab.event("dataset_detached", name="prices")
    assert "prices was taken back" in (await tab.event("kernel_changed", state="stopped"))["reason"]
    granted = await asyncio.to_thread(lambda: GrantStore().for_notebook(notebook))
    assert [os.path.basename(grant.path) for grant in granted] == ["penguins_raw.csv"]
    assert [p["dataset"]["name"] for p in await datasets(browser, analysis)] == ["penguins_raw"]


async def test_what_was_swapped_for_a_link_since_it_was_attached_is_not_granted(
    browser: Browser, root: Path, tmp_path: Path
) -> None:
    """Code of another analysis may write where the file lies."""
    file, secret = root / "data" / "prices.csv", tmp_path / "credentials"
    file.write_text("item,price\nnut,2\n")
    secret.write_text("item,price\nkey,1\n")
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("attach_data", analysis, paths=[str(file)])
    await tab.frame(lambda frame: profiled(frame) == "prices")
    file.unlink()
    file.symlink_to(secret)
    answer = await tab.command("ask_question", analysis, question="Which?", model="offline:rules")
    assert "is a symbolic link now, so it is not read" in json.dumps(answer)
    assert (await browser.summary(analysis))["notebook"] is None
    with GrantStore()._open() as connection:
        assert connection.execute("SELECT path FROM grants").fetchall() == []


def profiled(frame: dict[str, Any]) -> str | None:
    event = frame.get("event", {})
    if event.get("type") != "dataset_profiled":
        return None
    return str(event["profile"]["dataset"]["name"])


async def datasets(browser: Browser, analysis: str) -> list[dict[str, Any]]:
    answer = await browser.call("GET", "api/datasets", analysis=analysis)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json
    return found


def form(*files: tuple[str, bytes]) -> dict[str, Any]:
    edge = "a-line-between"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: text/csv\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    body = b"".join(parts) + f"--{edge}--\r\n".encode()
    return {"raw": body, "headers": {"Content-Type": f"multipart/form-data; boundary={edge}"}}


async def test_an_upload_is_stored_beside_the_notebook_and_granted(
    browser: Browser, root: Path
) -> None:
    analysis = await browser.begin(folder="data")
    sent = form(("../../sales 2024.csv", b"a,b\n1,2\n"))
    answer = await browser.call("POST", "api/upload", analysis=analysis, **sent)
    assert answer.status == 201, answer.body
    assert answer.json == {"paths": ["data/sales 2024.csv"]}
    other = form(("sales 2024.csv", b"a,b\n3,4\n5,6\n"))
    answer = await browser.call("POST", "api/upload", analysis=analysis, **other)
    assert answer.json == {"paths": ["data/sales 2024-1.csv"]}
    raw = await browser.call(
        "POST", "api/upload", raw=b"x,y\n1,2\n", analysis=analysis, name="raw.csv"
    )
    assert raw.status == 201
    assert sorted(p["dataset"]["rows"] for p in await datasets(browser, analysis)) == [1, 1, 2]
    assert not list(root.parent.glob("*.csv"))


async def test_an_upload_that_is_no_data_is_refused_and_leaves_nothing(
    browser: Browser, root: Path
) -> None:
    analysis = await browser.begin()
    before = sorted(root.rglob("*"))
    for name, content in (("picture.xlsx", b"\x89PNG nonsense"), ("..", b"a,b\n1,2\n")):
        answer = await browser.call(
            "POST", "api/upload", analysis=analysis, **form((name, content))
        )
        assert answer.status == 400, answer.body
        assert answer.json["message"]
    assert sorted(root.rglob("*")) == before


async def test_completions_name_datasets_columns_variables_and_cells(
    browser: Browser, tmp_path: Path
) -> None:
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    model = script(tmp_path, python("species_count = penguins_raw['Species'].nunique()", "Count"),
                   say("3."))  # fmt: skip
    await tab.do("ask_question", analysis, question="How many?", data=[FILE], model=model)
    await tab.event("run_finished")

    async def found(prefix: str) -> list[dict[str, str]]:
        path = f"api/analyses/{analysis}/completions"
        answer = await browser.call("GET", path, prefix=prefix)
        listed: list[dict[str, str]] = answer.json
        return listed

    species = await found("spec")
    assert {(one["label"], one["kind"]) for one in species} >= {
        ("Species", "column"),
        ("species_count", "variable"),
    }
    assert (await found("penguins"))[0]["kind"] == "dataset"
    assert next(o for o in await found("culmen"))["insert"].startswith("penguins_raw['Culmen")
    (cell,) = [one for one in await found("cell") if one["kind"] == "cell"]
    assert cell["detail"] == "Count"
    assert {one["kind"] for one in await found("")} == {"dataset", "column", "variable", "cell"}


async def test_the_status_offers_a_question_per_shipped_file(browser: Browser) -> None:
    status = (await browser.call("GET", "api/status")).json
    assert status["default_model"] == "offline:rules"
    assert status["is_ai"] is False
    (example,) = status["examples"]
    assert (example["path"], example["rows"]) == (FILE, 344)


async def test_an_analysis_is_exported_in_each_form(browser: Browser, tmp_path: Path) -> None:
    analysis = await browser.begin()
    path = f"api/analyses/{analysis}/export"
    assert (await browser.call("GET", path)).status == 400
    tab = await browser.tab(analysis)
    model = script(tmp_path, python("print(6 * 7)"), say("It is 42."))
    await tab.do("ask_question", analysis, question="How much?", model=model)
    await tab.event("run_finished")
    full = await browser.call("GET", path, to="ipynb")
    valid_notebook(full.body)
    assert "how-much.ipynb" in full.headers["Content-Disposition"]
    page = await browser.call("GET", path, to="html")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"42" in page.body
    assert b"<script" not in page.body
    assert b"print(6 * 7)" in (await browser.call("GET", path, to="py", clean="1")).body
    clean = await browser.call("GET", path, to="ipynb", clean="1")
    assert clean.headers["X-Analyst-Verified"].startswith("reproduced")
    assert b"analyst_kernel" not in clean.body
    assert (await browser.call("GET", path, to="exe")).status == 400


async def test_a_key_is_kept_for_its_owner_alone_and_never_comes_out(
    start_server: StartServer, wire_server: WireServer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire_server.url)
    caplog.set_level(logging.DEBUG)
    wire_server.push(
        turn(call("run_python", code="import os\nprint(sorted(os.environ))", purpose="Look")),
        turn(say("Done.")),
    )
    server: Server = await start_server()
    browser = server.browser
    for body in (
        {"provider": "anthropic", "key": ""},
        {"provider": "anthropic", "key": "two words"},
        {"provider": "nobody", "key": FAKE_KEY},
    ):
        assert (await browser.call("POST", "api/models/key", body)).status == 400
    spoilt = await browser.call("POST", "api/models/key", raw=f'{{"key": "{FAKE_KEY}"'.encode())
    assert spoilt.status == 400
    kept = await browser.call("POST", "api/models/key", {"provider": "anthropic", "key": FAKE_KEY})
    assert kept.status == 200, kept.body
    file = tmp_path / "data" / "analyst-kernel" / "keys.json"
    assert file.stat().st_mode & 0o777 == 0o600
    models = await browser.call("GET", "api/models")
    assert models.json["default"].startswith("anthropic:")

    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    await tab.do("ask_question", analysis, question="Go")
    done = await tab.event("run_finished")
    assert done["usage"]["calls"] >= 2, done["reason"]
    sent = wire_server.messages_requests[0].headers
    assert FAKE_KEY in " ".join(sent.values())
    summary = await browser.summary(analysis)
    assert summary["is_ai"] is True

    places = [
        json.dumps(tab.frames), models.body.decode(), kept.body.decode(), spoilt.body.decode(),
        (await browser.call("GET", "api/status")).body.decode(), caplog.text,
        whole_text(summary["notebook_path"]),
    ]  # fmt: skip
    places += [
        path.read_bytes().decode("utf-8", "replace")
        for path in file.parent.rglob("*")
        if path != file and path.is_file()
    ]
    assert not [place for place in places if FAKE_KEY in place]
    assert FAKE_KEY not in json.dumps(dict(os.environ))
    assert (await browser.call("DELETE", "api/models/key", provider="anthropic")).status == 200
    assert FAKE_KEY not in file.read_text()
    assert (await browser.call("GET", "api/models")).json["default"] == "offline:rules"
    assert (await tab.event("analysis_configured", model="offline:rules"))["is_ai"] is False
