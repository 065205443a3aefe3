"""The provider ``gemini``: Google's models over its own API, with the SDK as an extra.

``GEMINI_API_KEY`` (or ``GOOGLE_API_KEY``) goes to Google's host and nowhere else. An address of the
user's own (``GEMINI_BASE_URL``) needs a key that is given for it (``GEMINI_BASE_URL_KEY``).
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from urllib.parse import urlsplit

from analyst_kernel.models.anthropic_provider import check_url
from analyst_kernel.models.gemini.faults import INSTALL
from analyst_kernel.models.gemini.interactions import GeminiInteractions
from analyst_kernel.models.registry import SEE_LIST
from analyst_kernel.models.table import model_table
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env, ProviderInfo, ProviderSettings

KEY = "GEMINI_API_KEY"
DEFAULT_MODEL = "gemini-3.8-flash"

_HOST = "https://generativelanguage.googleapis.com"
_OTHER_KEY = "GOOGLE_API_KEY"
_BASE_URL = "GEMINI_BASE_URL"
_BASE_URL_KEY = "GEMINI_BASE_URL_KEY"
_NAME = re.compile(r"[a-z0-9][\w.-]*\Z")
_SETTINGS = ProviderSettings(
    key_variable=KEY,
    needs_key=True,
    url=_HOST,
    url_variable=_BASE_URL,
    elsewhere_variable=_BASE_URL_KEY,
    check_path="/v1beta/models",
    key_header="x-goog-api-key",
)
_OFFLINE = "choose the model offline:rules, which needs none"


class GeminiProvider:
    """The provider of Gemini."""

    name = "gemini"

    def describe(self, env: Env) -> ProviderInfo:
        """Return whether the SDK is installed and a key was found; the SDK is not imported."""
        gateway = _gateway(env)
        source = _find_key(env, gateway)
        note = ""
        if not _is_installed():
            note = f"Needs the package google-genai. {INSTALL}"
        elif not source:
            note = f"Set {_BASE_URL_KEY if gateway else KEY} to use it."
        elif gateway:
            note = f"Requests go to {Connection(gateway).host} ({_BASE_URL})."
        return ProviderInfo(
            name=self.name,
            label="Gemini",
            has_credentials=bool(source) and _is_installed(),
            credential_source=source,
            # GOOGLE_API_KEY serves many things: nobody who has it has chosen a model by that.
            default_model="" if source == _OTHER_KEY else DEFAULT_MODEL,
            models=model_table().names(self.name),
            note=note,
            settings=_SETTINGS,
        )

    async def open(self, model: str, env: Env) -> GeminiInteractions:
        """Return the model; raises ``ModelChoiceError`` without the SDK, a key or a sound name."""
        name = (model or DEFAULT_MODEL).removeprefix("models/")
        if not _NAME.match(name):
            raise ModelChoiceError(f"Gemini has no model {name!r}.", SEE_LIST)
        if not _is_installed():
            raise ModelChoiceError(
                f"gemini:{name} needs the package google-genai, which is not installed.", INSTALL
            )
        gateway = _gateway(env)
        source = _find_key(env, gateway)
        if not source:
            wanted = f"Set {KEY}"
            if gateway:
                wanted = (
                    f"Set {_BASE_URL_KEY} to the key of {Connection(gateway).host}, because "
                    f"{KEY} is sent to Google only"
                )
            raise ModelChoiceError(
                f"There are no credentials for gemini:{name}.",
                f"{wanted}, or {_OFFLINE}.",
                no_credentials=True,
            )
        return GeminiInteractions(
            provider=self.name,
            model=name,
            label="Gemini",
            connection=Connection(base_url=gateway or _HOST, api_key=env[source].strip()),
            key_advice=f"Check {source}, or {_OFFLINE}.",
        )


def _is_installed() -> bool:
    """Return whether the SDK is there, without importing it."""
    try:
        return find_spec("google.genai") is not None
    except (ImportError, ValueError):
        return False


def _gateway(env: Env) -> str:
    """Return the user's own address, if it is not Google's; raise if it is no address."""
    url = env.get(_BASE_URL, "").strip().rstrip("/")
    if not url:
        return ""
    check_url(url, _BASE_URL)
    parts = urlsplit(url)
    return "" if f"{parts.scheme}://{parts.netloc}".lower() == _HOST else url


def _find_key(env: Env, gateway: str) -> str:
    """Return the variable that holds the key for the address in use; empty if there is none."""
    names = (_BASE_URL_KEY,) if gateway else (KEY, _OTHER_KEY)
    return next((name for name in names if env.get(name, "").strip()), "")
