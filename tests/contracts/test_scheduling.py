"""A worker of a whole run that dies takes one test with it, and never the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

DIES = """
import os
from pathlib import Path

def test_dies():
    flag = Path(__file__).with_suffix(".died")
    if not flag.exists():
        flag.touch()
        os._exit(1)
"""


def test_a_run_goes_on_when_a_worker_dies(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"test_{name}.py").write_text("def test_one(): pass\n")
    (tmp_path / "test_e.py").write_text(DIES)
    (tmp_path / "test_f.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "1", "--dist", "loadfile",
         "-p", "xdist", "-p", "tests.support.scheduling", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path, env={**env, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "crashed while running" in done.stdout, done.stdout
    assert "1 failed, 7 passed" in done.stdout, done.stdout
