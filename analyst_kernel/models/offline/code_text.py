"""Names and texts as Python and SQL write them. Pure."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable


def quoted(text: str) -> str:
    """Return a Python string literal of any text."""
    return json.dumps(text, ensure_ascii=False)


def identifier(*parts: str) -> str:
    """Return a readable Python name made of the parts."""
    name = re.sub(r"\W+", "_", "_".join(parts).lower(), flags=re.ASCII).strip("_")[:40].rstrip("_")
    if not name or name[0].isdigit() or keyword.iskeyword(name):
        name = f"values_{name}".rstrip("_")
    return name


def quoted_list(texts: Iterable[str]) -> str:
    """Return a Python list of string literals."""
    return f"[{', '.join(map(quoted, texts))}]"


def sql_name(name: str) -> str:
    """Return an SQL identifier in quotes."""
    return '"' + name.replace('"', '""') + '"'
