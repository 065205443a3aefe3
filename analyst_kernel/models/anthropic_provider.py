"""The provider ``anthropic``: Claude over Anthropic's own API, or over the user's gateway.

``ANTHROPIC_BASE_URL`` and the key are set by the same user for the same provider, so the key goes
there; it goes nowhere else. Only to Anthropic, or where the process's own environment says so, goes
what the SDK finds in that environment besides.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from analyst_kernel._text import nearest
from analyst_kernel.models.anthropic_messages import AnthropicMessages
from analyst_kernel.models.registry import CLAUDE, SEE_LIST
from analyst_kernel.models.table import model_table
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env, ProviderInfo, ProviderSettings

KEY = "ANTHROPIC_API_KEY"
BEARER = "ANTHROPIC_AUTH_TOKEN"
DEFAULT_MODEL = "claude-sonnet-5-5"
_HOST = "https://api.anthropic.com"
_BASE_URL = "ANTHROPIC_BASE_URL"


SETTINGS = ProviderSettings(
    key_variable=KEY,
    needs_key=True,
    url=_HOST,
    url_variable=_BASE_URL,
    check_path="/v1/models",
    check_headers=(("anthropic-version", "2023-06-01"),),
)


class AnthropicProvider:
    """The provider of Claude."""

    name = "anthropic"

    def describe(self, env: Env) -> ProviderInfo:
        """Return whether credentials were found, and where."""
        source = find_source(env)
        note = "" if source else f"Set {KEY} to use it."
        gateway = env.get(_BASE_URL, "").strip()
        if source and gateway and gateway.rstrip("/") != _HOST:
            note = f"Requests go to {Connection(gateway).host} ({_BASE_URL})."
        return ProviderInfo(
            name=self.name,
            label="Anthropic",
            has_credentials=bool(source),
            credential_source=source,
            default_model=DEFAULT_MODEL,
            models=model_table().names(self.name),
            note=note,
            settings=SETTINGS,
        )

    async def open(self, model: str, env: Env) -> AnthropicMessages:
        """Return the model; raises ``ModelChoiceError`` for a misspelt name or no credentials."""
        name = model or DEFAULT_MODEL
        gateway = _gateway(env)
        # Checking the form only lets models work that are newer than this package.
        if not gateway and not CLAUDE.match(name):
            hint = "".join(nearest(name, model_table().names(self.name), 1))
            raise ModelChoiceError(
                f"Anthropic has no model {name!r}.",
                f"Did you mean 'anthropic:{hint}'? {SEE_LIST}" if hint else SEE_LIST,
            )
        source = find_source(env)
        if not source:
            raise ModelChoiceError(
                f"There are no credentials for anthropic:{name}.",
                f"Set {KEY}, or choose the model offline:rules, which needs none.",
                no_credentials=True,
            )
        key = env.get(KEY, "").strip() if source == KEY else ""
        token = env.get(BEARER, "").strip() if source == BEARER else ""
        static = bool(key or token)
        connection = Connection(
            # Without a static credential a profile may set its own address.
            base_url=gateway or (_HOST if static or env.get(_BASE_URL) is not None else None),
            api_key=key or None,
            auth_token=token or None,
            ambient=not gateway or gateway == os.environ.get(_BASE_URL, "").strip().rstrip("/"),
        )
        return AnthropicMessages(
            provider=self.name,
            model=name,
            label="Anthropic",
            connection=connection,
            dialect="claude",
            key_advice=f"Check {source}, or choose the model offline:rules, which needs none.",
        )


def _gateway(env: Env) -> str:
    """Return the user's own address, if it is not Anthropic's; raise if it is no address."""
    url = env.get(_BASE_URL, "").strip().rstrip("/")
    if not url or url == _HOST:
        return ""
    check_url(url, _BASE_URL)
    return url


def check_url(url: str, variable: str) -> None:
    """Raise ``ModelChoiceError`` if a variable's value is not an http(s) address."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        fine = False
    if not fine:
        raise ModelChoiceError(
            f"{variable} is not a web address.",
            f"Set {variable} to something like http://host:8080.",
        )


def find_source(env: Env) -> str:
    """Return the name of the variable or profile with credentials; empty if there is none.

    It is found as the SDK would, in the same order and without importing the SDK. The value is not
    returned; whether the credentials work is not checked.
    """
    for name in (KEY, BEARER):
        if env.get(name, "").strip():
            return name
    if env.get("ANTHROPIC_PROFILE"):
        return "ANTHROPIC_PROFILE"
    if env.get("ANTHROPIC_FEDERATION_RULE_ID") and env.get("ANTHROPIC_ORGANIZATION_ID"):
        for name in ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN"):
            if env.get(name):
                return name
    return _profile_source(env)


def _profile_source(env: Env) -> str:
    folder = _config_folder(env)
    if folder is None:
        return ""
    try:
        profile = (folder / "active_config").read_text(encoding="utf-8").strip() or "default"
    except (OSError, UnicodeDecodeError):
        profile = "default"
    if profile.startswith(".") or "/" in profile or "\\" in profile or "\0" in profile:
        return ""
    try:
        found = (folder / "configs" / f"{profile}.json").is_file()
    except OSError:
        return ""
    return f"profile {profile}" if found else ""


def _config_folder(env: Env) -> Path | None:
    if env.get("ANTHROPIC_CONFIG_DIR"):
        return Path(env["ANTHROPIC_CONFIG_DIR"])
    try:
        if sys.platform == "win32":
            appdata = env.get("APPDATA")
            base = Path(appdata) if appdata else Path.home() / "AppData" / "Roaming"
            return base / "Anthropic"
        home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    except RuntimeError:  # there is no home folder
        return None
    return home / ".config" / "anthropic"
