"""A Gemini model behind Google's Interactions API, on the SDK ``google-genai``.

The Interactions API and not ``generateContent``: only there do the arguments of calls stream, and
only there do results say that they are errors. One request is one stream, without retries and
without the SDK's own continuations: both would be paid for in silence.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.models.gemini.events import InteractionFold
from analyst_kernel.models.gemini.faults import gemini_error, no_stream
from analyst_kernel.models.gemini.wire import build_interaction
from analyst_kernel.models.wire.connection import Connection, http_client, keep_from_logs
from analyst_kernel.models.wire.streaming import StreamingModel, WireViolation
from analyst_kernel.protocol.errors import ModelError

if TYPE_CHECKING:
    import httpx2
    from google.genai import Client

_LONGEST_LINE = 8_000_000


@dataclass(frozen=True, slots=True)
class _Clients:
    """The SDK's client, which must live as long as any of its streams, and its HTTP client."""

    sdk: Client
    http: httpx2.AsyncClient

    async def close(self) -> None:
        """Close both."""
        await self.http.aclose()
        self.sdk.close()


@dataclass(frozen=True, slots=True)
class _ByteStream:
    """The SDK's response as :class:`StreamingModel` reads it: its events, and a way to close it."""

    response: Any

    def __aiter__(self) -> AsyncGenerator[Any]:
        return _events(self.response.iter_bytes())

    async def close(self) -> None:
        await self.response.close()


@dataclass(kw_only=True, repr=False, eq=False)
class GeminiInteractions(StreamingModel):
    """A language model behind ``/interactions``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # What listens on this machine is the user's gateway, and not Gemini.
        self._about = replace(self._about, local=False)
        self._headers: Mapping[str, str] = {}

    def _build(self, silence: float) -> _Clients:
        return _build_clients(self.connection, silence=silence)

    async def _send(self, client: _Clients, request: ModelRequest) -> _ByteStream:
        # As extra body, because the SDK would write what it knows of it anew: a signature and the
        # steps before it must come back byte for byte.
        interactions: Any = client.sdk.aio.interactions
        opening = interactions.with_streaming_response.create(
            model=self.model,
            store=False,
            stream=True,
            automatic_continuation=False,
            extra_body=build_interaction(request, author=self.name),
        )
        self._headers = {}
        response = await opening.__aenter__()
        kind = str(response.headers.get("content-type", ""))
        if response.status_code != 200 or not kind.startswith("text/event-stream"):
            await response.close()
            raise no_stream(response.status_code, kind)
        # An error in the stream knows nothing of them, and they may say how long to wait.
        self._headers = response.headers
        return _ByteStream(response)

    def _new_fold(self) -> InteractionFold:
        return InteractionFold(self.price)

    def _failure(self, error: Exception) -> ModelError:
        return gemini_error(error, self._about, self._headers)


async def _events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Any]:
    """Yield the JSON of every event that is complete: one that the end of the stream cuts is none.

    Not the SDK's decoder, because it takes half an event for a text, and closes the connection.
    """
    rest = b""
    data: list[bytes] = []
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise WireViolation("an event has no end")
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                data.append(text[5:])
            elif not text and data:
                event = b"\n".join(data).strip()
                data = []
                if event != b"[DONE]":
                    yield _object(event)


def _object(event: bytes) -> dict[str, Any]:
    found = json.loads(event)
    if not isinstance(found, dict):
        raise WireViolation("an event is no JSON object")
    return found


def _build_clients(connection: Connection, *, silence: float) -> _Clients:
    """Import the SDK and return its client; blocks for seconds, so call it in a thread.

    The client never retries (the core does, visibly), never follows a redirect, and reads neither
    key nor address from the environment. The socket times out after ``silence`` seconds.
    """
    import httpx2
    from google import genai
    from google.genai import types

    http = http_client(connection, silence=silence, proxied=httpx2.AsyncClient)
    sdk = genai.Client(
        enterprise=False,
        api_key=connection.api_key,
        http_options=types.HttpOptions(
            base_url=connection.base_url,
            retry_options=types.HttpRetryOptions(attempts=1),
            # Both are given, so that the SDK makes none of its own.
            httpx_client=httpx2.Client(trust_env=False),
            httpx_async_client=http,
        ),
    )
    # The resource's modules are loaded on first access: here in the thread, not on the event loop.
    _ = sdk.aio.interactions
    keep_from_logs(connection.secrets, "google", "google_genai")
    return _Clients(sdk, http)
