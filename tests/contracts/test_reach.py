"""The server uses an analysis through its methods, and not the parts behind them."""

from __future__ import annotations

import ast

from tests.contracts.repository import sources, text

PARTS = frozenset({"deps", "exclusive", "kernel", "memory", "settings"})


def _parts_of_an_analysis(module: str) -> list[str]:
    """Return where a module takes a part, public or not, of something named ``analysis``."""
    found = []
    for node in ast.walk(ast.parse(text(module))):
        if not isinstance(node, ast.Attribute):
            continue
        owner = node.value  # either a name or an attribute has the name
        name = str(getattr(owner, "id", getattr(owner, "attr", "")))
        private = node.attr.startswith("_")
        if name.strip("_") == "analysis" and (private or node.attr in PARTS):
            found.append(f"{module}:{node.lineno}: {name}.{node.attr}")
    return found


def test_no_module_of_the_server_reaches_behind_an_analysis() -> None:
    modules = sources(".py", under="analyst_kernel/server/")
    assert [place for module in modules for place in _parts_of_an_analysis(module)] == []
