"""The ledger of an analysis: definitions of the user and named states of the data. Pure.

It is carried from question to question in place of the transcript. What a run put into it belongs
to the run, so that undoing the run takes it out again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from analyst_kernel._text import nearest
from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import DefinitionId, RunId
from analyst_kernel.protocol.records import LONGEST_DEFINITION, DataState, Definition

MOST_CHARACTERS = 6000
"""Of all definitions that hold together, because each question carries them."""

MOST_STATES = 30
"""Named states of an analysis."""

_SENTENCE = re.compile(r"[^.!?;\n]+(?:\.(?=\d)[^.!?;\n]+)*[.!?;]?")
_LASTING = re.compile(
    r"\bfrom (?:now|here) on(?:wards?)?\b|\bhenceforth\b|\bfor the rest of\b"
    r"|\bin (?:all|every|any) (?:of the )?(?:later|further|following|future|next|other)\b"
    r"|\balways (?:\w+ )?(?:ignore|exclude|include|count|use|treat|leave|drop|read|take|mean)",
    re.IGNORECASE,
)
_OPENING = r"^(?:(?:and|but|also|no|note|please|remember)\b[,:]?\s*)*(?:that\s+)?"
_MEANING = re.compile(
    _OPENING + r"(?:by\s+.{1,60}?\s+(?:i|we)\s+mean\b|(?:define|treat|regard)\s+.{1,80}?\s+as\b"
    r"|[\"'“‘]?\w[\w \-/%]{0,60}[\"'”’]?\s+(?:is defined as|are defined as|stands for"
    # The word is also a plural: "compare the means of both groups".
    r"|(?<!\bthe )(?<!\bof )(?<!\bboth )(?<!\ball )(?<!\btheir )means"
    r"(?! (?:of|by|per|for|in|and)\b))\b)",
    re.IGNORECASE,
)
_IGNORING = re.compile(
    _OPENING + r"(?:ignore|disregard)\s(?:(?!\b(?:and|then|but)\b)[^,:])+$", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+")
_COMMON = frozenset(
    """about after again all also always and any are ask before but can count data each every for
    from has have here holds how ignore include into its just leave mean means more most must not
    now one only our out over per please question rows same should show than that the their them
    then there these they this those use used uses using was were what when where which who whose
    why will with without would you your""".split()
)


@dataclass(slots=True)
class Ledger:
    """Definitions and states, oldest first; of a state that was returned to, each version."""

    definitions: list[Definition] = field(default_factory=list)
    versions: list[DataState] = field(default_factory=list)

    @property
    def holding(self) -> tuple[Definition, ...]:
        """The definitions that hold for the next question."""
        return tuple(d for d in self.definitions if d.active and d.ended is None)

    @property
    def states(self) -> tuple[DataState, ...]:
        """The newest version of each state, in the order in which they were named."""
        newest = {same_text(state.name): state for state in self.versions}
        return tuple(newest.values())

    def definition(self, name: str) -> Definition:
        """Return a definition by its id. Raises ``InputError``."""
        for found in self.definitions:
            if found.id == name.strip().lower():
                return found
        known = ", ".join(d.id for d in self.definitions)
        raise InputError(
            f"There is no definition {name!r} in this analysis. Nothing was changed.",
            f"It has {known}." if known else "It has none yet.",
        )

    def state(self, name: str) -> DataState:
        """Return a state by its name. Raises ``InputError`` with the nearest names."""
        wanted = same_text(name)
        states = self.states
        for state in states:
            if wanted in (same_text(state.name), same_text(state.variable)):
                return state
        near = nearest(name, [state.name for state in states]) or [s.name for s in states]
        raise InputError(
            f"There is no state {name!r} in this analysis.",
            f"There is: {', '.join(near)}." if near else "No state has a name yet.",
        )

    def add(
        self,
        text: str,
        *,
        quote: str = "",
        choice: bool = False,
        run: RunId | None = None,
        replaces: DefinitionId | None = None,
    ) -> Definition:
        """Record a definition; with ``replaces`` it takes the place of another one.

        Raises:
            InputError: It is empty, too long, or more than all questions can carry.
        """
        text = checked_text(text)
        held = sum(len(d.text) + len(d.quote) for d in self.holding if d.id != replaces)
        if held + len(text) + len(quote) > MOST_CHARACTERS:
            raise InputError(
                "The definitions that hold are too long together for a further one, because every "
                "question carries them. Nothing was changed.",
                "Remove or shorten some that are no longer needed.",
            )
        if replaces is not None:
            self.end(replaces, run)
        numbers = (int(d.id[1:]) for d in self.definitions if d.id[1:].isdigit())
        made = Definition(
            id=DefinitionId(f"d{max(numbers, default=0) + 1}"),
            text=text,
            quote=quote,
            by="choice" if choice else "user",
            run=run,
            replaces=replaces,
        )
        self.definitions.append(made)
        return made

    def end(self, name: DefinitionId, run: RunId | None) -> None:
        """Let a definition no longer hold: for good, or until ``run`` is undone."""
        change = {"active": False} if run is None else {"ended": run}
        self._put(self.definition(name).model_copy(update=change))

    def edit(self, name: DefinitionId, text: str, *, active: bool) -> Definition:
        """Take over what the user wrote; the definition is then the user's own words."""
        before = self.definition(name)
        text = checked_text(text)
        update: dict[str, object] = {"text": text, "active": active, "claimed": False}
        if text != before.text:
            update["quote"] = ""
        if active:
            update["ended"] = None
        edited = before.model_copy(update=update)
        self._put(edited)
        return edited

    def reword(self, name: DefinitionId, text: str, *, quote: str) -> Definition:
        """Put a definition into other words of the model, which rest on the user's ``quote``."""
        before = self.definition(name)
        reworded = before.model_copy(update={"text": checked_text(text), "quote": quote})
        self._put(reworded)
        return reworded

    def remove(self, name: DefinitionId) -> None:
        """Remove a definition."""
        gone = self.definition(name)
        self.definitions = [d for d in self.definitions if d.id != gone.id]

    def put_state(self, state: DataState) -> None:
        """Keep a state, or a newer version of it.

        Raises:
            InputError: There are too many.
        """
        names = {same_text(known.name) for known in self.versions}
        if same_text(state.name) not in names and len(names) >= MOST_STATES:
            raise InputError(
                f"Not named: an analysis has at most {MOST_STATES} named states.",
                "Give this state the name of one that is no longer needed.",
            )
        self.versions = [
            known
            for known in self.versions
            if same_text(known.name) != same_text(state.name) or known.run != state.run
        ]
        self.versions.append(state)

    def undo(self, run: RunId) -> bool:
        """Take out what a run recorded, and return whether that was anything."""
        before = (list(self.definitions), list(self.versions))
        self.definitions = [
            d.model_copy(update={"ended": None}) if d.ended == run else d
            for d in self.definitions
            if d.run != run
        ]
        self.versions = [state for state in self.versions if state.run != run]
        return before != (self.definitions, self.versions)

    def _put(self, changed: Definition) -> None:
        self.definitions = [changed if d.id == changed.id else d for d in self.definitions]


def checked_text(text: str) -> str:
    """Return a definition on one line. Raises ``InputError`` if it is empty or too long."""
    plain = " ".join(text.split())
    if not plain or len(plain) > LONGEST_DEFINITION:
        raise InputError(
            f"A definition has 1 to {LONGEST_DEFINITION} characters; this one has {len(plain):,}. "
            "Nothing was changed.",
            "Say it in one sentence.",
        )
    return plain


def same_text(text: str) -> str:
    """Return a text without what does not tell two texts apart: case, spaces, quotation marks."""
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()


def is_quoted(quote: str, said: Iterable[str]) -> bool:
    """Return whether the user said these words, in this order, in one of the texts."""
    words = same_text(quote)
    if len(words) < 3:
        return False
    return any(f" {words} " in f" {same_text(text)} " for text in said)


def stated_definitions(question: str) -> tuple[str, ...]:
    """Return the sentences of a question that plainly define something for later questions too.

    Only clear forms count ("revenue means ...", "from now on ...", and "ignore test accounts" as
    a sentence of its own); what is put as a question never does. A model recognises the others.
    """
    found: list[str] = []
    for match in _SENTENCE.finditer(question):
        sentence = match[0].strip()
        plain = sentence.rstrip(";.! ")
        if not sentence.endswith("?") and len(plain) <= LONGEST_DEFINITION:
            if any(form.search(plain) for form in (_LASTING, _MEANING, _IGNORING)):
                found.append(plain)
    return tuple(dict.fromkeys(found))


def resting_on(holding: Sequence[Definition], texts: Iterable[str]) -> tuple[Definition, ...]:
    """Return the definitions that share a word of content with one of the texts."""
    used = set().union(*(content_words(text) for text in texts))
    return tuple(d for d in holding if content_words(f"{d.text} {d.quote}") & used)


def content_words(text: str) -> frozenset[str]:
    """Return the words of a text that say what it is about, without plural endings."""
    words = (word.casefold() for word in _WORD.findall(text))
    return frozenset(
        word.removesuffix("s") for word in words if len(word) > 2 and word not in _COMMON
    )


def assumption_of(definition: Definition) -> str:
    """Return the line with which an answer names a definition that it rests on."""
    where = f" in question {definition.run[1:]}" if definition.run else ""
    if definition.claimed:
        return f"As the notebook says that you defined ({definition.id}): {definition.text}"
    if definition.by == "choice":
        return f"As you chose{where} ({definition.id}): {definition.text}"
    return f"As you defined{where} ({definition.id}): {definition.text}"


def definition_line(definition: Definition) -> str:
    """Return a definition as one line of a list."""
    where = f"question {definition.run[1:]}" if definition.run else "written by the user"
    chosen = ", chosen on a card" if definition.by == "choice" else ""
    quote = f' (the user\'s words: "{definition.quote}")' if definition.quote else ""
    return f"{definition.id} ({where}{chosen}): {definition.text}{quote}"
