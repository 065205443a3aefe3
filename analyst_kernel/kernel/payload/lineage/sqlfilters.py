"""Conditions of a query that no row meets, and texts that it reads as dates or numbers."""

from __future__ import annotations

import copy
from typing import Any

from analyst_kernel.kernel.payload.frames import _short
from analyst_kernel.kernel.payload.lineage import sqltree as sql
from analyst_kernel.kernel.payload.lineage import tables
from analyst_kernel.kernel.payload.lineage.sqlbase import (
    COUNTS,
    SUMS,
    QueryPart,
    aggregates,
)

_COMPARED = {"COMPARE_EQUAL": "==", "COMPARE_NOTEQUAL": "!=", "COMPARE_IN": "isin"}
_LIKE = frozenset({"~~", "~~*", "contains", "starts_with", "prefix", "suffix", "ends_with"})


class SqlFilters(QueryPart):
    """Looks at a query's conditions."""

    def filters(self, node: dict[str, Any], scope: dict[str, Any]) -> None:
        """Note the tests of a query that no row passes."""
        parts = [node.get("where_clause"), node.get("select_list"), node.get("having")]
        used = aggregates(node)
        use = "count" if used and used <= COUNTS else "rows"
        for one in sql.shallow(parts):
            kind = str(one.get("type"))
            if kind in _COMPARED and kind != "COMPARE_IN":
                left, right = one.get("left"), one.get("right")
                wanted = sql.constant(right)
                subject = left
                if wanted is None:
                    wanted, subject = sql.constant(left), right
                named = {sql.named(function) for function in sql.functions(subject)}
                if wanted is not None and sql.refs(subject) and not named & (SUMS | COUNTS):
                    self._equal(node, scope, subject, wanted, _COMPARED[kind], one, use)
            elif kind == "COMPARE_IN":
                children = one.get("children") or []
                for child in children[1:20]:
                    wanted = sql.constant(child)
                    if isinstance(wanted, str) and sql.refs(children[0]):
                        test = copy.deepcopy(one)
                        test["children"] = [children[0], child]
                        self._equal(
                            node,
                            scope,
                            children[0],
                            wanted,
                            "isin",
                            test,
                            "partly" if len(children) > 2 else use,
                        )
            elif one.get("class") == "FUNCTION" and sql.named(one) in _LIKE:
                given = sql.arguments(one)
                wanted = sql.constant(given[1]) if len(given) == 2 else None
                if isinstance(wanted, str) and wanted.strip("%_ ") and sql.refs(given[0]):
                    plain = wanted.strip("%")
                    self._equal(node, scope, given[0], plain, "like", one, use)

    def _equal(
        self, node: dict[str, Any], scope: dict[str, Any], subject: Any, wanted: Any, operator: str,
        test: dict[str, Any], use: str,
    ) -> None:  # fmt: skip
        if operator == "!=":
            if not isinstance(wanted, str):
                return
            test = {**copy.deepcopy(test), "type": "COMPARE_EQUAL"}
        if self.count(node, scope, test, own=False) != 0:
            return
        name = sql.refs(subject)[0][-1]
        facts: dict[str, Any] = {
            "column": name, "operator": operator, "values": [_short(wanted)], "use": use,
            "text": isinstance(wanted, str),
        }  # fmt: skip
        made = sql.select(
            "SELECT x AS v, count(*) AS n GROUP BY 1 ORDER BY 2 DESC LIMIT 5000",
            node,
            scope,
            keep_where=False,
        )
        if made is not None:
            made["select_list"][0] = copy.deepcopy(subject)
        rows = self.asker.rows(made) if made is not None else None
        there = [row[0] for row in rows or [] if row[0] is not None]
        facts["rows"] = sum(int(row[1]) for row in rows or [])
        if not facts["rows"]:
            return
        texts = [value for value in there if isinstance(value, str)]
        if isinstance(wanted, str) and texts:
            facts["near"] = tables.nearest(texts, wanted)
            facts["there"] = [_short(one) for one in texts[:6]]
        elif there and not texts:
            facts["low"], facts["high"] = str(min(there))[:40], str(max(there))[:40]
            facts["types"] = isinstance(wanted, str) and isinstance(there[0], (int, float))
        self.observer.add("nothing", **facts)

    def dates(self, node: dict[str, Any], scope: dict[str, Any]) -> None:
        """Note dates that are read from text, and values that cannot be read."""
        parts = [node.get("where_clause"), node.get("select_list"), node.get("group_expressions")]
        for one in sql.shallow(parts):
            name = sql.named(one) if one.get("class") == "FUNCTION" else ""
            given = sql.arguments(one)
            if name in ("strptime", "try_strptime") and given:
                columns = sql.refs(given[0])
                form = sql.constant(given[1]) if len(given) > 1 else None
                if columns:
                    self.observer.add("dates", column=columns[0][-1], what=f"{name} {form!r}")
            tried = name == "try_strptime" or (one.get("class") == "CAST" and one.get("try_cast"))
            columns = sql.refs(one) if tried else []
            if tried and columns:
                empty, full = sql.condition("a IS NULL"), sql.condition("a IS NOT NULL")
                source = given[0] if name else one.get("child")
                empty["children"], full["children"] = [copy.deepcopy(one)], [copy.deepcopy(source)]
                lost = self.count(node, scope, empty, full, own=False)
                if lost:
                    rows = self.count(node, scope, own=False) or -1
                    facts = {"what": name or "TRY_CAST", "rows": rows}
                    self.observer.add("lost", column=columns[0][-1], count=lost, **facts)
