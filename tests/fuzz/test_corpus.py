"""Every input of the corpus once more: seeds, and what fuzzing found and was mended since."""

from __future__ import annotations

import json
import warnings

import pytest

from tests.fuzz.engines import CORPUS
from tests.fuzz.targets import all_targets

TARGETS = all_targets()


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_is_taken(name: str) -> None:
    target = TARGETS[name]
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries, over damaged files
            try:
                target(path.read_bytes())
            except BaseException as error:
                error.add_note(f"The input is {path}.")
                raise


def test_every_input_belongs_to_a_target() -> None:
    assert {path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*")} == set(TARGETS)


def test_the_corpus_is_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 600_000
    long = [
        path
        for path in files
        if path.stat().st_size > TARGETS[path.parent.relative_to(CORPUS).as_posix()].longest
    ]
    assert long == []


def test_a_broken_property_is_found() -> None:
    from tests.fuzz.target import BrokenProperty, Target, hold

    def run(text: str) -> None:
        hold("x" not in text, "no x")

    target = Target("example", "text", run, lambda: iter(()))
    target(b"abc")
    with pytest.raises(BrokenProperty, match="no x"):
        target(b"axc")


def test_every_target_makes_seeds() -> None:
    from tests.fuzz.seeds import as_bytes

    for name, target in TARGETS.items():
        seed = as_bytes(next(target.seeds()))
        assert 0 < len(seed) <= target.longest, name
        if target.kind == "json":
            json.loads(seed)
