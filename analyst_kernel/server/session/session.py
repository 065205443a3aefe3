"""What a user can do with an analysis on a server, and the table that leads there from commands.

Everything that happens is emitted as events to every tab.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

from analyst_kernel.agent.ledger import Ledger
from analyst_kernel.agent.ports import Approval
from analyst_kernel.data.readings import AskedReading
from analyst_kernel.protocol import commands
from analyst_kernel.protocol.errors import AnalystError, InputError
from analyst_kernel.protocol.events import EVENT, DatasetDetached
from analyst_kernel.protocol.freshness import DataChange, DataChangesNoticed
from analyst_kernel.protocol.ids import CellId, RunId
from analyst_kernel.protocol.records import ApprovalMode, Limits, PrivacyMode
from analyst_kernel.server.events.client import Tab
from analyst_kernel.server.events.journal import StoredAnalysis
from analyst_kernel.server.events.recorder import replay_events
from analyst_kernel.server.session import jobs
from analyst_kernel.server.session.base import BaseSession
from analyst_kernel.server.session.datasets import revoke_dataset, store_uploads
from analyst_kernel.server.session.services import ServerServices

_ENDING_SECONDS = 1.0


class AnalysisSession(BaseSession):
    """One analysis of the journal, with what its user can do.

    A method returns when its command is accepted; a job in the queue then does the work. Commands
    are accepted in the order in which they were sent.
    """

    def __init__(self, record: StoredAnalysis, last: int, services: ServerServices) -> None:
        super().__init__(record, last, services)
        self._accepting = asyncio.Lock()
        self._accepted: asyncio.Task[Any] | None = None

    async def perform(self, tab: Tab, command: commands.Command) -> None:
        """Accept a command of a tab; the work that it starts goes on in a job.

        Raises:
            AnalystError: It was refused; nothing changed.
        """
        accepted = HANDLERS[type(command)](self, tab, command)
        if inspect.isawaitable(accepted):
            await accepted

    # --- what runs -----------------------------------------------------------------------------

    async def ask(
        self,
        question: str,
        *,
        data: Sequence[str] = (),
        model: str | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Answer a question, after those that wait already.

        Raises:
            InputError: The question, a model or the notebook cannot be used.
            DataError: A file cannot be read as data.
        """
        async with self._in_order():
            text = question.strip()
            if not text:
                raise InputError("The question is empty.", "Ask something about the data.")
            if model is not None:
                checked = await self.services.models.check(model)
                if checked != self.model:
                    self.configure(model=checked)
            if data:
                await self._attach(data)
            await self.opened(text)
            self.enqueue(jobs.answer, text, limits, question=text)

    async def run_code(self, code: str) -> None:
        """Run the user's own code as a cell."""
        async with self._in_order():
            await self.opened("My own cells")
            self.enqueue(jobs.run_code, code)

    async def run_again(self, cell: CellId | None) -> None:
        """Run one cell again, or every cell in order if ``cell`` is None."""
        async with self._in_order():
            await self._open_with_cells()
            self.enqueue(jobs.run_again, cell)

    async def verify(self) -> None:
        """Run the notebook in a fresh kernel and compare."""
        async with self._in_order():
            await self._open_with_cells()
            self.enqueue(jobs.verify)

    async def refresh(self) -> None:
        """Compute the answers again on the data as they are now, and compare."""
        async with self._in_order():
            await self._open_with_cells()
            self.enqueue(jobs.refresh)

    async def check_freshness(self) -> None:
        """Look whether data changed since it was answered from; not while a job is at work.

        What is opened for that is opened only if something did.
        """
        if not self.record.notebook or await self._is_at_work():
            return
        changes = await jobs.changes_of(self)
        known = await asyncio.to_thread(self._noticed)
        if changes == known or self.queue.busy:
            return
        analysis = await self.opened()
        analysis.freshness.emitted = known
        await analysis.freshness.show(changes)

    def _noticed(self) -> tuple[DataChange, ...]:
        """Return the changes that the journal ends with; blocking."""
        rows = self.services.journal.of_type(self.id, "data_changes_noticed")
        newest = EVENT.validate_json(rows[-1].body) if rows else None
        return newest.changes if isinstance(newest, DataChangesNoticed) else ()

    async def undo(self, run: RunId, *, roll_back: bool) -> None:
        """Take a whole run out of the notebook, and with ``roll_back`` out of the kernel."""
        async with self._in_order():
            await self._open_with_cells()
            if await self._is_at_work():
                raise InputError(
                    "This analysis is at work, so no run can be undone now. Nothing was changed.",
                    "Stop it or wait for its end, then undo.",
                )
            self.enqueue(jobs.undo, run, roll_back)

    async def _is_at_work(self) -> bool:
        """Return whether a job runs or waits; one whose run emitted its end may end first."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.queue.idle(), _ENDING_SECONDS)
        return self.queue.busy

    def cancel(self) -> None:
        """Stop the run at work, or the command that is about to start one.

        Raises:
            InputError: Nothing is at work.
        """
        if self._accepted is not None:
            self._accepted.cancel()
        elif not self.queue.cancel():
            raise InputError("Nothing is at work in this analysis.")

    def enqueue(
        self, job: Callable[..., Awaitable[None]], *arguments: object, question: str = ""
    ) -> None:
        """Do a job after those that wait already; ``question`` is its text if it answers one."""
        self.queue.add(partial(self._run, partial(job, self, *arguments)), question=question)

    # --- data ----------------------------------------------------------------------------------

    async def attach(self, paths: Sequence[str]) -> None:
        """Grant files or folders by the browser's paths, and emit their profiles.

        Raises:
            DataError: A file cannot be read as data.
        """
        async with self._in_order():
            await self._attach(paths)

    async def upload(self, files: Sequence[tuple[str, bytes]]) -> list[str]:
        """Store files (name and content) beside the notebook and attach them.

        A file that is no data is removed again.

        Returns:
            The file browser's paths of what was stored (absolute outside its root).

        Raises:
            InputError: No file was sent, or a name cannot be used.
            DataError: A file cannot be read as data.
        """
        async with store_uploads(self.home_folder(), files) as stored, self._accepting:
            await self._attach(stored)
        served = self.services.places.served
        return [served(path) or path for path in stored]

    async def detach(self, name: str) -> None:
        """Take back the dataset ``name``; the kernel, which may still read it, is stopped.

        Raises:
            InputError: There is no such dataset, or a job is at work.
        """
        async with self._in_order():
            await self._refuse_at_work("A run is at work with this data.")
            catalog = await self.catalog()
            if catalog is None:
                raise InputError("No data is attached to this analysis.")
            gone = catalog.withdraw(name)
            left = tuple(catalog.datasets)
            if gone.path not in {dataset.path for dataset in left}:
                rows = catalog.readings.rows()
                self.remember(pending=tuple(one.path for one in left), readings=rows)
                if self.record.notebook:
                    self.remember(pending=(), readings=())
                    grants, path = self.services.grants, self.record.notebook
                    await asyncio.to_thread(revoke_dataset, grants, path, self.id, gone, left)
                    await asyncio.to_thread(grants.keep_readings, path, rows, analysis=self.id)
            if self.analysis is not None:
                await self.analysis.forget_dataset(name)
            self.emit(DatasetDetached(analysis=self.id, name=name))
            if self.analysis is not None and self.analysis.isolation is not None:
                reason = f"{name} was taken back; the next question starts a kernel without it."
                await self.analysis.release_kernel("stopped", reason)

    async def attach_connection(self, name: str) -> None:
        """Let the analysis ask a database of the user's list.

        Raises:
            InputError: There is no such connection, or a job is at work.
        """
        async with self._in_order():
            await self._refuse_at_work("Databases cannot be attached while a run is at work.")
            await self.services.connections.named(name)
            if self.analysis is None and not self.record.notebook:
                wanted = dict.fromkeys((*self.record.connections, name))
                self.configure(connections=tuple(wanted))
                return
            analysis = await self.opened()
            await analysis.change_connections(attached=name)
            self.configure(connections=analysis.connections)

    async def detach_connection(self, name: str) -> None:
        """Take a database back, and what it gave. Raises ``InputError`` if a job is at work."""
        async with self._in_order():
            await self._refuse_at_work("A run is at work with this database.")
            if self.analysis is None and not self.record.notebook:
                left = tuple(one for one in self.record.connections if one != name)
                self.configure(connections=left)
                return
            analysis = await self.opened()
            await analysis.change_connections(detached=name)
            self.configure(connections=analysis.connections)

    async def _refuse_at_work(self, what: str) -> None:
        if await self._is_at_work():
            raise InputError(what, "Stop it, or wait for its end.")

    async def choose_reading(self, asked: AskedReading) -> None:
        """Have a dataset read as the user says, and emit its new profile.

        Raises:
            InputError: There is no such dataset or choice, its file cannot be read so, or a job is
                at work.
        """
        async with self._in_order():
            await self._refuse_at_work("A run is at work with this data.")
            catalog = await self.catalog()
            if catalog is None:
                raise InputError("No data is attached to this analysis.")
            if self.analysis is not None:
                await self.analysis.choose_reading(asked)
                return
            names = {dataset.name for dataset in catalog.datasets}
            changed, _ = await catalog.choose(asked.name, asked.key, asked.value)
            self.remember(readings=catalog.readings.rows())
            now = [dataset for dataset in catalog.datasets if dataset.name in changed]
            for gone in names - {dataset.name for dataset in catalog.datasets}:
                self.emit(DatasetDetached(analysis=self.id, name=gone))
            await self.describe(now)

    async def remove_package(self, name: str) -> None:
        """Take a fetched package away from the analysis.

        Raises:
            InputError: It has no such package, or a job is at work.
        """
        async with self._in_order():
            if await self._is_at_work():
                what = "A run is at work in this kernel."
                raise InputError(what, "Stop it, or wait for its end.")
            analysis = await self.opened()
            await analysis.remove_package(name)

    # --- settings ------------------------------------------------------------------------------

    async def choose_model(self, model: str) -> None:
        """Use another model from the next question on. Raises ``InputError``."""
        async with self._in_order():
            self.configure(model=await self.services.models.check(model))

    async def choose_approval(self, mode: ApprovalMode) -> None:
        """Choose what waits for the user from now on. Raises ``InputError``."""
        async with self._in_order():
            self._refuse_locked("approval")
            self.configure(approval=mode)

    async def choose_budget(self, cost_usd: float | None, analysis_usd: float | None) -> None:
        """Limit what each further question, and the analysis, may cost, in US dollars.

        Raises:
            InputError: The administrator chose another limit.
        """
        async with self._in_order():
            locked = self.services.settings.locked
            if cost_usd != locked.get("budget_usd"):
                self._refuse_locked("budget_usd")
            if analysis_usd not in (None, locked.get("analysis_budget_usd")):
                self._refuse_locked("analysis_budget_usd")
            self.configure(budget_usd=cost_usd, analysis_budget_usd=analysis_usd)

    def choose_privacy(self, mode: PrivacyMode, *, confirmed: bool) -> None:
        """Choose what of the data the model may see.

        It waits for no other command: a stricter mode must hold at once.

        Raises:
            InputError: The administrator allows no such mode, or it was not confirmed.
        """
        # On the loop, where requests are made, so that none is made half in one mode.
        said = self.switch().choose(mode, confirmed=confirmed)
        if said:
            self.log.notice(self.id, "privacy-changed", said, level="info")
        self.configure()

    async def switch_instructions(
        self, place: Literal["user", "project"], digest: str, *, on: bool
    ) -> None:
        """Have the instructions of a file hold or not. Raises ``InputError``."""
        async with self._in_order():
            said = await asyncio.to_thread(self.instructions().switch, place, digest, on=on)
            self.log.notice(self.id, "instructions-switched", said, level="info")

    async def change_definitions(self, change: Callable[[Ledger], object]) -> None:
        """Add, edit or remove definitions; they hold from the next question on.

        Raises:
            InputError: There is no such definition, or none can be kept yet.
        """
        async with self._in_order():
            if not self.record.notebook:
                raise InputError(
                    "Definitions are kept in the notebook, and this analysis has none yet.",
                    "Say it in your first question; it is kept from there.",
                )
            analysis = await self.opened()
            await analysis.change_definitions(change)

    def rename(self, title: str) -> None:
        """Change the title. Raises ``InputError`` if it is empty or too long."""
        plain = " ".join(title.split())
        if not plain or len(plain) > 500:
            raise InputError("A title has 1 to 500 characters.", "Type another one.")
        self.configure(title=plain, titled=True)

    # --- tabs ----------------------------------------------------------------------------------

    def subscribe(self, tab: Tab, after: int) -> None:
        """Send a tab the events after number ``after``, then each new one."""
        edge = self.recorder.delivered
        tab.subscribe(self.id, after)
        events = replay_events(
            self.services.journal,
            self.id,
            after=after,
            edge=edge,
            live=self.recorder.tail.after(after),
        )
        self._tasks.start(tab.catch_up(self.id, events, edge))

    @contextlib.asynccontextmanager
    async def _in_order(self) -> AsyncIterator[None]:
        """Accept a command after those sent before it; :meth:`cancel` can stop it meanwhile."""
        async with self._accepting:
            self._accepted = asyncio.current_task()
            try:
                yield
            finally:
                self._accepted = None

    async def _attach(self, paths: Sequence[str]) -> None:
        places = self.services.places
        await self.describe(await self.grant([places.absolute(path) for path in paths]))

    async def _open_with_cells(self) -> None:
        if not self.record.notebook:
            raise InputError("This analysis has no cells yet.", "Ask a question first.")
        await self.opened()

    def _refuse_locked(self, setting: str) -> None:
        if setting in self.services.settings.locked:
            raise InputError(
                "The administrator of this server chose this setting.", "It cannot be changed here."
            )

    async def _run(self, job: Callable[[], Awaitable[None]]) -> None:
        self.last_work = time.time()
        try:
            await job()
        except AnalystError as error:
            self.notice("not-done", str(error))
        finally:
            self.last_work = time.time()


_Handler: TypeAlias = Callable[[AnalysisSession, Tab, Any], Awaitable[None] | None]

HANDLERS: Mapping[type[commands.CommandBase], _Handler] = {
    commands.AskQuestion: lambda s, _, c: s.ask(
        c.question, data=c.data, model=c.model, limits=c.limits
    ),
    commands.CancelRun: lambda s, _, c: s.cancel(),
    commands.RunCode: lambda s, _, c: s.run_code(c.code),
    commands.RunAgain: lambda s, _, c: s.run_again(c.cell),
    commands.VerifyAnalysis: lambda s, _, c: s.verify(),
    commands.CheckFreshness: lambda s, _, c: s.check_freshness(),
    commands.RefreshAnalysis: lambda s, _, c: s.refresh(),
    commands.UndoRun: lambda s, _, c: s.undo(c.run, roll_back=c.roll_back),
    commands.UnqueueQuestion: lambda s, _, c: s.queue.withdraw(c.position),
    commands.RetryModel: lambda s, _, c: s.retry_delay.skip(),
    commands.AttachData: lambda s, _, c: s.attach(c.paths),
    commands.AttachConnection: lambda s, _, c: s.attach_connection(c.name),
    commands.DetachConnection: lambda s, _, c: s.detach_connection(c.name),
    commands.ChooseReading: lambda s, _, c: s.choose_reading(AskedReading(c.name, c.key, c.value)),
    commands.DetachData: lambda s, _, c: s.detach(c.name),
    commands.RemovePackage: lambda s, _, c: s.remove_package(c.name),
    commands.ChooseModel: lambda s, _, c: s.choose_model(c.model),
    commands.ChooseApproval: lambda s, _, c: s.choose_approval(c.mode),
    commands.ChoosePrivacy: lambda s, _, c: s.choose_privacy(c.mode, confirmed=c.confirmed),
    commands.SwitchInstructions: lambda s, _, c: s.switch_instructions(c.place, c.digest, on=c.on),
    commands.ChooseBudget: lambda s, _, c: s.choose_budget(c.cost_usd, c.analysis_usd),
    commands.AddDefinition: lambda s, _, c: s.change_definitions(lambda held: held.add(c.text)),
    commands.EditDefinition: lambda s, _, c: s.change_definitions(
        lambda held: held.edit(c.definition, c.text, active=c.active)
    ),
    commands.RemoveDefinition: lambda s, _, c: s.change_definitions(
        lambda held: held.remove(c.definition)
    ),
    commands.AnswerQuestion: lambda s, _, c: s.user.reply("question", c.ask, c.answer),
    commands.DecideApproval: lambda s, _, c: s.user.reply(
        "cell", c.ask, Approval(c.decision, c.code)
    ),
    commands.DecidePlan: lambda s, _, c: s.user.reply("plan", c.ask, c.goals),
    commands.SubscribeAnalysis: lambda s, tab, c: s.subscribe(tab, c.after),
    commands.UnsubscribeAnalysis: lambda s, tab, c: tab.unsubscribe(s.id),
    commands.ReportNotebook: lambda s, tab, c: s.coordinator.report(tab, c),
    commands.ReportWrite: lambda s, _, c: s.coordinator.answered(c),
    commands.ReportDocument: lambda s, _, c: s.coordinator.answered(c),
}
"""What each command does with the session, the tab that sent it, and the command itself."""
