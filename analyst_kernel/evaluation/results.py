"""The results of a run over a file of questions, and the JSON file that keeps them.

The file is written again after each attempt, so that a run that is broken off can be resumed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from analyst_kernel.evaluation.cases import Case
from analyst_kernel.evaluation.scorers import GivenAnswer, Verdict, score
from analyst_kernel.notebook.storage import files
from analyst_kernel.protocol.base import Record
from analyst_kernel.protocol.errors import InputError, NotebookError
from analyst_kernel.protocol.records import Limits

FILE_NAME = "results.json"
_LARGEST_FILE = 500_000_000

AttemptOutcome = Literal["right", "wrong", "declined", "failed"]


class Tally(Record):
    """What the questions of one attempt used.

    Attributes:
        iterations: Cells that ran for them; ``failed_cells`` of them did not end well.
        corrections: Answers that the model was asked to correct.
        retries: Requests to the model that were sent again.
        calls: Requests that the model answered.
        fresh_tokens: Input that was not read from the provider's cache.
        cost_usd: US dollars; null if the price is not known.
    """

    iterations: int = 0
    failed_cells: int = 0
    corrections: int = 0
    retries: int = 0
    calls: int = 0
    fresh_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0


class TurnRecord(Record):
    """One question and what came; ``verdict`` is null where nothing was to be scored."""

    question: str
    answer: str
    gave_up: bool
    verdict: Verdict | None
    reasons: tuple[str, ...] = ()


class AttemptRecord(Record):
    """One case, asked once.

    Attributes:
        repetition: Counts from 1.
        asked: A digest of the questions and the names of the data.
        outcome: ``right`` if every scored turn is. ``declined``: one says that it does not
            answer. ``failed``: the run ended early; ``reason`` says why.
        notebook: Absolute path, or null if none was made.
    """

    case: str
    group: str
    repetition: int
    asked: str
    outcome: AttemptOutcome
    reason: str
    turns: tuple[TurnRecord, ...]
    tally: Tally
    seconds: float
    notebook: str | None

    @classmethod
    def of(
        cls,
        case: Case,
        repetition: int,
        turns: Sequence[TurnRecord],
        *,
        failure: str,
        tally: Tally,
        seconds: float,
        notebook: str | None,
    ) -> AttemptRecord:
        """Make the record of an attempt; ``failure`` says why it ended early, if it did."""
        outcome, reason = ("failed", failure) if failure else _outcome(turns)
        return cls(
            case=case.id, group=case.group, repetition=repetition, asked=case.asked,
            outcome=outcome, reason=reason, turns=tuple(turns), tally=tally,
            seconds=round(seconds, 3), notebook=notebook,
        )  # fmt: skip

    def scored_again(self, case: Case) -> AttemptRecord:
        """Return the attempt with its replies scored by what the case wants now."""
        if self.outcome == "failed":
            return self
        turns = []
        for turn, wanted in zip(self.turns, case.turns, strict=True):
            scored = score(wanted.wanted, GivenAnswer(turn.answer, gave_up=turn.gave_up))
            verdict = scored.verdict if wanted.wanted else None
            changed = {"verdict": verdict, "reasons": scored.reasons}
            turns.append(turn.model_copy(update=changed))
        outcome, reason = _outcome(turns)
        return self.model_copy(
            update={
                "turns": tuple(turns),
                "outcome": outcome,
                "reason": reason,
                "group": case.group,
            }
        )


def _outcome(turns: Iterable[TurnRecord]) -> tuple[AttemptOutcome, str]:
    """Return the outcome of an attempt whose runs all ended well: that of its worst turn."""
    worst: tuple[AttemptOutcome, str] = ("right", "")
    for turn in turns:
        if turn.verdict == "wrong":
            return "wrong", "; ".join(turn.reasons)
        if turn.verdict == "declined" and worst[0] == "right":
            worst = ("declined", "; ".join(turn.reasons))
    return worst


class Results(Record):
    """A run over a file of questions: how it was made, and its attempts in the order they ended."""

    analyst_eval: Literal[1] = 1
    version: str
    questions: str
    model: str
    is_ai: bool
    sandbox: str
    limits: Limits
    repeat: int
    started: str
    attempts: tuple[AttemptRecord, ...] = ()

    def usable(self, cases: Iterable[Case]) -> tuple[AttemptRecord, ...]:
        """Return the attempts that need not be made again, scored by what the cases want now.

        A question that changed is asked again, and so is one that failed.
        """
        known = {case.id: case for case in cases}
        return tuple(
            attempt.scored_again(known[attempt.case])
            for attempt in self.attempts
            if attempt.outcome != "failed"
            and attempt.case in known
            and attempt.asked == known[attempt.case].asked
        )


def read_results(path: Path) -> Results:
    """Return the results of a file, or of the file in a folder.

    Raises:
        InputError: There is none, or it is not one of these.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[Results, files.FileStamp]:
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"There are no results in {path}.", "Name the folder of an earlier run.")
    if file.stat().st_size > _LARGEST_FILE:
        raise InputError(f"{file} is too large for results.", "Name the folder of a run.")
    text, stamp = files.read_text(file)
    try:
        content = json.loads(text)
        if not isinstance(content, dict) or content.pop("analyst_eval", None) != 1:
            raise ValueError("it is no result of this version")  # noqa: TRY301 - one way out
        content.pop("summary", None)
        return Results.model_validate_json(json.dumps(content)), stamp
    except (ValueError, RecursionError, ValidationError) as error:
        raise InputError(
            f"{file} holds no results that can be read.",
            "Name the folder of a run of `analyst eval`. Nothing was changed.",
        ) from error


class ResultsFile:
    """The file of a run at work. No file is replaced that is not this run's own."""

    def __init__(self, path: Path, results: Results, stamp: files.FileStamp | None) -> None:
        """Keep ``results`` at ``path``; ``stamp`` is that of the version that was read."""
        self.path = path
        self.results = results
        self._stamp = stamp

    @classmethod
    def create(cls, folder: Path, results: Results) -> ResultsFile:
        """Make the folder, which must be new or empty, and the file.

        Raises:
            InputError: It is taken, or cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise InputError(
                    f"{folder} is not empty; nothing was asked.",
                    "Choose another folder with -o, or go on with the run in it with --resume.",
                )
            (folder / "notebooks").mkdir()
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise InputError(
                f"{folder} cannot be made ({reason}); nothing was asked.",
                "Choose another folder with -o.",
            ) from error
        made = cls(folder / FILE_NAME, results, None)
        made.save()
        return made

    @classmethod
    def resume(cls, folder: Path, results: Results, cases: Sequence[Case]) -> ResultsFile:
        """Continue the run in a folder: what it has and is still asked is taken over.

        Raises:
            InputError: There is none, or another model answered it.
        """
        before, stamp = _read(folder)
        if before.model != results.model:
            raise InputError(
                f"{folder} holds answers of {before.model}, not of {results.model}.",
                f"Add --model {before.model}, or choose another folder with -o.",
            )
        kept = before.usable(cases)
        results = results.model_copy(update={"attempts": kept, "started": before.started})
        (folder / "notebooks").mkdir(exist_ok=True)
        return cls(folder / FILE_NAME, results, stamp)

    @property
    def notebooks(self) -> Path:
        """The folder of the notebooks."""
        return self.path.parent / "notebooks"

    def add(self, attempt: AttemptRecord) -> None:
        """Keep one more attempt."""
        attempts = (*self.results.attempts, attempt)
        self.results = self.results.model_copy(update={"attempts": attempts})
        self.save()

    def save(self, summary: Sequence[object] = ()) -> None:
        """Write the file in full or not at all; ``summary`` is for whoever reads it.

        Raises:
            InputError: It cannot be written, or another program wrote it meanwhile.
        """
        content = {**self.results.model_dump(mode="json"), "summary": list(summary)}
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        try:
            if self._stamp is None:
                self._stamp = files.create(self.path, text)
            else:
                self._stamp = files.replace(self.path, text, self._stamp)
        except (FileExistsError, files.FileChanged) as error:
            raise InputError(
                f"{self.path} was written by another program meanwhile, so it was left as it is.",
                "Let one run at a time write into a folder.",
            ) from error
        except NotebookError as error:
            raise InputError(error.what, error.remedy) from error
