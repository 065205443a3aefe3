"""Rules of the user and of administrators: which packages may be fetched, and from where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from analyst_kernel.packages.names import normalised
from analyst_kernel.packages.task import PackageLimits

FORBID = "ANALYST_PACKAGES"
"""Set to ``forbid`` in the environment, no package is fetched, whatever else is said."""

PackageMode: TypeAlias = Literal["ask", "allow", "forbid"]
"""Each package waits for the user; the user said yes beforehand; none is fetched."""


@dataclass(frozen=True, slots=True)
class PackagePolicy:
    """What holds for one analysis.

    Attributes:
        indexes: Addresses that alone are asked; empty for those that pip is configured with.
        names: The only packages that a user may say yes to, with all that they bring; empty for
            any.
    """

    mode: PackageMode = "ask"
    indexes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    limits: PackageLimits = field(default_factory=PackageLimits)

    def refusal(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return why nothing may be fetched; empty if something may."""
        forbidden = environ.get(FORBID, "").strip().lower() in ("forbid", "no", "never", "0")
        if self.mode == "forbid" or forbidden:
            return "packages may not be fetched here: the administrator forbids it."
        return ""

    def refusal_of(self, name: str) -> str:
        """Return why one package may not be fetched; empty if it may."""
        if self.names and normalised(name) not in {normalised(one) for one in self.names}:
            return f"{name} is not among the packages that the administrator allows."
        return ""
