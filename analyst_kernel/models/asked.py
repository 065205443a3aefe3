"""What servers say of their models, asked only on request: limits, abilities, prices.

Ollama, LM Studio, llama.cpp and vLLM at their usual ports or those that the user set, and only if
they are on this machine; OpenRouter's public list, if its key is set, which is not sent. What they
say is shown, and kept nowhere: what is to hold belongs in the user's own table of models.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from analyst_kernel.models.compatible_providers import LLAMACPP, LMSTUDIO, OLLAMA, OPENROUTER
from analyst_kernel.models.openai_providers import VLLM
from analyst_kernel.models.prices import Price, Tariff
from analyst_kernel.models.registry import env_of
from analyst_kernel.models.table import ModelFacts
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env

_MOST_BYTES = 20_000_000
_MOST_MODELS = 1_000
_LARGEST = 1 << 40


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A model of a server; ``name`` is ``provider:name``."""

    name: str
    facts: ModelFacts


async def ask_servers(env: Env | None = None, *, seconds: float = 5.0) -> tuple[AskedModel, ...]:
    """Return what the servers that answer within ``seconds`` say of their models."""
    variables = os.environ if env is None else env
    found = await asyncio.gather(*(_ask(*place, seconds) for place in _places(variables)))
    return tuple(model for models in found for model in models)


_Read = Callable[[str, float], Iterable[tuple[str, ModelFacts]]]


def _places(env: Env) -> list[tuple[str, _Read, str]]:
    places: list[tuple[str, _Read, str]] = []
    for row in (OLLAMA, LMSTUDIO, LLAMACPP, VLLM):
        try:
            url = row.address(env_of(row.name, row.settings, env)[0])
        except ModelChoiceError:
            continue
        # A question must not reach out of this machine, whatever the variable says.
        if Connection(url).is_local:
            read = {"ollama": _ollama, "lmstudio": _lm_studio}.get(row.name, _listed)
            places.append((row.name, read, url.removesuffix("/v1")))
    own, _ = env_of(OPENROUTER.name, OPENROUTER.settings, env)
    if not OPENROUTER.missing(own):
        places.append((OPENROUTER.name, _openrouter, OPENROUTER.address(own)))
    return places


async def _ask(provider: str, read: _Read, url: str, seconds: float) -> list[AskedModel]:
    try:
        async with asyncio.timeout(seconds):
            rows = await asyncio.to_thread(lambda: list(read(url, seconds)))
    except (OSError, ValueError, TypeError, KeyError, TimeoutError, RecursionError, HTTPException):
        return []
    return [AskedModel(f"{provider}:{name}", facts) for name, facts in rows[:_MOST_MODELS]]


def _ollama(url: str, seconds: float) -> Iterable[tuple[str, ModelFacts]]:
    for row in _rows(_get(f"{url}/api/tags", seconds), "models"):
        name = str(row["name"])
        said = _get(f"{url}/api/show", seconds, {"model": name})
        info = said.get("model_info") or {}
        lengths = [n for key, n in info.items() if str(key).endswith(".context_length")]
        can = said.get("capabilities")
        yield name, _facts(lengths[0] if lengths else None, None, can, "vision", "thinking")


def _lm_studio(url: str, seconds: float) -> Iterable[tuple[str, ModelFacts]]:
    for row in _rows(_get(f"{url}/api/v0/models", seconds), "data"):
        if row.get("type") not in ("llm", "vlm"):
            continue
        can = [*(row.get("capabilities") or ()), str(row["type"])]
        yield str(row["id"]), _facts(row.get("max_context_length"), None, can, "vlm", "")


def _listed(url: str, seconds: float) -> Iterable[tuple[str, ModelFacts]]:
    for row in _rows(_get(f"{url}/v1/models", seconds), "data"):
        meta = row.get("meta") or {}
        context = row.get("max_model_len", meta.get("n_ctx_train"))
        yield str(row["id"]), ModelFacts(context=_count(context))


def _openrouter(url: str, seconds: float) -> Iterable[tuple[str, ModelFacts]]:
    for row in _rows(_get(f"{url}/v1/models", seconds), "data"):
        top = row.get("top_provider") or {}
        seen = (row.get("architecture") or {}).get("input_modalities") or ()
        can = [*(row.get("supported_parameters") or ()), *seen]
        facts = _facts(
            row.get("context_length"), top.get("max_completion_tokens"), can, "image", "reasoning"
        )
        yield str(row["id"]), _priced(facts, row.get("pricing") or {})


def _facts(context: object, output: object, can: Any, seeing: str, thinking: str) -> ModelFacts:
    """Return facts from a list of abilities; without one, none of them is known."""
    said = {str(each) for each in can} if isinstance(can, list) else None
    return ModelFacts(
        context=_count(context),
        output=_count(output),
        images=None if said is None else seeing in said,
        reasoning=None if said is None or not thinking else thinking in said,
        tools=None if said is None else bool(said & {"tools", "tool_use"}),
    )


def _priced(facts: ModelFacts, pricing: Mapping[str, Any]) -> ModelFacts:
    """Return the facts with a price, which is given in dollars for a single token, as text."""
    paid = float(pricing["prompt"]) * 1e6, float(pricing["completion"]) * 1e6
    if not all(0 <= each < _LARGEST for each in paid):
        return facts
    read = float(pricing.get("input_cache_read") or pricing["prompt"]) * 1e6
    write = float(pricing.get("input_cache_write") or pricing["prompt"]) * 1e6
    tariff = Tariff(Price(*paid, cache_write=write, cache_read=read))
    return ModelFacts(
        facts.context, facts.output, facts.images, facts.reasoning, facts.tools,
        tariffs=((None, tariff),), billing="reported",
    )  # fmt: skip


def _count(value: object) -> int | None:
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LARGEST
    return int(str(value)) if sound else None


def _rows(answer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = answer.get(name)
    if not isinstance(rows, list):
        return []
    return [row for row in rows[:_MOST_MODELS] if isinstance(row, Mapping)]


def _get(url: str, seconds: float, body: object = None) -> Mapping[str, Any]:
    local = Connection(url).is_local
    # No proxy for this machine: it would be asked for a server of its own.
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310 - the address was checked
    with opener.open(request, timeout=seconds) as response:
        found = json.loads(response.read(_MOST_BYTES))
    if not isinstance(found, Mapping):
        raise TypeError("the answer is no JSON object")
    return found
