"""The table of models: what it says, what a user's file changes, and what requests make of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.agent.transcript import Image, ModelRequest, Text, UserMessage
from analyst_kernel.models.prices import FREE, Price, Tariff, cost_of
from analyst_kernel.models.table import (
    UNKNOWN,
    ModelFacts,
    look_up,
    model_table,
    user_table_path,
)
from analyst_kernel.models.wire.connection import Connection
from analyst_kernel.models.wire.streaming import StreamingModel, within_limits
from analyst_kernel.protocol.records import Usage
from analyst_kernel.testing.wires import Wire, collect
from tests.contracts.repository import ROOT
from tests.fakes.turns import say, turn
from tests.models.conformance.wires import CHAT, GEMINI, MESSAGES, RESPONSES, chat
from tests.models.conversations import claude

TODAY = date(2026, 11, 29)

Write = Callable[[str | bytes], None]


@pytest.fixture
def write() -> Iterator[Write]:
    """Return a writer of the user's own table, which is removed afterwards."""
    path = user_table_path()
    path.parent.mkdir(parents=True, exist_ok=True)

    def writer(content: str | bytes) -> None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    yield writer
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)


def test_prices():
    usage = Usage(
        input_tokens=1_000_000,
        cached_tokens=1_000_000,
        cache_write_tokens=1_000_000,
        output_tokens=1_000_000,
    )
    sonnet = look_up("anthropic:claude-sonnet-5-5").tariff(TODAY)
    assert cost_of(sonnet, usage) == pytest.approx(2 + 0.1 + 2.5 + 10)
    assert cost_of(FREE, usage) == 0.0
    assert cost_of(None, usage) is None
    haiku = look_up("anthropic:claude-haiku-5-5").tariff(TODAY)
    assert cost_of(haiku, Usage(input_tokens=100_000)) == pytest.approx(0.01)
    assert cost_of(haiku, Usage(input_tokens=60_000, cached_tokens=60_000)) == pytest.approx(0.033)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("anthropic:claude-haiku-4-5-20251001", "anthropic:claude-haiku-4-5"),
        ("anthropic:claude-haiku-4-5@20251001", "anthropic:claude-haiku-4-5"),
        ("openai:gpt-6-luna-2026-09-22", "openai:gpt-6-luna"),
        ("anthropic:claude-haiku-4-5-2025", None),
        ("anthropic:claude-haiku-4-5-fast", None),
        ("openai:claude-haiku-4-5", None),
        ("nobody:claude-haiku-4-5", None),
        ("nothing", None),
    ],
)
def test_a_name_may_end_in_a_date_and_in_nothing_else(name: str, like: str | None):
    found = look_up(name)
    if like is None:
        assert found.tariffs == UNKNOWN.tariffs
        assert found.context is None
    else:
        assert found == look_up(like)


def test_a_price_holds_until_its_last_day():
    facts = look_up("gemini:gemini-3.8-flash")
    before, after = (facts.tariff(day) for day in (date(2026, 12, 31), date(2027, 1, 1)))
    assert before is not None
    assert after is not None
    assert (before.base.output, after.base.output) == (3.75, 7.5)


def test_every_provider_of_figures_says_when_and_where_they_were_read():
    table = model_table()
    for provider in table.providers:
        for name in table.names(provider):
            facts = table.facts(provider, name)
            assert facts.read is not None, name
            assert facts.read <= date.today()
            assert all(where.startswith("https://") for where in table.sources(provider))
            assert table.sources(provider)


def test_no_model_is_named_in_code_but_one_default_for_each_provider():
    """Names of models stand in the table; code holds the defaults, and nothing else."""
    named = re.compile(
        r"""["']((?:\w+/)?claude-[a-z]+-\d[\w.-]*|gpt-\d[\w.-]*|(?:\w+/)?[Qq]wen\d[\w.-]*|gemini-\d[\w.-]*)["']"""
    )
    found = []
    for path in (ROOT / "analyst_kernel").rglob("*.py"):
        if not {"_labextension", "testing"} & set(path.parts):
            text = path.read_text(encoding="utf-8")
            found += [(path.name, name) for name in named.findall(text)]
    assert len(found) == len(set(found)) == 3, found


@pytest.mark.parametrize(
    ("wire", "provider"),
    [(MESSAGES, "anthropic"), (RESPONSES, "openai"), (CHAT, "compatible"), (GEMINI, "gemini")],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_wire_takes_limits_and_price_from_the_table(
    wire: Wire, provider: str, write: Write
):
    write(f"[{provider}.models.some-model]\noutput = 777\nprice = {{input = 1, output = 10}}\n")
    with wire.serve([turn(say("42."))]) as server:
        model = wire.connect(server.url, model="some-model", provider=provider)
        events = await collect(model)
        await model.aclose()
        body = str(server.requests[-1].body)
    assert re.search(r"max\w*_tokens'?: 777\b", body)
    usage = next(e.usage for e in events if hasattr(e, "usage"))
    assert model.billing == "listed"
    assert usage.cost_usd is not None
    assert model.facts is None


REQUEST = ModelRequest("s" * 300, (), (UserMessage(text=(Text("t" * 2700), Image(""))),))


@pytest.mark.parametrize(
    ("facts", "room"),
    [
        (ModelFacts(), 16_000),
        (ModelFacts(output=64_000), 16_000),
        (ModelFacts(output=4_096), 4_096),
        (ModelFacts(context=8_000), 5_000),
        (ModelFacts(context=8_000, output=2_000), 2_000),
        (ModelFacts(context=1_000), 1_024),
    ],
)
def test_an_answer_is_asked_for_that_the_model_has_room_for(facts: ModelFacts, room: int):
    assert within_limits(REQUEST, facts).max_tokens == room


LOCAL = "http://127.0.0.1:9"
REMOTE = "https://models.example.com"
OPENROUTER = "https://openrouter.ai/api"


@pytest.mark.parametrize(
    ("provider", "url", "billing"),
    [
        ("vllm", LOCAL, "free"),
        ("vllm", REMOTE, "unknown"),
        ("compatible", LOCAL, "unknown"),
        ("openrouter", OPENROUTER, "reported"),
        ("nobody", REMOTE, "unknown"),
    ],
)
def test_how_a_cost_becomes_known(provider: str, url: str, billing: str):
    model: StreamingModel = chat(url, provider=provider, connection=Connection(url, api_key="k"))
    assert model.billing == billing
    assert (model.price is not None) == (billing == "free")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[anthropic\n", "no TOML"),
        (b"\xff\xfe", "no UTF-8"),
        ("anthropic = 1\n", "anthropic is no table"),
        ("[anthropic]\nprices = 1\n", "anthropic.prices: there is no such entry"),
        ("[x.models.y]\ncontext = -1\n", "x.models.y.context"),
        ("[x.models.y]\ncontext = 'much'\n", "x.models.y.context"),
        ("[x.models.y]\nimages = 1\n", "x.models.y.images"),
        ("[x.models.y]\nprice = {input = 1}\n", "x.models.y.price"),
        ("[x.models.y]\nprice = {input = nan, output = 1}\n", "x.models.y.price"),
        ("[x.models.y]\nprice = {input = -1, output = 1}\n", "x.models.y.price"),
        ("[x.models.y]\nlike = 'openai:nothing'\n", "has no model 'openai:nothing'"),
        ("[x]\nbilling = 'listed'\n", "x.billing"),
        ("a = " + "[" * 5_000, "no TOML"),
        ("#" * 1_000_001, "larger than a megabyte"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_changes_nothing_and_says_why(
    content: str | bytes | None, says: str, write: Write
):
    if content is None:
        user_table_path().mkdir()
    else:
        write(content)
    table = model_table()
    assert says in table.problem
    assert "The built-in table holds." in table.problem
    assert "\n" not in table.problem
    assert table.facts("anthropic", "claude-sonnet-5-5").context == 1_000_000
    user_table_path().rmdir() if content is None else os.unlink(user_table_path())
    assert model_table().problem == ""


def test_a_file_of_the_users_adds_and_replaces(write: Write):
    before = look_up("anthropic:claude-haiku-5-5")
    write("""
[anthropic.models.claude-haiku-5-5]
price = { input = 7, output = 8 }

[azure.models.my-deployment]
like = "openai:gpt-6.2-sol"
output = 5_000

[compatible]
billing = "free"
[compatible.models.llama]
tools = false
""")
    table = model_table()
    assert table.problem == ""
    haiku = table.facts("anthropic", "claude-haiku-5-5-20261007")
    assert haiku.tariff(TODAY) == Tariff(Price(7, 8, cache_write=7, cache_read=7))
    assert (haiku.context, haiku.by_user) == (before.context, True)
    azure = table.facts("azure", "my-deployment")
    assert (azure.context, azure.output, azure.billing) == (1_050_000, 5_000, "listed")
    assert table.facts("compatible", "llama").tools is False
    assert table.facts("compatible", "another").billing == "free"
    sonnet: Any = table.facts("anthropic", "claude-sonnet-5-5")
    assert (sonnet.output, sonnet.by_user) == (128_000, False)
    write(Path(user_table_path()).read_text().replace("input = 7", "input = 70"))
    now = look_up("anthropic:claude-haiku-5-5").tariff(TODAY)
    assert now is not None
    assert now.base.input == 70


def test_a_model_that_sees_no_pictures_gets_none(write: Write):
    assert claude(LOCAL).sees_images
    write("[anthropic.models.claude-sonnet-5-5]\nimages = false\n")
    assert not claude(LOCAL).sees_images
