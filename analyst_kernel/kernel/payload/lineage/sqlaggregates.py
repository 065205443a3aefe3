"""What a query aggregates: samples, watched values, means of means, groups of one."""

from __future__ import annotations

import copy
from typing import Any

from analyst_kernel.kernel.payload.lineage import sqltree as sql
from analyst_kernel.kernel.payload.lineage.sqlbase import (
    COUNTS,
    FANNED,
    MEANS,
    SUMS,
    TYPICAL,
    QueryPart,
    aggregates,
    grouped_by,
    is_grouped,
    name_of,
    quoted,
    text_of,
)


class SqlAggregates(QueryPart):
    """Looks at what a query aggregates."""

    def sample(self, node: dict[str, Any], scope: dict[str, Any]) -> None:
        """Note that a part of the rows stands for all."""
        how, label = "", name_of(node["from_table"])
        sampled: dict[str, Any] | None = None
        if node.get("sample") or node["from_table"].get("sample"):
            how, sampled = "a SQL sample", {**node, "sample": None}
            sampled["from_table"] = {**node["from_table"], "sample": None}
        inner = self.source(node, scope)
        while inner is not None and not how and inner.get("type") == "SELECT_NODE":
            if aggregates(inner):
                return
            modifiers = {one.get("type"): one for one in inner.get("modifiers") or []}
            if not isinstance(inner.get("from_table"), dict):
                return
            if "LIMIT_MODIFIER" in modifiers and "ORDER_MODIFIER" not in modifiers:
                limit = sql.constant(modifiers["LIMIT_MODIFIER"].get("limit"))
                how = f"LIMIT {limit}" if limit is not None else "LIMIT"
            elif inner.get("sample") or inner["from_table"].get("sample"):
                how = "a SQL sample"
            if how:
                sampled = {**inner, "sample": None, "modifiers": []}
                sampled["from_table"] = {**inner["from_table"], "sample": None}
                label = name_of(inner["from_table"])
            scope = {
                **scope,
                **{
                    n: [e]
                    for e in (inner.get("cte_map") or {}).get("map") or []
                    for n in [str(e.get("key"))]
                },
            }
            inner = self.source(inner, scope)
        if sampled is None:
            return
        total = self.count(sampled, scope)
        counted = sql.select("SELECT count(*)", node, scope, keep_where=False)
        if counted is not None:
            counted["sample"] = copy.deepcopy(node.get("sample"))
        row = self.one(counted)
        rows = int(row[0]) if row is not None else None
        if total is not None and rows is not None and rows < total * 0.9 and total > 5:
            self.observer.add("sample", what=how, rows=rows, before=total, label=label, column="")

    def _aggregated(self, node: dict[str, Any], names: frozenset[str]) -> set[str]:
        return {
            ref[-1]
            for one in sql.functions(node.get("select_list"))
            if sql.named(one) in names
            for ref in sql.refs(sql.arguments(one))
        }

    def watched(self, node: dict[str, Any], scope: dict[str, Any]) -> None:
        """Note values and rows that the profiles warn of."""
        watched = self.observer.watched
        named = set(sql.base_tables({"a": node["from_table"], "b": list(scope.values())}))
        direct = {str(one.get("table_name")) for one in sql.walk(node["from_table"])}
        inside = set(sql.base_tables(self.source(node, scope) or {}))
        functions = aggregates(node)
        columns = self._aggregated(node, SUMS)
        by = set(grouped_by(node))
        for table in sorted((direct | inside) & set(watched) & (named | direct)):
            watch = watched[table]
            facts = {"label": table, "what": ", ".join(sorted(functions)[:3])}
            for column, wanted in watch.get("sentinels", {}).items():
                if column in columns:
                    self._sentinel(node, scope, column, wanted, facts)
            for column, wanted in watch.get("totals", {}).items():
                if column not in by:
                    self._totals(node, scope, column, wanted, facts)
            if node["from_table"].get("type") == "BASE_TABLE" and functions & (FANNED | COUNTS):
                distinct = [
                    one for one in sql.functions(node["select_list"]) if one.get("distinct")
                ]
                keys = [] if distinct else [k for k in watch.get("keys", []) if k not in by]
                for key in keys:
                    name = quoted(key)
                    counts = f"SELECT count({name}) - count(DISTINCT {name}), count(*)"
                    row = self.one(sql.select(counts, node, scope))
                    if row is not None and row[0]:
                        self.observer.add(
                            "repeats", column=key, count=int(row[0]), rows=int(row[1]), **facts
                        )
                if watch.get("twins") and not distinct and not keys:
                    made = sql.parsed("SELECT count(*) FROM (SELECT DISTINCT * FROM t)")
                    if made is not None:
                        inner = made["from_table"]["subquery"]["node"]
                        inner["from_table"] = copy.deepcopy(node["from_table"])
                        inner["where_clause"] = copy.deepcopy(node.get("where_clause"))
                        row, count = self.one(made), self.count(node, scope)
                        if row is not None and count is not None and int(row[0]) < count:
                            self.observer.add(
                                "repeats", column="", count=count - int(row[0]), rows=count, **facts
                            )

    def _sentinel(
        self, node: dict[str, Any], scope: dict[str, Any], column: str, wanted: list[str],
        facts: dict[str, Any],
    ) -> None:  # fmt: skip
        """Note rows whose watched value really reaches an aggregate of the column."""
        for function in sql.functions(node.get("select_list")):
            given = sql.arguments(function)
            if sql.named(function) not in SUMS or not given:
                continue
            if not any(ref[-1] == column for ref in sql.refs(given[0])):
                continue
            test = sql.condition(f"a IN ({', '.join(wanted)}, {wanted[0]})")
            if test is None:
                return
            test["children"][0] = copy.deepcopy(given[0])
            only = function.get("filter")
            count, rows = self.count(node, scope, test, only), self.count(node, scope, only)
            if count and rows is not None:
                self.observer.add(
                    "sentinel", column=column, values=wanted, count=count, rows=rows, **facts
                )

    def _totals(
        self, node: dict[str, Any], scope: dict[str, Any], column: str, wanted: list[str],
        facts: dict[str, Any],
    ) -> None:  # fmt: skip
        listed = ", ".join(text_of(one) for one in wanted)
        test = sql.condition(f"CAST({quoted(column)} AS VARCHAR) IN ({listed})")
        for function in sql.functions(node.get("select_list")):
            if sql.named(function) not in SUMS | COUNTS or function.get("distinct"):
                continue
            only = function.get("filter")
            count, rows = self.count(node, scope, test, only), self.count(node, scope, only)
            if count and rows is not None and count < rows:
                self.observer.add(
                    "totals", column=column, values=wanted, count=count, rows=rows, **facts
                )
                return

    def _sizes(
        self, node: dict[str, Any], scope: dict[str, Any]
    ) -> tuple[int, int, int, int] | None:
        row = self.one(
            sql.select(
                "SELECT count(*), min(analyst_n), max(analyst_n), count(*) FILTER (analyst_n = 1)",
                node, scope, groups=True,
            )
        )  # fmt: skip
        if row is None or not row[0]:
            return None
        return int(row[0]), int(row[1]), int(row[2]), int(row[3])

    def means(self, node: dict[str, Any], scope: dict[str, Any]) -> None:
        """Note an average of averages of groups of different sizes."""
        averaged = self._aggregated(node, MEANS)
        inner = self.source(node, scope)
        if not averaged or inner is None or inner.get("type") != "SELECT_NODE":
            return
        if not is_grouped(inner):
            return
        means = {
            str(one.get("alias")) or sql.named(one)
            for one in inner.get("select_list") or []
            if {sql.named(function) for function in sql.functions(one)} & MEANS
        }
        hit = sorted(averaged & means)
        sizes = self._sizes(inner, scope) if hit else None
        if sizes is not None and sizes[1] != sizes[2]:
            by = grouped_by(inner)
            self.observer.add("mean-of-means", column=", ".join(hit), by=by, low=sizes[1],
                              high=sizes[2], count=sizes[0])  # fmt: skip

    def ones(self, node: dict[str, Any], scope: dict[str, Any]) -> None:
        """Note groups of one row."""
        functions = {sql.named(one) for one in sql.functions(node.get("select_list"))}
        if not is_grouped(node) or not functions & TYPICAL or functions & COUNTS:
            return
        sizes = self._sizes(node, scope)
        if sizes is not None and sizes[3]:
            by = grouped_by(node)
            columns = sorted(self._aggregated(node, TYPICAL))
            self.observer.add(
                "ones", by=by, count=sizes[3], groups=sizes[0], column=", ".join(columns[:3]),
                what=", ".join(sorted(functions & TYPICAL)[:3]), label=name_of(node["from_table"]),
            )  # fmt: skip
