"""Reads the cases and plays them; see the package's own words for their form."""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, cast
from unittest import mock

from analyst_kernel.analysis.results import Result
from analyst_kernel.api import Analyst
from tests.fakes import turns
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import Turn
from tests.fakes.wire_server import WireServer

HERE = Path(__file__).parent
KINDS = ("mistake", "right", "reasoned")
Kind = Literal["mistake", "right", "reasoned"]
_MOST_REPEATS = 6
"""How often a stubborn model sends its last turn again."""


@dataclass(frozen=True)
class Case:
    """One case, as written.

    Attributes:
        file, name: Where it stands.
        kind: What is expected.
        data: Name of each table's file and its bytes; ``question`` is asked about them.
        turns, then: What the model sends, and what it sends once it was told.
        hint, quiet, under: Patterns; see the package.
        status: What the run ends as; empty where it does not matter.
    """

    file: str
    name: str
    kind: Kind
    data: Mapping[str, bytes]
    question: str
    turns: tuple[Turn, ...]
    then: tuple[Turn, ...] = ()
    hint: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    status: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"

    @property
    def answer(self) -> str:
        """The last answer that the model sends."""
        block = (self.then or self.turns)[-1].blocks[-1]
        return str(block["text"] if block["type"] == "text" else block["input"]["answer"])


@dataclass(frozen=True)
class Played:
    """What came of a case.

    Attributes:
        result: The end of the run.
        told: Every text to the model after the first message, in order.
        asked: Requests that the model got.
        notebook: The saved notebook.
    """

    result: Result
    told: tuple[str, ...]
    asked: int
    notebook: Mapping[str, Any]
    notices: tuple[str, ...] = field(default=())

    def text_with(self, patterns: tuple[str, ...]) -> str:
        """Return the first text to the model that matches every pattern, or an empty one."""
        for text in self.told:
            if all(re.search(pattern, text, re.IGNORECASE) for pattern in patterns):
                return text
        return ""


def read_cases() -> Iterator[Case]:
    """Yield every case of ``cases/``; a malformed one raises ``ValueError`` with its name."""
    for path in sorted((HERE / "cases").glob("*.toml")):
        for number, raw in enumerate(tomllib.loads(path.read_text(encoding="utf-8"))["case"]):
            try:
                yield _read(path.stem, dict(raw))
            except (KeyError, TypeError, AssertionError) as error:
                name = raw.get("name", f"number {number + 1}")
                raise ValueError(f"{path.name}, {name}: {error!r}") from error


def _read(file: str, raw: dict[str, Any]) -> Case:
    kind = raw.pop("kind")
    assert kind in KINDS, f"no kind {kind!r}"
    data = {name: (HERE / "tables" / name).read_bytes() for name in raw.pop("tables", ())}
    for name, text in raw.pop("csv", {}).items():
        data[f"{name}.csv"] = dedent(text).strip().encode() + b"\n"
    lists = {name: tuple(raw.pop(name, ())) for name in ("hint", "quiet", "under", "turns", "then")}
    case = Case(
        file=file,
        name=raw.pop("name"),
        kind=cast(Kind, kind),
        data=data,
        question=raw.pop("question"),
        turns=tuple(map(_turn, lists["turns"])),
        then=tuple(map(_turn, lists["then"])),
        hint=lists["hint"],
        quiet=lists["quiet"],
        under=lists["under"],
        status=raw.pop("status", ""),
    )
    assert not raw, f"unknown keys: {', '.join(raw)}"
    assert case.turns, "no turns"
    assert (kind == "right") is not bool(case.hint), "a mistake has a hint, and nothing else has"
    assert (kind == "reasoned") is bool(case.then), "what follows a reason belongs to 'reasoned'"
    return case


def _turn(raw: Mapping[str, Any]) -> Turn:
    left = dict(raw)
    also = left.pop("also", None)
    (kind,) = [name for name in ("python", "sql", "finish", "say", "call") if name in left]
    text = left.pop(kind)
    if kind == "python":
        made = turns.python(dedent(text).strip(), **left)
    elif kind == "sql":
        made = turns.call("run_sql", sql=dedent(text).strip(), **{"purpose": "Look", **left})
    elif kind == "finish":
        made = turns.finish(dedent(text).strip("\n"), **left)
    elif kind == "say":
        made = turns.say(text)
    else:
        made = turns.call(text, **left.pop("input"))
    return made if also is None else turns.turn(made, _turn(also))


async def play(case: Case, folder: Path) -> Played:
    """Play a case in a folder of its own; the environment must name no other provider."""
    for name, content in case.data.items():
        (folder / name).write_bytes(content)
    script = [*case.turns, *case.then]
    notices: list[str] = []

    def note(event: Any) -> None:
        if event.type == "notice_raised":
            notices.append(event.code)

    with WireServer([*script, *[script[-1]] * _MOST_REPEATS], keys=[FAKE_KEY]) as server:
        credentials = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": FAKE_KEY}
        with mock.patch.dict(os.environ, credentials):
            async with Analyst(on_event=note) as analyst:
                result = await analyst.ask(
                    case.question,
                    data=[folder / name for name in case.data],
                    notebook=folder / "analysis.ipynb",
                )
        bodies = [request.body for request in server.messages_requests]
        assert not [r.refused for r in server.messages_requests if r.refused]
    notebook = json.loads((folder / "analysis.ipynb").read_text(encoding="utf-8"))
    shutil.rmtree(folder / "analysis_files", ignore_errors=True)
    return Played(result, tuple(_told(bodies[-1])), len(bodies), notebook, tuple(notices))


def _told(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the model was told after the first message, from its last request."""
    mine = [message for message in body["messages"] if message["role"] == "user"]
    for message in mine[1:]:
        content = message["content"]
        yield from [content] if isinstance(content, str) else _texts(content)


def _texts(blocks: list[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block["type"] == "text":
            yield block["text"]
        elif block["type"] == "tool_result":
            content = block.get("content", "")
            parts = [content] if isinstance(content, str) else list(_texts(content))
            yield "\n".join(parts)
