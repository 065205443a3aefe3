"""Changes to inputs that keep more of their form than changes of bytes do."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**64, 10**400, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", " ", "\n", "\x00", "\x1b]0;x\x07", "\u202e", "\ud800", "\U0001f600", "é",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)",
    "https://evil.example/x", "//evil.example", "'\"`\\", "'''", '"""', "a" * 300, "1e999", "nan",
    [], {}, [[]], [None], {"": None},
)  # fmt: skip
_TOKENS: tuple[str, ...] = (
    "\n", "\r", "\r\n", "\t", " ", "\x00", "\x1b[", "\x1b]0;", "\x9b", "\b", "\u2028", "\u202e", "\ufeff",
    "\xa0", "\ud800", ",", ";", "|", '"', "'", "`", "```", "~~~", "'''", '"""', "\\", "/", "//", "<", ">",
    "<!--", "-->", "</", "&", "&#", "[", "]", "(", ")", "](", "![", "{", "}", "#", "# ", "$", "$$", "*",
    "_", "-", "--", "=", ":", "0", "1", "-1", "1e999", "1,000", "1.5", "%", "%%", "!", "?", "@", "http://",
    "javascript:", "data:", "é", "\U0001f600", "İ", "ﬀ", "nan", "None", "null",
)  # fmt: skip


def mutated(
    kind: str, data: bytes, rng: Random, tokens: Sequence[str], pool: Sequence[bytes]
) -> bytes:
    """Return an input that is made from another one, and perhaps from a third of the corpus."""
    if kind == "json":
        try:
            return _json(data, rng, tokens, pool)
        except (RecursionError, ValueError, OverflowError):
            return data  # nested too deep to be changed, or to be written
    if kind == "text":
        return _text(data, rng, tokens, pool)
    return _bytes(data, rng, pool)


def _json(data: bytes, rng: Random, tokens: Sequence[str], pool: Sequence[bytes]) -> bytes:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = []
    value = [value]
    for _ in range(rng.randint(1, 4)):
        holders = _holders(value)
        holder, key = rng.choice(holders)
        old = holder[key]
        match rng.randrange(9):
            case 0 | 1:
                holder[key] = copy.deepcopy(rng.choice(_ODD))
            case 2 if isinstance(old, str):
                text = old.encode("utf-8", "surrogatepass")
                holder[key] = _text(text, rng, tokens, ()).decode("utf-8", "surrogateescape")
            case 3 if isinstance(old, int | float):
                holder[key] = rng.choice((old + 1, -old, old * 10, 0.5, str(old)[:20]))
            case 4 if holder is not value:
                del holder[key]
            case 5 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(old))
            case 5 if isinstance(holder, dict) and tokens:
                holder[rng.choice(tokens)] = copy.deepcopy(old)
            case 6:
                other, place = rng.choice(holders)
                holder[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(old)
            case 7:
                depth = rng.choice((1, 2, 70, 200))
                holder[key] = json.loads("[" * depth + "0" + "]" * depth)
            case 8 if pool:
                try:
                    given = [json.loads(rng.choice(pool))]
                except (ValueError, RecursionError):
                    continue
                other, place = rng.choice(_holders(given))
                holder[key] = other[place]
            case _:
                holder[key] = rng.choice(tokens) if tokens else copy.deepcopy(rng.choice(_ODD))
    return json.dumps(value[0]).encode()


def _holders(value: Any) -> list[tuple[Any, Any]]:
    """Return every list or object with each key or place in it."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left and len(found) < 5_000:
        one = left.pop()
        keys = (
            list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        )
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], dict | list):
                left.append(one[key])
    return found


def _text(data: bytes, rng: Random, tokens: Sequence[str], pool: Sequence[bytes]) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    every = (*_TOKENS, *tokens, *tokens)
    for _ in range(rng.randint(1, 5)):
        at = rng.randint(0, len(text))
        end = min(len(text), at + rng.choice((1, 1, 2, 5, 20)))
        match rng.randrange(7):
            case 0 | 1:
                text = text[:at] + rng.choice(every) + text[at:]
            case 2:
                text = text[:at] + text[end:]
            case 3:
                text = text[:at] + text[at:end] * rng.choice((2, 3, 10)) + text[end:]
            case 4:
                text = text[:at] + rng.choice(every) + text[end:]
            case 5 if pool:
                other = rng.choice(pool).decode("utf-8", "surrogateescape")
                start = rng.randint(0, len(other))
                text = text[:at] + other[start : start + rng.choice((3, 20, 100))] + text[at:]
            case _:
                lines = text.split("\n")
                rng.shuffle(lines)
                text = "\n".join(lines)
    return text.encode("utf-8", "surrogatepass")


def _bytes(data: bytes, rng: Random, pool: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at = rng.randint(0, len(changed))
        end = min(len(changed), at + rng.choice((1, 1, 2, 4, 16)))
        match rng.randrange(5):
            case 0:
                changed[at:at] = rng.randbytes(rng.choice((1, 2, 4)))
            case 1:
                del changed[at:end]
            case 2:
                changed[at:end] = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * (end - at)
            case 3 if pool:
                other = rng.choice(pool)
                start = rng.randint(0, len(other))
                changed[at:end] = other[start : start + rng.choice((4, 16, 64))]
            case _:
                changed[at:end] = rng.randbytes(end - at)
    return bytes(changed)
