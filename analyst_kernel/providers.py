"""The contract of a provider of models, for this package's own and for those of third parties.

A package registers an object of the shape of :class:`Provider`, or a callable without arguments
that returns one, in the entry-point group ``analyst_kernel.providers``; the entry's name is the
provider's name. This package registers its own in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from analyst_kernel.agent.ports import Model

Env = Mapping[str, str]
"""Environment variables, usually ``os.environ``."""


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """A provider as lists show it. It never holds a secret.

    Attributes:
        name: First part of a model's name.
        label: The provider's usual name.
        has_credentials: Whether it can be used as things stand; true if it needs none.
        credential_source: Where the credentials were found (``ANTHROPIC_API_KEY``), or empty.
        default_model: Second part of the name if only the provider is named; may be empty.
        models: Names that are known without asking the server; may be empty.
        note: One sentence: what is missing, or what to know.
        is_ai: False for rules and scripts.
    """

    name: str
    label: str
    has_credentials: bool
    credential_source: str = ""
    default_model: str = ""
    models: tuple[str, ...] = ()
    note: str = ""
    is_ai: bool = True


class Provider(Protocol):
    """One entry of the registry."""

    @property
    def name(self) -> str:
        """First part of a model's name; no colon."""

    def describe(self, env: Env) -> ProviderInfo:
        """Return what lists show, without network and without heavy imports."""

    async def open(self, model: str, env: Env) -> Model:
        """Return the model, without network; called once per analysis.

        ``model`` is empty if only the provider was named and it has no default.

        Raises:
            ModelChoiceError: The name cannot be right, or credentials are missing.
        """
