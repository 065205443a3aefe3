"""Files with rules: which hold, what cannot be used, and what a question carries of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analyst_kernel import Analyst
from analyst_kernel.analysis.instructions import MOST_CHARACTERS, InstructionFiles
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AnalysisId
from tests.command_line.conversation import credentials
from tests.fakes.turns import finish
from tests.fakes.wire_server import WireServer
from tests.support.command import analyst


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("config", "data", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def files(home: Path, analysis: str = "a1", given: tuple[Path, ...] = ()) -> InstructionFiles:
    beside = str(home / "work")
    return InstructionFiles(home / "data", AnalysisId(analysis), beside=beside, given=given)


def states(found: InstructionFiles) -> dict[str, str]:
    return {file.place: file.state for file in found.look()}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_users_own_holds_and_the_projects_waits_until_it_was_seen(home: Path):
    mine, project = home / "config" / "analyst.md", home / "work" / "analyst.md"
    mine.write_text("Be brief.\r\nIn German.\n")
    project.write_text("Say 42.")
    assert states(files(home)) == {"user": "holds", "project": "new"}
    assert files(home).look()[0].text == "Be brief.\nIn German."
    files(home).switch("project", digest(project), on=True)
    files(home).switch("user", digest(mine), on=False)
    assert states(files(home)) == {"user": "off", "project": "holds"}
    # What was seen was seen for every analysis; what is off is off for one.
    assert states(files(home, "b2")) == {"user": "holds", "project": "holds"}
    seen = digest(project)
    project.write_text("Say 43.")
    assert states(files(home)) == {"user": "off", "project": "changed"}
    with pytest.raises(InputError, match="not what you were shown"):
        files(home).switch("project", seen, on=True)
    assert states(files(home)) == {"user": "off", "project": "changed"}


def test_another_folder_with_the_same_text_was_not_seen(home: Path):
    (home / "work" / "analyst.md").write_text("Say 42.")
    files(home).switch("project", digest(home / "work" / "analyst.md"), on=True)
    (home / "other").mkdir()
    (home / "other" / "analyst.md").write_text("Say 42.")
    found = files(home)
    found.beside_notebook(str(home / "other" / "n.ipynb"))
    assert states(found) == {"project": "new"}


def test_each_change_is_told_once(home: Path):
    mine, project = home / "config" / "analyst.md", home / "work" / "analyst.md"
    mine.write_text("Be brief.")
    project.write_text("Say 42.")
    found = files(home)

    def told() -> list[str]:
        return [code for code, _ in found.notices(found.look())]

    assert told() == ["instructions-new"]
    assert told() == []
    mine.write_text("Be long.")
    assert told() == ["instructions-changed"]
    found.switch("project", digest(project), on=True)
    assert told() == []
    project.write_text("Say 43.")
    assert told() == ["instructions-changed"]
    assert told() == []


BAD: dict[str, Callable[[Path], object]] = {
    "too long": lambda path: path.write_text("x" * (MOST_CHARACTERS + 1)),
    "much too long": lambda path: path.write_bytes(b"x" * 1_000_000),
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe\xfa"),
    "binary": lambda path: path.write_bytes(b"a\0b"),
    "a link": lambda path: path.symlink_to(_secret(path)),
    "a broken link": lambda path: path.symlink_to(path.parent / "nowhere"),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
}


def _secret(path: Path) -> Path:
    secret = path.parent / "secret"
    secret.write_text("A secret.")
    return secret


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_text_file_is_not_used_and_says_why(home: Path, name: str):
    BAD[name](home / "config" / "analyst.md")
    found = files(home)
    (file,) = found.look()
    assert (file.state, file.text) == ("unusable", "")
    assert file.problem.endswith(".")
    assert [code for code, _ in found.notices([file])] == ["instructions-unusable"]
    with pytest.raises(InputError, match="nothing was asked"):
        files(home, given=(home / "config" / "analyst.md",)).look()


def test_an_empty_file_is_none_and_one_that_was_named_must_be_there(home: Path):
    (home / "config" / "analyst.md").write_text(" \n")
    assert files(home).look() == ()
    with pytest.raises(InputError, match="no such file"):
        files(home, given=(home / "nowhere.md",)).look()


@pytest.mark.real
def test_a_command_sends_them_as_the_users_words_and_no_value_in_them(home: Path):
    work = home / "work"
    (work / "people.csv").write_text("name,tier\nAnna Moe,gold leaf\nBo Li,silver\n")
    (work / "rules.md").write_text("Gold leaf means our best. Answer in francs, never in 4711.")
    (home / "config" / "analyst.md").write_text("Be brief about Anna Moe.")
    (work / "analyst.md").write_text("Say 42.")
    with WireServer([finish("Nothing to compute.")], repeat=True) as server:
        environment = credentials(server)
        asked = analyst(
            "ask", "Who is best?", "--data", "people.csv", "--notebook", "n.ipynb",
            "--privacy", "no-values", "--instructions", "rules.md", cwd=work, env=environment,
        )  # fmt: skip
        missing = analyst(
            "ask", "Who?", "--notebook", "n.ipynb", "--instructions", "nowhere.md", cwd=work,
            env=environment,
        )  # fmt: skip
        again = analyst("ask", "Who else?", "--notebook", "n.ipynb", cwd=work, env=environment)
        bodies = [request.body["messages"] for request in server.messages_requests]
    assert asked.code in (0, 1), asked.err
    assert (
        f"Instructions: {work / 'rules.md'} (SHA-256 {digest(work / 'rules.md')[:12]})" in asked.err
    )
    assert "looked at" in asked.err, "of the project's file"
    first, last = bodies[0][0]["content"], bodies[-1][0]["content"]
    assert first[0]["text"].startswith("The user's own instructions")
    assert "means our best. Answer in francs, never in 4711." in first[0]["text"]
    assert "Be brief about ⟦v" in first[0]["text"]
    for word in ("old leaf", "Anna", "Moe", "42."):
        assert word not in json.dumps(first, ensure_ascii=False), word
    assert (missing.code, "nothing was asked" in missing.err) == (2, True)
    assert again.code in (0, 1), again.err
    assert "francs" not in json.dumps(last), "it held for one question"
    assert "Be brief" in last[0]["text"]
    notebook = (work / "n.ipynb").read_text()
    assert digest(work / "rules.md")[:12] in notebook


@pytest.mark.real
async def test_a_block_of_python_sends_them_with_every_question(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    rules = home / "work" / "rules.md"
    rules.write_text("Answer in francs.")
    with WireServer([finish("Nothing to compute.")], repeat=True) as server:
        for name, value in credentials(server).items():
            monkeypatch.setenv(name, value)
        async with Analyst(instructions=rules) as one:
            await one.ask("Who?", notebook=home / "work" / "n.ipynb")
            await one.ask("And who else?")
        bodies = [json.dumps(request.body["messages"]) for request in server.messages_requests]
        with pytest.raises(InputError, match="no such file"):
            async with Analyst(instructions=[home / "nowhere.md"]) as one:
                await one.ask("Who?", notebook=home / "work" / "m.ipynb")
    assert len(bodies) >= 2
    assert all("francs" in body for body in bodies)
