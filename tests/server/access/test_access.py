"""No access without identity, and a server's start loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from analyst_kernel.server.http.routes import ROUTES
from tests.server.browser import TOKEN, Browser
from tests.server.conftest import StartServer

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
FILLED = {"([0-9A-Za-z_-]{1,64})": "abc", "([0-9]{1,9})": "7"}


def filled(pattern: str) -> str:
    """Return a path that a route's pattern stands for."""
    for group, value in FILLED.items():
        pattern = pattern.replace(group, value)
    assert "(" not in pattern, pattern
    return pattern


PATHS = [filled(pattern) for pattern, _ in ROUTES]


async def test_no_route_answers_without_a_token(browser: Browser) -> None:
    for path in PATHS:
        for method in METHODS:
            body: object = {} if method in ("POST", "PATCH", "PUT") else None
            answer = await browser.fetch(method, path, body, token=None)
            assert answer.status in (403, 405), (method, path, answer.status)
            wrong = await browser.fetch(method, path, body, token="wrong")
            assert wrong.status in (403, 405), (method, path, wrong.status)
        assert (await browser.fetch("GET", path, token=None)).status in (403, 405), path


async def test_the_routes_answer_with_a_token_below_the_base_url_only(browser: Browser) -> None:
    assert (await browser.call("GET", "api/status")).status == 200
    outside = Browser(browser.port, "/")
    assert (await outside.call("GET", "api/status")).status == 404


async def test_a_socket_needs_a_token(browser: Browser) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await websocket_connect(f"ws://{browser.base}analyst-kernel/socket")
    assert refused.value.code == 403


async def test_a_page_of_another_origin_gets_no_socket_with_a_cookie(browser: Browser) -> None:
    login = await browser.fetch("GET", f"api/status?token={TOKEN}", token=None)
    cookie = "; ".join(c.split(";")[0] for c in login.headers.get_list("Set-Cookie"))
    assert cookie
    address = f"ws://{browser.base}analyst-kernel/socket"
    foreign = HTTPRequest(address, headers={"Cookie": cookie, "Origin": "https://evil.example"})
    with pytest.raises(HTTPClientError) as refused:
        await websocket_connect(foreign)
    assert refused.value.code == 403
    own = HTTPRequest(
        address, headers={"Cookie": cookie, "Origin": f"http://127.0.0.1:{browser.port}"}
    )
    (await websocket_connect(own)).close()


async def test_a_cookie_without_the_xsrf_token_changes_nothing(browser: Browser) -> None:
    login = await browser.fetch("GET", f"api/status?token={TOKEN}", token=None)
    cookie = "; ".join(c.split(";")[0] for c in login.headers.get_list("Set-Cookie"))
    answer = await browser.call("POST", "api/analyses", {}, token=None, headers={"Cookie": cookie})
    assert answer.status == 403
    assert (await browser.call("GET", "api/analyses")).json == []


async def test_an_authorizer_that_denies_is_obeyed(start_server: StartServer) -> None:
    from jupyter_server.auth import Authorizer

    server = await start_server()

    class ReadOnly(Authorizer):
        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
            return action == "read"

    server.app.web_app.settings["authorizer"] = ReadOnly()
    browser = server.browser
    assert (await browser.call("GET", "api/analyses")).status == 200
    assert (await browser.call("POST", "api/analyses", {})).status == 403
    with pytest.raises(HTTPClientError) as refused:
        await browser.tab()
    assert refused.value.code == 403


async def test_errors_are_sentences_with_a_remedy(browser: Browser) -> None:
    missing = await browser.call("GET", "api/analyses/abc")
    assert missing.status == 404
    assert missing.json["message"] == "There is no such analysis."
    assert missing.json["remedy"]
    for answer in (
        await browser.call("POST", "api/analyses", raw=b"not json"),
        await browser.call("POST", "api/analyses", {"notebook": "none.ipynb"}),
        await browser.call("POST", "api/analyses", {"title": 7}),
        await browser.call("GET", "api/datasets"),
    ):
        assert answer.status == 400
        assert answer.json["message"].endswith((".", "="))
        assert "Traceback" not in answer.body.decode()


def test_loading_the_extension_imports_nothing_heavy() -> None:
    code = (
        "import sys, json, jupyter_server.serverapp, jupyter_server.extension.application\n"
        "before = set(sys.modules)\n"
        "import analyst_kernel\n"
        "points = analyst_kernel._jupyter_server_extension_points()\n"
        "assert points[0]['app'].name == 'analyst_kernel'\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "analyst_kernel.server.extension" in loaded
    heavy = ("analyst_kernel.protocol", "analyst_kernel.agent", "pydantic", "anthropic", "pandas",
             "duckdb", "numpy", "nbconvert", "nbformat", "matplotlib", "keyring")  # fmt: skip
    assert [name for name in loaded if name.startswith(heavy)] == []
