"""The arrows between packages, and what importing them may cost."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.contracts.repository import ROOT, sources, text

HEAVY = (
    "adbc_driver_postgresql", "anthropic", "botocore", "duckdb", "fsspec", "google.genai",
    "httpx2", "matplotlib", "obstore", "openai", "openpyxl", "pandas", "pyarrow", "pypdf",
)  # fmt: skip
"""Libraries that cost more than 50 ms to import; each is imported where it is used."""


def test_the_arrows_hold() -> None:
    linter = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_arrow_of_the_design_is_written_down() -> None:
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["id"] == "layers")
    assert layers["exhaustive"] is True
    assert layers["layers"][-7:-1] == [
        "models | offline | kernel | data | notebook",
        "providers",
        "agent",
        "(grants)",
        "_relevance",
        "protocol",
    ]
    # What knows nothing of the package stands below all.
    assert set(layers["layers"][-1].split(" | ")) >= {"_aio", "_text"}
    assert {contract["id"] for contract in contracts} >= {
        "pure-core",
        "sandbox-is-found",
        "offline-is-found",
    }


def test_importing_the_package_loads_no_heavy_library() -> None:
    modules = [
        name.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")
        for name in sources(".py", under="analyst_kernel/")
        if not name.endswith("__main__.py")
    ]
    program = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]\n"
        "    if loaded: sys.exit(f'{name} imports {loaded}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_command_begins_before_the_models_of_the_wire_are_built() -> None:
    """Building them takes longer than everything else that ``analyst --help`` needs."""
    program = (
        "import sys, analyst_kernel.cli, analyst_kernel.data.reader.ahead\n"
        "if 'pydantic' in sys.modules: sys.exit('pydantic was imported')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
