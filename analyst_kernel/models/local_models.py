"""List the models that local servers offer.

Only on request, only on this machine's usual ports (or those that the user set), and it only
lists: the user chooses.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyst_kernel.models.anthropic_client import Connection
from analyst_kernel.models.compatible_providers import COMPATIBLE
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env

_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that a server on this machine offers; ``name`` is ``provider:name``."""

    name: str
    label: str


async def probe_local(env: Env | None = None, *, seconds: float = 0.3) -> tuple[LocalModel, ...]:
    """List the models of the local servers that answer within ``seconds``."""
    variables = os.environ if env is None else env
    found = await asyncio.gather(
        *(_ask(name, label, url, seconds) for name, label, url in _places(variables))
    )
    return tuple(model for models in found for model in models)


def _places(env: Env) -> list[tuple[str, str, str]]:
    places = []
    for provider in COMPATIBLE:
        if not provider.local:
            continue
        try:
            url = provider.address(env)
        except ModelChoiceError:
            continue
        # A probe must not reach out of this machine, whatever the variable says.
        if Connection(url).is_local:
            places.append((provider.name, provider.label, url))
    return places


async def _ask(name: str, label: str, url: str, seconds: float) -> list[LocalModel]:
    path = "/api/tags" if name == "ollama" else "/v1/models"
    try:
        async with asyncio.timeout(seconds):
            answer = await asyncio.to_thread(_get, url + path, seconds)
    except (OSError, ValueError, TimeoutError):
        return []
    return [LocalModel(f"{name}:{model}", label) for model in _names(answer)]


def _get(url: str, seconds: float) -> object:
    # No proxy: it would be asked for a server of its own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=seconds) as response:
        return json.loads(response.read(_MOST_BYTES))


def _names(answer: object) -> list[str]:
    """Read ``{"models": [{"name": ...}]}`` or ``{"data": [{"id": ...}]}``; else nothing."""
    if not isinstance(answer, Mapping):
        return []
    rows: Any = answer.get("models") or answer.get("data") or []
    if not isinstance(rows, list):
        return []
    names = [row.get("name") or row.get("id") for row in rows if isinstance(row, Mapping)]
    return [name for name in names if isinstance(name, str) and name]
