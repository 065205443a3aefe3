"""The providers ``bedrock``, ``vertex`` and ``foundry``, as rows of what finds and what makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from analyst_kernel.models.anthropic_wire import Dialect
from analyst_kernel.models.cloud.access import (
    CloudAccess,
    find_bedrock,
    find_foundry,
    find_vertex,
)
from analyst_kernel.models.cloud.messages import (
    CloudMessages,
    Maker,
    make_bedrock,
    make_foundry,
    make_vertex,
)
from analyst_kernel.models.registry import SEE_LIST
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env, ProviderInfo

_OFFLINE = "choose the model offline:rules, which needs none"
_NAME = re.compile(r"[A-Za-z0-9][\w.:@/-]*\Z")


@dataclass(frozen=True, slots=True)
class CloudProvider:
    """One cloud.

    Attributes:
        example: A model's name there, for messages.
        find: Looks for address and credentials.
        make: Makes the SDK's client.
        dialect: What of Claude's parameters the cloud takes.
        library: What must be importable, and the distribution that brings it; empty for none.
    """

    name: str
    label: str
    example: str
    find: Callable[[Env], CloudAccess]
    make: Maker
    dialect: Dialect
    library: str = ""
    distribution: str = ""

    def describe(self, env: Env) -> ProviderInfo:
        """Return whether library, place and credentials were found; nothing is asked."""
        source = note = ""
        try:
            access = self.find(env)
            source, note = access.source, access.missing
            usable = bool(source) and not note
            if usable and access.elsewhere:
                note = f"Requests go to {access.connection.host}."
        except ModelChoiceError as error:
            usable, note = False, str(error)
        if not self.is_installed():
            usable, note = False, f"Needs the package {self.distribution}. {self.install}"
        return ProviderInfo(
            name=self.name,
            label=self.label,
            has_credentials=usable,
            credential_source=source,
            note=note or f"Name the model as the cloud does: {self.name}:{self.example}.",
        )

    async def open(self, model: str, env: Env) -> CloudMessages:
        """Return the model; raises ``ModelChoiceError`` if name, package or credentials lack."""
        if not _NAME.match(model):
            what = f"{self.label} has no model {model!r}." if model else "No model is named."
            raise ModelChoiceError(
                what, f"Name one as the cloud does: {self.name}:{self.example}. {SEE_LIST}"
            )
        if not self.is_installed():
            raise ModelChoiceError(
                f"{self.name}:{model} needs the package {self.distribution}, which is not "
                "installed.",
                self.install,
            )
        access = self.find(env)
        if access.missing:
            what = "are no credentials" if access.connection.base_url else "is no address"
            raise ModelChoiceError(
                f"There {what} for {self.name}:{model}.",
                f"{access.missing.removesuffix(' to use it.').removesuffix('.')}, or {_OFFLINE}.",
                no_credentials=True,
            )
        return CloudMessages(
            provider=self.name,
            model=model,
            label=self.label,
            connection=access.connection,
            dialect=self.dialect,
            key_advice=f"Check {access.source}, or {_OFFLINE}.",
            access=access,
            make=self.make,
        )

    @property
    def install(self) -> str:
        """The command that installs what is missing, as a sentence."""
        return f"Install it with `pip install 'analyst-kernel[{self.name}]'`."

    def is_installed(self) -> bool:
        """Return whether the library is there, without importing it."""
        try:
            return not self.library or find_spec(self.library) is not None
        except (ImportError, ValueError):
            return False


BEDROCK = CloudProvider(
    name="bedrock",
    label="Amazon Bedrock",
    example="MODEL_ID",
    find=find_bedrock,
    make=make_bedrock,
    dialect="cloud",
    library="boto3",
    distribution="boto3",
)
VERTEX = CloudProvider(
    name="vertex",
    label="Google Vertex AI",
    example="NAME",
    find=find_vertex,
    make=make_vertex,
    dialect="cloud",
    library="google.auth",
    distribution="google-auth",
)
FOUNDRY = CloudProvider(
    name="foundry",
    label="Microsoft Foundry",
    example="DEPLOYMENT",
    find=find_foundry,
    make=make_foundry,
    dialect="claude",
)

CLOUDS = (BEDROCK, VERTEX, FOUNDRY)
"""In the order of lists; pyproject.toml registers each as an entry point."""
