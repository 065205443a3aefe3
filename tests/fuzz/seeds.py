"""Makes the inputs that fuzzing begins with, from what the tests hold already."""

from __future__ import annotations

import json

from tests.fuzz.engines import CORPUS
from tests.fuzz.target import Seed
from tests.fuzz.targets import all_targets


def write_seeds() -> None:
    """Write every target's seeds into its corpus; what was found by fuzzing stays."""
    for name, target in all_targets().items():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("seed-*"):
            old.unlink()
        for number, seed in enumerate(target.seeds()):
            data = as_bytes(seed)
            if len(data) > target.longest:
                raise ValueError(f"seed {number} of {name} has {len(data)} bytes")
            (folder / f"seed-{number:02}").write_bytes(data)


def as_bytes(seed: Seed) -> bytes:
    """Return a seed as the bytes of its input."""
    match seed:
        case bytes():
            return seed
        case str():
            return seed.encode("utf-8", "surrogateescape")
        case _:
            return json.dumps(seed, ensure_ascii=False, separators=(",", ":")).encode()
