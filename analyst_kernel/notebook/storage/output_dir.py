"""The folders that are ``OUTPUT_DIR`` for a notebook's cells, in the parents of a branch too. Pure.

A cell that ran in a parent, or under another file name, may have printed that folder. Which of them
an output names is no difference between two runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from analyst_kernel.notebook.document.operations import Document, as_dict, notes
from analyst_kernel.protocol.outputs import Output

_OUTPUTS: TypeAdapter[tuple[Output, ...]] = TypeAdapter(tuple[Output, ...])
_ONE = "OUTPUT_DIR"


def files_of(notebook: Path) -> Path:
    """Return the folder that the notebook's code writes to."""
    return notebook.with_name(f"{notebook.stem}_files")


def ancestors_from(document: Document, notebook: str) -> list[str]:
    """Return the notebooks that the branch ``notebook`` comes from, the nearest first.

    The document names them relative to it; they are returned relative to where it is named from.
    """
    parent = as_dict(notes(document).get("parent"))
    older = parent.get("older")
    named: list[Any] = [parent.get("notebook"), *(older if isinstance(older, list) else ())]
    names = [name for name in named if isinstance(name, str) and name.endswith(".ipynb")]
    folder = os.path.dirname(notebook)
    return [os.path.normpath(os.path.join(folder, name)) for name in names]


def folders_of(document: Document, file: Path, *others: Path) -> tuple[Path, ...]:
    """Return every ``OUTPUT_DIR`` that outputs of the notebook may name.

    ``file`` is its absolute path, and ``others`` those that it is run as.
    """
    before = map(Path, ancestors_from(document, str(file)))
    return tuple(dict.fromkeys(files_of(place) for place in (file, *others, *before)))


def one_folder(outputs: Sequence[Output], folders: Iterable[Path]) -> tuple[Output, ...]:
    """Return the outputs with the same word for each of the folders, by path or by name."""
    found = tuple(outputs)
    words = {str(folder) for folder in folders} | {folder.name for folder in folders}
    names = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    # A longer name that only begins or ends with it is another name.
    pattern = re.compile(rf"(?<![\w.-])(?:{names})(?![\w-])(?!\.\w)")

    def renamed(value: Any) -> Any:
        match value:
            case str():
                return pattern.sub(_ONE, value)
            case dict():
                return {key: renamed(inner) for key, inner in value.items()}
            case list():
                return [renamed(inner) for inner in value]
            case _:
                return value

    return _OUTPUTS.validate_python(renamed(_OUTPUTS.dump_python(found, mode="json")))
