"""A server that repeats the key: the key stands in no output, notebook or file of an analysis."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyst_kernel.cli import main
from tests.command_line.conversation import credentials
from tests.fakes.fixtures import FAKE_KEY
from tests.fakes.turns import fail, say, turn
from tests.fakes.wire_server import WireServer

PAGE = f"<html><h1>Proxy error</h1>Authorization: Bearer {FAKE_KEY}</html>"
ECHO = {"x-echo": f"Bearer {FAKE_KEY}"}
FAULTS = {
    "error": fail("status", status=401, message=f"no such key {FAKE_KEY}"),
    "proxy page": fail("status", status=403, message=PAGE, headers=ECHO),
    "redirect": fail("status", status=307, headers={"location": "http://127.0.0.1:9/v1/messages"}),
    "error in the stream": fail("error_event", error_type="invalid_request_error", message=PAGE),
    "refusal": turn(say("No."), fault=fail("refusal", explanation=PAGE).fault),
}


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize("kind", FAULTS)
def test_the_key_is_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, debug: list[str], more: list[str]
):
    (tmp_path / "good.csv").write_text("city,price\nBern,3\n")
    monkeypatch.chdir(tmp_path)
    with WireServer([FAULTS[kind]] * 6) as server:
        for name, value in credentials(server).items():
            monkeypatch.setenv(name, value)
        arguments = [
            *debug, "ask", "How many?", "--data", "good.csv", "--notebook", "n.ipynb",
            "--model", "anthropic:claude-sonnet-5-5", *more,
        ]  # fmt: skip
        ended = CliRunner().invoke(main, arguments)
        assert server.messages_requests
    assert ended.exit_code in (1, 3), ended.output
    shown = ended.output
    if ended.exception is not None:
        shown += "".join(traceback.format_exception(ended.exception))
    assert FAKE_KEY not in shown
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert FAKE_KEY.encode() not in path.read_bytes(), path
