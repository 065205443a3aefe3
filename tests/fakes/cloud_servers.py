"""Fakes of the clouds that serve Claude: Bedrock, Vertex and Foundry, over real HTTP.

They say what the Messages API says, each in its own frame, and refuse what each of them refuses.
A request's signature is computed anew here, by the rules that AWS publishes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import struct
import zlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from analyst_kernel.testing.fakes.wire_reply import Recorded
from analyst_kernel.testing.fakes.wire_rules import Refusal, check_body
from tests.fakes.turns import TurnSource
from tests.fakes.wire_server import WireServer

FAKE_AWS_ID = "AKIAFAKE0123456789"
FAKE_REGION = "eu-central-1"
FAKE_PROJECT = "some-project"

_EXCEPTIONS = {
    "overloaded_error": "serviceUnavailableException",
    "rate_limit_error": "throttlingException",
    "api_error": "internalServerException",
    "timeout_error": "modelTimeoutException",
    "invalid_request_error": "validationException",
}
"""What the stream's own exceptions are called; everything else is an event of the model."""
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class CloudServer(WireServer):
    """What Bedrock and Vertex have in common: the model stands in the path, and they take less."""

    PATTERN = re.compile(r"(?!)")

    def _serves(self, request: Recorded) -> bool:
        found = self.PATTERN.fullmatch(request.path)
        if found is None or not isinstance(request.body, dict):
            return False
        if {"model", "anthropic_version"} & set(request.body) != {"anthropic_version"}:
            request.refused = "the model stands in the path, and the version in the body"
            return False
        request.body["model"] = unquote(found["model"])
        return True

    def _check_claude(self, request: Recorded) -> None:
        body = dict(request.body)
        del body["anthropic_version"]
        if "cache_control" in body:
            raise Refusal("cache_control: Extra inputs are not permitted")
        for index, tool in enumerate(body.get("tools") or ()):
            if "eager_input_streaming" in tool:
                raise Refusal(
                    f"tools.{index}.custom.eager_input_streaming: Extra inputs are not permitted"
                )
        check_body(body, dialect="claude")
        self.signatures.check(request.body)


class BedrockServer(CloudServer):
    """``/model/NAME/invoke-with-response-stream``: signed requests, and events in binary frames.

    ``keys`` are secret keys of AWS, or bearer tokens.
    """

    PATTERN = re.compile(r"/model/(?P<model>[^/]+)/invoke-with-response-stream")
    CONTENT_TYPE = "application/vnd.amazon.eventstream"

    def __init__(self, turns: Iterable[TurnSource] = (), **details: Any) -> None:
        """Prepare."""
        super().__init__(turns, **details)
        self.PING = self._encode({"type": "ping"})
        self.GARBAGE = _frame({}, b"{not json")[:-4] + b"\0\0\0\0"

    def _serves(self, request: Recorded) -> bool:
        if not super()._serves(request):
            return False
        request.body["stream"] = True
        return True

    def _check(self, request: Recorded) -> None:
        sent = request.headers.get("authorization", "")
        keys = self._keys or frozenset()
        if sent.startswith("AWS4-HMAC-SHA256"):
            if not any(sent == signed(request, key) for key in keys):
                raise Refusal(
                    "The request signature we calculated does not match the signature you "
                    "provided. Check your AWS Secret Access Key and signing method.\n\n"
                    f"The Canonical String for this request should have been\n{request.headers}",
                    403,
                    "authentication_error",
                )
        elif sent.removeprefix("Bearer ") not in keys:
            message = "The security token included in the request is invalid."
            raise Refusal(message, 403, "authentication_error")
        self._check_claude(request)

    def _encode(self, event: Any) -> bytes:
        payload = {"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abcdef"}
        headers = {
            ":event-type": "chunk",
            ":content-type": "application/json",
            ":message-type": "event",
        }
        return _frame(headers, json.dumps(payload).encode())

    def _error_body(self, status: int, kind: str, message: str) -> dict[str, Any]:
        if kind == "billing_error":
            message = "INVALID_PAYMENT_INSTRUMENT: A valid payment instrument must be provided."
        return {"message": message}

    def _error_event(self, kind: str, message: str) -> bytes:
        if kind not in _EXCEPTIONS:
            error = {"type": kind, "message": message}
            return self._encode({"type": "error", "error": error})
        headers = {
            ":exception-type": _EXCEPTIONS[kind],
            ":content-type": "application/json",
            ":message-type": "exception",
        }
        return _frame(headers, json.dumps({"message": message}).encode())


class VertexServer(CloudServer):
    """``…:streamRawPredict`` of one project and region, with Google's bearer tokens."""

    PATTERN = re.compile(
        rf"/v1/projects/{FAKE_PROJECT}/locations/{FAKE_REGION}/publishers/anthropic/models/"
        r"(?P<model>[^/:]+):streamRawPredict"
    )
    NOISE = b'event: vertex_event\ndata: {"type": "vertex_event", "usage": {"tiers": {}}}\n\n'

    def _check(self, request: Recorded) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._keys is not None and token not in self._keys:
            message = "Request had invalid authentication credentials."
            raise Refusal(message, 401, "authentication_error")
        self._check_claude(request)

    def _error_body(self, status: int, kind: str, message: str) -> Any:
        if kind == "billing_error":
            message = "This API method requires billing to be enabled."
        status_word = _STATUSES.get(status, "INTERNAL")
        return [{"error": {"code": status, "message": message, "status": status_word}}]


class FoundryServer(WireServer):
    """``/anthropic/v1/messages`` of one resource, with Azure's key header."""

    PATH = "/anthropic/v1/messages"

    def _check(self, request: Recorded) -> None:
        key = request.headers.get("api-key", "")
        if self._keys is not None and key not in self._keys:
            raise Refusal("Access denied due to invalid key.", 401, "authentication_error")
        if not request.headers.get("anthropic-version"):
            raise Refusal("anthropic-version: header is required")
        check_body(request.body, dialect="claude")
        self.signatures.check(request.body)


# --- AWS -------------------------------------------------------------------------------------------


def _frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Make one message of AWS's event stream: lengths, checksums, headers of type text."""
    head = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", 7, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack("!I", zlib.crc32(message))


def signed(request: Recorded, secret: str) -> str:
    """Return the header ``Authorization`` that a request signed with this key would have."""
    sent = request.headers["authorization"]
    found = re.search(r"Credential=([^/]+)/(\d+)/([\w-]+)/(\w+)/aws4_request", sent)
    names = re.search(r"SignedHeaders=([\w;-]+)", sent)
    if found is None or names is None:
        return ""
    identity, day, region, service = found.groups()
    path, _, query = request.target.partition("?")
    listed = names[1].split(";")
    canonical = "\n".join(
        (
            request.method,
            "/".join(quote(part, safe="-_.~") for part in path.split("/")),
            query,
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in listed),
            "",
            names[1],
            hashlib.sha256(request.data).hexdigest(),
        )
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    if identity != FAKE_AWS_ID or service != "bedrock":
        return ""
    return (
        f"AWS4-HMAC-SHA256 Credential={identity}/{scope}, SignedHeaders={names[1]}, "
        f"Signature={signature}"
    )
