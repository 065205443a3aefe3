"""``api/analyses``: the list of analyses, and what is not a command on the socket."""

from __future__ import annotations

from urllib.parse import quote

from tornado import web

from analyst_kernel.server.http.base import AnalystHandler, route


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
        notebook = self.query("notebook", "keep")
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
        from analyst_kernel.server.session.export import export

        session = (await self.registry()).find(analysis)
        file = await export(
            session, self.query("to", "ipynb"), clean=self.query("clean", "0") == "1"
        )
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(file.name)}")
        if file.verified:
            self.set_header("X-Analyst-Verified", file.verified)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(file.content, set_content_type=file.mime)


class CompletionsHandler(AnalystHandler):
    """What ``@`` may mean in a question."""

    @route
    async def get(self, analysis: str) -> None:
        """List datasets, columns, variables and cells that fit ``prefix``."""
        from analyst_kernel.server.http.views import completions

        session = (await self.registry()).find(analysis)
        self.reply(await completions(session, self.query("prefix", "")))
