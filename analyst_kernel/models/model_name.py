"""Names of models, ``provider:name``: split, and corrected by the nearest known name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from analyst_kernel._text import nearest
from analyst_kernel.protocol.errors import ModelChoiceError

_CLAUDE = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos|instant|\d)[\w.-]*\Z")
SEE_LIST = "Run `analyst models` to see which models there are."


def split_name(text: str, providers: Iterable[str]) -> tuple[str, str]:
    """Return provider and name; the name is empty if ``text`` names only the provider.

    A bare ``claude-...`` is a model of Anthropic. Raises ``ModelChoiceError``, with the nearest
    provider, if there is no such provider.
    """
    known = tuple(providers)
    provider, colon, name = text.strip().partition(":")
    provider = provider.strip().lower()
    if provider in known:
        return provider, name.strip()
    if not colon and _CLAUDE.match(provider):
        return "anthropic", provider
    if not text.strip():
        raise ModelChoiceError("The model's name is empty.", SEE_LIST)
    hint = "".join(nearest(provider, known, 1))
    if hint:
        suggestion = f"{hint}:{name.strip()}" if name.strip() else hint
        raise ModelChoiceError(
            f"There is no model provider {provider!r}.", f"Did you mean {suggestion!r}? {SEE_LIST}"
        )
    raise ModelChoiceError(
        f"There is no model provider {provider!r}.", f"There are: {', '.join(sorted(known))}."
    )


def could_be_claude(name: str) -> bool:
    """Return whether a name has the form of Claude's names.

    Checking the form only lets models work that are newer than this package.
    """
    return bool(_CLAUDE.match(name))
