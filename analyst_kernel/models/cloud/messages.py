"""Claude at a cloud: the Messages wire, on the client that the SDK has for each of them.

The clients sign and frame as their cloud wants it. What they would find in the environment by
themselves is given to them instead, so that no credential goes where it was not meant for; what
belongs to Anthropic's own host (``ANTHROPIC_CUSTOM_HEADERS``) is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analyst_kernel.models.anthropic_faults import model_error
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.cloud.access import CloudAccess
from analyst_kernel.models.wire.connection import (
    NO_KEY,
    header_names,
    http_client,
    keep_from_logs,
)
from analyst_kernel.models.wire.faults import NO_AUTH, UNREACHED, fault_of
from analyst_kernel.protocol.errors import ModelError

if TYPE_CHECKING:
    import httpx2

Maker = Callable[[CloudAccess, dict[str, Any]], Any]
"""Makes the SDK's client from what was found and the options that all clients have."""

_CARRIERS = ("authorization", "x-amz-security-token", "x-api-key", "api-key")
"""Headers in which a credential travels; some are made by the SDK and known only there."""

_SIGNATURE = re.compile(r"AWS4-HMAC-SHA256 .*")


@dataclass(kw_only=True, repr=False, eq=False)
class CloudMessages(AnthropicMessages):
    """Claude behind the door of a cloud.

    Attributes:
        access: What was found of the cloud.
        make: Makes its client.
    """

    access: CloudAccess
    make: Maker

    def __post_init__(self) -> None:
        super().__post_init__()
        # What listens on this machine is the user's gateway, and no server of models.
        self._about = replace(self._about, local=False)

    def _build(self, silence: float) -> Any:
        """Import the SDK and the cloud's libraries; blocks for seconds."""
        import anthropic

        http = http_client(
            self.connection,
            silence=silence,
            proxied=anthropic.DefaultAsyncHttpxClient,
            guard=self._look,
        )
        foreign = header_names(os.environ.get("ANTHROPIC_CUSTOM_HEADERS", ""))
        lines = os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "").split("\n")
        named = {line.partition(":")[0].strip() for line in lines if ":" in line}
        client = self.make(
            self.access,
            {
                "base_url": self.connection.base_url,
                "max_retries": 0,
                "timeout": http.timeout,
                "http_client": http,
                # They would be signed with the rest, so they are left out here and not later.
                "default_headers": {
                    name: anthropic.Omit() for name in named if name.lower() in foreign
                },
            },
        )
        _ = client.messages
        keep_from_logs(self.connection.secrets, "anthropic", "botocore", "boto3", "google")
        return client

    async def _look(self, request: httpx2.Request) -> None:
        """Note the credentials that the SDK made itself, so that no message quotes them."""
        made = {request.headers.get(name, "") for name in _CARRIERS}
        texts = {_SIGNATURE.sub("", value).removeprefix("Bearer ") for value in made}
        fresh = tuple(texts - {"", NO_KEY, *self._about.secrets})
        if fresh:
            # Tokens are minted anew every hour; those of yesterday are worth nothing.
            known = (*self.connection.secrets, *fresh)
            self._about = replace(self._about, secrets=known)
            keep_from_logs(fresh, "anthropic", "botocore", "boto3", "google")

    def _failure(self, error: Exception) -> ModelError:
        module = type(error).__module__
        if module.startswith("google.auth") and type(error).__name__ == "TransportError":
            return fault_of(UNREACHED, self._about)
        # Libraries quote paths and answers of sign-in services: their words stay out.
        no_credentials = isinstance(error, RuntimeError) and "resolve" in str(error)
        if module.startswith(("google.auth", "botocore.exceptions")) or no_credentials:
            return fault_of(NO_AUTH, self._about)
        return model_error(error, self._about)


def make_bedrock(access: CloudAccess, options: dict[str, Any]) -> Any:
    """Return the client of Amazon Bedrock: it signs requests, and reads AWS's binary events."""
    import anthropic

    # The decoder's library is imported here, in the thread, and not on the event loop.
    import boto3  # noqa: F401 - what signs and decodes
    from anthropic.lib.bedrock._stream_decoder import get_response_stream_shape

    get_response_stream_shape()
    connection, details = access.connection, access.details
    signs = access.source != "AWS_BEARER_TOKEN_BEDROCK" and not access.elsewhere
    # Given a key, the SDK looks for none in the environment.
    client = anthropic.AsyncAnthropicBedrock(
        api_key=connection.auth_token or NO_KEY, aws_region=details["region"], **options
    )
    if signs:
        client.api_key = None
        client.aws_access_key = details.get("access_key")
        client.aws_secret_key = connection.api_key
        client.aws_session_token = connection.auth_token
        client.aws_profile = details.get("profile")
    return client


def make_vertex(access: CloudAccess, options: dict[str, Any]) -> Any:
    """Return the client of Google Vertex AI: it asks google-auth for a token of its own."""
    import anthropic

    return anthropic.AsyncAnthropicVertex(
        region=access.details["region"],
        project_id=access.details["project"],
        access_token=access.connection.auth_token,
        **options,
    )


def make_foundry(access: CloudAccess, options: dict[str, Any]) -> Any:
    """Return the client of Microsoft Foundry."""
    import anthropic

    key = access.connection.api_key or access.connection.auth_token or NO_KEY
    return anthropic.AsyncAnthropicFoundry(api_key=key, **options)
