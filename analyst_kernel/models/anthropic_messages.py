"""A model behind the Messages protocol, on the SDK: Claude, and every server that implements it.

Only raw events are read: the SDK's parsed tool inputs are not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from analyst_kernel.agent.transcript import ModelRequest
from analyst_kernel.models.anthropic_client import build_client
from analyst_kernel.models.anthropic_events import MessageFold
from analyst_kernel.models.anthropic_faults import model_error
from analyst_kernel.models.anthropic_wire import Dialect, build_params
from analyst_kernel.models.wire.streaming import StreamingModel
from analyst_kernel.protocol.errors import ModelError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


@dataclass(kw_only=True, repr=False, eq=False)
class AnthropicMessages(StreamingModel):
    """A language model behind a ``/v1/messages`` endpoint."""

    dialect: Dialect

    def _build(self, silence: float) -> AsyncAnthropic:
        return build_client(self.connection, silence=silence)

    async def _send(self, client: AsyncAnthropic, request: ModelRequest) -> Any:
        params = build_params(
            request,
            model=self.model,
            author=self.name,
            dialect=self.dialect,
            sees_images=self.sees_images,
        )
        return await cast(Any, client.messages.create)(**params, stream=True)

    def _new_fold(self) -> MessageFold:
        return MessageFold(self.price, states_cost=self.billing == "reported")

    def _content(self, event: Any) -> Any:
        return event.to_dict(mode="json", warnings=False)

    def _failure(self, error: Exception) -> ModelError:
        return model_error(error, self._about)
