"""The pytest plugin: gives the cases of :mod:`analyst_kernel.testing.cases` the wires to run on.

Nothing registers it by itself. A test run asks for it with ``-p analyst_kernel.testing.plugin``
(or ``addopts``, or ``pytest_plugins``), names its wires by the hook ``pytest_analyst_wires`` in a
``conftest.py``, and imports the cases in a test module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from analyst_kernel.testing.wires import Wire

# A case that fails shows the values of its assertion, as those of a test module do.
pytest.register_assert_rewrite("analyst_kernel.testing.cases", "analyst_kernel.testing.wires")


class WireHooks:
    """What a ``conftest.py`` may implement."""

    @pytest.hookspec
    def pytest_analyst_wires(self, config: pytest.Config) -> list[Wire]:
        """Return the wires that the cases run on."""
        return []


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the hook known."""
    pluginmanager.add_hookspecs(WireHooks)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a case each wire that it is for; leave every other test alone."""
    mark = getattr(metafunc.function, "analyst_case", None)
    if mark is None or "wire" not in metafunc.fixturenames:
        return
    named = metafunc.definition.ihook.pytest_analyst_wires(config=metafunc.config)
    wires = [wire for some in named for wire in some]
    if not wires:
        raise pytest.UsageError(
            "No wire is named: implement pytest_analyst_wires(config) in a conftest.py beside "
            "the tests and return a list of analyst_kernel.testing.wires.Wire."
        )
    fitting = [wire for wire in wires if mark.fits(wire)]
    metafunc.parametrize("wire", fitting, ids=[wire.name for wire in fitting])
