"""The two providers without an AI model: ``offline`` and ``scripted``."""

from __future__ import annotations

import asyncio

from analyst_kernel.agent.ports import Model
from analyst_kernel.models.provider import Env, ProviderInfo
from analyst_kernel.protocol.errors import ModelChoiceError


class OfflineProvider:
    """Deterministic rules; the default without credentials."""

    name = "offline"

    def describe(self, env: Env) -> ProviderInfo:
        """Always usable."""
        return ProviderInfo(
            name=self.name,
            label="Offline rules",
            has_credentials=True,
            default_model="rules",
            models=("rules",),
            note="No AI model: fixed rules answer common questions about tables. Needs no key.",
            is_ai=False,
        )

    async def open(self, model: str, env: Env) -> Model:
        """Make the rules; raises ``ModelChoiceError`` for any other name."""
        if model not in ("", "rules"):
            raise ModelChoiceError(
                f"'offline' has no model {model!r}.", "Did you mean 'offline:rules'?"
            )
        from analyst_kernel.models.offline.model import OfflineRules

        return OfflineRules()


class ScriptedProvider:
    """Replays ``scripted:PATH``."""

    name = "scripted"

    def describe(self, env: Env) -> ProviderInfo:
        """Always usable, given a script."""
        return ProviderInfo(
            name=self.name,
            label="Recorded script",
            has_credentials=True,
            note="No AI model: replays the turns recorded in a file, as scripted:PATH.",
            is_ai=False,
        )

    async def open(self, model: str, env: Env) -> Model:
        """Read the script; raises ``ModelChoiceError`` where it cannot be read or is not one."""
        from analyst_kernel.models.scripted import ScriptedModel

        if not model:
            raise ModelChoiceError("'scripted' needs a file.", "For example scripted:demo.json.")
        return await asyncio.to_thread(ScriptedModel.load, model)
