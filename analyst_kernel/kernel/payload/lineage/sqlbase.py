"""What every look at a query needs: its sources, small counts, and which columns belong where."""

from __future__ import annotations

from typing import Any

from analyst_kernel.kernel.payload.lineage import sqltree as sql
from analyst_kernel.kernel.payload.lineage.origin import Origin

MEANS = frozenset({"avg", "mean", "favg"})
TYPICAL = MEANS | {"median", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp",
                     "var_pop", "quantile_cont", "quantile_disc", "sem"}  # fmt: skip
SUMS = TYPICAL | {"sum", "min", "max", "corr", "fsum", "product"}
COUNTS = frozenset({"count", "count_star"})
FANNED = MEANS | {"sum", "fsum", "median", "stddev"}

made_views: dict[str, Origin] = {}
"""Tables and views that cells made with SQL, by name."""
made_trees: dict[str, dict[str, Any]] = {}
"""The queries that they were made by."""


class QueryPart:
    """One look at the parts of a query.

    Attributes:
        observer: Takes what is found.
        asker: Runs small queries.
    """

    def __init__(self, observer: Any, asker: sql.Asker) -> None:
        self.observer = observer
        self.asker = asker

    def inside(self, part: Any) -> list[Any]:
        """Return the outermost queries inside a part of a query."""
        found, waiting = [], [part]
        while waiting:
            one = waiting.pop()
            if isinstance(one, list):
                waiting.extend(one)
            elif isinstance(one, dict):
                if one.get("type") in ("SELECT_NODE", "SET_OPERATION_NODE"):
                    found.append(one)
                else:
                    waiting.extend(one.values())
        return found

    def one(self, made: dict[str, Any] | None) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None if it does not run."""
        rows = self.asker.rows(made) if made is not None else None
        return rows[0] if rows else None

    def count(
        self, node: dict[str, Any], scope: dict[str, Any], *where: Any, own: bool = True
    ) -> int | None:
        """Return how many rows a query works on, of those that meet further conditions."""
        row = self.one(
            sql.select(
                "SELECT count(*)", node, scope, where=[one for one in where if one], keep_where=own
            )
        )
        return int(row[0]) if row is not None else None

    def source(self, node: dict[str, Any], scope: dict[str, Any]) -> dict[str, Any] | None:
        """Return the query that a query takes its rows from, if it is one alone."""
        table = node["from_table"]
        if table.get("type") == "SUBQUERY":
            inner: dict[str, Any] | None = (table.get("subquery") or {}).get("node")
            return inner
        name = str(table.get("table_name")) if table.get("type") == "BASE_TABLE" else ""
        if name in scope:
            return sql.ctes({"cte_map": {"map": scope[name]}}).get(name)
        return made_trees.get(name)


def selects(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every query inside a tree."""
    return [one for one in sql.walk(tree) if one.get("type") == "SELECT_NODE"]


def aggregates(node: dict[str, Any]) -> set[str]:
    """Return the aggregates that a query computes."""
    return {sql.named(one) for one in sql.functions(node.get("select_list"))} & (SUMS | COUNTS)


def conjuncts_of(node: dict[str, Any]) -> list[Any]:
    """Return the conditions of a query's ``WHERE``."""
    return sql.conjuncts(node.get("where_clause"))


def is_grouped(node: dict[str, Any]) -> bool:
    """Return whether a query has groups, ``GROUP BY ALL`` included."""
    every = node.get("aggregate_handling") == "FORCE_AGGREGATES"
    return bool(node.get("group_expressions")) or every


def grouped_by(node: dict[str, Any]) -> list[str]:
    """Return the columns that a query groups by, also those that it names by place or alias."""
    chosen = list(node.get("select_list") or [])
    by_alias = {str(one.get("alias")): one for one in chosen if one.get("alias")}
    found: list[str] = []
    given = list(node.get("group_expressions") or [])
    if not given and is_grouped(node):
        given = [one for one in chosen if not sql.functions(one)]
    for written in given:
        place = sql.constant(written)
        named = isinstance(place, int) and 0 < place <= len(chosen)
        one = chosen[place - 1] if named else written
        names = [ref[-1] for ref in sql.refs(one)]
        found += names
        for name in names:
            if name in by_alias:
                found += [ref[-1] for ref in sql.refs(by_alias[name])]
    return list(dict.fromkeys(found))


def aliases(side: Any) -> set[str]:
    """Return the names that a table of a query goes by."""
    found: set[str] = set()
    if isinstance(side, dict):
        if side.get("type") == "JOIN":
            return aliases(side.get("left")) | aliases(side.get("right"))
        found = {str(side.get("alias") or ""), str(side.get("table_name") or "")} - {""}
    return found


def of_side(ref: list[str], columns: set[str], side: Any) -> bool:
    """Return whether a column is one of a side of a join."""
    if len(ref) > 1:
        return ref[-2] in aliases(side)
    return ref[-1] in columns


def belongs(expression: Any, columns: list[set[str]], sides: tuple[Any, Any]) -> int:
    """Return which side of a join an expression is about, -1 if of none or both."""
    found = sql.refs(expression)
    for place in (0, 1):
        other = 1 - place
        if found and all(
            of_side(ref, columns[place], sides[place])
            and not (len(ref) == 1 and ref[-1] in columns[other])
            for ref in found
        ):
            return place
    return -1


def name_of(table: Any) -> str:
    """Return the name of a table of a query."""
    if not isinstance(table, dict):
        return "the query"
    if table.get("type") == "JOIN":
        return f"{name_of(table.get('left'))} joined with {name_of(table.get('right'))}"[:100]
    return str(table.get("table_name") or table.get("alias") or "the subquery")[:100]


def quoted(name: str) -> str:
    """Return a name as SQL takes it whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def text_of(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
