"""One word for each thing: words that no identifier holds, and how docstrings are put."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePath

import pytest

from tests.contracts.python_code import MODULES, docstrings, names, prose
from tests.contracts.repository import sources, text

INSTEAD = {
    "around": "services, deps or context",
    "being": "the noun of the state",
    "bench": "deps",
    "deed": "job",
    "deeds": "jobs",
    "greet": "prefetch",
    "greeting": "prefetch",
    "hear": "receive or listen",
    "heard": "received or detected",
    "hearing": "listening",
    "hears": "receives or listens",
    "keeper": "coordinator or store",
    "living": "session",
    "overheard": "detected",
    "patience": "timeout or retry delay",
    "patient": "waiting",
    "person": "user",
    "persons": "users",
    "surroundings": "services",
    "tell": "emit, report or notify",
    "telling": "event or message",
    "tellings": "events or messages",
    "tells": "emits, reports or notifies",
    "told": "emitted, reported or encoded",
}
"""Banned word to what is said instead."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
TYPESCRIPT = sources(".ts", ".tsx", under="labextension/src/")
TYPESCRIPT_NOISE = re.compile(
    r"""/\*.*?\*/|//[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`""", re.DOTALL
)
TYPESCRIPT_NAME = re.compile(
    r"\b(?:(?:const|let|var|function|class|interface|type|enum|get|set|private|public|protected"
    r"|readonly|static|async|import|as)\s+)+(?P<declared>[A-Za-z_$][\w$]*)"
    r"|(?:^|[{(,;]|=>)\s*(?P<member>[A-Za-z_$][\w$]*)(?=\s*(?:\?:|:|,|\(|\}|=(?!=)))",
    re.MULTILINE,
)


def banned_in(name: str) -> list[str]:
    """Return the banned words that an identifier is made of."""
    return [word for word in map(str.lower, WORD.findall(name)) if word in INSTEAD]


def typescript_names(code: str) -> Iterator[tuple[int, str]]:
    """Yield the line and name of what a TypeScript text declares: roughly, by pattern."""

    def blank(noise: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", noise.group())

    code = TYPESCRIPT_NOISE.sub(blank, code)
    for found in TYPESCRIPT_NAME.finditer(code):
        kind = found.lastgroup
        assert kind is not None
        yield code.count("\n", 0, found.start(kind)) + 1, found[kind]


def offenders(name: str, identifiers: Iterator[tuple[int, str]]) -> list[str]:
    """Return ``file:line name: instead`` for each identifier with a banned word, once a file."""
    found = {}
    for line, identifier in [(1, PurePath(name).stem), *identifiers]:
        if identifier not in found:
            for word in banned_in(identifier):
                found[identifier] = f"{name}:{line} {identifier}: {word} -> {INSTEAD[word]}"
    return list(found.values())


def test_no_identifier_of_the_package_holds_a_banned_word() -> None:
    assert [line for name in MODULES for line in offenders(name, names(name))] == []


def test_no_identifier_of_the_front_end_holds_a_banned_word() -> None:
    found = [line for name in TYPESCRIPT for line in offenders(name, typescript_names(text(name)))]
    assert found == []


@pytest.mark.parametrize(
    ("identifier", "count"),
    [
        ("by_hand", 0),
        ("retell", 0),
        ("_told", 1),
        ("LivingAnalysis", 1),
        ("tellPerson", 2),
        ("HTTPKeeper", 1),
        ("hearing_room", 1),
    ],
)
def test_what_counts_as_a_banned_word(identifier: str, count: int) -> None:
    assert len(banned_in(identifier)) == count


def test_names_are_found_in_typescript() -> None:
    code = """
    // const told = 1;
    import { keeper as living, other } from './around';
    export class Greeting { private readonly bench: string = 'tell'; heard(deeds?: X) { return `${told}`; } }
    const { person, rest } = props;
    """
    found = {name for _, name in typescript_names(code) if banned_in(name)}
    assert found == {"living", "Greeting", "bench", "heard", "deeds", "person"}


# --- sentences -------------------------------------------------------------------------------------

PREDICATE = re.compile(r"(?:(?:Say|Tell)s? )?[Ww]hether\b")
"""How the docstring of a predicate does not begin; that of a property may, as it is a noun."""

PROSE = {
    "say or tell whether: Return whether": re.compile(
        r"\b(?:says?|tells?) whether\b", re.IGNORECASE
    ),
    "harmless when ...: Idempotent.": re.compile(
        r"\bharmless (?:when|where|if|after|while|once|to)\b", re.IGNORECASE
    ),
    "a page that is not in the repository": re.compile(
        r"\bDESIGN\b|\bLAYOUT\b|\binvariants? \d|\b[Pp]oints? \d+(?:[\d, and]* of\b|:)|'s issue\b|\bthe issue\b"
    ),
    "person: user": re.compile(r"\bpersons?\b", re.IGNORECASE),
}
"""What is said instead, and the pattern of what is not said."""

THIS = "tests/contracts/test_glossary.py"
EVERYWHERE = [name for name in sources(".py") if name != THIS]


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is read as an attribute."""
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def test_predicates_return_whether() -> None:
    found = [
        f"{name}:{line} {docstring.splitlines()[0]}"
        for name in EVERYWHERE
        for node, line, docstring in docstrings(name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not is_property(node)
        and PREDICATE.match(docstring)
    ]
    assert found == [], 'begin with "Return whether"'


@pytest.mark.parametrize("instead", PROSE)
def test_docstrings_and_comments_say(instead: str) -> None:
    found = [
        f"{name}:{line} {said.strip()[:90]}"
        for name in EVERYWHERE
        for line, said in prose(name)
        if PROSE[instead].search(said)
    ]
    assert found == []


def test_comments_of_the_front_end_and_the_configuration_point_at_no_missing_page() -> None:
    pattern = PROSE["a page that is not in the repository"]
    places = [*sources(".ts", ".tsx", ".js", ".toml", ".css"), "Makefile"]
    found = [
        f"{name}:{number} {line.strip()[:90]}"
        for name in places
        for number, line in enumerate(text(name).splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []
