"""Data that is not on this machine: the seam for remote storage.

Nothing is fetched here: the sandbox has no network, so remote data is copied first, by the person.
"""

from __future__ import annotations

import os
import re

from analyst_kernel.agent.errors import DataError

_SCHEME = re.compile(r"(?i)^([a-z][a-z0-9+.-]{1,20})://")


def is_remote(path: str) -> bool:
    """Tell whether a path names something on another machine."""
    found = _SCHEME.match(path)
    return found is not None and found.group(1).lower() != "file"


def refuse_remote(path: str) -> None:
    """Raise a :class:`DataError` that says how to get remote data here.

    Raises:
        DataError: Always, where ``path`` is remote.
    """
    if not is_remote(path):
        return
    scheme = path.split("://", 1)[0].lower()
    name = os.path.basename(path.rstrip("/")) or "data"
    ways = {
        "s3": f"Copy it first, for example with `aws s3 cp {path} {name}`, and attach the copy.",
        "gs": f"Copy it first, for example with `gsutil cp {path} {name}`, and attach the copy.",
        "http": "Download it first and attach the file.",
        "https": "Download it first and attach the file.",
    }
    raise DataError(
        f"{path} is not on this machine, and the sandbox has no network.",
        ways.get(scheme, "Copy it to this machine first and attach the copy."),
    )
