"""Claude at Bedrock, Vertex and Foundry: what is found, where keys go, how requests are signed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.models.anthropic_wire import build_params
from analyst_kernel.models.cloud import access as places
from analyst_kernel.models.cloud.messages import CloudMessages
from analyst_kernel.models.cloud.providers import BEDROCK, CLOUDS, FOUNDRY, VERTEX, CloudProvider
from analyst_kernel.models.registry import default_name, list_providers, open_model
from analyst_kernel.protocol.errors import ModelChoiceError, ModelError
from analyst_kernel.testing.wires import collect, request
from tests.fakes.cloud_servers import (
    FAKE_AWS_ID,
    FAKE_PROJECT,
    FAKE_REGION,
    BedrockServer,
    FoundryServer,
    VertexServer,
)
from tests.fakes.turns import call, fail, say, turn

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYFAKEKEY"
AWS = {"AWS_REGION": FAKE_REGION, "AWS_ACCESS_KEY_ID": FAKE_AWS_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
GOOGLE = {
    "CLOUD_ML_REGION": FAKE_REGION,
    "ANTHROPIC_VERTEX_PROJECT_ID": FAKE_PROJECT,
    "CLOUDSDK_AUTH_ACCESS_TOKEN": SECRET,
}
AZURE = {"ANTHROPIC_FOUNDRY_RESOURCE": "res", "ANTHROPIC_FOUNDRY_API_KEY": SECRET}
COMPLETE = [(BEDROCK, AWS), (VERTEX, GOOGLE), (FOUNDRY, AZURE)]
each_cloud = pytest.mark.parametrize(
    ("row", "env"), COMPLETE, ids=lambda one: getattr(one, "name", "")
)


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch, quiet_environment: Path) -> None:
    """A machine of no cloud, whichever runs this."""
    monkeypatch.setattr(places, "_machine", lambda name: "")


def info(name: str, env: dict[str, str]) -> Any:
    return next(one for one in list_providers(env) if one.name == name)


async def opened(name: str, env: dict[str, str]) -> CloudMessages:
    model = await open_model(name, env=env)
    assert isinstance(model, CloudMessages)
    return model


@each_cloud
async def test_what_is_found_is_named_and_never_shown(row: CloudProvider, env: dict[str, str]):
    found = info(row.name, env)
    assert found.has_credentials
    assert found.credential_source in env
    assert row.example in found.note
    assert not found.default_model, "nobody's data goes to a cloud that was not named"
    assert default_name(env) == "offline:rules"
    model = await opened(f"{row.name}:{row.example}", env)
    assert model.name == f"{row.name}:{row.example}"
    assert SECRET not in f"{found!r} {model!r} {model.access!r} {model.connection!r}"
    with pytest.raises(ModelChoiceError, match="No model is named"):
        await open_model(row.name, env=env)
    with pytest.raises(ModelChoiceError, match="has no model"):
        await open_model(f"{row.name}:../x", env=env)


MISSING = [
    ("bedrock", {}, "Set AWS_REGION"),
    ("bedrock", {"AWS_REGION": "x"}, "Set AWS_BEARER_TOKEN_BEDROCK, or sign in with `aws configure`"),
    ("bedrock", {**AWS, "AWS_SECRET_ACCESS_KEY": " "}, "Set AWS_BEARER_TOKEN_BEDROCK"),
    ("bedrock", {**AWS, "ANTHROPIC_BEDROCK_BASE_URL": "http://gate"}, "Set ANALYST_BEDROCK_KEY"),
    ("bedrock", {**AWS, "ANTHROPIC_BEDROCK_BASE_URL": "gate"}, "is not a web address"),
    ("vertex", {}, "Set ANTHROPIC_VERTEX_PROJECT_ID"),
    ("vertex", {"GOOGLE_CLOUD_PROJECT": "p"}, "Sign in with `gcloud auth application-default login`"),
    ("vertex", {**GOOGLE, "ANTHROPIC_VERTEX_BASE_URL": "https://evil-aiplatform.googleapis.com.x"},
     "Set ANALYST_VERTEX_KEY"),
    ("foundry", {}, "Set ANTHROPIC_FOUNDRY_RESOURCE"),
    ("foundry", {"ANTHROPIC_FOUNDRY_RESOURCE": "res"}, "Set ANTHROPIC_FOUNDRY_API_KEY"),
    ("foundry", {**AZURE, "ANTHROPIC_FOUNDRY_BASE_URL": "https://gate.example"},
     "Set ANALYST_FOUNDRY_KEY"),
    ("foundry", {**AZURE, "ANTHROPIC_FOUNDRY_RESOURCE": "a.b/"}, "is not the name of a resource"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "env", "said"), MISSING)
async def test_what_is_missing_is_said_in_one_sentence(name: str, env: dict[str, str], said: str):
    found = info(name, env)
    assert not found.has_credentials
    with pytest.raises(ModelChoiceError) as raised:
        await open_model(f"{name}:claude-sonnet-5-5", env=env)
    assert raised.value.exit_code == (2 if "is not" in said else 3)
    assert said in str(raised.value)
    assert SECRET not in f"{found} {raised.value}"


@pytest.mark.parametrize(("row", "package"), [(BEDROCK, "boto3"), (VERTEX, "google-auth")])
async def test_a_missing_extra_is_one_sentence_with_the_command(
    row: CloudProvider, package: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("analyst_kernel.models.cloud.providers.find_spec", lambda name: None)
    env = {**AWS, **GOOGLE}
    command = rf"pip install 'analyst-kernel\[{row.name}\]'"
    with pytest.raises(ModelChoiceError, match=f"needs the package {package}.*{command}"):
        await open_model(f"{row.name}:claude-sonnet-5-5", env=env)
    assert not info(row.name, env).has_credentials
    assert f"[{row.name}]" in info(row.name, env).note


PLACES = [
    ("bedrock", AWS, f"https://bedrock-runtime.{FAKE_REGION}.amazonaws.com"),
    ("bedrock", {**AWS, "AWS_REGION": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ("bedrock", {**AWS, "ANTHROPIC_BEDROCK_BASE_URL": "https://vpce-1.bedrock-runtime.x.vpce.amazonaws.com/"},
     "https://vpce-1.bedrock-runtime.x.vpce.amazonaws.com"),
    ("vertex", GOOGLE, f"https://{FAKE_REGION}-aiplatform.googleapis.com/v1"),
    ("vertex", {**GOOGLE, "CLOUD_ML_REGION": ""}, "https://aiplatform.googleapis.com/v1"),
    ("vertex", {**GOOGLE, "CLOUD_ML_REGION": "eu"}, "https://aiplatform.eu.rep.googleapis.com/v1"),
    ("foundry", AZURE, "https://res.services.ai.azure.com/anthropic"),
    ("foundry", {**AZURE, "ANTHROPIC_FOUNDRY_BASE_URL": "https://r.services.ai.azure.com/anthropic"},
     "https://r.services.ai.azure.com/anthropic"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "env", "address"), PLACES)
async def test_the_key_goes_to_its_own_cloud(name: str, env: dict[str, str], address: str):
    model = await opened(f"{name}:claude-sonnet-5-5", env)
    assert model.connection.base_url == address
    assert SECRET in model.connection.secrets


async def test_credentials_of_a_profile_are_found_in_its_files(tmp_path: Path):
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[default]\noutput = json\n[profile work]\nregion = eu-west-3\n")
    credentials.write_text(f"[work]\naws_access_key_id = a\naws_secret_access_key = {SECRET}\n")
    files = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    model = await opened("bedrock:m", {**files, "AWS_PROFILE": "work"})
    assert model.access.details == {"region": "eu-west-3", "profile": "work"}
    assert model.access.source == "AWS_PROFILE"
    assert info("bedrock", {**files, "AWS_REGION": "x"}).credential_source.startswith(
        "profile default"
    )
    config.write_bytes(b"\xff\xfe[nonsense")
    assert not info("bedrock", files).has_credentials


@pytest.mark.parametrize(
    ("name", "maker", "source"),
    [
        ("bedrock", "Amazon EC2", "the role of this machine"),
        ("vertex", "Google", "service account"),
    ],
)
def test_a_machine_of_the_cloud_has_a_role(
    name: str, maker: str, source: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(places, "_machine", lambda _: maker)
    found = info(name, {"AWS_REGION": "x", "GOOGLE_CLOUD_PROJECT": "p"})
    assert found.has_credentials
    assert source in found.credential_source


# --- over HTTP -------------------------------------------------------------------------------------

FOREIGN = {
    "ANTHROPIC_API_KEY": "sk-ant-of-anthropic", "ANTHROPIC_AUTH_TOKEN": "of-anthropic",
    "ANTHROPIC_CUSTOM_HEADERS": "X-Gateway-Secret: of-anthropic\nAuthorization: of-anthropic",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9",
    "AWS_BEARER_TOKEN_BEDROCK": "of-another-account", "ANTHROPIC_FOUNDRY_API_KEY": "of-another",
    "ANTHROPIC_BEDROCK_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_VERTEX_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_FOUNDRY_RESOURCE": "another",
}  # fmt: skip


def at(model: CloudMessages, url: str) -> CloudMessages:
    """The model at a fake of its cloud, as if this were the cloud's host."""
    connection = replace(model.connection, base_url=url)
    return replace(
        model, connection=connection, access=replace(model.access, connection=connection)
    )


SERVERS = {
    "bedrock": (BedrockServer, AWS, ""),
    "vertex": (VertexServer, GOOGLE, "/v1"),
    "foundry": (FoundryServer, AZURE, "/anthropic"),
}


@pytest.mark.parametrize("name", SERVERS)
async def test_nothing_of_the_environment_goes_along(name: str, monkeypatch: pytest.MonkeyPatch):
    server_of, env, path = SERVERS[name]
    for variable, value in FOREIGN.items():
        monkeypatch.setenv(variable, value)
    with server_of([turn(say("Hi."))], keys=[SECRET]) as server:
        model = at(await opened(f"{name}:us.anthropic.claude-x-v1", env), server.url + path)
        await collect(model)
        await model.aclose()
    (asked,) = server.requests
    assert asked.refused == ""
    sent = json.dumps(asked.headers)
    assert "of-an" not in sent
    assert "gateway" not in sent.lower()


async def test_a_request_is_signed_with_the_session_and_no_answer_quotes_it():
    env = {**AWS, "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEFakeToken=="}
    with BedrockServer([turn(say("Hi."))], keys=[SECRET]) as server:
        model = at(await opened("bedrock:global.anthropic.claude-x-v1:0", env), server.url)
        await collect(model)
        assert server.requests[0].headers["x-amz-security-token"] == env["AWS_SESSION_TOKEN"]
        assert "/model/global.anthropic.claude-x-v1:0/invoke" in server.requests[0].target
        server._keys = frozenset({"another"})
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert raised.value.fault == "auth"
    assert "signature we calculated" in raised.value.what
    shown = f"{raised.value} {raised.value.__cause__!r}"
    assert env["AWS_SESSION_TOKEN"] not in shown
    assert "Canonical" not in raised.value.what


async def test_credentials_that_only_the_sdk_knows_are_not_quoted_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    token = "MintedSessionToken0123456789"
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = {FAKE_AWS_ID}\naws_secret_access_key = {SECRET}\n"
        f"aws_session_token = {token}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    env = {"AWS_REGION": FAKE_REGION, "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials")}
    with BedrockServer([turn(say("Hi.")), fail("status", message=f"what is {token}")],
                       keys=[SECRET]) as server:  # fmt: skip
        model = at(await opened("bedrock:m", env), server.url)
        await collect(model)
        assert server.requests[0].refused == ""
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert token not in f"{raised.value} {raised.value.__cause__!r}"
    assert "[secret]" in str(raised.value)


async def test_a_gateway_gets_its_own_key_and_no_signature():
    with BedrockServer([turn(say("Hi."))], keys=["of-the-gateway"]) as server:
        env = {
            **AWS,
            "ANTHROPIC_BEDROCK_BASE_URL": server.url,
            "ANALYST_BEDROCK_KEY": "of-the-gateway",
        }
        model = await opened("bedrock:claude-sonnet-5-5", env)
        assert server.url in info("bedrock", env).note
        await collect(model)
        await model.aclose()
    assert server.requests[0].headers["authorization"] == "Bearer of-the-gateway"
    assert FAKE_AWS_ID not in json.dumps(server.requests[0].headers)


@contextmanager
def sign_in(status: int = 200) -> Iterator[tuple[str, list[bytes]]]:
    """Google's endpoint of tokens."""
    asked: list[bytes] = []

    class Tokens(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps(
                {"access_token": SECRET, "expires_in": 3600, "error": "invalid_grant"}
            )
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Tokens) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token", asked
        server.shutdown()
        thread.join()


def service_account(path: Path, url: str) -> dict[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_text(json.dumps({
        "type": "service_account", "project_id": FAKE_PROJECT, "private_key": key.decode(),
        "client_email": "a@b.iam.gserviceaccount.com", "token_uri": url, "private_key_id": "1",
    }))  # fmt: skip
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path), "CLOUD_ML_REGION": FAKE_REGION}


async def test_a_service_account_signs_in_once_and_its_token_is_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with sign_in() as (url, asked), VertexServer(keys=[SECRET]) as server:
        env = service_account(tmp_path / "key.json", url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", env["GOOGLE_APPLICATION_CREDENTIALS"])
        server.push(turn(call("run_python", code="1")), turn(say("Hi.")))
        server.push(fail("status", status=400, message=f"what is {SECRET}"))
        model = at(await opened("vertex:claude-sonnet-5-5", env), f"{server.url}/v1")
        await collect(model)
        await collect(model)
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert [one.refused for one in server.requests] == [""] * 3
    assert len(asked) == 1
    assert SECRET not in f"{raised.value} {raised.value.__cause__!r}"
    assert "[secret]" in str(raised.value)


@pytest.mark.parametrize("status", [400, 401])
async def test_a_sign_in_that_fails_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
):
    with sign_in(status) as (url, _), VertexServer() as server:
        env = service_account(tmp_path / "key.json", url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", env["GOOGLE_APPLICATION_CREDENTIALS"])
        model = at(await opened("vertex:claude-sonnet-5-5", env), f"{server.url}/v1")
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert server.requests == []
    assert (raised.value.fault, raised.value.retryable) == ("auth", False)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in raised.value.remedy
    assert "\n" not in str(raised.value)


async def test_a_profile_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    with BedrockServer() as server:
        model = at(
            await opened("bedrock:m", {"AWS_REGION": "x", "AWS_PROFILE": "gone"}), server.url
        )
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert (raised.value.fault, server.requests) == ("auth", [])
    assert "AWS_PROFILE" in raised.value.remedy


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, "The provided model identifier is invalid.", "request"),
        (400, "Input is too long for requested model.", "too_long"),
        (403, "INVALID_PAYMENT_INSTRUMENT: no card", "auth"),
        (424, "The model had an unexpected error.", "server"),
    ],
)
async def test_what_bedrock_says_in_words_is_understood(status: int, said: str, kind: str):
    with BedrockServer([fail("status", status=status, message=said)], keys=[SECRET]) as server:
        model = at(await opened("bedrock:m", AWS), server.url)
        with pytest.raises(ModelError) as raised:
            await collect(model)
        await model.aclose()
    assert raised.value.fault == kind


# --- parameters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("global.anthropic.claude-sonnet-5-5", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", False),
        ("claude-sonnet-4@20250514", False),
        ("claude-opus-4-6", True),
        ("arn:aws:bedrock:eu-central-1:1:application-inference-profile/abc", False),
    ],
)
def test_a_model_is_asked_for_adaptive_thinking_if_its_name_says_that_it_can(
    model: str, thinks: bool
):
    params = build_params(request(), model=model, author="", dialect="cloud", sees_images=True)
    assert ("thinking" in params) is thinks


def test_every_cloud_is_registered():
    names = [one.name for one in list_providers({})]
    assert [row.name for row in CLOUDS] == [name for name in names if name in SERVERS]
