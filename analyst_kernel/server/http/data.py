"""``api/datasets``, ``api/upload`` and ``api/status``."""

from __future__ import annotations

from analyst_kernel.server.http.base import AnalystHandler, route


class DatasetsHandler(AnalystHandler):
    """The data of an analysis."""

    @route
    async def get(self) -> None:
        """Describe the datasets granted to ``analysis``."""
        from analyst_kernel.server.http.views import datasets

        self.say(await datasets((await self.analyses()).find(self.query("analysis"))))


class UploadHandler(AnalystHandler):
    """Files from the user's own computer."""

    @route
    async def post(self) -> None:
        """Store files beside the notebook of ``analysis`` and grant them.

        A form with files, or one file as the body, named by ``name`` in the address.
        """
        from analyst_kernel.server.session.datasets import upload

        session = (await self.analyses()).find(self.query("analysis"))
        sent = [
            (file.filename, file.body) for files in self.request.files.values() for file in files
        ]
        if not sent and self.request.body:
            sent = [(self.query("name"), self.request.body)]
        self.say(await upload(session, sent), 201)


class StatusHandler(AnalystHandler):
    """This server."""

    @route
    async def get(self) -> None:
        """Tell version, model, isolation, locked settings and example questions."""
        from analyst_kernel.server.http.views import status

        self.say(await status(await self.analyses()))
