"""Every target by its name, ``GROUP/NAME``; a group is a module here."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.target import Target

GROUPS = ("data", "kernel", "models", "notebooks", "wires", "words")


def targets_of(group: str) -> dict[str, Target]:
    """Return the targets of a group; what the other groups need is not imported."""
    module = import_module(f"{__name__}.{group}")
    return {f"{group}/{target.name}": target for target in module.TARGETS}


def all_targets() -> dict[str, Target]:
    """Return every target."""
    return {name: target for group in GROUPS for name, target in targets_of(group).items()}


def target_named(name: str) -> Target:
    """Return one target."""
    return targets_of(name.partition("/")[0])[name]
