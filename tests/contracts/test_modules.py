"""How the package is cut into modules: no circles, one home for each class, no needless pieces."""

from __future__ import annotations

import ast
import itertools
import tomllib
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter

from tests.contracts.python_code import MODULES, PACKAGE, file_of, imports, tree
from tests.contracts.repository import text

SHORT = 60
"""Lines under which a module needs more than one importer, or a reason."""

SHORT_WITH_A_REASON: dict[str, str] = {}
"""Modules that stand alone though they are short and have one importer, each with its reason."""


def circles() -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others."""
    graph = imports()
    arrows = {name: set(graph.find_modules_directly_imported_by(name)) for name in graph.modules}
    found: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(arrows).prepare()
        except CycleError as error:
            circle: list[str] = error.args[1]
            found.append(circle)
            # graphlib lists a circle against the arrows; without this one the next is found.
            for imported, importer in itertools.pairwise(circle):
                arrows[importer].discard(imported)
        else:
            return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert [" <- ".join(circle) for circle in circles()] == []


def test_class_names_are_unique_in_the_package() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for name in MODULES:
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(f"{name}:{node.lineno}")
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def entry_points() -> set[str]:
    """Return the modules that are found by name: entry points of ours."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    groups = [project["scripts"], *project["entry-points"].values()]
    return {target.partition(":")[0] for group in groups for target in group.values()}


def runs_as_a_script(name: str) -> bool:
    """Return whether a file is made to be run by its path or by ``python -m``."""
    return 'if __name__ == "__main__"' in text(name)


def test_no_short_module_serves_one_importer_only() -> None:
    graph, known = imports(), entry_points()
    lonely = {}
    for module in sorted(graph.modules - known):
        file = file_of(module)
        lines = len(text(file).splitlines())
        if file.endswith(("__init__.py", "__main__.py")) or lines >= SHORT:
            continue
        importers = graph.find_modules_that_directly_import(module)
        if len(importers) == 1 and not runs_as_a_script(file):
            lonely[module] = f"{lines} lines, imported by {importers.pop()} alone"
    assert {m: why for m, why in lonely.items() if m not in SHORT_WITH_A_REASON} == {}, (
        "fold it into its importer, or give the reason in SHORT_WITH_A_REASON"
    )
    assert set(SHORT_WITH_A_REASON) <= set(lonely), "these exceptions are no longer needed"


def test_the_graph_holds_the_whole_package() -> None:
    assert {file_of(module) for module in imports().modules} == set(MODULES)
    assert PACKAGE in imports().modules
