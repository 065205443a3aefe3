"""A model behind the Messages protocol, on the SDK: Claude, and every server that implements it.

One request is one stream without retries, which are the core's. Only raw events are read: the SDK's
parsed tool inputs are not used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from analyst_kernel.agent.ports import ModelEvent
from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.models.anthropic_client import Connection, build_client
from analyst_kernel.models.anthropic_events import MessageFold
from analyst_kernel.models.anthropic_faults import (
    ErrorContext,
    model_error,
    quotes_secret,
    stalled,
    truncated,
)
from analyst_kernel.models.anthropic_wire import Dialect, build_params
from analyst_kernel.models.prices import Tariff
from analyst_kernel.protocol.errors import ModelError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_T = TypeVar("_T")

_DRAIN_SECONDS = 0.5


class AnthropicMessages:
    """A language model behind a ``/v1/messages`` endpoint; implements the ``Model`` port.

    Iterate :meth:`stream` under ``contextlib.aclosing`` (or to its end): closing it closes the
    connection.
    """

    def __init__(
        self,
        *,
        provider: str,
        model: str,
        label: str,
        connection: Connection,
        dialect: Dialect,
        key_advice: str,
        sees_images: bool = True,
        tariff: Tariff | None = None,
        stall_seconds: float = 120.0,
    ) -> None:
        """Keep the settings; the SDK is not loaded and nothing is sent yet.

        ``label`` and ``key_advice`` are for error messages, as in :class:`ErrorContext`; a stream
        that is silent for ``stall_seconds`` fails, at its start too.
        """
        self.name = f"{provider}:{model}"
        self.is_ai = True
        self.sees_images = sees_images
        self.connection = connection
        self._model = model
        self._dialect: Dialect = dialect
        self._tariff = tariff
        self._stall_seconds = stall_seconds
        self._about = ErrorContext(
            label=label,
            model=self.name,
            host=connection.host,
            key_advice=key_advice,
            local=connection.is_local and dialect == "compat",
            secrets=connection.secrets,
        )
        self._client: AsyncAnthropic | None = None
        self._building = asyncio.Lock()

    def __repr__(self) -> str:
        """Return name and host, without a secret."""
        return f"<AnthropicMessages {self.name} at {self.connection.host}>"

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Send one request and yield its events, as the ``Model`` port requires.

        Raises:
            ModelError: For every failure.
        """
        fold = MessageFold(self._tariff)
        response = await self._open(request)
        events = aiter(response)
        try:
            while fold.stopped is None:
                for event in await self._next(events, fold):
                    yield event
            await self._drain(events)
        finally:
            await events.aclose()
            await response.close()
        yield fold.stopped

    async def aclose(self) -> None:
        """Close pooled connections. Idempotent; the model can be used again afterwards."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ready(self) -> AsyncAnthropic:
        async with self._building:
            if self._client is None:
                # The socket times out after the watchdog, whose error message is better.
                silence = self._stall_seconds + 30.0
                self._client = await asyncio.to_thread(
                    build_client, self.connection, silence=silence
                )
            return self._client

    async def _open(self, request: ModelRequest) -> Any:
        params = build_params(
            request,
            model=self._model,
            author=self.name,
            dialect=self._dialect,
            sees_images=self.sees_images,
        )
        try:
            client = await self._ready()
            create = cast(Any, client.messages.create)
            return await self._watched(create(**params, stream=True))
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a ModelError
            self._fail(error)

    async def _next(self, events: Any, fold: MessageFold) -> list[ModelEvent]:
        try:
            event = await self._watched(anext(events, None))
            if event is not None:
                return fold.feed(event.to_dict(mode="json", warnings=False))
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a ModelError
            self._fail(error)
        raise truncated(self._about, seen=fold.seen)

    async def _watched(self, step: Awaitable[_T]) -> _T:
        """Await one step of the stream, at most for the stall time."""
        try:
            async with asyncio.timeout(self._stall_seconds) as watchdog:
                return await step
        except TimeoutError:
            if watchdog.expired():
                raise stalled(self._about, seconds=self._stall_seconds) from None
            raise

    async def _drain(self, events: Any) -> None:
        """Read a finished stream to its end, so that its connection can serve the next call."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for _ in events:
                    pass
        except Exception:  # noqa: BLE001 - the message is complete, whatever fails after it
            return

    def _fail(self, error: Exception) -> NoReturn:
        """Raise ``error`` as a ``ModelError``, without its cause if that would show a secret."""
        if isinstance(error, ModelError):
            raise error
        failure = model_error(error, self._about)
        raise failure from (None if quotes_secret(error, self._about.secrets) else error)
