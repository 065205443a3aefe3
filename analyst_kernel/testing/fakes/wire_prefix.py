"""What the API keeps of a conversation's prefix: thinking signatures bound to it, and the cache.

Both work on the same canonical form: cache markers removed, strings as blocks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from analyst_kernel.testing.fakes.wire_rules import Refusal, blocks_of

_LOOKBACK = 20


@dataclass(slots=True)
class Signatures:
    """Signatures that the server gave, each bound to model, prefix and text."""

    given: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def sign(self, body: dict[str, Any], text: str) -> str:
        """Sign a thinking text that answers this request."""
        prefix = _prefix_hash(body, len(body["messages"]))
        bound = (body["model"], prefix, text)
        signature = "sig_" + _hash([*bound, len(self.given)])
        self.given[signature] = bound
        return signature

    def check(self, body: dict[str, Any]) -> None:
        """Refuse thinking that was changed, or that answers another prefix."""
        for index, message in enumerate(body["messages"]):
            for number, block in enumerate(blocks_of(message)):
                if block["type"] == "thinking":
                    signature, text = block.get("signature"), block.get("thinking")
                elif block["type"] == "redacted_thinking":
                    signature = text = block.get("data")
                else:
                    continue
                place = f"messages.{index}.content.{number}"
                self._check_one(body, index, place, signature, text)

    def _check_one(
        self, body: dict[str, Any], index: int, place: str, signature: Any, text: Any
    ) -> None:
        bound = self.given.get(signature)
        if bound is None:
            raise Refusal(f"{place}: Invalid `signature` in `thinking` block")
        model, prefix, signed = bound
        if model != body["model"]:
            return  # another model's thinking is dropped silently
        if signed not in ("", text):
            raise Refusal(f"{place}: Invalid `signature` in `thinking` block")
        if prefix != _prefix_hash(body, index):
            raise Refusal(f"{place}: `thinking` block is bound to a different conversation")


@dataclass(slots=True)
class Cache:
    """The prompt cache: hashes of the prefixes that were written.

    Attributes:
        minimum: Tokens below which a prefix is not cached.
    """

    minimum: int = 1024
    written: set[str] = field(default_factory=set)

    def usage(self, body: dict[str, Any]) -> dict[str, int]:
        """Count a request's tokens as the API does, and write its marked prefixes."""
        hashes: list[str] = []
        totals: list[int] = []
        marked: list[int] = []
        so_far, total = "", 0
        for unit, has_marker in _units(body):
            so_far = _hash([so_far, unit])
            total += _tokens(unit)
            hashes.append(so_far)
            totals.append(total)
            if has_marker:
                marked.append(len(hashes) - 1)
        if body.get("cache_control") and hashes:
            marked.append(len(hashes) - 1)
        read = 0
        for mark in marked:
            for place in range(mark, max(-1, mark - _LOOKBACK), -1):
                if hashes[place] in self.written:
                    read = max(read, totals[place])
                    break
        wrote = [mark for mark in marked if totals[mark] >= self.minimum]
        self.written.update(hashes[mark] for mark in wrote)
        top = totals[wrote[-1]] if wrote else read
        return {
            "input_tokens": total - max(top, read),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": max(0, top - read),
        }


def _units(body: dict[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Give the prompt's parts in cache order (tools, system, messages), each with its marker."""
    for tool in body.get("tools") or ():
        yield _bare(tool), bool(tool.get("cache_control"))
    system = body.get("system")
    for block in [{"type": "text", "text": system}] if isinstance(system, str) else system or ():
        yield _bare(block), bool(block.get("cache_control"))
    # Another tool choice or thinking mode misses the cache from the messages on.
    mode = [body.get("tool_choice"), body.get("thinking")]
    for index, message in enumerate(body["messages"]):
        for number, block in enumerate(blocks_of(message)):
            first = mode if index == number == 0 else None
            yield [message["role"], first, _bare(block)], bool(block.get("cache_control"))


def _prefix_hash(body: dict[str, Any], count: int) -> str:
    earlier = [[message["role"], blocks_of(message)] for message in body["messages"][:count]]
    system = body.get("system")
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    return _hash([blocks, body.get("tools"), earlier])


def _hash(value: Any) -> str:
    text = json.dumps(_bare(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _tokens(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False)) // 4 + 1


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if key != "cache_control"}
    if isinstance(value, list | tuple):
        return [_bare(item) for item in value]
    return value
