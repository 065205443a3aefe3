"""A target: what is fuzzed, which inputs it takes, and which properties it checks."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import analyst_kernel

Kind: TypeAlias = Literal["bytes", "text", "json"]
Seed: TypeAlias = bytes | str | list[Any] | dict[str, Any]

PACKAGE = str(Path(analyst_kernel.__file__).parent)

SECONDS = 5.0
"""CPU seconds that one input of at most ``longest`` bytes may take; twice, so not by chance."""
_REPEATED = 60_000
_MOST_GROWTH = 4.0
_NEGLIGIBLE = 0.3


class BrokenProperty(AssertionError):
    """The product did with an input what it must not do."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: What it is called within its group.
        kind: Inputs are ``bytes``, ``text`` (bytes that are no UTF-8 become lone surrogates), or
            ``json`` (other inputs are skipped).
        run: Takes one input; raises what the product must not raise, or :class:`BrokenProperty`.
        seeds: Makes valid inputs to begin with.
        longest: Bytes of the longest input.
        tokens: Pieces of text that are worth inserting.
        grows: Whether ``run`` takes the text repeated many times too, in proportionate time.
    """

    name: str
    kind: Kind
    run: Callable[[Any], None]
    seeds: Callable[[], Iterator[Seed]]
    longest: int = 4096
    tokens: tuple[str, ...] = ()
    grows: bool = False

    def __call__(self, data: bytes, *, repeat: bool = False) -> None:
        """Check one input, and with ``repeat`` that its time grows in proportion to its length."""
        given: Any = data
        if self.kind == "text":
            given = data.decode("utf-8", "surrogateescape")
        elif self.kind == "json":
            try:
                given = json.loads(data)
            except (ValueError, RecursionError):
                return
        if self._took_long(given) and self._took_long(given):
            raise BrokenProperty(f"{self.name}: more than {SECONDS:g} s for {len(data)} bytes")
        if repeat and self.grows and isinstance(given, str) and given:
            self._check_growth(given)

    def _took_long(self, given: Any) -> bool:
        return _cpu(self.run, given) > SECONDS

    def _check_growth(self, text: str) -> None:
        # Whole repetitions: code that is cut in the middle is refused at once.
        times = _REPEATED // len(text) + 1
        long, half = text * times, text * (times // 4 + 1)
        for _ in range(3):
            slow = _cpu(self.run, long)
            if slow < _NEGLIGIBLE or slow < 4 * _MOST_GROWTH * _cpu(self.run, half):
                return
        raise BrokenProperty(f"{self.name}: {slow:.1f} s for {_REPEATED} characters, repeated")


def _cpu(run: Callable[[Any], None], given: Any) -> float:
    began = time.process_time()
    run(given)
    return time.process_time() - began


def hold(condition: object, what: str) -> None:
    """Raise :class:`BrokenProperty` unless a property holds."""
    if not condition:
        raise BrokenProperty(what)


@contextmanager
def only(*errors: type[BaseException], of_libraries: bool = False) -> Iterator[None]:
    """Let pass what the product may raise.

    With ``of_libraries`` also what a library raises over a damaged file, for a caller that makes a
    sentence of anything; an error that is raised in the product itself is still a fault.
    """
    try:
        yield
    except errors:
        pass
    except Exception as error:
        if not of_libraries or _is_ours(error):
            raise


def _is_ours(error: BaseException) -> bool:
    """Return whether an error is one of Python's own, raised in the product or called by it."""
    if type(error).__module__ != "builtins":
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.startswith(PACKAGE)
