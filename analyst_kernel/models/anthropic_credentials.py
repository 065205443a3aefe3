"""Finds the source of Anthropic's credentials as the SDK would, without importing the SDK.

The order is the SDK's own. Only the name of the source is returned, never the value; whether the
credentials work is not checked.
"""

from __future__ import annotations

import sys
from pathlib import Path

from analyst_kernel.providers import Env

KEY = "ANTHROPIC_API_KEY"
BEARER = "ANTHROPIC_AUTH_TOKEN"


def find_source(env: Env) -> str:
    """Return the name of the variable or profile with credentials; empty if there is none."""
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
