"""README's examples run as they stand there, one after the other, without a key."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.contracts.repository import ROOT, text
from tests.support.command import PROGRAMS, run

BLOCK = re.compile(r"^```(?P<kind>console|python)\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
CHANGING = re.compile(r"\d+(\.\d+)? (?=m?s\b)")
"""Times, which differ from run to run."""

FILE = re.compile(r"# \w+\.py\n")
"""The head of a block that is a file of a package."""

NOT_RUN = ("make ",)
"""Commands that set up, test or open JupyterLab; the others run."""

ASYNC = (
    "import ast, asyncio, sys\n"
    "code = compile(sys.stdin.read(), 'README.md', 'exec', ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)\n"
    "asyncio.run(eval(code))\n"
)


def examples() -> list[tuple[str, str]]:
    """Return each block of commands or Python in README, in order."""
    # The files of a package that adds a provider run in tests/models/test_third_party.py.
    found = [(block["kind"], block["body"]) for block in BLOCK.finditer(text("README.md"))]
    return [(kind, body) for kind, body in found if not FILE.match(body)]


def commands(body: str) -> list[tuple[str, list[str]]]:
    """Return each command of a block with the lines that it shows; ``...`` leaves some out."""
    found: list[tuple[str, list[str]]] = []
    shows = any(line.startswith("$ ") for line in body.splitlines())
    for line in body.splitlines():
        if line.startswith("$ ") or not shows:
            found.append((line.removeprefix("$ "), []))
        elif line != "...":
            found[-1][1].append(line)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the shipped data, and the reader's own."""
    for name in ("data", "made-up"):
        shutil.copytree(ROOT / "notebooks" / name, tmp_path / "notebooks" / name)
    shutil.copy(ROOT / "notebooks" / "questions.jsonl", tmp_path / "notebooks")
    shutil.copy(ROOT / "notebooks" / "data" / "vehicles.csv", tmp_path)
    (tmp_path / "sales.csv").write_text("region,sales\nNorth,10\nSouth,30\nNorth,5\n")
    return tmp_path


def test_examples_of_the_readme(folder: Path) -> None:
    ran = []
    for kind, body in examples():
        if kind == "python":
            (folder / "example.py").write_text(ASYNC.replace("sys.stdin.read()", repr(body)))
            done = run("python", "example.py", cwd=folder)
            assert done.code == 0, done.err
            ran.append("python")
            continue
        for command, shown in commands(body):
            if command.startswith(NOT_RUN):
                continue
            program, *arguments = shlex.split(command, comments=True)
            program = program.removeprefix(".venv/bin/")
            assert (PROGRAMS / program).exists(), command
            done = run(program, *arguments, cwd=folder)
            assert done.code == 0, f"{command}\n{done.out}{done.err}"
            said = [CHANGING.sub("", line).strip() for line in (done.err + done.out).splitlines()]
            for line in shown:
                # The notebook's whole path is printed; README shows its name.
                wanted = (
                    CHANGING.sub("", line).strip().replace("Notebook: ", f"Notebook: {folder}/")
                )
                assert wanted in said, f"{command}\ndoes not show: {wanted}\nbut: {said}"
            ran.append(" ".join([program, *arguments[:1]]))
    assert ran[:3] == ["analyst ask", "analyst ask", "python"]
    assert {"analyst verify", "analyst export", "analyst undo", "analyst eval"} <= set(ran)
