"""Names of models: ``provider:name``, taken apart, and the nearest right one for a wrong one.

Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from analyst_kernel.agent.errors import ModelChoiceError

_CLAUDE = re.compile(r"claude-(opus|sonnet|haiku|fable|mythos|instant|\d)[\w.-]*\Z")
SEE_LIST = "Run `analyst models` to see which models there are."


def split_name(text: str, providers: Iterable[str]) -> tuple[str, str]:
    """Take ``provider:name`` apart; the name is empty when only the provider stands there.

    A bare ``claude-...`` means Anthropic's. Raises ``ModelChoiceError`` naming the nearest one.
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
    hint = nearest(provider, known)
    if hint:
        suggestion = f"{hint}:{name.strip()}" if name.strip() else hint
        raise ModelChoiceError(
            f"There is no model provider {provider!r}.", f"Did you mean {suggestion!r}? {SEE_LIST}"
        )
    raise ModelChoiceError(
        f"There is no model provider {provider!r}.", f"There are: {', '.join(sorted(known))}."
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the most similar known word, or an empty text where none is close."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else ""


def could_be_claude(name: str) -> bool:
    """Whether a name has the form of Anthropic's, so that models newer than this package work."""
    return bool(_CLAUDE.match(name))
