"""What a provider of models is, for the registry and for third parties.

A third party registers an object of this shape, or a callable without arguments that makes one, in
the entry-point group ``analyst_kernel.providers``; the entry's name is the provider's.
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
    """A provider as lists show it; never holds a secret.

    Attributes:
        name: First part of a model's name.
        label: As a user knows it.
        has_credentials: Whether it can be used as things stand; true where none are needed.
        credential_source: Where the credentials were found (``ANTHROPIC_API_KEY``), or empty.
        default_model: Second part of the name when only the provider is named; may be empty.
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
    """One row of the registry."""

    @property
    def name(self) -> str:
        """First part of a model's name; no colon."""
        ...

    def describe(self, env: Env) -> ProviderInfo:
        """Say what there is, without network and without heavy imports; called for lists."""
        ...

    async def open(self, model: str, env: Env) -> Model:
        """Make the model, without network; called once per analysis.

        ``model`` is empty when only the provider was named and it has no default. Raises
        ``ModelChoiceError`` for a name that cannot be right and for missing credentials.
        """
        ...
