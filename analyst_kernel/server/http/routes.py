"""Every address of the extension, and what answers there: all that is no command on the socket.

Jupyter loads this module at its start, so the handlers import what they need.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from urllib.parse import quote

from tornado import web

from analyst_kernel.server.http.base import AnalystHandler, route
from analyst_kernel.server.http.connections import (
    ConnectionHandler,
    ConnectionsHandler,
    TablesHandler,
)
from analyst_kernel.server.http.websocket import SocketHandler


class AnalysesHandler(AnalystHandler):
    """All analyses."""

    @route
    async def get(self) -> None:
        """List them, the one changed last first."""
        self.reply((await self.registry()).summaries())

    @route
    async def post(self) -> None:
        """Begin one: ``{notebook?, title?, folder?}``."""
        body = self.body()
        session = await (await self.registry()).begin(
            notebook=self.text(body, "notebook"),
            title=self.text(body, "title") or "",
            folder=self.text(body, "folder"),
        )
        self.reply(session.summary(), 201)


class AnalysisHandler(AnalystHandler):
    """One analysis."""

    @route
    async def get(self, analysis: str) -> None:
        """Describe it."""
        self.reply((await self.registry()).find(analysis).summary())

    @route
    async def patch(self, analysis: str) -> None:
        """Rename it: ``{title}``."""
        title = self.text(self.body(), "title", needed=True)
        session = (await self.registry()).find(analysis)
        session.rename(title or "")
        self.reply(session.summary())

    @route
    async def delete(self, analysis: str) -> None:
        """Delete it; ``notebook=delete`` takes the notebook along."""
        notebook = self.get_query_argument("notebook", "keep")
        if notebook not in ("keep", "delete"):
            raise web.HTTPError(400, "notebook is keep or delete.")
        await (await self.registry()).remove(analysis, notebook_too=notebook == "delete")
        self.reply(None)


class BranchHandler(AnalystHandler):
    """A new analysis from a cell of this one."""

    @route
    async def post(self, analysis: str) -> None:
        """Begin it: ``{cell, title?}``; instead of ``cell``, ``run`` means that question's end."""
        body = self.body()
        session = await (await self.registry()).branch(
            analysis,
            cell=self.text(body, "cell"),
            run=self.text(body, "run"),
            title=self.text(body, "title") or "",
        )
        self.reply(session.summary(), 201)


class ExportHandler(AnalystHandler):
    """An analysis as a file."""

    @route
    async def get(self, analysis: str) -> None:
        """Send it: ``to=ipynb|html|py``, ``clean=0|1``; a clean notebook is run first."""
        from analyst_kernel.server.http.views import export

        session = (await self.registry()).find(analysis)
        clean = self.get_query_argument("clean", "0") == "1"
        file = await export(session, self.get_query_argument("to", "ipynb"), clean=clean)
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(file.name)}")
        if file.verified:
            self.set_header("X-Analyst-Verified", file.verified)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(file.content, set_content_type=file.mime)


class SentHandler(AnalystHandler):
    """What was sent to models for an analysis."""

    @route
    async def get(self, analysis: str) -> None:
        """List the requests that hold ``search``; ``to=zip`` sends them all, byte for byte."""
        from analyst_kernel.server.http import views

        session = (await self.registry()).find(analysis)
        if self.get_query_argument("to", "") != "zip":
            found = await views.sent_requests(session, self.get_query_argument("search", "", False))
            self.reply(found)
            return
        content = await asyncio.to_thread(session.kept_privacy.archive)
        self.set_header("Content-Disposition", 'attachment; filename="sent-to-models.zip"')
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(content, set_content_type="application/zip")


class SentRequestHandler(AnalystHandler):
    """The body of one request that was sent to a model."""

    @route
    async def get(self, analysis: str, number: str) -> None:
        """Send it as it was sent; ``time`` is when, as the list says."""
        from analyst_kernel.server.http.views import sent_body

        session = (await self.registry()).find(analysis)
        body = await sent_body(session, int(number), self.get_query_argument("time"))
        # Never a page, whatever it holds.
        self.set_header("Content-Disposition", f'attachment; filename="{number}.json"')
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.finish(body, set_content_type="application/octet-stream")


class CompletionsHandler(AnalystHandler):
    """What ``@`` may mean in a question."""

    @route
    async def get(self, analysis: str) -> None:
        """List datasets, columns, variables and cells that fit ``prefix``."""
        from analyst_kernel.server.http.views import completions

        session = (await self.registry()).find(analysis)
        self.reply(await completions(session, self.get_query_argument("prefix", "")))


class DatasetsHandler(AnalystHandler):
    """The data of an analysis."""

    @route
    async def get(self) -> None:
        """Describe the datasets granted to ``analysis``."""
        from analyst_kernel.server.http.views import datasets

        session = (await self.registry()).find(self.get_query_argument("analysis"))
        self.reply(await datasets(session))


class UploadHandler(AnalystHandler):
    """Files from the user's own computer."""

    @route
    async def post(self) -> None:
        """Store files beside the notebook of ``analysis`` and grant them.

        A form with files, or one file as the body, named by ``name`` in the address.
        """
        session = (await self.registry()).find(self.get_query_argument("analysis"))
        sent = [
            (file.filename, file.body) for files in self.request.files.values() for file in files
        ]
        if not sent and self.request.body:
            sent = [(self.get_query_argument("name"), self.request.body)]
        self.reply({"paths": await session.upload(sent)}, 201)


class InstructionsHandler(AnalystHandler):
    """The files with the user's and the project's rules."""

    @route
    async def get(self) -> None:
        """List those of ``analysis``, or of a new one in ``folder``, each with its text."""
        from analyst_kernel.server.http.views import instructions

        found = await instructions(
            await self.registry(),
            self.get_query_argument("analysis", None),
            self.get_query_argument("folder", None),
        )
        self.reply(found)


class StatusHandler(AnalystHandler):
    """This server."""

    @route
    async def get(self) -> None:
        """Return version, model, isolation, locked settings and example questions."""
        from analyst_kernel.server.http.views import status

        self.reply(await status(await self.registry()))


class UsageHandler(AnalystHandler):
    """What models were used, and what each day may cost."""

    @route
    async def get(self) -> None:
        """Return what ``analysis`` (optional) and all analyses of today used, and the limit."""
        from analyst_kernel.server.http.views import usage

        self.reply(await usage(await self.registry(), self.get_query_argument("analysis", "")))

    @route
    async def post(self) -> None:
        """Limit what all analyses of a day may cost: ``{day_usd}``, null for no limit."""
        from analyst_kernel.server.http.views import limit_day

        self.reply(await limit_day(await self.registry(), self.body().get("day_usd")))


class ModelsHandler(AnalystHandler):
    """The models that a user may choose from."""

    @route
    async def get(self) -> None:
        """List providers, keys and local models; with ``local=1`` look for those first."""
        models = (await self.registry()).services.models
        self.reply(await models.listing(look_for_local=self.get_query_argument("local", "") == "1"))


class KeyHandler(AnalystHandler):
    """The key of a provider; it goes in and never comes out."""

    @route
    async def post(self) -> None:
        """Check and store a key: ``{provider, key, url?, anyway?}``.

        Answers ``{saved, verdict, what, remedy}``; a key that its provider did not accept is stored
        with ``anyway`` only, which asks nobody.
        """
        registry = await self.registry()
        body = self.body()
        checked = await registry.services.models.save_key(
            self.text(body, "provider", needed=True) or "",
            self.text(body, "key", needed=True) or "",
            self.text(body, "url") or "",
            anyway=body.get("anyway") is True,
        )
        if checked.saved:
            await registry.models_changed()
        self.reply(asdict(checked))

    @route
    async def delete(self) -> None:
        """Forget the key of ``provider``."""
        registry = await self.registry()
        await asyncio.to_thread(registry.services.keys.forget, self.get_query_argument("provider"))
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
    (rf"analyst-kernel/api/analyses/{_ID}/sent", SentHandler),
    (rf"analyst-kernel/api/analyses/{_ID}/sent/([0-9]{{1,9}})", SentRequestHandler),
    (r"analyst-kernel/api/connections", ConnectionsHandler),
    (rf"analyst-kernel/api/connections/{_ID}", ConnectionHandler),
    (rf"analyst-kernel/api/connections/{_ID}/tables", TablesHandler),
    (r"analyst-kernel/api/datasets", DatasetsHandler),
    (r"analyst-kernel/api/instructions", InstructionsHandler),
    (r"analyst-kernel/api/upload", UploadHandler),
    (r"analyst-kernel/api/usage", UsageHandler),
    (r"analyst-kernel/api/models", ModelsHandler),
    (r"analyst-kernel/api/models/key", KeyHandler),
)
