"""SQL as DuckDB's own parser reads it: trees of its JSON form, and small queries made from them."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

MOST_QUERIES = 60
MOST_SECONDS = 2.0
_SKIPPED = frozenset(
    """create or replace temp temporary table view if not exists insert into update delete from
    drop alter only macro function""".split()
)
_SQL = "analyst_query_text"
_RUN = "analyst_query_run"


class Statement:
    """One statement: what it does, to which name, and the tree of its ``SELECT``, if it has one."""

    def __init__(self, verb: str, target: str, tree: dict[str, Any] | None) -> None:
        self.verb = verb
        self.target = target
        self.tree = tree


def statements(text: str) -> list[Statement]:
    """Return the statements of a text; none if DuckDB does not take it."""
    library = sys.modules["duckdb"]
    if len(text) > 50_000:
        return []
    try:
        found = library.extract_statements(text)
    except Exception:  # noqa: BLE001 - the cell itself says what is wrong
        return []
    return [_statement(one.query) for one in found[:20]]


def _statement(query: str) -> Statement:
    words = _words(query)
    verb = words[0][0].lower() if words else ""
    if verb not in ("create", "insert", "update", "delete", "drop", "alter"):
        return Statement("select", "", parsed(query))
    place = 0
    while place < len(words) and words[place][0].lower() in _SKIPPED:
        place += 1
    target = words[place][0].strip('"') if place < len(words) else ""
    while place + 2 < len(words) and words[place + 1][0] == ".":
        place += 2
        target = words[place][0].strip('"')
    body = ""
    for word, start in words[place + 1 :]:
        if word.lower() in ("select", "with", "from", "values") and verb in ("create", "insert"):
            body = query[start:]
            break
    return Statement(verb, target, parsed(body) if body else None)


def _words(query: str) -> list[tuple[str, int]]:
    """Return a query's words with their places, without its comments."""
    tokens = sys.modules["duckdb"].tokenize(query)
    places = [int(start) for start, _ in tokens] + [len(query)]
    found = []
    for number, (start, kind) in enumerate(tokens):
        word = query[int(start) : places[number + 1]].strip()
        if "comment" not in str(kind) and word and not word.startswith("--"):
            found.append((word.split()[0] if '"' not in word else word, int(start)))
    return found


_parsed: dict[str, str] = {}


def parsed(query: str) -> dict[str, Any] | None:
    """Return the tree of a ``SELECT``, or None if it is none."""
    if query not in _parsed:
        if len(_parsed) > 200:
            _parsed.clear()
        _parsed[query] = json.dumps(_parse(query))
    found: dict[str, Any] | None = json.loads(_parsed[query])
    return found


def _parse(query: str) -> dict[str, Any] | None:
    cursor = sys.modules["duckdb"].cursor()
    try:
        row = cursor.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    except Exception:  # noqa: BLE001 - an older DuckDB, or no SELECT
        return None
    finally:
        cursor.close()
    tree = json.loads(row[0])
    if tree.get("error") or not tree.get("statements"):
        return None
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a tree that is a dictionary."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(reversed(list(one.values())))
        elif isinstance(one, list):
            waiting.extend(reversed(one))


def shallow(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of an expression, not those of queries inside it."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("type") in ("SELECT_NODE", "SET_OPERATION_NODE"):
                continue
            yield one
            waiting.extend(reversed(list(one.values())))
        elif isinstance(one, list):
            waiting.extend(reversed(one))


def ctes(node: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the queries of a ``WITH``, by name."""
    found = {}
    for entry in (node.get("cte_map") or {}).get("map") or []:
        value = entry.get("value") or {}
        query = value.get("query_node") or (value.get("query") or {}).get("node")
        if isinstance(query, dict):
            found[str(entry.get("key"))] = query
    return found


def constant(node: Any) -> Any:
    """Return the value of a constant as text or number, or None if it is no constant."""
    if not isinstance(node, dict) or node.get("class") != "CONSTANT":
        return None
    literal = node.get("literal")
    if isinstance(literal, dict):
        text, kind = literal.get("text"), str(literal.get("kind"))
        return text if kind == "STRING" else _number(text)
    value = node.get("value") or {}
    inside = value.get("value")
    name = str((value.get("type") or {}).get("id", ""))
    if name == "VARCHAR":
        return inside
    return _number(inside) if isinstance(inside, (str, int, float)) else None


def _number(text: Any) -> Any:
    try:
        return int(text)
    except (TypeError, ValueError):
        try:
            return float(text)
        except (TypeError, ValueError):
            return None


def arguments(node: dict[str, Any]) -> list[Any]:
    """Return the arguments of a function or an operator."""
    given = node.get("arguments")
    if isinstance(given, list):
        return [one.get("expression", one) if isinstance(one, dict) else one for one in given]
    return list(node.get("children") or [])


def functions(node: Any) -> list[dict[str, Any]]:
    """Return the function calls of an expression, not those of queries inside it."""
    return [one for one in shallow(node) if one.get("class") in ("FUNCTION", "WINDOW")]


def named(node: dict[str, Any]) -> str:
    """Return a function's name."""
    return str(node.get("function_name", "")).lower()


def refs(node: Any) -> list[list[str]]:
    """Return the columns that an expression names, each with its qualifiers."""
    return [
        [str(part) for part in one.get("column_names", [])]
        for one in shallow(node)
        if one.get("class") == "COLUMN_REF"
    ]


def base_tables(node: Any) -> list[str]:
    """Return the tables that a query names, those of its ``WITH`` left out."""
    own: set[str] = set()
    for one in walk(node):
        if "cte_map" in one:
            own |= set(ctes(one))
    return [
        str(one.get("table_name"))
        for one in walk(node)
        if one.get("type") == "BASE_TABLE" and str(one.get("table_name")) not in own
    ]


class Asker:
    """Runs small queries beside a cell's own, within limits."""

    def __init__(self, namespace: dict[str, Any], connection: Any, *, lazily: bool) -> None:
        self._namespace = namespace
        self._connection = connection
        self._lazily = lazily
        self._left = MOST_QUERIES
        self._until = time.perf_counter() + MOST_SECONDS
        self.cut = False

    def rows(self, node: dict[str, Any]) -> list[tuple[Any, ...]] | None:
        """Return the rows of a tree's query; None if it does not run."""
        if self._left <= 0 or time.perf_counter() > self._until:
            self.cut = True
            return None
        self._left -= 1
        library = sys.modules["duckdb"]
        tree = {"error": False, "statements": [{"node": node, "named_param_map": []}]}
        cursor = library.cursor()
        try:
            made = cursor.execute("SELECT json_deserialize_sql(?)", [json.dumps(tree)])
            text = made.fetchone()[0]
        except Exception:  # noqa: BLE001 - a tree that cannot be written as text
            return None
        finally:
            cursor.close()
        return self.asked(text)

    def asked(self, text: str) -> list[tuple[Any, ...]] | None:
        """Return the rows of a query. The cell's variables are its tables, too."""
        library = sys.modules["duckdb"]
        source = self._connection if self._connection is not None else library
        ways = ["run.cursor().execute(text).fetchall()"]
        if self._lazily:
            ways.append("run.sql(text).fetchall()")
        for way in ways:
            try:
                inside = {_RUN: source, _SQL: text}
                code = way.replace("text", _SQL).replace("run.", f"{_RUN}.")
                # DuckDB finds variables in the frame that calls it.
                rows: list[tuple[Any, ...]] = eval(code, self._namespace, inside)  # noqa: S307 - our own text
                return rows
            except Exception:  # noqa: BLE001, S112 - a temporary table is seen by one of the two
                continue
        return None


def select(
    template: str, node: dict[str, Any], scope: dict[str, Any], *, where: Sequence[Any] = (),
    keep_where: bool = True, groups: bool = False,
) -> dict[str, Any] | None:  # fmt: skip
    """Return a query over the rows of another one (its ``FROM``, its ``WHERE``).

    Args:
        template: A ``SELECT`` without ``FROM``; with ``groups`` of the sizes ``analyst_n``.
        node: The other query.
        scope: Queries of ``WITH`` that it may name.
        where: Further conditions, as trees.
        keep_where: Whether its own conditions hold.
        groups: Whether its groups are counted instead of its rows.
    """
    inner = "SELECT count(*) AS analyst_n"
    made = parsed(f"{template} FROM ({inner})" if groups else template)
    if made is None:
        return None
    target = made["from_table"]["subquery"]["node"] if groups else made
    target["from_table"] = copy.deepcopy(node["from_table"])
    own = [node["where_clause"]] if keep_where and node.get("where_clause") else []
    target["where_clause"] = both([*own, *where])
    if groups:
        target["select_list"] = copy.deepcopy(node["select_list"]) + target["select_list"]
        for key in ("group_expressions", "group_sets", "having", "aggregate_handling"):
            target[key] = copy.deepcopy(node.get(key))
    entries = [entry for entries in scope.values() for entry in entries]
    made["cte_map"] = {"map": copy.deepcopy(entries)}
    return made


def both(conditions: list[Any]) -> Any:
    """Return the conjunction of conditions, or None of none."""
    if not conditions:
        return None
    if len(conditions) == 1:
        return copy.deepcopy(conditions[0])
    made = parsed("SELECT 1 WHERE a AND b")
    assert made is not None
    found: dict[str, Any] = made["where_clause"]
    found["children"] = copy.deepcopy(conditions)
    return found


def conjuncts(node: Any) -> list[Any]:
    """Return the conditions that all must hold."""
    if isinstance(node, dict) and node.get("type") == "CONJUNCTION_AND":
        return [part for child in node.get("children", []) for part in conjuncts(child)]
    return [node] if isinstance(node, dict) else []


def condition(text: str) -> Any:
    """Return the tree of a condition."""
    made = parsed(f"SELECT 1 WHERE {text}")
    return made["where_clause"] if made is not None else None
