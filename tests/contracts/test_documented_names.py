"""Every module says what it is for; what the package offers is offered in one place."""

from __future__ import annotations

import ast
import inspect

import pytest

import analyst_kernel
from tests.contracts.repository import sources, text

MODULES = sources(".py", under="analyst_kernel/")


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for(name: str) -> None:
    docstring = ast.get_docstring(ast.parse(text(name)))
    assert docstring, f"{name} has no docstring: two or three lines, what for and what not"
    assert len(docstring) >= 20, f"{name}: {docstring!r} says too little"


def test_what_the_front_door_offers_exists_and_is_documented() -> None:
    for name in analyst_kernel.__all__:
        offered = getattr(analyst_kernel, name)
        if inspect.isclass(offered) or inspect.isfunction(offered):
            assert inspect.getdoc(offered), f"analyst_kernel.{name} has no docstring"
