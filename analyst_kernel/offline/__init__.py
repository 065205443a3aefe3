"""The deterministic analyst: answers without a language model, through the same tool calls.

The package is found through the entry-point group ``analyst_kernel.providers`` and imported by no
other part of Analyst Kernel.
"""

from __future__ import annotations

from analyst_kernel.agent.ports import Model
from analyst_kernel.protocol.errors import ModelChoiceError
from analyst_kernel.providers import Env, ProviderInfo


class OfflineProvider:
    """Deterministic rules; the default without credentials."""

    name = "offline"

    def describe(self, env: Env) -> ProviderInfo:
        """Return what lists show; the rules can always be used."""
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
        """Return the rules; raises ``ModelChoiceError`` for any other name."""
        if model not in ("", "rules"):
            raise ModelChoiceError(
                f"'offline' has no model {model!r}.", "Did you mean 'offline:rules'?"
            )
        # Lists of providers are made at every start; only an analysis needs the rules themselves.
        from analyst_kernel.offline.model import OfflineRules

        return OfflineRules()
