"""``analyst keys``: a key is asked for without being shown, checked, stored, used and removed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from analyst_kernel.testing.fakes.openai_server import OpenAIServer
from tests.command_line.test_on_a_terminal import Terminal
from tests.fakes.turns import finish, turn
from tests.support.command import PROGRAMS, environment

pytestmark = pytest.mark.real  # one of them starts a kernel

KEY, WRONG = "sk-planted-on-the-line-0123456789", "sk-planted-wrong-0123456789"


def run(folder: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command with a data folder of its own; ``typed`` comes through a pipe."""
    env = {**environment(), "JUPYTER_DATA_DIR": str(folder / "data")}
    done = subprocess.run(
        [PROGRAMS / "analyst", *arguments], cwd=folder, env=env, input=typed, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert KEY not in done.stdout + done.stderr
    assert WRONG not in done.stdout + done.stderr
    return done


def test_from_setting_a_key_to_asking_with_it_and_removing_it(tmp_path: Path):
    assert "No keys are set." in run(tmp_path, "keys").stdout
    with OpenAIServer(keys=[KEY]) as server:
        to_server = ("keys", "set", "openai", "--url", server.url)
        wrong = run(tmp_path, "--debug", *to_server, typed=WRONG + "\n")
        assert wrong.returncode == 3
        assert f"{server.url} refuses this key." in wrong.stderr
        assert "Nothing was stored." in wrong.stderr
        stored = run(tmp_path, *to_server, typed=KEY + "\n")
        assert (stored.returncode, stored.stdout) == (0, "Stored for openai (key file).\n")
        listed = json.loads(run(tmp_path, "keys", "list", "--json").stdout)
        (state,) = listed["keys"]
        assert (state["source"], state["host"], state["unused"]) == ("file", server.url, "")
        models = json.loads(run(tmp_path, "models", "--json").stdout)
        assert models["default"].startswith("openai:")
        server.push(turn(finish("Four.")))
        (tmp_path / "a.csv").write_text("a,b\n1,2\n")
        asked = run(
            tmp_path, "--debug", "ask", "What is two and two?", "--data", "a.csv",
            "--model", "openai:m", "--sandbox", "none", "--notebook", "n.ipynb",
        )  # fmt: skip
        assert "Four." in asked.stdout, asked.stderr
        assert f"Bearer {KEY}" in {one.headers["authorization"] for one in server.requests[2:]}
    removed = run(tmp_path, "keys", "remove", "openai")
    assert removed.returncode == 0
    again = run(tmp_path, "keys", "remove", "openai")
    assert (again.returncode, "Nothing is stored for 'openai'" in again.stderr) == (2, True)
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(written) > 3
    assert not [file for file in written if re.search(b"sk-planted", file.read_bytes())]


def test_on_a_terminal_the_key_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    for typed, code in ((f"{KEY}\n", 0), ("\x03", 130)):
        terminal = Terminal("keys", "set", "openai", "--unchecked", cwd=tmp_path)
        terminal.read("(not shown): ")
        terminal.type(typed)
        assert terminal.end() == code, terminal.shown
        assert KEY not in terminal.shown
    stored = json.loads((tmp_path / "data" / "analyst-kernel" / "keys.json").read_text())
    assert stored == {"openai": {"key": KEY, "url": "https://api.openai.com"}}
