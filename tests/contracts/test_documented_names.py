"""Every module says what it is for; what the package offers is offered in one place."""

from __future__ import annotations

import ast
import inspect

import analyst_kernel
from tests.contracts.python_code import MODULES, tree


def test_every_module_says_what_it_is_for() -> None:
    silent = [name for name in MODULES if len(ast.get_docstring(tree(name)) or "") < 20]
    assert silent == [], "two or three lines: what for and what not"


def test_what_the_front_door_offers_exists_and_is_documented() -> None:
    for name in analyst_kernel.__all__:
        offered = getattr(analyst_kernel, name)
        if inspect.isclass(offered) or inspect.isfunction(offered):
            assert inspect.getdoc(offered), f"analyst_kernel.{name} has no docstring"
