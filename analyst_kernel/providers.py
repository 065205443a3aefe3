"""The contract of a provider of models, for this package's own and for those of third parties.

A package registers an object of the shape of :class:`Provider`, or a callable without arguments
that returns one, in the entry-point group ``analyst_kernel.providers``; the entry's name is the
provider's name. This package registers its own in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from analyst_kernel.agent.ports import Model

Env = Mapping[str, str]
"""Environment variables, usually ``os.environ``."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What a user may set for a provider, and the variables in which the provider looks for it.

    From this alone a key is asked for, stored, bound to a host, checked and handed to the provider.
    It holds no value that a user set. A provider without one is set up outside this package.

    Attributes:
        key_variable: Holds the key; empty where none is wanted.
        needs_key: Whether the provider cannot be used without the key.
        url: The provider's own address; empty where only the user knows it.
        url_variable: Holds another address; empty where the host is fixed.
        elsewhere_variable: Holds the key for another host than that of ``url``, if the provider
            does not send the one of ``key_variable`` there. Empty where one serves any host.
        check_path: Path below the address that answers ``GET`` with JSON if the key is right and
            with 401 if it is wrong. Empty where a key cannot be checked without a question.
        usual_path: Put between address and ``check_path`` if the address has no path of its own.
        key_header: Header that carries the key in that request; ``Bearer`` goes before the key in
            ``authorization`` alone.
        check_headers: Further headers of that request.
    """

    key_variable: str = ""
    needs_key: bool = False
    url: str = ""
    url_variable: str = ""
    elsewhere_variable: str = ""
    check_path: str = ""
    usual_path: str = ""
    key_header: str = "authorization"
    check_headers: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class KeyedEnv(Protocol):
    """Environment variables beside which keys are stored; a provider gets its own key alone."""

    def of(self, provider: str, settings: ProviderSettings) -> tuple[Env, str]:
        """Return the variables for one provider, and where what was added comes from.

        The second is empty if nothing was added.
        """


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
        settings: What a user may set for it; ``None`` if it is set up by other means.
    """

    name: str
    label: str
    has_credentials: bool
    credential_source: str = ""
    default_model: str = ""
    models: tuple[str, ...] = ()
    note: str = ""
    is_ai: bool = True
    settings: ProviderSettings | None = None


class Provider(Protocol):
    """One entry of the registry."""

    @property
    def name(self) -> str:
        """First part of a model's name; no colon."""

    def describe(self, env: Env) -> ProviderInfo:
        """Return what lists show, without network and without heavy imports.

        Its ``settings`` are the same whatever stands in ``env``, which may be empty.
        """

    async def open(self, model: str, env: Env) -> Model:
        """Return the model, without network; called once per analysis.

        ``model`` is empty if only the provider was named and it has no default.

        Raises:
            ModelChoiceError: The name cannot be right, or credentials are missing.
        """
