"""What each cloud's usual places hold: an address, a region, and where credentials are. Pure files.

Only names are looked for. No SDK is imported, no metadata server is asked, and nothing that is
found is shown. An address of the user's own gets the key that is given for it, and no credential
of the cloud.
"""

from __future__ import annotations

import configparser
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analyst_kernel.models.anthropic_provider import check_url
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env


@dataclass(frozen=True, slots=True)
class CloudAccess:
    """How a cloud is reached.

    Attributes:
        connection: The address; its key or token if that is known as a text.
        source: Where the credentials are (a variable, a file, a role); empty if there are none.
        missing: What to do so that it can be used, one sentence; empty if nothing is missing.
        details: What the SDK's client needs besides: region, project, profile, key id.
        elsewhere: Whether the address is the user's own.
    """

    connection: Connection
    source: str = ""
    missing: str = ""
    details: Mapping[str, str] = field(default_factory=dict, repr=False)
    elsewhere: bool = False


def first_set(env: Env, *names: str) -> str:
    """Return the first of these variables that has a value; empty if none has."""
    return next((name for name in names if env.get(name, "").strip()), "")


def _value(env: Env, *names: str) -> str:
    return env.get(first_set(env, *names), "").strip()


def own_address(env: Env, variable: str, domains: tuple[str, ...]) -> str:
    """Return the address that the user set, if it is not below one of the cloud's domains.

    Raises ``ModelChoiceError`` if it is no address.
    """
    url = _value(env, variable).rstrip("/")
    if not url:
        return ""
    check_url(url, variable)
    host = Connection(url).host
    own = host.startswith("https://") and host.endswith(domains)
    return "" if own else url


def gateway(url: str, env: Env, key_variable: str, details: Mapping[str, str]) -> CloudAccess:
    """Return the access to the user's own address: with its own key, or with none at all."""
    key = env.get(key_variable, "").strip()
    host = Connection(url).host
    missing = "" if key else f"Set {key_variable} to the key of {host}; no other key goes there."
    return CloudAccess(
        Connection(url, auth_token=key or None),
        source=key_variable if key else "",
        missing=missing,
        details=details,
        elsewhere=True,
    )


# --- Amazon ------------------------------------------------------------------------------------

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_AWS_TOKEN = "AWS_BEARER_TOKEN_BEDROCK"
_BEDROCK_URL = "ANTHROPIC_BEDROCK_BASE_URL"


def find_bedrock(env: Env) -> CloudAccess:
    """Return what is known of Amazon Bedrock: region, and the credentials in the SDK's order."""
    region = _value(env, "AWS_REGION", "AWS_DEFAULT_REGION") or _profile_region(env)
    details = {"region": region}
    url = own_address(env, _BEDROCK_URL, _AMAZON)
    if url:
        details["region"] = region or "us-east-1"
        return gateway(url, env, "ANALYST_BEDROCK_KEY", details)
    if not region:
        return CloudAccess(Connection(""), missing="Set AWS_REGION to use it.")
    own = _value(env, _BEDROCK_URL).rstrip("/")
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    url = own or f"https://bedrock-runtime.{region}.{domain}"
    if env.get(_AWS_TOKEN, "").strip():
        token = env[_AWS_TOKEN].strip()
        return CloudAccess(Connection(url, auth_token=token), _AWS_TOKEN, details=details)
    key, secret = _value(env, "AWS_ACCESS_KEY_ID"), _value(env, "AWS_SECRET_ACCESS_KEY")
    if key and secret:
        details["access_key"] = key
        session = _value(env, "AWS_SESSION_TOKEN") or None
        connection = Connection(url, api_key=secret, auth_token=session)
        return CloudAccess(connection, "AWS_ACCESS_KEY_ID", details=details)
    if env.get("AWS_PROFILE"):
        details["profile"] = env["AWS_PROFILE"]
    source = _aws_elsewhere(env)
    missing = "" if source else f"Set {_AWS_TOKEN}, or sign in with `aws configure`, to use it."
    return CloudAccess(Connection(url), source, missing, details)


def _aws_elsewhere(env: Env) -> str:
    """Return where boto3 will find credentials: a profile, a role's token, this machine's role."""
    if env.get("AWS_PROFILE"):
        return "AWS_PROFILE"
    roles = (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    )
    found = first_set(env, *roles)
    if found:
        return found
    for path in _aws_files(env):
        if _is_file(path):
            return f"profile default of {path.name}"
    if env.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true" and _machine("sys_vendor") == (
        "Amazon EC2"
    ):
        return "the role of this machine"
    return ""


def _aws_files(env: Env) -> list[Path]:
    folder = _home(env) / ".aws"
    return [
        Path(env.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials"),
        Path(env.get("AWS_CONFIG_FILE") or folder / "config"),
    ]


def _profile_region(env: Env) -> str:
    """Return the region that the user's AWS profile names; empty if it names none."""
    profile = env.get("AWS_PROFILE") or "default"
    reader = configparser.RawConfigParser(strict=False)
    try:
        reader.read([str(path) for path in _aws_files(env)], encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""
    for section in (f"profile {profile}", profile):
        region = reader.get(section, "region", fallback="").strip()
        if region:
            return region
    return ""


# --- Google ------------------------------------------------------------------------------------

_GOOGLE = ("aiplatform.googleapis.com", ".rep.googleapis.com")
_VERTEX_URL = "ANTHROPIC_VERTEX_BASE_URL"
_GOOGLE_TOKEN = "CLOUDSDK_AUTH_ACCESS_TOKEN"
_GOOGLE_FILE = "GOOGLE_APPLICATION_CREDENTIALS"


def find_vertex(env: Env) -> CloudAccess:
    """Return what is known of Google Vertex AI: project, region, and where credentials lie."""
    region = _value(env, "CLOUD_ML_REGION", "GOOGLE_CLOUD_LOCATION")
    source, path = _google_source(env)
    project = _value(env, "ANTHROPIC_VERTEX_PROJECT_ID", "GOOGLE_CLOUD_PROJECT")
    project = project or _project_of(path)
    details = {"region": region or "global", "project": project}
    url = own_address(env, _VERTEX_URL, _GOOGLE)
    if url and project:
        return gateway(url, env, "ANALYST_VERTEX_KEY", details)
    if not project:
        return CloudAccess(Connection(""), missing="Set ANTHROPIC_VERTEX_PROJECT_ID to use it.")
    url = _value(env, _VERTEX_URL).rstrip("/") or _vertex_address(details["region"])
    token = _value(env, _GOOGLE_TOKEN) or None
    missing = "" if source else "Sign in with `gcloud auth application-default login` to use it."
    return CloudAccess(Connection(url, auth_token=token), source, missing, details)


def _vertex_address(region: str) -> str:
    if region == "global":
        return "https://aiplatform.googleapis.com/v1"
    if region in ("us", "eu"):
        return f"https://aiplatform.{region}.rep.googleapis.com/v1"
    return f"https://{region}-aiplatform.googleapis.com/v1"


def _google_source(env: Env) -> tuple[str, Path | None]:
    """Return where Google's credentials are, and their file if it is one."""
    if env.get(_GOOGLE_TOKEN, "").strip():
        return _GOOGLE_TOKEN, None
    if env.get(_GOOGLE_FILE, "").strip():
        return _GOOGLE_FILE, Path(env[_GOOGLE_FILE].strip())
    if env.get("CLOUDSDK_CONFIG"):
        folder = Path(env["CLOUDSDK_CONFIG"])
    elif sys.platform == "win32":
        folder = Path(env.get("APPDATA", "")) / "gcloud"
    else:
        folder = _home(env) / ".config" / "gcloud"
    path = folder / "application_default_credentials.json"
    if _is_file(path):
        return f"{path.name} of gcloud", path
    if _machine("product_name") in ("Google", "Google Compute Engine"):
        return "the service account of this machine", None
    return "", None


def _project_of(path: Path | None) -> str:
    """Return the project that a file of credentials names; empty if it names none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return ""
    if not isinstance(content, Mapping):
        return ""
    return str(content.get("project_id") or content.get("quota_project_id") or "")


# --- Microsoft ---------------------------------------------------------------------------------

_MICROSOFT = (".azure.com", ".azure.us", ".azure.cn")
_FOUNDRY_URL = "ANTHROPIC_FOUNDRY_BASE_URL"
_FOUNDRY_RESOURCE = "ANTHROPIC_FOUNDRY_RESOURCE"
_FOUNDRY_KEY = "ANTHROPIC_FOUNDRY_API_KEY"
_RESOURCE = re.compile(r"[A-Za-z0-9-]+")


def find_foundry(env: Env) -> CloudAccess:
    """Return what is known of Microsoft Foundry: the resource, or its address, and its key."""
    url = own_address(env, _FOUNDRY_URL, _MICROSOFT)
    if url:
        return gateway(url, env, "ANALYST_FOUNDRY_KEY", {})
    resource = _value(env, _FOUNDRY_RESOURCE)
    url = _value(env, _FOUNDRY_URL).rstrip("/")
    if not url and not resource:
        return CloudAccess(Connection(""), missing=f"Set {_FOUNDRY_RESOURCE} to use it.")
    if not url and not _RESOURCE.fullmatch(resource):
        raise ModelChoiceError(
            f"{_FOUNDRY_RESOURCE} is not the name of a resource.",
            f"Set it to the NAME in https://NAME.services.ai.azure.com, or {_FOUNDRY_URL} to the "
            "whole address.",
        )
    url = url or f"https://{resource}.services.ai.azure.com/anthropic"
    key = _value(env, _FOUNDRY_KEY)
    missing = "" if key else f"Set {_FOUNDRY_KEY} to use it."
    return CloudAccess(Connection(url, api_key=key or None), _FOUNDRY_KEY if key else "", missing)


# --- this machine ------------------------------------------------------------------------------


def _home(env: Env) -> Path:
    if env.get("HOME"):
        return Path(env["HOME"])
    try:
        return Path.home()
    except RuntimeError:  # there is no home folder
        return Path("/nonexistent")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _machine(name: str) -> str:
    """Return what the machine's maker wrote into it: clouds name themselves there."""
    try:
        return Path("/sys/class/dmi/id", name).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
