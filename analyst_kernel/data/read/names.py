"""Names of columns and tables that pandas and DuckDB agree on."""

from __future__ import annotations

from collections.abc import Container, Iterable


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
