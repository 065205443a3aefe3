"""With what this environment shares open notebooks: nothing, or one of the live-room providers."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

Provider = Literal["plain", "jupyter-collaboration", "jupyter-server-documents"]


def _found() -> Provider:
    providers: tuple[Provider, ...] = ("jupyter-server-documents", "jupyter-collaboration")
    for name in providers:
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return name
    return "plain"


PROVIDER: Final[Provider] = _found()
"""What is installed here; the environments each have one."""

LIVE: Final = PROVIDER != "plain"

PROVIDERS_OWN_TROUBLE: Final = (
    r"_youtputs\.get\(\.\.\.\)\.get is not a function"
    if PROVIDER == "jupyter-server-documents"
    else r"(?!)"
)
"""Errors of pages that the provider causes by itself; test_provider_alone shows that it does."""

_wanted = os.environ.get("ANALYST_LIVE_PROVIDER", PROVIDER)
if _wanted != PROVIDER:
    raise RuntimeError(f"This environment has {PROVIDER}, the tests were to run with {_wanted}.")
