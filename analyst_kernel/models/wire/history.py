"""What a model's history looks like on every wire: words for what cannot be sent, fitting ids."""

from __future__ import annotations

import hashlib
import re

from analyst_kernel.agent.transcript import parsed_input

UNSEEN = "[A picture stands here; this model does not see pictures.]"
NO_OUTPUT = "(no output)"
SILENT = "(no text)"
"""A wire that refuses empty messages gets this for a turn without words."""


def fit_id(call_id: str, form: re.Pattern[str], *, prefix: str = "call_", digits: int = 24) -> str:
    """Return an id of the wire's ``form`` as it is, and for any other always the same fitting one.

    A history may hold the ids of other models, and of servers that make up their own.
    """
    if form.fullmatch(call_id):
        return call_id
    return prefix + hashlib.sha256(call_id.encode()).hexdigest()[:digits]


def sendable_input(raw: str) -> str:
    """Return a call's input as it came, or ``{}`` if it is not one JSON object.

    Servers parse the history, and refuse the whole conversation over an input that is cut.
    """
    return raw if raw.strip() and parsed_input(raw) is not None else "{}"
