"""A recorded script plays as a model, and the test server plays the same file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analyst_kernel.agent.ports import Stopped, ThinkingDelta, ToolEnded, UsageReported
from analyst_kernel.agent.transcript import Observation, Text, ToolResult, UserMessage
from analyst_kernel.models.registry import open_model
from analyst_kernel.models.scripted import read_script
from analyst_kernel.protocol.errors import ModelChoiceError, ModelError
from analyst_kernel.testing.wires import ask, assistant, collect, request
from tests.models.conversations import claude

SCRIPT: dict[str, Any] = {
    "version": 1,
    "title": "Two cells and an answer",
    "turns": [
        {
            "blocks": [
                {"type": "thinking", "thinking": "Columns first."},
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "name": "run_python", "input": {"code": "frame.shape"}},
            ],
            "usage": {"input_tokens": 900, "output_tokens": 80},
        },
        {
            "blocks": [
                {
                    "type": "tool_use",
                    "name": "record_finding",
                    "input": {"statement": "42", "cells": ["{{cell}}", "{{cell:1}}", "{{cell:9}}"]},
                }
            ]
        },
        {"blocks": [{"type": "text", "text": "There are 42 rows."}]},
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "demo.json"
    file.write_text(json.dumps(SCRIPT))
    return file


def observed(call_id: str, cell: str) -> UserMessage:
    note = Observation("ok", cell=cell)
    return UserMessage((ToolResult(call_id, (Text(f"cell {cell}: 42"),), observation=note),))


async def test_turns_in_order_with_the_real_cells_filled_in(path: Path):
    model = await open_model(f"scripted:{path}")
    assert model.name == f"scripted:{path}"
    assert not model.is_ai
    assert not model.sees_images

    first = await collect(model)
    assert "".join(e.text for e in first if isinstance(e, ThinkingDelta)) == "Columns first."
    turn = assistant(first, model.name)
    assert turn.text == "Let me look."
    assert json.loads(turn.calls[0].raw_input) == {"code": "frame.shape"}
    usage = next(e.usage for e in first if isinstance(e, UsageReported))
    assert (usage.input_tokens, usage.calls, usage.cost_usd) == (900, 1, 0.0)

    results = [observed("call_1_3", "aaaaaaaaaaaa"), observed("x", "bbbbbbbbbbbb")]
    second = await collect(model, request(ask(), turn, *results))
    raw = next(e for e in second if isinstance(e, ToolEnded)).raw_input
    assert json.loads(raw)["cells"] == ["bbbbbbbbbbbb", "aaaaaaaaaaaa", "{{cell:9}}"]

    last = (await collect(model))[-1]
    assert last == Stopped(reason="end_turn")
    with pytest.raises(ModelError, match="no turn left after 3") as raised:
        await collect(model)
    assert (raised.value.fault, raised.value.retryable) == ("request", False)
    await model.aclose()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "JSON"),
        ('{"turns": 3}', "at turns"),
        ('{"turns": [{"blocks": [{"type": "magic"}]}]}', "at turns.0.blocks.0"),
        ('{"turns": [{"blocks": [], "fault": {"kind": "reset"}}]}', "at turns.0.fault"),
        ('{"version": 9, "turns": []}', "at version"),
    ],
)
async def test_files_that_are_no_script(tmp_path: Path, content: str, said: str):
    file = tmp_path / "bad.json"
    file.write_text(content)
    with pytest.raises(ModelChoiceError, match="is not a script") as raised:
        read_script(str(file))
    assert said in str(raised.value)


@pytest.fixture
def shell_server(path: Path) -> Iterator[str]:
    """Start the server as a browser test does; give its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.wire_server", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


async def test_the_test_server_plays_the_same_file_from_a_shell(shell_server: str):
    model = claude(shell_server)
    turn = assistant(await collect(model), model.name)
    results = observed(turn.calls[0].call_id, "aaaaaaaaaaaa")
    second = await collect(model, request(ask(), turn, results))
    await model.aclose()
    assert turn.text == "Let me look."
    raw = next(e for e in second if isinstance(e, ToolEnded)).raw_input
    assert json.loads(raw)["cells"][0] == "aaaaaaaaaaaa"
