"""``api/models``: providers, local models, and keys that stay on the server."""

from __future__ import annotations

import asyncio

from analyst_kernel.server.http.base import AnalystHandler, route


class ModelsHandler(AnalystHandler):
    """What a user may choose from."""

    @route
    async def get(self) -> None:
        """List providers and the models that run on this computer."""
        self.say(await (await self.analyses()).services.models.listing())


class KeyHandler(AnalystHandler):
    """The key of a provider; it goes in and never comes out."""

    @route
    async def post(self) -> None:
        """Keep a key: ``{provider, key}``."""
        analyses = await self.analyses()
        body = self.body()
        provider = self.text(body, "provider", needed=True) or ""
        key = self.text(body, "key", needed=True) or ""
        await asyncio.to_thread(analyses.services.keys.keep, provider, key)
        await analyses.models_changed()
        self.say(None)

    @route
    async def delete(self) -> None:
        """Forget the key of ``provider``."""
        analyses = await self.analyses()
        await asyncio.to_thread(analyses.services.keys.forget, self.query("provider"))
        await analyses.models_changed()
        self.say(None)
