"""What servers say of their models, where they are asked; hostile answers say nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from analyst_kernel.models.asked import ask_servers
from analyst_kernel.models.compatible_providers import OPENROUTER

NOWHERE = {
    f"ANALYST_{name}_URL": "http://192.0.2.1:1" for name in ("OLLAMA", "LMSTUDIO", "LLAMACPP", "VLLM")
}  # fmt: skip


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Serve JSON (or bytes) by path; yields the address and the requests."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            asked.append((self.path, dict(self.headers), self.rfile.read(size)))
            found = answers.get(self.path)
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


OLLAMA = {
    "/api/tags": {"models": [{"name": "small:8b"}]},
    "/api/show": {
        "model_info": {"small.context_length": 40_960},
        "capabilities": ["completion", "tools", "thinking"],
    },
}
LM_STUDIO = {
    "/api/v0/models": {
        "data": [
            {"id": "see", "type": "vlm", "max_context_length": 8192, "capabilities": ["tool_use"]},
            {"id": "embed", "type": "embeddings"},
        ]
    }
}
LISTED = {"/v1/models": {"data": [{"id": "own/model", "max_model_len": 32_768}]}}


@pytest.mark.parametrize(
    ("variable", "answers", "expected"),
    [
        ("OLLAMA", OLLAMA, ("ollama:small:8b", 40_960, False, True, True)),
        ("LMSTUDIO", LM_STUDIO, ("lmstudio:see", 8192, True, None, True)),
        ("VLLM", LISTED, ("vllm:own/model", 32_768, None, None, None)),
    ],
)
async def test_local_servers_say_what_their_models_can(
    variable: str, answers: dict[str, Any], expected: tuple[Any, ...]
):
    with serving(answers) as (url, _):
        (found,) = await ask_servers({**NOWHERE, f"ANALYST_{variable}_URL": url}, seconds=30.0)
    facts = found.facts
    said = (found.name, facts.context, facts.images, facts.reasoning, facts.tools)
    assert said == expected


async def test_openrouter_says_its_prices_and_gets_no_key(monkeypatch: pytest.MonkeyPatch):
    row = {
        "id": "vendor/model",
        "context_length": 200_000,
        "top_provider": {"max_completion_tokens": 64_000},
        "architecture": {"input_modalities": ["text", "image"]},
        "supported_parameters": ["tools", "reasoning"],
        "pricing": {"prompt": "0.000002", "completion": "0.00001", "input_cache_read": "0.0000002"},
    }
    odd = {"id": "vendor/auto", "pricing": {"prompt": "-1", "completion": "-1"}}
    with serving({"/v1/models": {"data": [row, odd]}}) as (url, asked):
        monkeypatch.setattr(type(OPENROUTER), "address", lambda self, env: url)
        env = {"OPENROUTER_API_KEY": "sk-secret"}
        found = {model.name: model.facts for model in await ask_servers(env, seconds=30.0)}
    facts = found["openrouter:vendor/model"]
    assert (facts.context, facts.output, facts.images, facts.tools) == (200_000, 64_000, True, True)
    tariff = facts.tariff(date(2026, 11, 29))
    assert tariff is not None
    assert (tariff.base.input, tariff.base.output) == pytest.approx((2.0, 10.0))
    assert tariff.base.cache_read == pytest.approx(0.2)
    assert found["openrouter:vendor/auto"].tariffs == ()
    assert "sk-secret" not in str(asked)


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"[]", b"{}", b'{"models": 1}', b'{"models": [1, {}]}', b"[" * 100_000],
)
async def test_an_answer_of_another_kind_says_nothing(answer: bytes):
    with serving({"/api/tags": answer, "/api/v0/models": answer}) as (url, _):
        env = {**NOWHERE, "ANALYST_OLLAMA_URL": url, "ANALYST_LMSTUDIO_URL": url}
        assert await ask_servers(env, seconds=30.0) == ()


async def test_a_server_elsewhere_is_not_asked():
    assert await ask_servers({**NOWHERE, "ANALYST_OLLAMA_URL": "no address"}) == ()
