"""Packages on the command line: asked on a terminal, refused without one, and verified elsewhere."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from analyst_kernel.command_line.console import PlainConsole
from analyst_kernel.command_line.terminal import ProgressDisplay, TerminalUser, package_lines
from analyst_kernel.protocol.ids import new_ask_id
from analyst_kernel.protocol.records import PackageOffer, PackageWheel
from tests.command_line.conversation import credentials
from tests.fakes.package_index import PackageIndex
from tests.fakes.turns import finish, python
from tests.fakes.wire_server import WireServer
from tests.support.cli import cells, notebook_at
from tests.support.command import analyst

OFFER = PackageOffer(
    module="Tiny", name="tinystats", version="1.2", indexes=("https://index.example/simple",),
    wheels=(
        PackageWheel(name="tinystats", version="1.2", sha256="a" * 64, file="t.whl", host="x",
                     bytes=2_500_000),
        PackageWheel(name="tinyhelp", version="1.0", sha256="b" * 64, file="h.whl", host="x"),
    ),
    known=False, alike="tinystat",
)  # fmt: skip


def test_the_question_names_everything_that_matters() -> None:
    shown = "\n".join(
        "".join(part if isinstance(part, str) else part[0] for part in line)
        for line in package_lines(OFFER)
    )
    for text in ("tinystats 1.2", "Tiny is part of tinystats", "not known here", "tinystat?",
                 "https://index.example/simple", "2.50 MB", "also tinyhelp 1.0, size unknown",
                 "a" * 16):  # fmt: skip
        assert text in shown


@pytest.mark.parametrize(
    ("typed", "says_yes"), [("y\n", True), ("yes\n", True), ("\n", False), ("what\nn\n", False),
                            ("", False)]
)  # fmt: skip
async def test_only_a_yes_is_one(
    typed: str, says_yes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.write(writing, typed.encode())
    os.close(writing)
    console = PlainConsole(stderr=True)
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        user = TerminalUser(console, ProgressDisplay(console, quiet=True))
        async with asyncio.timeout(60):
            assert await user.approve_package(new_ask_id(), OFFER) is says_yes


@pytest.mark.real
def test_a_command_fetches_and_another_user_verifies(index: PackageIndex, tmp_path: Path) -> None:
    """The whole command, with pip's own configuration; and the notebook verified by another user."""
    index.add("tinystats", "1.2", {"tinystats.py": "VALUE = 42\n"})
    notebook = tmp_path / "n.ipynb"
    environment = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index.url}
    cell = python("import tinystats\nprint(tinystats.VALUE)")
    arguments = ("ask", "What is it?", "--notebook", str(notebook), "--json", "--model",
                 "anthropic:claude-sonnet-5-5")  # fmt: skip
    with WireServer([cell, finish("It is 42 [cell 1].")]) as server:
        known = {**environment, **credentials(server)}
        allowed = analyst(*arguments, "--allow-packages", cwd=tmp_path, env=known)
    assert allowed.code == 0, allowed.err
    assert "42" in str(cells(notebook_at(notebook), "iteration")[-1].outputs)

    other = {**environment, "JUPYTER_DATA_DIR": str(tmp_path / "another")}
    index.requests.clear()
    first = analyst("verify", str(notebook), cwd=tmp_path, env=other)
    assert (first.code, index.requests) == (1, [])
    assert "Not there for this notebook: tinystats 1.2" in first.err
    second = analyst("verify", str(notebook), "--allow-packages", cwd=tmp_path, env=other)
    assert second.code == 0, second.out + second.err
