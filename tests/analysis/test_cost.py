"""What questions cost, and the limits on it, as a user of the command line meets them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line.conversation import MILEAGE, credentials, mileage
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.openai_server import OpenAIChatServer
from tests.fakes.wire_server import WireServer
from tests.support.cli import QUESTION, VEHICLES, cells, notebook_at
from tests.support.command import Ended, analyst


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    with WireServer([mileage], keys=[FAKE_KEY], repeat=True) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copyfile(VEHICLES, tmp_path / "vehicles.csv")
    return tmp_path


def ask(home: Path, env: dict[str, str], *more: str) -> Ended:
    own = {"JUPYTER_DATA_DIR": str(home / "data"), "JUPYTER_CONFIG_DIR": str(home / "config")}
    return analyst(
        "ask", QUESTION, "--data", "vehicles.csv", "--notebook", "mileage.ipynb", *more,
        cwd=home, env={**own, **env},
    )  # fmt: skip


def models(home: Path) -> dict[str, Any]:
    own = {"JUPYTER_DATA_DIR": str(home / "data"), "JUPYTER_CONFIG_DIR": str(home / "config")}
    listed = analyst("models", "--json", cwd=home, env=own)
    assert listed.code == 0, listed.err
    return dict(json.loads(listed.out))


def test_a_limit_stops_a_question_and_the_next_one_before_it_begins(home: Path, server: WireServer):
    env = credentials(server)
    # With a price of its own, so that the finding is paid for and the answer is not.
    table = home / "config" / "analyst_kernel" / "models.toml"
    table.parent.mkdir(parents=True)
    table.write_text(
        "[anthropic.models.claude-sonnet-5-5]\nprice = {input = 0, output = 1_000}\n",
        encoding="utf-8",
    )
    whole = ask(home, env, "--json")
    assert whole.code == 0, whole.err
    usage = whole.finished.usage
    assert usage.cost_usd is not None
    costs = [
        event["usage"]["cost_usd"]
        for event in map(json.loads, whole.out.splitlines())
        if event["type"] == "usage_counted"
    ]
    assert costs[-1] == usage.cost_usd == pytest.approx(usage.output_tokens / 1000)
    limit = (costs[-2] + costs[-3]) / 2
    (home / "mileage.ipynb").unlink()
    stopped = ask(home, env, "--max-cost", f"{limit:.6f}")
    assert stopped.code == 1, stopped.err
    assert "for this question was reached" in stopped.err
    assert "of the cost limit of" in stopped.err, "it was told when it was near"
    assert "City mileage rose from 15.55 mpg in 1984 to 20.81 mpg in 2015." in stopped.out
    notebook = notebook_at(home / "mileage.ipynb")
    (answer,) = cells(notebook, "answer")
    assert "City mileage rose" in answer.source
    assert len(cells(notebook, "iteration")) == 3
    sent = len(server.messages_requests)
    over = ask(home, env, "--max-day-cost", f"{usage.cost_usd:.6f}", "--json")
    assert over.code == 1
    assert over.finished.status == "incomplete"
    assert "for today was reached" in over.finished.reason
    assert len(server.messages_requests) == sent, "nothing was sent"
    spent = models(home)["spent_today"]
    assert spent["usage"]["calls"] == 11
    assert spent["usage"]["cost_usd"] == pytest.approx(costs[-1] + costs[-2])
    assert spent["problems"] == []
    notebook_at(home / "mileage.ipynb")


def test_an_unknown_price_is_shown_as_unknown_and_keeps_no_limit(home: Path):
    with OpenAIChatServer(MILEAGE, keys=[FAKE_KEY]) as server:
        env = {"ANALYST_CHAT_URL": f"{server.url}/v1", "ANALYST_CHAT_KEY": FAKE_KEY}
        model = ("--model", "compatible:some-model")
        refused = ask(home, env, *model, "--max-analysis-cost", "1")
        assert refused.code == 2
        assert "The price of compatible:some-model is not known" in refused.err
        assert "limit of $1.00 for this analysis" in refused.err
        assert server.requests == []
        assert not (home / "mileage.ipynb").exists()
        asked = ask(home, env, *model)
    assert asked.code == 0, asked.err
    assert "cost unknown · this notebook cost unknown · today cost unknown" in asked.err
    assert models(home)["spent_today"]["usage"]["cost_usd"] is None


def test_models_lists_limits_prices_and_todays_cost(tmp_path: Path):
    own = {"JUPYTER_DATA_DIR": str(tmp_path / "data"), "JUPYTER_CONFIG_DIR": str(tmp_path / "cfg")}
    table = tmp_path / "cfg" / "analyst_kernel" / "models.toml"
    table.parent.mkdir(parents=True)
    table.write_text("[anthropic.models.claude-sonnet-5-5]\ncontext = 'long'\n", encoding="utf-8")
    days = tmp_path / "data" / "analyst-kernel" / "spending"
    days.mkdir(parents=True)
    (days / "day-limit.json").write_text("nonsense", encoding="utf-8")
    listed = analyst("models", cwd=tmp_path, env=own)
    assert listed.code == 0
    rows = {line.split()[0]: line.split()[1:] for line in listed.out.splitlines() if line.strip()}
    assert rows["anthropic:claude-sonnet-5-5"] == ["all", "1M", "128k", "2.00", "0.10", "10.00"]
    assert rows["openai:gpt-6.2-astra"][-3:] == ["?", "?", "?"]
    assert "Spent today: $0.00" in listed.out
    assert str(table) in listed.err
    assert "anthropic.models.claude-sonnet-5-5.context" in listed.err
    assert "day-limit.json" in listed.err
