"""Every address of the extension, and the handlers of data, models and the server's status."""

from __future__ import annotations

import asyncio

from analyst_kernel.server.http.analyses import (
    AnalysesHandler,
    AnalysisHandler,
    BranchHandler,
    CompletionsHandler,
    ExportHandler,
)
from analyst_kernel.server.http.base import AnalystHandler, route
from analyst_kernel.server.http.websocket import SocketHandler


class DatasetsHandler(AnalystHandler):
    """The data of an analysis."""

    @route
    async def get(self) -> None:
        """Describe the datasets granted to ``analysis``."""
        from analyst_kernel.server.http.views import datasets

        self.reply(await datasets((await self.registry()).find(self.query("analysis"))))


class UploadHandler(AnalystHandler):
    """Files from the user's own computer."""

    @route
    async def post(self) -> None:
        """Store files beside the notebook of ``analysis`` and grant them.

        A form with files, or one file as the body, named by ``name`` in the address.
        """
        session = (await self.registry()).find(self.query("analysis"))
        sent = [
            (file.filename, file.body) for files in self.request.files.values() for file in files
        ]
        if not sent and self.request.body:
            sent = [(self.query("name"), self.request.body)]
        self.reply({"paths": await session.upload(sent)}, 201)


class StatusHandler(AnalystHandler):
    """This server."""

    @route
    async def get(self) -> None:
        """Return version, model, isolation, locked settings and example questions."""
        from analyst_kernel.server.http.views import status

        self.reply(await status(await self.registry()))


class ModelsHandler(AnalystHandler):
    """The models that a user may choose from."""

    @route
    async def get(self) -> None:
        """List providers and the models that run on this computer."""
        self.reply(await (await self.registry()).services.models.listing())


class KeyHandler(AnalystHandler):
    """The key of a provider; it goes in and never comes out."""

    @route
    async def post(self) -> None:
        """Store a key: ``{provider, key}``."""
        registry = await self.registry()
        body = self.body()
        provider = self.text(body, "provider", needed=True) or ""
        key = self.text(body, "key", needed=True) or ""
        await asyncio.to_thread(registry.services.keys.keep, provider, key)
        await registry.models_changed()
        self.reply(None)

    @route
    async def delete(self) -> None:
        """Forget the key of ``provider``."""
        registry = await self.registry()
        await asyncio.to_thread(registry.services.keys.forget, self.query("provider"))
        await registry.models_changed()
        self.reply(None)


_ID = r"([0-9A-Za-z_-]{1,64})"

ROUTES: tuple[tuple[str, type], ...] = (
    (r"analyst-kernel/socket", SocketHandler),
    (r"analyst-kernel/api/status", StatusHandler),
    (r"analyst-kernel/api/analyses", AnalysesHandler),
    (rf"analyst-kernel/api/analyses/{_ID}", AnalysisHandler),
    (rf"analyst-kernel/api/analyses/{_ID}/branch", BranchHandler),
    (rf"analyst-kernel/api/analyses/{_ID}/export", ExportHandler),
    (rf"analyst-kernel/api/analyses/{_ID}/completions", CompletionsHandler),
    (r"analyst-kernel/api/datasets", DatasetsHandler),
    (r"analyst-kernel/api/upload", UploadHandler),
    (r"analyst-kernel/api/models", ModelsHandler),
    (r"analyst-kernel/api/models/key", KeyHandler),
)
