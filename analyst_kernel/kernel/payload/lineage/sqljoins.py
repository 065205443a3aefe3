"""Joins and unions of a query: whether they repeat rows, and which."""

from __future__ import annotations

import copy
from typing import Any

from analyst_kernel.kernel.payload.lineage import sqltree as sql
from analyst_kernel.kernel.payload.lineage import tables
from analyst_kernel.kernel.payload.lineage.sqlbase import (
    FANNED,
    QueryPart,
    aggregates,
    aliases,
    belongs,
    conjuncts_of,
    made_views,
    name_of,
    of_side,
)


class SqlJoins(QueryPart):
    """Looks at what a query joins."""

    def joins(self, node: dict[str, Any], table: Any, scope: dict[str, Any]) -> None:
        """Note joins that multiply rows, and aggregates of what they repeat."""
        if not isinstance(table, dict) or table.get("type") != "JOIN":
            return
        left, right = table.get("left"), table.get("right")
        self.joins(node, left, scope)
        self.joins(node, right, scope)
        if table.get("ref_type") not in ("REGULAR", "NATURAL", None) or table.get("join_type") in (
            "SEMI",
            "ANTI",
        ):
            if not (table.get("is_implicit") and node.get("where_clause")):
                return
        columns = [self._columns(node, side, scope) for side in (left, right)]
        if not all(columns):
            return
        implicit = conjuncts_of(node) if table.get("is_implicit") else []
        keys = self._keys(table, columns, (left, right), implicit)
        if not keys:
            return
        repeated = [
            self._repeats(node, side, [pair[place] for pair in keys], scope, columns[place])
            for place, side in enumerate((left, right))
        ]
        if any(one is None for one in repeated):
            return
        names = [name_of(left), name_of(right)]
        counts = [self._rows_of(node, side, scope) for side in (left, right)]
        whole = dict(node, from_table=table)
        after = self.count(whole, scope, own=False)
        label = ", ".join(sql.refs(pair[0])[0][-1] for pair in keys if sql.refs(pair[0]))
        first, second = repeated
        assert first is not None
        assert second is not None
        if first[0] and second[0]:
            same = names[0] == names[1]
            self.observer.add(
                "join", label=names[0], rows=counts[0], other=names[1], other_rows=counts[1],
                after=after if after is not None else -1, column=label, count=second[0],
                high=second[1], values=[], use="self" if same else "",
            )  # fmt: skip
        elif (first[0] or second[0]) and aggregates(node):
            single = 0 if second[0] else 1
            own, many = columns[single], columns[1 - single]
            for function in sql.functions(node.get("select_list")):
                if sql.named(function) not in FANNED or function.get("distinct"):
                    continue
                for ref in sql.refs(sql.arguments(function)):
                    qualified = len(ref) > 1 and ref[-2] in aliases((left, right)[single])
                    if ref[-1] in own and (qualified or ref[-1] not in many):
                        self.observer.add(
                            "fan", label=names[single], column=ref[-1], rows=counts[single],
                            after=after if after is not None else -1, what=sql.named(function),
                        )  # fmt: skip

    def _side(self, side: Any) -> dict[str, Any]:
        return {"from_table": side, "where_clause": None}

    def _columns(self, node: dict[str, Any], side: Any, scope: dict[str, Any]) -> set[str]:
        frame = self._frame(side, scope)
        if frame is not None:
            return set(tables.labels(frame))
        made = sql.select("SELECT *", self._side(side), scope)
        return self._names(made) if made is not None else set()

    def _frame(self, side: Any, scope: dict[str, Any]) -> Any:
        """Return the live frame that a table of a query is, or None if it is none."""
        name = str(side.get("table_name")) if side.get("type") == "BASE_TABLE" else ""
        value = self.observer.namespace.get(name) if name and name not in scope else None
        return value if tables.is_frame(value) and name not in made_views else None

    def _names(self, made: dict[str, Any]) -> set[str]:
        """Return the names of a query's columns."""
        wrapped = sql.parsed("SELECT unnest(json_keys(to_json(t))) FROM (SELECT 1) t LIMIT 1000")
        if wrapped is None:
            return set()
        inner = dict(made)
        limited = sql.parsed("SELECT 1 LIMIT 1")
        inner["modifiers"] = limited["modifiers"] if limited is not None else []
        wrapped["from_table"]["subquery"]["node"] = inner
        return {str(row[0]) for row in self.asker.rows(wrapped) or []}

    def _keys(
        self,
        table: dict[str, Any],
        columns: list[set[str]],
        sides: tuple[Any, Any],
        implicit: list[Any],
    ) -> list[tuple[Any, Any]]:
        using = [str(name) for name in table.get("using_columns") or []]
        if table.get("ref_type") == "NATURAL":
            using = sorted(columns[0] & columns[1])
        if using:
            made = sql.parsed("SELECT x")
            assert made is not None
            found = []
            for name in using:
                ref = copy.deepcopy(made["select_list"][0])
                ref["column_names"] = [name]
                found.append((ref, ref))
            return found
        pairs = []
        for one in [*sql.conjuncts(table.get("condition")), *implicit]:
            if one.get("type") != "COMPARE_EQUAL":
                continue
            left, right = one.get("left"), one.get("right")
            first, second = belongs(left, columns, sides), belongs(right, columns, sides)
            if (first, second) == (0, 1):
                pairs.append((left, right))
            elif (first, second) == (1, 0):
                pairs.append((right, left))
        return pairs

    def _repeats(
        self,
        node: dict[str, Any],
        side: Any,
        keys: list[Any],
        scope: dict[str, Any],
        columns: set[str],
    ) -> tuple[int, int] | None:
        """Return how many keys repeat among a side's rows that pass the filter, and how often."""
        own = [
            one for one in conjuncts_of(node)
            if sql.refs(one) and not self.inside(one)
            and all(of_side(ref, columns, side) for ref in sql.refs(one))
        ]  # fmt: skip
        made = sql.parsed(
            "SELECT count(*), max(n) "
            "FROM (SELECT count(*) AS n FROM t GROUP BY x HAVING count(*) > 1)"
        )
        if made is None:
            return None
        inner = made["from_table"]["subquery"]["node"]
        inner["from_table"] = copy.deepcopy(side)
        filled = []
        for key in keys:
            test = sql.condition("a IS NOT NULL")
            test["children"] = [copy.deepcopy(key)]
            filled.append(test)
        inner["where_clause"] = sql.both([*own, *filled])
        inner["group_expressions"] = copy.deepcopy(keys)
        inner["group_sets"] = [list(range(len(keys)))]
        made["cte_map"] = {"map": copy.deepcopy([e for entries in scope.values() for e in entries])}
        row = self.one(made)
        return (int(row[0]), int(row[1] or 1)) if row is not None else None

    def _rows_of(self, node: dict[str, Any], side: Any, scope: dict[str, Any]) -> int:
        frame = self._frame(side, scope)
        found = tables.rows(frame) if frame is not None else self.count(self._side(side), scope)
        return found if found is not None else -1

    def union(self, node: dict[str, Any], scope: dict[str, Any]) -> None:
        """Note rows of a union that both of its sides have."""
        if node.get("setop_type") != "UNION" or not node.get("setop_all"):
            return
        given = [node.get("left"), node.get("right"), *(node.get("children") or [])]
        sides = [side for side in given if isinstance(side, dict)][:2]
        if len(sides) != 2:
            return
        made = sql.parsed("SELECT count(*) FROM (SELECT 1 INTERSECT ALL SELECT 2)")
        if made is None:
            return
        inner = made["from_table"]["subquery"]["node"]
        if "left" in inner and inner.get("left") is not None:
            inner["left"], inner["right"] = copy.deepcopy(sides[0]), copy.deepcopy(sides[1])
        else:
            inner["children"] = copy.deepcopy(sides)
        made["cte_map"] = {"map": copy.deepcopy([e for entries in scope.values() for e in entries])}
        row = self.one(made)
        sizes = [self._size(side, scope) for side in sides]
        if row is not None and row[0] and sizes[1] and int(row[0]) * 2 >= sizes[1]:
            names = [name_of(side.get("from_table")) for side in sides]
            self.observer.add(
                "twice", label=names[0], rows=sizes[0], other=names[1], other_rows=sizes[1],
                after=sizes[0] + sizes[1], count=int(row[0]),
            )  # fmt: skip

    def _size(self, side: dict[str, Any], scope: dict[str, Any]) -> int:
        made = sql.parsed("SELECT count(*) FROM (SELECT 1)")
        if made is None:
            return 0
        made["from_table"]["subquery"]["node"] = copy.deepcopy(side)
        made["cte_map"] = {"map": copy.deepcopy([e for entries in scope.values() for e in entries])}
        row = self.one(made)
        return int(row[0]) if row is not None else 0
