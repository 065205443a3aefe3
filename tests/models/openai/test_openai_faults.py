"""What the servers of OpenAI's wires answer when something is wrong, in their own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analyst_kernel.protocol.errors import ModelError
from analyst_kernel.testing.wires import Page, collect
from tests.models.conformance.wires import chat, openai

ANSWERS: list[tuple[str, int, Any, str, bool]] = [
    # OpenAI
    ("quota", 429, {"error": {"code": "insufficient_quota", "type": "insufficient_quota", "message": "You exceeded your current quota."}}, "auth", False),
    ("key", 401, {"error": {"code": "invalid_api_key", "message": "Incorrect API key provided: sk-..."}}, "auth", False),
    ("region", 403, {"error": {"code": "unsupported_country_region_territory", "message": "Country not supported"}}, "auth", False),
    ("model", 404, {"error": {"code": "model_not_found", "message": "The model `gpt-0` does not exist"}}, "request", False),
    ("context", 400, {"error": {"code": "context_length_exceeded", "message": "Your input exceeds the context window of this model."}}, "too_long", False),
    ("tokens per minute", 429, {"error": {"code": "rate_limit_exceeded", "type": "tokens", "message": "Rate limit reached. Please try again in 1.2s."}}, "rate_limited", True),
    ("overload", 503, {"error": {"code": None, "type": "service_unavailable", "message": "The engine is currently overloaded"}}, "overloaded", True),
    ("slow down", 503, {"error": {"code": "slow_down", "message": "Slow down."}}, "overloaded", True),
    ("policy", 400, {"error": {"code": "cyber_policy", "message": "This request was flagged."}}, "refused", False),
    # Azure
    ("azure filter", 400, {"error": {"code": "content_filter", "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "refused", False),
    ("azure deployment", 404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}, "request", False),
    # vLLM
    ("vllm context", 400, {"object": "error", "message": "This model's maximum context length is 8192 tokens.", "type": "BadRequestError", "code": 400}, "too_long", False),
    ("vllm model", 404, {"error": {"message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404}}, "request", False),
    ("vllm tools", 400, {"error": {"message": '"auto" tool choice requires --enable-auto-tool-choice', "type": "BadRequestError", "code": 400}}, "request", False),
    # llama.cpp
    ("llama.cpp loading", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "overloaded", True),
    ("llama.cpp context", 400, {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}, "too_long", False),
    # Ollama
    ("ollama model", 404, {"error": {"message": 'model "x" not found, try pulling it first', "type": "api_error"}}, "request", False),
    ("ollama text", 500, {"error": "llama runner process has terminated"}, "server", True),
    # OpenRouter, at its own status and at 200
    ("openrouter credits", 402, {"error": {"code": 402, "message": "Insufficient credits"}}, "auth", False),
    ("openrouter model", 400, {"error": {"code": 400, "message": "x/y is not a valid model ID"}}, "request", False),
    ("openrouter upstream", 502, {"error": {"code": 502, "message": "Provider returned error"}}, "server", True),
    ("openrouter in json", 200, {"error": {"code": 429, "message": "Rate limited upstream"}}, "rate_limited", True),
    ("json with a text", 200, {"error": "at capacity"}, "overloaded", True),
    # Mistral, DeepSeek, Groq, Gemini's compatible address
    ("mistral model", 400, {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "request", False),
    ("mistral detail", 422, {"detail": [{"loc": ["body"], "msg": "Extra inputs"}]}, "request", False),
    ("deepseek money", 402, {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}, "auth", False),
    ("deepseek model", 400, {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}}, "request", False),
    ("groq size", 413, {"error": {"message": "Request too large for model `x` on tokens per minute", "type": "tokens", "code": "rate_limit_exceeded"}}, "rate_limited", True),
    ("gemini list", 429, [{"error": {"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}}], "rate_limited", True),
    # no server of the protocol
    ("nothing there", 404, {}, "request", False),
    ("a text", 418, "short and stout", "request", False),
    ("a number", 500, 3, "server", True),
]  # fmt: skip


@pytest.mark.parametrize("connect", [openai, chat], ids=["responses", "chat"])
@pytest.mark.parametrize(
    ("name", "status", "body", "fault", "retryable"), ANSWERS, ids=[name for name, *_ in ANSWERS]
)
async def test_answers_of_servers(
    connect: Any, name: str, status: int, body: Any, fault: str, retryable: bool
):
    page = Page(json.dumps(body), status=status, kind="application/json")
    async with page as url:
        model = connect(url)
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert (raised.value.fault, raised.value.retryable) == (fault, retryable)
    assert raised.value.retry_after == (1.2 if name == "tokens per minute" else None)
    assert page.asked == 1
    assert raised.value.what.endswith(".")
    assert raised.value.remedy


@pytest.mark.parametrize("connect", [openai, chat], ids=["responses", "chat"])
async def test_an_address_that_leads_elsewhere_is_said_to(connect: Any):
    async with Page("<html>404</html>", status=404) as url:
        model = connect(url)
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert "base URL" in raised.value.remedy
    assert "<html>" not in str(raised.value)
    assert url in raised.value.what
