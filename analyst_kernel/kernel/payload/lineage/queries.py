"""Facts of the SQL that a cell ran, from DuckDB's own reading of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from analyst_kernel.kernel.payload.lineage import sqltree as sql
from analyst_kernel.kernel.payload.lineage import tables
from analyst_kernel.kernel.payload.lineage.origin import Origin
from analyst_kernel.kernel.payload.lineage.sqlaggregates import SqlAggregates
from analyst_kernel.kernel.payload.lineage.sqlbase import (
    aggregates,
    made_trees,
    made_views,
    selects,
)
from analyst_kernel.kernel.payload.lineage.sqlfilters import SqlFilters
from analyst_kernel.kernel.payload.lineage.sqljoins import SqlJoins

MOST_ROWS = 2_000_000
_MADE = frozenset({"range", "generate_series", "repeat", "unnest"})


def origin_of(text: str, observer: Any) -> Origin | None:
    """Return the origin of a query's result, from its tree alone; keeps those of new views."""
    found: Origin | None = None
    for statement in sql.statements(text):
        if statement.tree is None:
            continue
        found = _sampled(_tree_origin(statement.tree, observer), statement.tree)
        if statement.verb == "create" and statement.target not in observer.watched:
            made_views[statement.target] = found
            made_trees[statement.target] = statement.tree
    return found


def _tree_origin(tree: dict[str, Any], observer: Any) -> Origin:
    roots: set[str] = set()
    made = ""
    label, size = "", -1
    for name in sql.base_tables(tree):
        value = observer.namespace.get(name)
        known = made_views.get(name)
        if known is None and tables.is_followed(value):
            known = observer.origins.get(value)
        if name in observer.watched:
            roots.add(name)
            label, size = name, int(observer.watched[name].get("rows") or -1)
        elif known is not None:
            roots |= known.roots
            made = made or known.made
            label, size = name, known.rows
        else:
            roots.add("?")
    for one in sql.walk(tree):
        if one.get("type") == "TABLE_FUNCTION":
            function = one.get("function") or {}
            if sql.named(function) in _MADE:
                made = made or "values made by the query itself"
            else:
                paths = [sql.constant(part) for part in sql.arguments(function)]
                roots.add(str(paths[0]).rpartition("/")[2] if paths and paths[0] else "?")
        elif one.get("type") == "EXPRESSION_LIST":
            made = made or "values typed into the query"
        elif one.get("class") == "FUNCTION" and sql.named(one) in ("random", "setseed"):
            made = made or "random numbers"
    bare = [one for one in selects(tree) if (one.get("from_table") or {}).get("type") == "EMPTY"]
    if not roots and len(bare) > 1:
        made = made or "values typed into the query"
    observer.reads |= roots
    aggregated = any(sql.functions(node.get("select_list")) for node in selects(tree))
    return Origin(
        roots=frozenset(roots), label=label, rows=size, reduced=aggregated,
        made="" if roots else made,
    )  # fmt: skip


def look(observer: Any, text: str, connection: Any, *, lazily: bool) -> None:
    """Note what an analyst should know of a query that ran."""
    asker = sql.Asker(observer.namespace, connection, lazily=lazily)
    for statement in sql.statements(text):
        if statement.verb != "select" and statement.target in observer.watched:
            observer.add("changed", label=statement.target, what=f"SQL {statement.verb.upper()}")
            continue
        if statement.tree is None:
            continue
        named = sql.base_tables(statement.tree)
        big = [n for n in named if int(observer.watched.get(n, {}).get("rows") or 0) > MOST_ROWS]
        origin = _tree_origin(statement.tree, observer)
        if origin.made:
            if statement.verb == "select" and any(
                aggregates(node) for node in selects(statement.tree)
            ):
                observer.add("made-up", made=origin.made, what="SQL")
            continue
        if big:
            observer.skipped.add(f"{big[0]} (too large)")
            continue
        Query(observer, asker).node(statement.tree, {})
    if asker.cut:
        observer.skipped.add("time")


def _sampled(origin: Origin, tree: dict[str, Any]) -> Origin:
    """Return the origin with the note that a query took some rows, in no order."""
    modifiers = {one.get("type"): one for one in tree.get("modifiers") or []}
    limit = modifiers.get("LIMIT_MODIFIER")
    if limit is None or "ORDER_MODIFIER" in modifiers or origin.reduced or tree.get("where_clause"):
        return origin
    size = sql.constant(limit.get("limit"))
    if not isinstance(size, int) or not origin.rows > 5 or size >= origin.rows * 0.9:
        return origin
    return replace(origin, sample=(f"LIMIT {size}", size, origin.rows, origin.label))


class Query(SqlFilters, SqlJoins, SqlAggregates):
    """One query, looked at from the inside out."""

    def node(self, node: Any, scope: dict[str, Any]) -> None:
        """Look at a query and at those inside it; ``scope`` are the entries of ``WITH`` so far."""
        if not isinstance(node, dict):
            return
        scope = dict(scope)
        for entry in (node.get("cte_map") or {}).get("map") or []:
            name = str(entry.get("key"))
            self.node(sql.ctes({"cte_map": {"map": [entry]}}).get(name), scope)
            scope[name] = [entry]
        if node.get("type") == "SET_OPERATION_NODE":
            self.union(node, scope)
            sides = [node.get("left"), node.get("right"), *(node.get("children") or [])]
            for side in sides:
                self.node(side, scope)
            return
        if node.get("type") != "SELECT_NODE":
            return
        for part in ("from_table", "select_list", "where_clause"):
            for inner in self.inside(node.get(part)):
                self.node(inner, scope)
        if (
            not isinstance(node.get("from_table"), dict)
            or node["from_table"].get("type") == "EMPTY"
        ):
            return
        self.filters(node, scope)
        self.dates(node, scope)
        self.joins(node, node["from_table"], scope)
        if aggregates(node):
            self.sample(node, scope)
            self.watched(node, scope)
            self.means(node, scope)
            self.ones(node, scope)


def is_loaded() -> bool:
    """Return whether DuckDB is there at all."""
    return "duckdb" in sys.modules
