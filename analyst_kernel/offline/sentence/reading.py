"""Read a question strictly: whole, in parts joined by "and", or as the continuation of another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from analyst_kernel.offline.column_roles import is_date
from analyst_kernel.offline.match import complete_values
from analyst_kernel.offline.sentence.heads import Found, Sentence, UnknownWords
from analyst_kernel.offline.sentence.items import Token, tokens_of
from analyst_kernel.offline.sentence.query import Asked, NotRead, Refused, Wanted, several, tasks_of
from analyst_kernel.offline.task import DataTask, LookUp, Reading, Ready, Unclear
from analyst_kernel.protocol.datasets import DatasetProfile

_STARTS = re.compile(
    r"^\W*(?:(?:and|but|now|then|so|ok|okay|(?:what|how) about|what if"
    r"|(?:do )?(?:the )?same(?: again)?|(?:now )?show(?: (?:it|that|this|me that))?"
    r"|(?:make|do|draw|split) (?:it|that|this)|break (?:it|that|this) down)\b[\s,:]*)+",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"^\W*(?:only|just|without|not|excluding|except|as an?|in percent|as percent\w*|by|per|for|in"
    r"|top|sorted|descending|ascending)\b",
    re.IGNORECASE,
)
_FULL = re.compile(r"\b(?:how many|which|what|number of)\b", re.IGNORECASE)
CONTINUES = "This continues the question before"


@dataclass(frozen=True, slots=True)
class Read:
    """What a question was read as: one query, or several."""

    queries: tuple[Asked, ...]
    weight: int

    def task(self) -> DataTask:
        """Return the task; raises ``Refused``."""
        tasks = [tasks_of(query) for query in self.queries]
        return tasks[0] if len(tasks) == 1 else several(tasks)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads questions about one dataset; raises ``NotRead`` or ``Refused``."""

    profile: DatasetProfile
    found: Found = ()
    choices: Sequence[str] = ()

    def question(self, text: str) -> Read:
        """Read a question that stands for itself."""
        whole = [
            part
            for part in re.split(r"[?!;]+\s+|\.\s+(?=[A-Z])", text.strip())
            if part.strip(" ?.!")
        ]
        if len(whole) > 1:
            reads = [
                self._one(tokens_of(re.sub(r"^\W*(?:and|also)\b", "", part))) for part in whole
            ]
            return Read(tuple(q for r in reads for q in r.queries), sum(r.weight for r in reads))
        return self._one(tokens_of(text))

    def _one(self, tokens: Sequence[Token]) -> Read:
        try:
            sentence = Sentence(tokens, self.profile, self.found, self.choices)
            return Read((sentence.query(),), sentence.weight)
        except NotRead as lost:
            apart = self._apart(tokens)
            if apart is None:
                raise lost from None
            return apart

    def _apart(self, tokens: Sequence[Token]) -> Read | None:
        """Read the requests on both sides of an "and" each for itself."""
        for place, token in enumerate(tokens):
            if token.text.casefold() != "and" or token.quoted:
                continue
            try:
                first = Sentence(tokens[:place], self.profile, self.found, self.choices)
                left = first.query()
                right = self._one(tokens[place + 1 :])
            except NotRead:
                continue
            says = [bool(q.filters or q.groups or q.part) for q in (left, *right.queries)]
            if any(says) and not says[0]:
                raise Refused(
                    "I could not tell whether the condition is about both requests: ask them "
                    "one by one."
                )
            return Read((left, *right.queries), first.weight + right.weight)
        return None

    def continued(self, text: str, before: Asked) -> Asked:
        """Read a question that changes a part of the one before."""
        rest = _STARTS.sub("", text)
        if not rest.strip(" ?.!"):
            raise NotRead(text)
        sentence = Sentence(tokens_of(rest), self.profile, self.found, self.choices)
        change = sentence.base()
        left = "".join(sentence.clauses.letters[place] for place in sentence.left())
        wanted = before.wanted
        items = [sentence.items[place] for place in sentence.left()]
        if re.fullmatch("[ax]?[M]|[ax]", left):
            if len(wanted) != 1 or wanted[0].kind != "number":
                raise NotRead(text)
            (old,) = wanted
            named = next((item for item in items if item.kind in ("statistic", "extreme")), None)
            statistic = old.statistic
            if named is not None:
                extremes = {"1": "max", "-1": "min"}
                statistic = extremes.get(named.what, named.what)  # type: ignore[assignment] # one of the statistics
            column = next((item.column for item in items if item.column is not None), old.column)
            wanted = (replace(old, statistic=statistic, column=column),)
            if statistic in ("max", "min") and before.ranks:
                raise NotRead(text)
        elif re.fullmatch("hr?|rh?", left):
            wanted = (Wanted(kind="rows"),)
        elif left:
            raise NotRead(text)
        named_columns = {one.column.name for one in change.filters}
        kept = tuple(one for one in before.filters if one.column.name not in named_columns)
        merged = replace(
            before,
            wanted=wanted,
            filters=(*kept, *change.filters),
            groups=change.groups or before.groups,
            of_total=change.of_total or before.of_total,
            direction=change.direction or before.direction,
            top=change.top or before.top,
            chart=change.chart or before.chart,
            wants_chart=change.wants_chart or before.wants_chart,
            notes=tuple(dict.fromkeys((*before.notes, *change.notes))),
        )
        if change.of_total and all(w.statistic is None for w in wanted):
            merged = replace(
                merged,
                wanted=tuple(
                    replace(w, statistic="sum") if w.kind == "number" else w for w in wanted
                ),
            )
        if sentence.clauses.waiting:
            merged = sentence.finished(merged)
        if replace(merged, notes=before.notes) == before:
            raise NotRead(text)
        if before.part and change.filters:
            raise Refused(
                "I could not tell whether the condition is about the share or about all of its "
                "rows."
            )
        what = "with the new condition" if change.filters else "with what was changed"
        return replace(merged, notes=(*merged.notes, f"{CONTINUES}, {what}."))

    def chain(self, text: str, earlier: Sequence[str]) -> Read:
        """Read a question with those before it, oldest first, where it continues them."""
        if earlier and (_STARTS.match(text) or _BARE.match(text)):
            fresh: Read | None = None
            if _FULL.search(_STARTS.sub("", text)):
                try:
                    fresh = self.question(_STARTS.sub("", text))
                except (NotRead, Refused):
                    fresh = None
            if fresh is not None and any(q.groups or q.filters for q in fresh.queries):
                return fresh
            return self._changed(text, earlier)
        try:
            return self.question(text)
        except NotRead:
            if not earlier or len(tokens_of(text)) > 6:
                raise
            return self._changed(text, earlier)

    def _changed(self, text: str, earlier: Sequence[str]) -> Read:
        try:
            before = self.chain(earlier[-1], earlier[:-1])
        except (NotRead, Refused):
            raise NotRead(text) from None
        if len(before.queries) != 1:
            raise NotRead(text)
        return Read((self.continued(text, before.queries[0]),), before.weight)


def read_strictly(
    question: str,
    profile: DatasetProfile,
    *,
    found: Found = (),
    choices: Sequence[str] = (),
    searched: Sequence[str] = (),
    earlier: Sequence[str] = (),
) -> Reading | None:
    """Return the reading of a question; ``None`` where this grammar has no place for its words."""
    reader = Reader(profile, found, choices)
    try:
        read = reader.chain(question, earlier)
        return Ready(read.task(), read.weight)
    except Refused as refusal:
        return Unclear(str(refusal), (), 1)
    except UnknownWords as lost:
        return _searched(question, reader, tuple(map(str, lost.args)), searched, earlier)
    except NotRead:
        return None


def _searched(
    question: str,
    reader: Reader,
    phrases: tuple[str, ...],
    searched: Sequence[str],
    earlier: Sequence[str],
) -> LookUp | None:
    """Return a search for unknown words, where the question could be read if they were values."""
    profile = reader.profile
    columns = tuple(
        column.name
        for column in profile.columns
        if column.kind == "text" and not complete_values(column) and column.distinct > 0
        if not is_date(column)
    )
    likely = [p for p in phrases if re.search(r"[^\W\d_]{2}", p) and p not in searched]
    if not columns or not 1 <= len(phrases) <= 2 or len(likely) != len(phrases):
        return None
    supposed = [(phrase, columns[0], phrase, True) for phrase in phrases]
    try:
        read = Reader(profile, (*reader.found, *supposed), reader.choices).chain(question, earlier)
        read.task()
    except (Refused, NotRead):
        return None
    return LookUp(profile, phrases, columns[:12], read.weight - len(phrases))
