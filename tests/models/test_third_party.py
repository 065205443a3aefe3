"""The conformance plugin on a provider of a third party: one that conforms, and ones that do not.

Each is a package of its own, written here, in a pytest of its own: nothing of ours helps it but what
is shipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def example(name: str) -> str:
    """Return a file of the README's example, by the comment in its first line."""
    found = re.search(
        rf"```python\n(# {re.escape(name)}\n.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    assert found is not None, name
    return found[1]


BREAKS = {
    "": ("", "", ""),
    "swallows_a_cut": (
        'raise ModelError(ENDED, AGAIN, fault="truncated", retryable=True)',
        'yield Stopped("end_turn"); return',
        "test_a_stream_may_break_anywhere[mine-truncate]",
    ),
    "runs_half_a_call": (
        'raise ModelError(ENDED, AGAIN, fault="truncated", retryable=True)',
        "yield ToolEnded(0, raw or '{}'); yield Stopped(\"tool_use\"); return",
        "test_after_a_tool_ran_nothing_is_asked_again[mine-truncate]",
    ),
    "retries": (
        "async for event in self._ask(request):",
        "async for event in self._again(request):",
        "test_after_a_tool_ran_nothing_is_asked_again[mine-truncate]",
    ),
    "quotes_the_key": (
        '.replace(self._key, "[secret]")', "", "test_a_server_that_echoes_the_key_is_not_quoted[mine-400]",
    ),
    "parses_the_input": (
        'yield ToolEnded(len(calls) - 1, raw or "{}")',
        'yield ToolEnded(len(calls) - 1, json.dumps(json.loads(raw or "{}")))',
        "test_an_input_that_is_no_json_object_is_never_sent_back[mine-nonsense]",
    ),
}  # fmt: skip
"""What is written otherwise, and a case that must fail for it."""

AGAIN = """
    async def _again(self, request):
        try:
            async for event in self._ask(request):
                yield event
        except ModelError as error:
            if not error.retryable:
                raise
            async for event in self._ask(request):
                yield event
"""


@cache
def written(folder: Path, rule: str) -> Path:
    old, new, _ = BREAKS[rule]
    text = example("mine.py")
    assert not old or old in text, rule
    text = text.replace(old, new)
    if rule == "retries":
        text = text.replace("    async def aclose(self)", AGAIN + "\n    async def aclose(self)")
    (folder / "mine.py").write_text(text)
    for name in ("conftest.py", "test_mine.py"):
        (folder / name).write_text(example(name))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p analyst_kernel.testing.plugin\n")
    return folder


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in the folder, without the plugins of this environment."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *more],
        cwd=folder, text=True, capture_output=True, check=False, timeout=300,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(folder)},
    )  # fmt: skip


def test_a_provider_that_conforms_passes_every_case(tmp_path: Path):
    ended = run(written(tmp_path, ""))
    assert ended.returncode == 0, ended.stdout
    assert int(re.findall(r"(\d+) passed", ended.stdout)[0]) > 70


@pytest.mark.parametrize("rule", [rule for rule in BREAKS if rule])
def test_a_provider_that_breaks_a_rule_is_caught(tmp_path: Path, rule: str):
    case = BREAKS[rule][2]
    ended = run(written(tmp_path, rule), "-k", case.partition("[")[0], "-rf")
    assert ended.returncode == 1, ended.stdout
    assert f"::{case}" in "".join(re.findall(r"FAILED .*", ended.stdout)), ended.stdout


def test_the_plugin_is_inert_unless_it_is_asked_for(tmp_path: Path):
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_nothing_of_it_is_loaded():\n"
        "    assert not [n for n in sys.modules if n.startswith('analyst_kernel')]\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:cov"],
        cwd=tmp_path, text=True, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    # Asked for, it leaves other tests alone, and tells who names no wire what to do.
    (tmp_path / "test_other.py").write_text(
        "import pytest\n\n@pytest.mark.parametrize('wire', [1])\ndef test_own(wire):\n    pass\n"
    )
    ended = run(tmp_path, "-p", "analyst_kernel.testing.plugin")
    assert ended.returncode == 0, ended.stdout
    (tmp_path / "test_mine.py").write_text(example("test_mine.py"))
    ended = run(tmp_path, "-p", "analyst_kernel.testing.plugin")
    assert ended.returncode != 0
    assert "implement pytest_analyst_wires(config) in a conftest.py" in ended.stdout + ended.stderr
