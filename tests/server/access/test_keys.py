"""Keys on a server: from every source, in every use, and nowhere that anything is written."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer, OpenAIServer
from tests.fakes.turns import call, fail, turn
from tests.fakes.wire_server import WireServer
from tests.server.conftest import PLAIN, Server, StartServer

IN_FILE, NAMED, IN_ENVIRONMENT, WRONG, OLD = (
    f"sk-planted-{where}-0123456789" for where in ("file", "named", "environment", "wrong", "old")
)
PLANTED = (IN_FILE, NAMED, IN_ENVIRONMENT, WRONG, OLD)


async def test_planted_keys_are_in_no_place_that_is_written_though_everything_is_logged(
    start_server: StartServer, wire_server: WireServer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """One question with a stored key, one with a named one, one with a key of the environment."""
    for name in ("", "tornado", "httpx2", "httpcore2", "traitlets", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    stores = tmp_path / "data" / "analyst-kernel"
    stores.mkdir(parents=True)
    (stores / "keys.json").write_text(json.dumps({"openrouter": OLD}))
    secret = tmp_path / "secrets" / "vllm"
    secret.parent.mkdir()
    secret.write_text(NAMED + "\n")
    with OpenAIServer(keys=[IN_FILE]) as openai, OpenAIChatServer(keys=[NAMED]) as vllm:
        monkeypatch.setenv("ANALYST_COMPAT_URL", wire_server.url)
        monkeypatch.setenv("ANALYST_COMPAT_KEY", IN_ENVIRONMENT)
        server: Server = await start_server(
            key_files={"vllm": str(secret)}, provider_urls={"vllm": vllm.url}
        )
        # What `jupyter server --debug` writes first.
        server.app.log.setLevel(logging.DEBUG)
        server.app.log.debug("Config changed: %r", server.app.config)
        browser = server.browser
        bodies = []

        async def save(key: str, anyway: bool = False) -> dict[str, object]:
            body = {"provider": "openai", "key": key, "url": openai.url, "anyway": anyway}
            answer = await browser.call("POST", "api/models/key", body)
            bodies.append(answer.body.decode())
            assert answer.status == 200, answer.body
            return dict(answer.json)

        refused = await save(WRONG)
        assert (refused["saved"], refused["verdict"]) == (False, "refused")
        assert WRONG not in (stores / "keys.json").read_text()
        assert (await save(IN_FILE))["saved"] is True
        listing = await browser.call("GET", "api/models")
        bodies.append(listing.body.decode())
        states = {state["provider"]: state for state in listing.json["keys"]}
        assert {name: state["source"] for name, state in states.items()} == {
            "openai": "file", "vllm": "settings", "compat": "environment", "openrouter": "file",
        }  # fmt: skip
        assert states["openai"]["host"] == openai.url
        assert listing.json["kept_keys"] == ["openai", "openrouter"]
        assert not any("authorization" in r.headers for r in wire_server.requests)

        look = turn(call("run_python", code="import os\nprint(dict(os.environ))", purpose="Look"))
        analysis = await browser.begin()
        tab = await browser.tab(analysis)
        for fake, model, key in (
            (openai, "openai:m", IN_FILE),
            (vllm, "vllm:m", NAMED),
            (wire_server, "compat:m", IN_ENVIRONMENT),
        ):
            echo = {"x-echo": f"Bearer {key}"}
            fake.push(
                look, fail("status", status=500, message=f"echo {key}", headers=echo),
                turn(call("run_python", code="1 / 0", purpose="Fail")),
                fail("status", status=401, message=f"no such key {key}"),
            )  # fmt: skip
            before = len(tab.frames)
            await tab.do("choose_model", analysis, model=model)
            await tab.do("ask_question", analysis, question=f"Ask {model}")
            done = await tab.event("run_finished", start=before)
            assert done["status"] == "failed", done
            assert "key" in done["reason"], done
            sent = [request.headers.get("authorization", "") for request in fake.requests]
            assert f"Bearer {key}" in sent
            others = [one for one in PLANTED if one != key and one != WRONG]
            assert not [text for text in sent if any(one in text for one in others)]
        summary = await browser.summary(analysis)
        bodies.append((await browser.call("GET", "api/status")).body.decode())
        # Elsewhere the stored key is not sent.
        with OpenAIServer() as thief:
            monkeypatch.setenv("OPENAI_BASE_URL", thief.url)
            changed = (await browser.call("GET", "api/models")).json
            (state,) = [one for one in changed["keys"] if one["provider"] == "openai"]
            assert "leads to another host" in state["unused"]
            await tab.do("choose_model", analysis, model="compat:m")
            assert thief.requests == []
            monkeypatch.delenv("OPENAI_BASE_URL")
        gone = await browser.call("DELETE", "api/models/key", provider="openai")
        assert gone.status == 200
        await server.stop()
    out, err = capfd.readouterr()
    places = {"frames": json.dumps(tab.frames), "log": caplog.text, "out": out, "err": err}
    places |= {f"body {number}": body for number, body in enumerate(bodies)}
    assert Path(str(tmp_path / "root" / summary["notebook_path"])).is_file()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path not in (stores / "keys.json", secret):
            places[str(path)] = path.read_bytes().decode("utf-8", "replace")
    assert len(places) > 10
    found = [(where, key) for where, text in places.items() for key in PLANTED if key in text]
    assert found == []
    assert caplog.text.count("openai") > 0
    left = (stores / "keys.json").read_text()
    assert IN_FILE not in left
    assert OLD in left


async def test_an_administrator_locks_keys_and_providers(
    start_server: StartServer, wire_server: WireServer, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("ANALYST_COMPAT_URL", wire_server.url)
    stores = tmp_path / "data" / "analyst-kernel"
    stores.mkdir(parents=True)
    (stores / "keys.json").write_text(json.dumps({"anthropic": OLD}))
    locked = {"keys": True, "providers": ["compat", "vllm"]}
    browser = (await start_server(locked=locked, **PLAIN)).browser
    listing = (await browser.call("GET", "api/models")).json
    names = {provider["name"] for provider in listing["providers"]}
    assert names == {"compat", "vllm", "offline", "scripted"}
    assert (listing["default"], listing["keys"], listing["key_place"]) == ("offline:rules", [], "")
    for method, body, query in (
        ("POST", {"provider": "vllm", "key": "k", "url": wire_server.url}, {}),
        ("POST", {"provider": "openai", "key": "k"}, {}),
        ("DELETE", None, {"provider": "anthropic"}),
    ):
        refused = await browser.call(method, "api/models/key", body, **query)
        assert refused.status == 400
        assert "administrator" in refused.json["message"]
    analysis = await browser.begin()
    tab = await browser.tab(analysis)
    refusal = await tab.command("choose_model", analysis, model="ollama:m")
    assert "does not allow models of ollama" in json.dumps(refusal)
    await tab.do("choose_model", analysis, model="compat:m")
    assert (await tab.event("analysis_configured", model="compat:m"))["is_ai"] is True
    assert OLD in (stores / "keys.json").read_text()


async def test_local_servers_are_asked_on_request_alone(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WireServer(models=["qwen3"]) as local:
        for name in ("LMSTUDIO", "LLAMACPP"):
            monkeypatch.setenv(f"ANALYST_{name}_URL", "http://127.0.0.1:9")
        browser = (await start_server()).browser
        saved = await browser.call(
            "POST", "api/models/key",
            {"provider": "ollama", "key": "", "url": local.url, "anyway": True},
        )  # fmt: skip
        assert saved.json["saved"] is True
        for _ in range(2):
            await browser.call("GET", "api/status")
            assert (await browser.call("GET", "api/models")).json["local"] == []
        assert local.requests == []
        found = await browser.call("GET", "api/models", local="1")
        assert found.json["local"] == ["ollama:qwen3"]
        asked = len(local.requests)
        assert (await browser.call("GET", "api/models")).json["local"] == ["ollama:qwen3"]
        assert len(local.requests) == asked == 1
