"""What both of OpenAI's wires share: the SDK's client, and requests that a server wants otherwise.

The SDK sends and reads bare JSON here: its types would drop what a server adds, and its helpers
merge calls that a server numbers badly. Servers differ in which optional parameters they take. One
that is refused is left out, and the request is sent once more: nothing was generated, so nothing
is paid for. What was learned holds for the model's further requests.
"""

from __future__ import annotations

import json
import os
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from analyst_kernel.agent.transcript import Image, ModelRequest, UserMessage
from analyst_kernel.models.openai_faults import model_error, words_of
from analyst_kernel.models.wire.connection import (
    NO_KEY,
    Connection,
    header_names,
    http_client,
    keep_from_logs,
)
from analyst_kernel.models.wire.streaming import ReportedError, StreamingModel, is_count
from analyst_kernel.protocol.errors import ModelError

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

Params = dict[str, Any]
"""The JSON body of a request."""

Refusals = tuple[tuple[str, re.Pattern[str]], ...]
"""What may have to be changed in requests, and the words of a refusal that ask for it."""

IMAGES = "images"
"""The change that replaces each picture by a sentence."""

_NO_IMAGES = re.compile(
    r"image|vision|multi-?modal|content must be a string|expected `?text", re.IGNORECASE
)
_REFUSALS = (400, 404, 415, 422, 500)
"""Answers to a request that is not as the server wants it; some call a picture a defect (500)."""

_MOST_PAGE = 65_536
"""Bytes that are read of an answer that is no stream."""


@dataclass(kw_only=True, repr=False, eq=False)
class OpenAIModel(StreamingModel):
    """A language model behind one of OpenAI's wires.

    The base URL of its connection is the one that the wire's path is appended to.
    """

    PATH: ClassVar[str]
    REFUSALS: ClassVar[Refusals]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._changed: frozenset[str] = frozenset()
        self._headers: Mapping[str, str] = {}

    @abstractmethod
    def _params(self, request: ModelRequest) -> Params:
        """Return the body of a request, without ``stream``."""

    def _build(self, silence: float) -> AsyncOpenAI:
        return _build_client(self.connection, silence=silence)

    async def _send(self, client: AsyncOpenAI, request: ModelRequest) -> Any:
        from openai import APIStatusError, AsyncStream

        self._headers = {}
        while True:
            try:
                stream = await client.post(
                    self.PATH,
                    cast_to=object,
                    body={**self._params(request), "stream": True},
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
            except APIStatusError as error:
                if error.status_code not in _REFUSALS or not self._learn(words_of(error), request):
                    raise
                continue
            # An error in the stream knows nothing of them, and they may say how long to wait.
            self._headers = stream.response.headers
            await _check_stream(stream)
            return stream

    def _learn(self, words: str, request: ModelRequest) -> bool:
        """Return whether a refusal tells how the request must be changed; notes the change."""
        for name, pattern in self.REFUSALS:
            if name not in self._changed and pattern.search(words):
                self._changed |= {name}
                return True
        if self.sees_images and _NO_IMAGES.search(words) and _has_image(request):
            self.sees_images = False
            return True
        return False

    def _failure(self, error: Exception) -> ModelError:
        return model_error(error, self._about, self._headers)


def refusals(**patterns: str) -> Refusals:
    """Return the table of what may have to be changed, from the words that ask for it."""
    return tuple((name, re.compile(words, re.IGNORECASE)) for name, words in patterns.items())


def token_counts(usage: Mapping[str, Any]) -> dict[str, int]:
    """Return a call's tokens: those from the cache are no fresh ones, but counted among them."""
    details = usage.get("input_tokens_details") or usage.get("prompt_tokens_details") or {}
    given = {
        "input_tokens": usage.get("input_tokens", usage.get("prompt_tokens")),
        "output_tokens": usage.get("output_tokens", usage.get("completion_tokens")),
        "cached_tokens": details.get("cached_tokens", usage.get("prompt_cache_hit_tokens")),
        "cache_write_tokens": details.get("cache_write_tokens"),
    }
    counts = {name: count for name, count in given.items() if is_count(count)}
    reused = counts.get("cached_tokens", 0) + counts.get("cache_write_tokens", 0)
    counts["input_tokens"] = max(counts.get("input_tokens", 0) - reused, 0)
    return counts


async def _check_stream(stream: Any) -> None:
    """Raise if the answer is a page or one JSON object instead of a stream of events."""
    kind = stream.response.headers.get("content-type", "").lower()
    if not ("json" in kind or "html" in kind or "xml" in kind):
        return
    data = b""
    try:
        async for piece in stream.response.aiter_bytes():
            data += piece
            if len(data) > _MOST_PAGE:
                break
    finally:
        await stream.close()
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if isinstance(body, Mapping) and body.get("error"):
        inner = body["error"]
        raise ReportedError(inner if isinstance(inner, Mapping) else {"message": str(inner)})
    raise ValueError(f"a stream of events was asked for, and {kind.partition(';')[0]} came")


def _has_image(request: ModelRequest) -> bool:
    for message in request.messages:
        if isinstance(message, UserMessage):
            results = (part for result in message.results for part in result.content)
            if any(isinstance(part, Image) for part in (*message.text, *results)):
                return True
    return False


def _build_client(connection: Connection, *, silence: float) -> AsyncOpenAI:
    """Import the SDK and return a client; blocks, so call it in a thread."""
    import openai

    http = http_client(
        connection,
        silence=silence,
        proxied=openai.DefaultAsyncHttpxClient,
        guard=_guard(connection),
    )
    client = openai.AsyncOpenAI(
        api_key=connection.api_key or NO_KEY,
        base_url=connection.base_url,
        max_retries=0,
        timeout=http.timeout,
        http_client=http,
    )
    keep_from_logs(connection.secrets, "openai")
    return client


def _guard(connection: Connection) -> Any:
    """Return a request hook that sets the credential and removes what belongs to another host."""
    foreign = header_names(os.environ.get("OPENAI_CUSTOM_HEADERS", ""))
    foreign |= {"openai-organization", "openai-project"}
    own = {"content-type": "application/json", "accept": "application/json"}

    async def guard(request: httpx2.Request) -> None:
        if not connection.ambient:
            for name in foreign & {name.lower() for name in request.headers}:
                del request.headers[name]
            for name, value in own.items():
                request.headers.setdefault(name, value)
        request.headers["authorization"] = f"Bearer {connection.api_key or NO_KEY}"

    return guard
