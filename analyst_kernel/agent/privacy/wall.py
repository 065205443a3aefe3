"""The wall: every request to a model passes through here, and every reply comes back through it.

It stands in front of the ``Model`` port, so that no wire and no provider is beside it. What it
sends is the conversation in another form: the conversation itself holds the real values, as the
notebook and the panel do.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from analyst_kernel.agent.budget import Billing, billing_of
from analyst_kernel.agent.context import Databases
from analyst_kernel.agent.documents import Document, DocumentShelf, DocumentText
from analyst_kernel.agent.observation.cell import outputs_text
from analyst_kernel.agent.ports import Catalog, Model, ModelEvent, Stopped
from analyst_kernel.agent.privacy import sent, words
from analyst_kernel.agent.privacy.restore import RealReply, Replies
from analyst_kernel.agent.privacy.sent import KeepSent
from analyst_kernel.agent.privacy.structure import masked_profile, schema_text, variable_lines
from analyst_kernel.agent.privacy.tokens import Readable, TokenTable, UserValues, words_in
from analyst_kernel.agent.transcript import (
    AssistantMessage,
    Image,
    Message,
    ModelRequest,
    Observation,
    Situation,
    Text,
    ToolResult,
    UserMessage,
)
from analyst_kernel.protocol.datasets import Dataset, DatasetProfile
from analyst_kernel.protocol.errors import DataError
from analyst_kernel.protocol.outputs import ErrorOutput, Frame
from analyst_kernel.protocol.records import PrivacyMode

_ENVELOPE = re.compile(r'<data id="(\w+)">\n(.*?)\n</data id="\1">', re.DOTALL)
_QUESTION = re.compile(r"(?:\A|\n\n)Question: ")
_DEFINITIONS = re.compile(
    r"(The user's definitions, which hold for this question:\n)(.*?)(?=\n\n|\Z)", re.DOTALL
)
_SMALL = re.compile(r"(?<![\w.,])[0-9]{1,2}(?![\w,]|\.[0-9])")
_NO_PICTURE = "[A picture stands here. The user sees it; in this privacy mode it is not sent.]"


MODES: tuple[PrivacyMode, ...] = get_args(PrivacyMode)
"""From the least strict to the strictest."""

_QUOTED: dict[PrivacyMode, str] = {
    "full": '"full"', "no-values": '"no values"', "schema-only": '"schema only"',
}  # fmt: skip
_SAW: dict[PrivacyMode, str] = {
    "full": "the model saw what code showed",
    "no-values": "the model saw no value of the data",
    "schema-only": "the model saw names, types and sizes, and no result",
}


class Wall:
    """What one analysis sends: its mode, its tokens, and how each message leaves.

    Attributes:
        sent_in: The modes in which requests of the analysis were sent so far.
    """

    def __init__(self, mode: PrivacyMode = "full", table: TokenTable | None = None) -> None:
        self.mode: PrivacyMode = mode
        self.table = TokenTable() if table is None else table
        self.sent_in: set[PrivacyMode] = set()
        self._profiles: dict[str, str] = {}
        self._user_values = UserValues()
        # A message never changes once it was sent, although ever more words are known.
        self._sent: dict[int, tuple[Message, Message]] = {}

    def change(self, mode: PrivacyMode) -> None:
        """Use another mode from the next request on.

        What was made for the mode before, such as profiles with more in them, is not sent again.
        """
        if mode != self.mode:
            self.mode = mode
            self._profiles.clear()
            self._sent.clear()

    def learn_profile(self, profile: DatasetProfile, text: str, shown: str) -> None:
        """Take in a described dataset: its names, its values, and the text that may leave."""
        self.learn_names(profile.dataset)
        self._profiles[text] = shown

    def learn_description(self, names: Iterable[str], text: str) -> None:
        """Take in a text without values, which may leave as it is, and the names in it."""
        for name in names:
            self.table.names.put(name)
        self._profiles[text] = text

    def learn_names(self, dataset: Dataset) -> None:
        """Keep the names of a dataset and its columns readable."""
        for name in (dataset.name, *dataset.columns):
            self.table.names.put(name)

    def outgoing(self, request: ModelRequest, replies: Replies) -> ModelRequest:
        """Return a request as it leaves."""
        for message in request.messages:
            situation = message.situation if isinstance(message, UserMessage) else None
            for profile in situation.datasets if situation is not None else ():
                self.learn_names(profile.dataset)
        messages = tuple(self._message(message, replies) for message in request.messages)
        present = set(map(id, request.messages))
        self._sent = {name: pair for name, pair in self._sent.items() if name in present}
        return replace(request, system=request.system + words.NOTES[self.mode], messages=messages)

    def _message(self, message: Message, replies: Replies) -> Message:
        known = self._sent.get(id(message))
        if known is None:
            match message:
                case UserMessage():
                    shown: Message = UserMessage(
                        results=tuple(map(self._result, message.results)),
                        text=self._parts(message.text, None, message.situation),
                    )
                case AssistantMessage():
                    shown = replies.own_form(message) or self._foreign(message)
            # The message is kept beside it, so that its id is not given to another.
            known = self._sent[id(message)] = (message, shown)
        return known[1]

    def _foreign(self, message: AssistantMessage) -> AssistantMessage:
        """Return a turn that did not come through the wall, without what it says."""
        text = self.table.mask(message.text, words.in_outputs())
        calls = tuple(replace(call, raw_input="{}") for call in message.calls)
        return replace(message, text=text, calls=calls, raw=None)

    def _result(self, result: ToolResult) -> ToolResult:
        content = self._parts(result.content, result.observation, None)
        return replace(result, content=content, observation=None)

    def _parts(
        self,
        parts: Sequence[Text | Image],
        observation: Observation | None,
        situation: Situation | None,
    ) -> tuple[Text | Image, ...]:
        return tuple(
            Text(_NO_PICTURE)
            if isinstance(part, Image)
            else Text(self._text(part.text, observation, situation))
            if situation is None or part.text != situation.instructions
            else Text(self.user_text(part.text))
            for part in parts
        )

    def _text(self, text: str, observation: Observation | None, situation: Situation | None) -> str:
        """Return a text of the conversation as it leaves: data in envelopes, the rest our words."""
        question = ""
        if situation is not None and text.endswith(f"Question: {situation.question}"):
            question = self.user_text(situation.question)
            text = text[: len(text) - len(situation.question)]
        frames = situation.frames if situation is not None else ()
        lines = self._lines(observation, frames)
        parts: list[str] = []
        at = 0
        for found in _ENVELOPE.finditer(text):
            parts.append(self._sentences(text[at : found.start()]))
            inside = self._inside(found[2], observation, lines)
            parts.append(f'<data id="{found[1]}">\n{inside}\n</data id="{found[1]}">')
            at = found.end()
        parts.append(self._sentences(text[at:]))
        return "".join(parts) + question

    def learn_user_words(self, texts: Sequence[str], values: Sequence[str]) -> None:
        """Learn which values stand in the user's words; the other words stay readable."""
        self._user_values.learn(values, texts)
        for text in texts:
            for part, value in self._user_values.split(text):
                self.table.user_words |= set() if value is not None else set(words_in(part))

    def user_text(self, text: str) -> str:
        """Return the user's own words, values of the data among them as tokens."""
        readable = Readable(frozenset(self.table.user_words), places=_SMALL)
        return "".join(
            self.table.mask(part, readable) if value is None else self.table.token(value)
            for part, value in self._user_values.split(text)
        )

    def _sentences(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for found in _DEFINITIONS.finditer(text):
            parts.append(self._masked_sentences(text[at : found.start()]))
            parts += [found[1], self._definitions(found[2])]
            at = found.end()
        parts.append(self._masked_sentences(text[at:]))
        return "".join(parts)

    def _masked_sentences(self, text: str) -> str:
        own = words.own_lines()
        return "\n".join(
            line if line in own else self.table.mask(line, words.in_sentences())
            for line in text.split("\n")
        )

    def _definitions(self, text: str) -> str:
        lines = []
        for line in text.split("\n"):
            name, colon, said = line.partition(": ")
            lines.append(f"{name}{colon}{self.user_text(said)}" if colon else self.user_text(name))
        return "\n".join(lines)

    def _lines(self, observation: Observation | None, frames: Sequence[Frame]) -> dict[str, str]:
        def mask(name: str) -> str:
            return self.table.mask_name(name, words.in_outputs())

        def summary(text: str) -> str:
            return "" if self.mode == "schema-only" else self.table.mask(text, words.in_outputs())

        if observation is not None:
            before, after = observation.before, observation.frames
            return variable_lines(before, after, observation.trace, mask, summary)
        return variable_lines((), frames, None, mask, summary)

    def _inside(self, text: str, observation: Observation | None, lines: dict[str, str]) -> str:
        if observation is not None:
            return self._observed(text, observation, lines)
        parts: list[str] = []
        while text:
            found = [(text.find(known), known) for known in self._profiles if known in text]
            at, known = min(found, default=(len(text), ""))
            parts.append(self._listed(text[:at], lines))
            if known:
                parts.append(self._profiles[known])
            text = text[at + len(known) :]
        return "".join(parts)

    def _observed(self, text: str, observation: Observation, lines: dict[str, str]) -> str:
        if self.mode == "schema-only":
            return _sizes(observation, text, lines, self._listed)
        shown = outputs_text(observation.outputs)
        if not shown or not text.startswith(shown):
            return self._listed(text, lines)
        outputs = self.table.mask(shown, words.in_outputs())
        return outputs + self._listed(text[len(shown) :], lines)

    def _listed(self, text: str, lines: dict[str, str]) -> str:
        readable = words.in_observations()
        readable = replace(readable, words=readable.words | self.table.user_words)
        shown: list[str] = []
        for line in text.split("\n"):
            live = "live now: " if line.startswith("live now: ") else ""
            known = lines.get(line.removeprefix(live))
            shown.append(self.table.mask(line, readable) if known is None else live + known)
        return "\n".join(shown)


def _sizes(
    observation: Observation,
    text: str,
    lines: dict[str, str],
    masked: Callable[[str, dict[str, str]], str],
) -> str:
    """Return what is sent of a cell in ``schema-only``: what it made, and the type of its error."""
    errors = [o.ename for o in observation.outputs if isinstance(o, ErrorOutput)]
    count = len(observation.outputs) - len(errors)
    parts = [f"{count} output{'s' if count != 1 else ''}, shown to the user and not sent"]
    parts += [f"error: {masked(name, {})}" for name in errors]
    seen = [line.removeprefix("live now: ") for line in text.split("\n")]
    parts += [lines[line] for line in dict.fromkeys(seen) if line in lines]
    return "\n".join(parts)


@dataclass(eq=False)
class GuardedModel:
    """A model behind the wall; implements the ``Model`` port.

    Rules and scripts (``is_ai`` false) send nothing, so they read the conversation as it is.

    Attributes:
        sent: Keeps what the wire sends.
        used: The modes of the requests of the run at work, in order, each once.
    """

    model: Model
    wall: Wall
    sent: KeepSent | None = None
    used: list[PrivacyMode] = field(default_factory=list)
    _replies: Replies = field(default_factory=Replies)
    _replied_in: PrivacyMode = "full"

    @property
    def name(self) -> str:
        """The model's full name."""
        return self.model.name

    @property
    def is_ai(self) -> bool:
        """Return whether an AI model is at work."""
        return self.model.is_ai

    @property
    def billing(self) -> Billing:
        """How it is known what a call costs."""
        return billing_of(self.model)

    @property
    def privacy(self) -> PrivacyMode:
        """The mode that holds for what is sent."""
        return self.wall.mode if self.is_ai else "full"

    @property
    def sees_images(self) -> bool:
        """Return whether a request may contain pictures: only if values may be seen."""
        return self.model.sees_images and self.privacy == "full"

    def in_front_of(self, model: Model) -> GuardedModel:
        """Return the same wall in front of another model."""
        return GuardedModel(model, self.wall, self.sent)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Send one request through the wall and yield its events with real values."""
        mode = self.privacy
        keep = self.sent
        sent.listen(None if keep is None else lambda address, body: keep(address, body, mode))
        if self.is_ai:
            self.used += [] if mode in self.used else [mode]
            self.wall.sent_in.add(mode)
        if mode != self._replied_in:
            # Its own form of earlier replies may hold values, and is signed for what was sent then.
            self._replies, self._replied_in = Replies(), mode
        reply = None if mode == "full" else RealReply(self.wall.table)
        if reply is not None:
            request = self.wall.outgoing(request, self._replies)
        events = self.model.stream(request)
        try:
            async for event in events:
                if reply is None:
                    yield event
                    continue
                for real in reply.take(event):
                    if isinstance(real, Stopped):
                        self._replies.keep(reply)
                    yield real
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def aclose(self) -> None:
        """Release connections."""
        await self.model.aclose()


@dataclass(frozen=True, slots=True, eq=False)
class GuardedCatalog:
    """The datasets, whose descriptions the wall gets to know; implements the ``Catalog`` port."""

    catalog: Catalog
    wall: Wall

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The datasets granted so far."""
        return self.catalog.datasets

    async def profile(
        self,
        name: str,
        *,
        columns: Sequence[str] = (),
        detail: Literal["concise", "full"] = "concise",
    ) -> DatasetProfile:
        """Describe a dataset."""
        return await self.catalog.profile(name, columns=columns, detail=detail)

    def describe(self, profile: DatasetProfile, *, question: str = "", budget: int = 2000) -> str:
        """Return a profile as text; the wall learns the form of it that may leave."""
        text = self.catalog.describe(profile, question=question, budget=budget)
        if self.wall.mode == "no-values":
            masked = masked_profile(profile, self.wall.table.token)
            shown = self.catalog.describe(masked, question=question, budget=budget)
            self.wall.learn_profile(profile, text, shown)
        elif self.wall.mode == "schema-only":
            self.wall.learn_profile(profile, text, schema_text(profile))
        return text

    @property
    def documents(self) -> Sequence[Document]:
        """The documents beside the datasets."""
        return self.catalog.documents if isinstance(self.catalog, DocumentShelf) else ()

    @property
    def skipped(self) -> Sequence[tuple[str, str]]:
        """The files that are no dataset."""
        if not isinstance(self.catalog, DocumentShelf):
            return ()
        if self.wall.mode == "full":
            return self.catalog.skipped
        # A reason may quote what stands in the file.
        return [(name, "it was left out") for name, _why in self.catalog.skipped]

    async def read_document(self, name: str) -> DocumentText:
        """Return a document's text, unless it would show values that may not leave."""
        if self.wall.mode != "full" or not isinstance(self.catalog, DocumentShelf):
            raise DataError(
                f"In the privacy mode {self.wall.mode!r} no document is read for the model: "
                "nobody knows which values stand in it.",
                "Go on without it.",
            )
        return await self.catalog.read_document(name)

    def setup_code(self, names: Sequence[str] | None = None) -> str:
        """Return plain Python that loads the datasets."""
        return self.catalog.setup_code(names)


@dataclass(frozen=True, slots=True, eq=False)
class GuardedDatabases:
    """The attached databases, whose names the wall gets to know; implements ``Databases``."""

    databases: Databases
    wall: Wall

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the connections."""
        return self.databases.names

    @property
    def words(self) -> frozenset[str]:
        """The names of schemas, tables and columns."""
        return self.databases.words

    async def look(self) -> tuple[str, ...]:
        """List the tables."""
        return await self.databases.look()

    def describe(self, *, question: str = "", budget: int = 1_500) -> str:
        """Return the tables as text, which the wall lets through: it holds no values."""
        text = self.databases.describe(question=question, budget=budget)
        self.wall.learn_description(self.words, text)
        return text

    def knows(self, name: str) -> bool:
        """Return whether a name is that of a table."""
        return self.databases.knows(name)

    async def profile(self, name: str, *, columns: Sequence[str] = ()) -> DatasetProfile:
        """Describe a table."""
        return await self.databases.profile(name, columns=columns)

    async def too_large(self, code: str) -> tuple[str, ...]:
        """Return what is estimated of large queries; it goes to the user alone."""
        return await self.databases.too_large(code)

    async def cell(self, connection: str, sql: str, name: str) -> str:
        """Return the code that asks a query."""
        return await self.databases.cell(connection, sql, name)


def privacy_of(model: Model) -> PrivacyMode:
    """Return what a model may see of the data; rules and scripts run here and see all."""
    return model.privacy if isinstance(model, GuardedModel) else "full"


def begin_answer(model: Model) -> None:
    """Forget the modes of earlier answers; :func:`privacy_caveat` then is about the next one."""
    if isinstance(model, GuardedModel):
        model.used.clear()


def privacy_caveat(model: Model) -> list[str]:
    """Return what an answer says about the mode that it was made in; nothing in ``full``."""
    if not isinstance(model, GuardedModel) or not model.is_ai:
        return []
    used = model.used or [model.privacy]
    if used == ["full"]:
        return []
    if len(used) > 1:
        changed = f"The privacy mode was changed from {_QUOTED[used[0]]} to {_QUOTED[used[-1]]}"
        return [f"{changed} while this answer was made: {_SAW[used[0]]} until then."]
    said = f"Made in the privacy mode {_QUOTED[used[0]]}: {_SAW[used[0]]}."
    earlier = [mode for mode in MODES[: MODES.index(used[0])] if mode in model.wall.sent_in]
    if earlier:
        said += f" Before, requests of this analysis were sent in the mode {_QUOTED[earlier[0]]}."
    return [said]
