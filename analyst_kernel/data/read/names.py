"""Names of columns, tables and files that pandas and DuckDB agree on."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Container, Iterable

from analyst_kernel._text import nearest
from analyst_kernel.data.read.workspace import Workspace, is_utf8, link_name, literal
from analyst_kernel.protocol.errors import DataError

DICTIONARY_SUFFIX = ".dictionary.json"
"""A file of this ending describes the dataset of the same name, and is no dataset itself."""

_PACKED = (".gz", ".zst", ".bz2", ".xz", ".lz4", ".zip")


def unique(name: str, taken: Container[str]) -> str:
    """Return ``name``, or ``name_2``, ``name_3``... where it is taken (letter case ignored).

    ``taken`` holds names in lower case, because SQL ignores letter case.
    """
    candidate, number = name, 2
    while candidate.lower() in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate


def all_unique(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names, a repeat (letter case ignored) with a number behind it."""
    taken: set[str] = set()
    result = []
    for name in names:
        result.append(unique(name, taken))
        taken.add(result[-1].lower())
    return tuple(result)


def loaded_names(header: list[str]) -> list[str]:
    """Return the names that pandas gives: ``Unnamed: 2`` for none, ``a.1`` for a repeat."""
    named = [cell or f"Unnamed: {place}" for place, cell in enumerate(header)]
    unnamed = [place for place, cell in enumerate(header) if not cell]
    # Columns that have a name keep it; an invented name gives way.
    order = [place for place, cell in enumerate(header) if cell] + unnamed
    present = set(named)
    counts: dict[str, int] = {}
    result = list(named)
    for place in order:
        original = column = named[place]
        count = counts.get(original, 0)
        while count > 0:
            counts[original] = count + 1
            column = f"{original}.{count}"
            count = count + 1 if column in present else counts.get(column, 0)
        present.add(column)
        result[place] = column
        counts[column] = counts.get(column, 0) + 1
    return result


def duckdb_path(path: str) -> str | None:
    """Return the text by which DuckDB reads this one file, or None if there is no such text.

    DuckDB reads ``*``, ``?`` and ``[`` as a pattern unless they stand in brackets; a list of one
    path is no help. While it looks for a pattern it takes a backslash for a slash, and forgets the
    ``./`` that keeps a first ``~`` or ``file:`` from having a meaning.
    """
    if os.sep == "\\":
        path = path.replace("\\", "/")
    pattern = re.sub(r"[*?[]", r"[\g<0>]", path)
    has_meaning = path.startswith("./") and (pattern != path or path.startswith("./~/"))
    return None if "\\" in path or has_meaning or not is_utf8(path) else pattern


def named(work: Workspace, path: str) -> str:
    """Return a path of this file that means nothing else: its own, or one in the workspace."""
    if duckdb_path(path) == path:
        return path
    link = work.file(link_name(path))
    try:
        if os.path.lexists(link):
            return link
        if "\\" in path and os.sep == "/":
            # DuckDB asks whether it may read what a link leads to, and takes a backslash there for
            # a slash.
            shutil.copyfile(path, link)
        else:
            os.symlink(path, link)
    except OSError:  # not every user of Windows may make links; names are tamer there
        return path
    return link


def read_sql(function: str, path: str, *options: str, plain: bool = False) -> str:
    """Return the call of a DuckDB function that reads one file, and nothing out of its path.

    Args:
        function: ``read_csv`` or a like one.
        path: The file.
        options: Further arguments.
        plain: The file is not compressed, whatever its name says.

    Raises:
        DataError: DuckDB has no way to name this file.
    """
    known = duckdb_path(path)
    if known is None:
        raise not_readable_by_name(path)
    arguments = [literal(known), *options]
    # DuckDB takes what follows a question mark for the query of an address.
    if plain and path.partition("?")[0].lower().endswith(_PACKED):
        arguments.append("compression = 'uncompressed'")
    if "=" in path:  # a folder "year=2024" would become a column, or replace the one of its name
        arguments.append("hive_partitioning = false")
    return f"{function}({', '.join(arguments)})"


def shown(path: str) -> str:
    r"""Return a path as text; bytes that are none are written as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def not_readable_by_name(path: str) -> DataError:
    """Return the error for a file whose path DuckDB would read as another one."""
    return DataError(
        f"DuckDB would open another file than {shown(os.path.basename(path))}: its path has a "
        "backslash or a question mark in it.",
        "Rename the file or its folder.",
    )


def dictionary_path(path: str) -> str:
    """Return where the dictionary of a data file would be."""
    return os.path.splitext(path)[0] + DICTIONARY_SUFFIX


def nearest_text(name: str, known: list[str], what: str) -> str:
    """Return a sentence that names the known name nearest to another one, or some of them."""
    if close := nearest(name, known, 1):
        return f"The nearest is {close[0]!r}."
    some = ", ".join(repr(one) for one in known[:8])
    return f"There are the {what} {some}{' and more' if len(known) > 8 else ''}."


def is_file(path: str) -> bool:
    """Return whether a user's path leads to a regular file."""
    return os.path.isfile(os.path.realpath(os.path.expanduser(path)))
