"""The rules of the user and of a project, as files: which there are, and which of them hold.

Two files are looked for, both named ``analyst.md``: the user's own in Jupyter's configuration
folder, and the project's beside the notebook. Anybody may have written the project's, so it holds
only once the user was shown exactly this text and switched it on. What the user decided is kept in
the Jupyter data folder, never in a notebook.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from analyst_kernel.protocol.errors import InputError
from analyst_kernel.protocol.ids import AnalysisId
from analyst_kernel.protocol.records import InstructionsFile, InstructionsPlace

NAME = "analyst.md"
"""Of both files."""

MOST_CHARACTERS = 8000
"""Of one file, because every question carries it."""

_MOST_BYTES = MOST_CHARACTERS * 4
_PLACES: dict[InstructionsPlace, str] = {
    "user": "in Jupyter's configuration folder",
    "project": "beside the notebook",
    "given": "given with the question",
}
_UNTIL_SEEN = "It is not used until you have looked at it and switched it on."


class InstructionFiles:
    """The files of one analysis, read anew at each look. Blocks."""

    def __init__(
        self,
        data: Path,
        analysis: AnalysisId | None,
        *,
        beside: str | None,
        given: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        """Look in the folder ``beside`` and take ``given`` files, which the user named.

        ``data`` is the folder of the journal and the grants. Without ``beside``, only the given
        files count: neither the user's nor a project's are looked for.
        """
        self._kept = data / "instructions.jsonl"
        self._analysis = analysis
        self._beside = beside
        self._given = tuple(os.path.abspath(path) for path in given)
        self._seen: dict[str, tuple[str, str]] = {}

    def beside_notebook(self, path: str) -> None:
        """Follow the notebook to another folder."""
        if self._beside is not None:
            self._beside = os.path.dirname(path)

    def look(self) -> tuple[InstructionsFile, ...]:
        """Return the files that there are, each with its text and whether it holds.

        Raises:
            InputError: A file that the user named cannot be used.
        """
        found: list[InstructionsFile] = []
        if self._beside is not None:
            found += self._known("user", os.path.join(_config_folder(), NAME))
            found += self._known("project", os.path.join(self._beside, NAME))
        for path in self._given:
            file = _read("given", path)
            if file is None or file.problem:
                why = file.problem if file is not None else "There is no such file."
                raise InputError(
                    f"The instructions in {path} cannot be used, so nothing was asked. {why}",
                    "Name a Markdown file, or ask without --instructions.",
                )
            found.append(file.model_copy(update={"state": "holds"}))
        return tuple(found)

    def switch(self, place: InstructionsPlace, digest: str, *, on: bool) -> str:
        """Have a file hold or not, for this analysis; return what that means.

        ``digest`` says which text the user was shown.

        Raises:
            InputError: There is another text now, or none; nothing was changed.
        """
        files = [file for file in self.look() if file.place == place and not file.problem]
        if on and [file.digest for file in files] != [digest]:
            raise InputError(
                f"{NAME} {_PLACES[place]} is not what you were shown. Nothing was changed.",
                "Look at it again, then switch it on.",
            )
        if on and place == "project":
            self._note("accepted", files[0].path, digest)
        self._note("on" if on else "off", str(self._analysis), place)
        holds = "holds from the next question on" if on else "does not hold any more"
        return f"{NAME} {_PLACES[place]} {holds}."

    def notices(self, files: Sequence[InstructionsFile]) -> Iterator[tuple[str, str]]:
        """Yield code and text of what the user should know before a question, each once."""
        for file in files:
            before = self._seen.get(file.path)
            self._seen[file.path] = now = (file.state, file.digest)
            if now == before:
                continue
            name = f"{NAME} {_PLACES[file.place]}"
            match file.state:
                case "unusable":
                    yield "instructions-unusable", f"{name} is not used. {file.problem}"
                case "new":
                    said = "holds instructions, perhaps of somebody else"
                    yield "instructions-new", f"{name} {said}. {_UNTIL_SEEN}"
                case "changed":
                    said = "is not what you switched on: it was changed"
                    yield "instructions-changed", f"{name} {said}. {_UNTIL_SEEN}"
                case "holds" if before is not None and before[1] != file.digest:
                    said = "was changed since the last question. The new text holds."
                    yield "instructions-changed", f"{name} {said}"
                case _:
                    pass

    async def holding(
        self, notebook: str, notice: Callable[..., None], *, is_ai: bool
    ) -> tuple[InstructionsFile, ...]:
        """Return the files whose rules hold for a question; rules of ours follow none.

        ``notice`` is called with code and message of what the user should know.
        """
        self.beside_notebook(notebook)
        files = await asyncio.to_thread(self.look)
        for code, message in self.notices(files):
            notice(code, message)
        found = tuple(file for file in files if file.state == "holds")
        if found and not is_ai:
            message = "No AI model is at work, so your instructions were not followed."
            notice("instructions-not-followed", message, level="info")
            return ()
        return found

    def _known(self, place: InstructionsPlace, path: str) -> Iterator[InstructionsFile]:
        file = _read(place, path)
        if file is None:
            return
        if file.problem:
            yield file
            return
        is_on, accepted = True, ""
        for kind, first, second in self._entries():
            if kind == "accepted" and first == file.path:
                accepted = second
            elif kind in ("on", "off") and (first, second) == (str(self._analysis), place):
                is_on = kind == "on"
        state = "holds" if is_on else "off"
        if place == "project" and accepted != file.digest:
            state = "changed" if accepted else "new"
        yield file.model_copy(update={"state": state})

    def _entries(self) -> Iterator[tuple[str, str, str]]:
        with suppress(OSError, UnicodeDecodeError):
            for line in self._kept.read_text(encoding="utf-8").split("\n"):
                with suppress(ValueError):
                    kind, first, second = json.loads(line)
                    yield str(kind), str(first), str(second)

    def _note(self, kind: str, first: str, second: str) -> None:
        line = json.dumps([kind, first, second])
        try:
            self._kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._kept, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "ab") as file:
                file.write(f"\n{line}\n".encode())
        except OSError as error:
            raise InputError(
                f"The choice cannot be kept: {error.strerror}. Nothing was changed.",
                f"Make {self._kept} writable.",
            ) from None


def _config_folder() -> str:
    from jupyter_core.paths import jupyter_config_dir

    return str(jupyter_config_dir())


def _read(place: InstructionsPlace, path: str) -> InstructionsFile | None:
    """Return a file with its text, or why it cannot be used; None if nothing is there."""
    folder, name = os.path.split(path)
    path = os.path.join(os.path.realpath(folder), name)  # of the folder alone: no link is followed
    try:
        content = _regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _unusable(place, path, f"It cannot be read: {error.strerror or error}.")
    if len(content) > _MOST_BYTES:
        return _unusable(place, path, _too_long(f"more than {_MOST_BYTES:,} bytes"))
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").strip()
    except UnicodeDecodeError:
        return _unusable(place, path, "It is not text in UTF-8.")
    if "\0" in text:
        return _unusable(place, path, "It is not text.")
    if len(text) > MOST_CHARACTERS:
        return _unusable(place, path, _too_long(f"{len(text):,} characters"))
    if not text:
        return None
    digest = hashlib.sha256(content).hexdigest()
    return InstructionsFile(place=place, path=path, digest=digest, text=text, state="new")


def _regular(path: str) -> bytes:
    """Return the start of a regular file that no link leads to. Raises ``OSError``."""
    if stat.S_ISLNK(os.lstat(path).st_mode):
        raise OSError(0, "it is a link, which is not followed")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no file")
        return file.read(_MOST_BYTES + 1)


def _unusable(place: InstructionsPlace, path: str, problem: str) -> InstructionsFile:
    return InstructionsFile(place=place, path=path, state="unusable", problem=problem)


def _too_long(size: str) -> str:
    return (
        f"It has {size}; at most {MOST_CHARACTERS:,} characters go with every question. Shorten it."
    )
