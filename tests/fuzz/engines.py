"""The two ways to make inputs: guided by coverage (atheris), and by chance (hypothesis).

Both begin with the corpus of the repository and change inputs in the same way. Atheris keeps every
input that reaches new code, so it goes deeper; it has wheels for Linux on x86-64 only. Each engine
runs one target in a process of its own, prints what it did, and leaves what it found in a file.
"""

from __future__ import annotations

import importlib.util
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random

CORPUS = Path(__file__).parent / "corpus"
ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "fuzz"
MEMORY_MIB = 2048
_EXECUTED = re.compile(r"^(?:stat::number_of_executed_units: |executed )(\d+)$", re.MULTILINE)
_ONE_IN = 200
"""One of so many inputs is also tried many times as long."""


@dataclass(frozen=True)
class FuzzResult:
    """What fuzzing one target came to."""

    target: str
    executed: int
    seconds: float
    failed: bool
    output: str
    found: tuple[Path, ...]


def target_names() -> list[str]:
    """Return the names of all targets, without importing them: each has a corpus."""
    return sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))


def inputs_of(name: str) -> list[bytes]:
    """Return the inputs that the corpus of the repository holds for a target."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def available() -> str:
    """Return the name of the better engine that is installed."""
    return "atheris" if importlib.util.find_spec("atheris") else "hypothesis"


def fuzz(target: str, engine: str, seconds: float) -> FuzzResult:
    """Fuzz one target in a process of its own."""
    found = BUILD / "found" / target
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    began = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz", "run", target]
    command += ["--engine", engine, "--seconds", str(seconds)]
    # Here, because an engine may end its process at once.
    with tempfile.TemporaryDirectory(prefix="ak-fuzz-", dir=_memory()) as folder:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder, "JUPYTER_DATA_DIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    output = done.stdout.decode("utf-8", "replace")
    counts = [int(count) for count in _EXECUTED.findall(output)]
    new = tuple(sorted(set(found.iterdir()) - before))
    failed = done.returncode != 0
    return FuzzResult(target, max(counts, default=0), time.monotonic() - began, failed, output, new)


def run_here(name: str, engine: str, seconds: float) -> None:
    """Fuzz one target in this process, which may end with it."""
    warnings.simplefilter("ignore")
    BUILD.mkdir(parents=True, exist_ok=True)
    {"atheris": _with_atheris, "hypothesis": _with_hypothesis}[engine](name, seconds)


def _memory() -> str | None:
    """Return a folder whose files are in memory, as those of a reader are; None if unknown."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _with_atheris(name: str, seconds: float) -> None:
    import atheris

    # Left open: the product imports parts of itself only when it needs them.
    atheris.instrument_imports(include=["analyst_kernel"]).__enter__()
    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import target_named

    target = target_named(name)
    pool = inputs_of(name)
    calls = 0

    def once(data: bytes) -> None:
        nonlocal calls
        calls += 1
        target(data, repeat=calls % _ONE_IN == 0)

    def change(data: bytes, longest: int, seed: int) -> bytes:
        rng = Random(seed)
        if rng.random() < (0.1 if target.kind == "json" else 0.5):
            changed: bytes = atheris.Mutate(data, longest)
            return changed
        new = mutated(target.kind, data, rng, target.tokens, pool)
        return new if len(new) <= longest else data

    kept = BUILD / "corpus" / name
    kept.mkdir(parents=True, exist_ok=True)
    # What earlier runs reached; files that no longer add anything cost a moment each.
    options = [
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={target.longest}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-artifact_prefix={BUILD / 'found' / name}/",
        "-timeout=120", "-print_final_stats=1", "-verbosity=0", "-len_control=0",
        "-detect_leaks=0",
    ]  # fmt: skip
    atheris.Setup(
        [sys.argv[0], *options, str(kept), str(CORPUS / name)], once, custom_mutator=change
    )
    atheris.Fuzz()


def _with_hypothesis(name: str, seconds: float) -> None:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from hypothesis.database import DirectoryBasedExampleDatabase

    from tests.fuzz.mutation import mutated
    from tests.fuzz.targets import target_named

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MIB << 20, most))
    target = target_named(name)
    pool = inputs_of(name)
    until = time.monotonic() + seconds
    executed, last = 0, b""

    @settings(
        max_examples=500,
        deadline=None,
        database=DirectoryBasedExampleDatabase(BUILD / "hypothesis"),
        suppress_health_check=list(HealthCheck),
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(st.sampled_from(pool), st.randoms(use_true_random=False), st.integers(1, 4))
    def check(start: bytes, rng: Random, times: int) -> None:
        nonlocal executed, last
        data = start
        for _ in range(times):
            data = mutated(target.kind, data, rng, target.tokens, pool)
        if len(data) > target.longest:
            return
        executed, last = executed + 1, data
        target(data, repeat=executed % _ONE_IN == 0)

    try:
        for data in pool:
            executed, last = executed + 1, data
            target(data)
        while time.monotonic() < until:
            check()
    except BaseException:  # noqa: BLE001 - whatever it is, its input is kept
        (BUILD / "found" / name / f"crash-{time.time_ns():x}").write_bytes(last)
        traceback.print_exc()
        raise SystemExit(1) from None
    finally:
        print(f"executed {executed}")
