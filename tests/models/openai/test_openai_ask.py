"""The command line with OpenAI's wires: the README's words, over the real SDK and real HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from analyst_kernel.testing.fakes.openai_server import OpenAIChatServer, OpenAIServer
from tests.command_line.conversation import MILEAGE, refusals
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.wire_server import WireServer
from tests.support.cli import QUESTION, VEHICLES, cells, mileage_by_year, notebook_at, pictures
from tests.support.command import analyst

pytestmark = pytest.mark.real

ENVIRONMENTS: list[tuple[str, type[OpenAIServer], Callable[[str], dict[str, str]]]] = [
    (
        "openai:some-model",
        OpenAIServer,
        lambda url: {"OPENAI_BASE_URL": url, "ANALYST_OPENAI_KEY": FAKE_KEY},
    ),
    (
        "compatible:some-model",
        OpenAIChatServer,
        lambda url: {"ANALYST_CHAT_URL": f"{url}/v1", "ANALYST_CHAT_KEY": FAKE_KEY},
    ),
]


@pytest.mark.parametrize(("model", "serve", "env"), ENVIRONMENTS)
def test_a_question_is_answered(
    model: str, serve: type[OpenAIServer], env: Callable[[str], dict[str, str]], tmp_path: Path
):
    shutil.copyfile(VEHICLES, tmp_path / "vehicles.csv")
    with serve(MILEAGE, keys=[FAKE_KEY]) as server:
        asked = analyst(
            "ask", QUESTION, "--data", "vehicles.csv", "--notebook", "mileage.ipynb", "--json",
            "--model", model, cwd=tmp_path, env=env(server.url),
        )  # fmt: skip
        assert asked.code == 0, asked.err
        assert_went_well(server)
    finished = asked.finished
    assert finished.status == "answered"
    for year in (1984, 2015):
        assert f"{mileage_by_year()[year]:.2f}" in finished.answer
    assert finished.usage.calls == 6
    assert finished.usage.cached_tokens > finished.usage.input_tokens
    assert finished.usage.cost_usd is None, "its price is not known"
    notebook = notebook_at(tmp_path / "mileage.ipynb")
    failed, repaired, drawn = cells(notebook, "iteration")
    assert "raises-exception" in failed.metadata.tags
    assert "raises-exception" not in repaired.metadata.get("tags", [])
    assert len(pictures([drawn])) == 1
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or FAKE_KEY.encode() not in path.read_bytes()
    assert FAKE_KEY not in asked.out + asked.err


def assert_went_well(server: WireServer) -> None:
    assert refusals(server) == []
    assert [request.status for request in server.messages_requests] == [200] * 6
