"""The command line writes through one module, so that no text of a stranger is obeyed by a terminal."""

from __future__ import annotations

import ast

from tests.contracts.repository import sources, text

WRITERS = ("analyst_kernel/command_line/console.py", "analyst_kernel/command_line/writer.py")
WRITING = frozenset({"print", "echo", "secho", "echo_via_pager", "pprint"})


def calls_that_write(code: str) -> list[str]:
    """Return what writes to a terminal by itself: calls, streams, and Rich's own console."""
    found = []
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in WRITING or name == "Console":
                found.append(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="click"), attr=name)) if (
                name in WRITING
            ):
                found.append(f"click.{name}")
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr"),
                attr="write",
            ):
                found.append("sys.*.write")
            case ast.ImportFrom(module="rich.console", names=names):
                found += [alias.name for alias in names if alias.name == "Console"]
            case ast.ImportFrom(module="rich.markup" | "rich"):
                found.append("markup")
            case _:
                pass
    return found


def test_nothing_writes_beside_the_writer() -> None:
    files = sources(".py", under="analyst_kernel/command_line/")
    writing = {name: calls_that_write(text(name)) for name in (*files, "analyst_kernel/cli.py")}
    assert {name for name, calls in writing.items() if calls} == set(WRITERS)


def test_a_call_that_writes_is_found() -> None:
    code = (
        "print(1)\nclick.echo(2)\nsys.stderr.write('3')\nfrom rich.console import Console\n"
        "Console()\nfrom rich.markup import escape\n"
    )
    assert len(calls_that_write(code)) == 6
