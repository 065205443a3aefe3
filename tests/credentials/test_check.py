"""A key is checked with one request to its own host, and what comes of it is one clear sentence."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from analyst_kernel.credentials.check import check_url, save_key
from analyst_kernel.credentials.store import Keys
from analyst_kernel.models.registry import list_settings
from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer, OpenAIServer
from tests.credentials.theirs import install
from tests.fakes.gemini_server import GeminiServer
from tests.fakes.wire_server import WireServer

KEY, WRONG = "sk-right-0123456789", "sk-wrong-0123456789"


@pytest.fixture(autouse=True)
def quiet(quiet_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GEMINI_BASE_URL", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    install(monkeypatch)


SERVERS = {
    "anthropic": WireServer,
    "openai": OpenAIServer,
    "gemini": GeminiServer,
    "azure": OpenAIChatServer,
    "vllm": OpenAIChatServer,
    "compatible": OpenAIChatServer,
    "compat": WireServer,
    "theirs": WireServer,
}


@pytest.mark.parametrize("name", SERVERS)
async def test_each_providers_server_is_asked_once_and_the_key_stays_there(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(1)
    keys = Keys(tmp_path)
    with SERVERS[name](keys=[KEY]) as server, WireServer() as other:
        wrong = await save_key(keys, name, WRONG, server.url)
        assert (wrong.saved, wrong.verdict) == (False, "refused"), wrong
        assert "refuses this key" in wrong.what
        assert keys.kept() == ()
        right = await save_key(keys, name, f" {KEY}\n", server.url)
        assert (right.saved, right.verdict) == (True, "accepted"), right
        assert [request.method for request in server.requests] == ["GET", "GET"]
        assert other.requests == []
        forced = await save_key(keys, name, WRONG, server.url, anyway=True)
        assert forced.saved
        assert len(server.requests) == 2
    assert keys.kept() == (name,)
    shown = f"{caplog.text} {wrong} {right} {forced}"
    assert KEY not in shown
    assert WRONG not in shown


async def test_a_local_server_needs_an_address_alone(tmp_path: Path):
    with WireServer(models=["qwen3"]) as server:
        for name in ("ollama", "lmstudio", "llamacpp"):
            assert (await save_key(Keys(tmp_path), name, "", server.url)).saved
        assert all("authorization" not in request.headers for request in server.requests)
    assert Keys(tmp_path).kept() == ("llamacpp", "lmstudio", "ollama")


@contextmanager
def answering(reply: bytes, *, tls: bool = False) -> Iterator[str]:
    """Serve one reply to each request, whatever it is."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(10)
                try:
                    client.recv(65_536)
                    client.sendall(reply)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http{'s' * tls}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        # Closing alone would not wake a thread that waits for a client.
        socket.create_connection(listener.getsockname()).close()
        thread.join(10)
        listener.close()


def reply(status: str, body: str = "{}", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


WITH_KEY = f'{{"error": "no such key {KEY}"}}'
REPLIES = [
    (reply("200 OK", '{"data": []}'), "accepted", "accepted it"),
    (reply("200 OK", "<html>Welcome</html>"), "elsewhere", "a page instead of data"),
    (reply("401 Unauthorized", WITH_KEY), "refused", "refuses this key"),
    (reply("403 Forbidden", WITH_KEY), "unchecked", "does not let this key list models"),
    (reply("404 Not Found", "<html>"), "elsewhere", "nothing that lists models"),
    (reply("429 Too Many Requests", WITH_KEY), "unchecked", "could not check it now (status 429)"),
    (reply("500 Oops", WITH_KEY), "unchecked", "could not check it now (status 500)"),
    (reply("200 OK", "[" * 100_000), "elsewhere", "a page instead of data"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "unreachable", "No server can be reached"),
    (b"", "unreachable", "No server can be reached"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "verdict", "said"), REPLIES)
async def test_what_a_server_answers_becomes_one_sentence(
    answer: bytes, verdict: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(1)
    keys = Keys(tmp_path)
    with answering(answer) as url:
        checked = await save_key(keys, "compatible", KEY, url)
    assert (checked.verdict, checked.saved) == (verdict, verdict == "accepted"), checked
    assert said in checked.what
    assert verdict == "accepted" or checked.remedy
    assert KEY not in f"{checked} {caplog.text}"


async def test_a_redirect_takes_no_key_along(tmp_path: Path):
    with WireServer() as thief:
        moved = reply("307 Moved", "{}", f"location: {thief.url}/v1/models")
        with answering(moved) as url:
            checked = await save_key(Keys(tmp_path), "compatible", KEY, url)
        assert thief.requests == []
    assert (checked.verdict, checked.saved) == ("elsewhere", False)
    assert "redirects" in checked.what


async def test_no_server_no_name_and_no_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    keys = Keys(tmp_path)
    checked = await save_key(keys, "compatible", KEY, f"http://127.0.0.1:{port}")
    assert (checked.verdict, checked.saved) == ("unreachable", False)
    assert f"http://127.0.0.1:{port}" in checked.what
    with answering(reply("200 OK"), tls=True) as url:
        checked = await save_key(keys, "compatible", KEY, url)
    assert checked.verdict == "unreachable"
    assert "certificate" in checked.what
    monkeypatch.setattr("analyst_kernel.credentials.check._SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        checked = await save_key(keys, "compatible", KEY, url)
    assert "does not answer" in checked.what
    assert keys.kept() == ()


async def test_a_check_can_be_cancelled(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        work = asyncio.create_task(save_key(Keys(tmp_path), "compatible", KEY, url))
        client, _ = await asyncio.to_thread(silent.accept)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        client.close()


@pytest.mark.parametrize(
    ("name", "url", "asked"),
    [
        ("anthropic", "https://api.anthropic.com", "https://api.anthropic.com/v1/models"),
        ("anthropic", "https://gate/anthropic/v1", "https://gate/anthropic/v1/models"),
        ("openai", "https://api.openai.com", "https://api.openai.com/v1/models"),
        ("openai", "https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1/models"),
        ("azure", "https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1/models"),
        ("compatible", "https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/models"),
        ("compatible", "https://api.deepseek.com", "https://api.deepseek.com/v1/models"),
        ("openrouter", "https://openrouter.ai/api", "https://openrouter.ai/api/v1/key"),
        ("gemini", "https://generativelanguage.googleapis.com", "https://generativelanguage.googleapis.com/v1beta/models"),
        ("ollama", "http://localhost:11434/v1", "http://localhost:11434/v1/models"),
    ],
)  # fmt: skip
def test_the_address_that_is_asked(name: str, url: str, asked: str):
    assert check_url(list_settings()[name], url) == asked


async def test_logs_of_http_say_nothing_of_a_key_though_they_say_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    for name in ("", "httpx2", "httpcore2"):
        caplog.set_level(logging.DEBUG, name)
    with answering(reply("401 No", WITH_KEY, f"x-echo: Bearer {KEY}")) as url:
        await save_key(Keys(tmp_path), "compatible", KEY, url)
    assert any(record.name.startswith("httpcore2") for record in caplog.records)
    assert KEY not in caplog.text
